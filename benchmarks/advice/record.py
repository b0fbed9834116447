"""What the record of the advice says in a few numbers: over families of data, with intervals over these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pandas as pd
from scipy import stats
from tabulate import tabulate

from benchmarks.advice.estimates import ESTIMATES
from benchmarks.advice.measure import ADVICE, AS_IT_IS, SINGLE
from benchmarks.report.statistics import t_half_width

HARM = 0.01  # below source_only, from where on it is called harm
NOTES = """\
- gain: over one model of `source_only`, in the mean of families, with a 95% t-interval over families; beyond one
  method: less that of always the same method, chosen on the other families as the advice is.
- harmed: share of tasks over a point below `source_only`; surely: those whose own 95% interval, over target
  samples or draws of these, lies below zero.
- regret: against the best method, chosen on seeds other than those that it is scored on; noisy regret: against the
  largest mean.
- All choices deploy what `advise` does: probabilities averaged over seeds, where these share their target samples.
- fitted without methods of an idea: by a rule that has not seen them, and then chooses among all.
- a criterion alone: its best option that the guard lets pass, but for options of methods that optimise it. The
  rule may rank by `ensv`, `im`, `bnm` and `corr_c`, which need no more than predictions and confidences. What
  needs more (features, logits, further forward passes) is read from records and compared here; it is of the whole
  target, and so stands where the target is as it is. A criterion that some tasks have no record of is beside the
  advice on the tasks that have one.
"""
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
        low, high = self.value - self.half, self.value + self.half
        return f"{100 * self.value:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


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
    by_name = {str(name): own for name, own in rows.groupby("strategy", sort=False)}
    tasks = rows["task"].nunique()
    return [_strategy(name, own, usual) for name, own in by_name.items() if len(own) == tasks]


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


def advised_rows(measured: pd.DataFrame) -> pd.DataFrame:
    """The rows of the advice on targets as they are, which have the estimates."""
    return measured[(measured["strategy"] == ADVICE) & (measured["target"] == AS_IT_IS)]


def load_record(path: Path = PATH) -> pd.DataFrame:
    """The committed record: rows of :func:`measure.measure` and its estimates."""
    return pd.read_csv(path)


def shown(measured: pd.DataFrame) -> str:
    """The record as Markdown: a table for each version of the targets, and one of the estimates' errors."""
    parts = []
    for target in measured["target"].unique():
        rows = [_row(each) for each in strategies(measured, target)]
        tasks, families = (
            measured.loc[measured["target"] == target, name].nunique() for name in ("task", "family")
        )
        title = f"### Target {target}: {tasks} tasks of {families} families, points of {_score(target)}"
        parts += [title, _table(rows)]
    for names, rows in _in_part(measured).items():
        tasks, families = (rows[name].nunique() for name in ("task", "family"))
        title = (
            f"### Criteria with records of part of the tasks ({tasks} of {families} families): {', '.join(names)}"
        )
        chosen = [each for each in strategies(rows) if each.name != SINGLE]
        parts += [title, _table([_row(each) for each in chosen])]
    parts += ["### Estimates of the advised models' accuracy, less what it was, in points"]
    return "\n\n".join([*parts, _table(_errors(measured)), NOTES])


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    return tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)


def _in_part(measured: pd.DataFrame) -> dict[tuple[str, ...], pd.DataFrame]:
    """By the criteria that the same part of the tasks has a record of: their rows and the advice's, on these."""
    rows = measured[measured["target"] == AS_IT_IS]
    tasks = rows.groupby("strategy", sort=False)["task"].agg(frozenset)
    found: dict[frozenset[str], list[str]] = {}
    for name, own in tasks.items():
        if own != tasks[ADVICE]:
            found.setdefault(own, []).append(str(name))
    return {
        tuple(name.removesuffix(" alone") for name in names): rows[
            rows["task"].isin(own) & rows["strategy"].isin([ADVICE, SINGLE, *names])
        ]
        for own, names in found.items()
    }


def _score(target: str) -> str:
    return "accuracy" if target == AS_IT_IS else "balanced accuracy"


def _row(strategy: Strategy) -> dict[str, str]:
    families = {name: f"{100 * gain:+.1f}" for name, gain in strategy.by_family.items()}
    return {
        "choice": strategy.name,
        "gain": str(strategy.gain),
        "beyond one method": str(strategy.beyond),
        **families,
        "median task": f"{100 * strategy.median:+.1f}",
        "harmed": f"{strategy.harmed:.0%}",
        "surely": f"{strategy.surely:.0%}",
        "regret": f"{100 * strategy.regret:.1f}",
        "noisy regret": f"{100 * strategy.noisy:.1f}",
    }


def _errors(measured: pd.DataFrame) -> list[dict[str, str]]:
    rows = advised_rows(measured)
    errors = {name: 100 * rows[name].dropna() for name in ESTIMATES}
    return [
        {
            "estimate": name,
            "tasks": str(len(each)),
            "mean": f"{each.mean():+.1f}",
            "median size": f"{each.abs().median():.1f}",
            "largest": f"{each.abs().max():.1f}",
            **{family: f"{own.mean():+.1f}" for family, own in each.groupby(rows["family"])},
        }
        for name, each in errors.items()
    ]
