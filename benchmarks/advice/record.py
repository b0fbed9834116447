"""What the record of the advice says in a few numbers: over families of data, with intervals over these."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.advice.measure import ADVICE, AS_IT_IS, SINGLE
from benchmarks.report.statistics import t_half_width

HARM = 0.01  # below source_only, from where on it is called harm
PATH = Path(str(files("results"))) / "advice" / "record.csv"


@dataclass(frozen=True)
class Mean:
    """Over families, with half a 95% t-interval over these."""

    value: float
    half: float

    @classmethod
    def of(cls, families: pd.Series) -> "Mean":
        return cls(float(families.mean()), t_half_width(families.to_numpy()))

    @property
    def shown(self) -> bool:
        """Whether it is shown to be above zero."""
        return self.value - self.half > 0

    def __str__(self) -> str:
        return f"{100 * self.value:+.1f} [{100 * (self.value - self.half):+.1f}, {100 * (self.value + self.half):+.1f}]"


@dataclass(frozen=True)
class Strategy:
    """What one way of choosing gained on the tasks whose labels are known.

    Attributes:
        beyond: its gain less that of always one method, which was chosen on the other families too.
        harmed: share of tasks whose gain is below -1 point; ``surely``: whose 95% interval is below zero.
        regret: against the best method, chosen on other seeds; ``noisy``: against the largest mean.
    """

    name: str
    gain: Mean
    beyond: Mean
    by_family: pd.Series
    median: float
    harmed: float
    surely: float
    regret: float
    noisy: float
    tasks: int


def strategies(measured: pd.DataFrame, target: str = AS_IT_IS) -> list[Strategy]:
    """Each way of choosing that has a choice on every task, in the order of the rows."""
    rows = measured[measured["target"] == target]
    usual = rows[rows["strategy"] == SINGLE].groupby("family")["gain"].mean()
    names = rows["strategy"].unique()
    tasks = rows["task"].nunique()
    return [
        _strategy(str(name), own, usual) for name in names if len(own := rows[rows["strategy"] == name]) == tasks
    ]


def _strategy(name: str, rows: pd.DataFrame, usual: pd.Series) -> Strategy:
    families = rows.groupby("family")
    by_family = families["gain"].mean()
    upper = rows["gain"] + stats.norm.ppf(0.975) * rows["error"]
    return Strategy(
        name,
        Mean.of(by_family),
        Mean.of(by_family - usual),
        by_family,
        float(rows["gain"].median()),
        float((rows["gain"] < -HARM).mean()),
        float((upper < 0).mean()),
        float(families["regret"].mean().mean()),
        float(families["noisy_regret"].mean().mean()),
        len(rows),
    )


def advised(measured: pd.DataFrame) -> Strategy:
    """The advice itself, each family scored by a rule that was fitted on the others."""
    return next(each for each in strategies(measured) if each.name == ADVICE)


def load_record(path: Path = PATH) -> pd.DataFrame:
    """The committed record: rows of :func:`measure.measure` and its estimates."""
    return pd.read_csv(path)


def table(measured: pd.DataFrame, target: str = AS_IT_IS) -> pd.DataFrame:
    """A row a strategy, in points of accuracy."""
    rows = []
    for each in strategies(measured, target):
        families = {name: f"{100 * gain:+.1f}" for name, gain in each.by_family.items()}
        rows.append(
            {
                "strategy": each.name,
                "gain": str(each.gain),
                "beyond always one method": str(each.beyond),
                **families,
                "median task": f"{100 * each.median:+.1f}",
                "harmed": f"{each.harmed:.0%}",
                "surely": f"{each.surely:.0%}",
                "regret": f"{100 * each.regret:.1f}" if not np.isnan(each.regret) else "",
                "noisy regret": f"{100 * each.noisy:.1f}",
            }
        )
    return pd.DataFrame(rows)
