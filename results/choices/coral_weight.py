"""The weight of CORAL's loss for each task, by its paper's rule, without target labels.

    python -m results.choices.coral_weight

Sun and Saenko (ECCV workshops 2016, section 4.1) set the weight so that "at the end of training the classification
loss and CORAL loss are roughly the same". Read here as: where the weighted CORAL loss crosses the loss on the
source's labels, both the mean over the last fifth of a run. Each task is trained with weights of 1, 10, 100 and 1000
until they have crossed, and the crossing is interpolated on a log scale; the value is kept to one digit. Runs that
this took are search budget: the suites say so.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.plan.suite import load_suite
from benchmarks.training.signals import Signals
from datasets.base import load_task
from results.choices.measuring import Line, measured, run_of, trained

SUITES = ("toys", "sentiment", "office-caltech-surf", "quick", "amazon", "har")
WEIGHTS = (1, 10, 100, 1000)
SEED = 0


def main() -> None:
    wanted = [{"suite": suite, "task": task.name} for suite in SUITES for task in load_suite(suite).task]
    lines = measured("coral_weight", __doc__, wanted, measure)
    lines["weight"] = [one_digit(weight) for weight in lines["crossing"]]
    print(lines.to_string(index=False))
    print(lines.groupby("suite")["crossing"].agg(median).to_string())
    print(f"of all: {median(lines['crossing'])}")


def measure(line: Line) -> Line:
    """Where the losses of a task cross, and in how many runs that was found."""
    ratios: list[float] = []
    while (not ratios or ratios[-1] < 1) and len(ratios) < len(WEIGHTS):
        settings = {"coral": {"trade_off": WEIGHTS[len(ratios)]}}
        spec = run_of(line["suite"], line["task"], "coral", SEED, settings)
        ratios.append(ratio(trained(spec, load_task(spec.task, seed=SEED)).progress.curves))
    return {"crossing": crossing(ratios), "runs": len(ratios)}


def ratio(curves: Sequence[Signals]) -> float:
    """The weighted CORAL loss over the loss on the source's labels, at the end of a run."""
    late = pd.DataFrame(curves[-len(curves) // 5 :])
    return float(late["coral"].mean() / late["task"].mean())


def crossing(ratios: Sequence[float]) -> float:
    """The weight at which the ratio is 1, from the ratios at the first of ``WEIGHTS``, which end above 1.

    It is the first weight where that is above 1 already, and the last where none is.
    """
    weights = WEIGHTS[: len(ratios)][-2:]
    if ratios[-1] < 1 or len(weights) == 1:
        return float(weights[-1])
    return float(10 ** np.interp(0, np.log10(ratios[-2:]), np.log10(weights)))


def one_digit(value: float) -> float:
    return float(f"{value:.0e}")


def median(weights: pd.Series) -> float:
    """The geometric one, to one digit."""
    return one_digit(float(np.exp(np.log(weights).median())))


if __name__ == "__main__":
    main()
