"""The weight of CORAL's loss, by its paper's rule, without target labels.

    python -m results.choices.coral_weight

Sun and Saenko (ECCV workshops 2016, section 4.1) set the weight so that "at the end of training the classification
loss and CORAL loss are roughly the same". Read here as: where the weighted CORAL loss crosses the loss on the
source's labels, both the mean over the last fifth of a run. Each task is trained with weights of 1, 10, 100 and
1000, and the crossing is interpolated on a log scale; the value is kept to one digit. Where the losses do not
cross between these weights, the rule says nothing.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd

from benchmarks.training.signals import Signals
from datasets.base import load_task
from results.choices.measuring import SUITES, Line, measured, run_of, trained

WEIGHTS = (1, 10, 100, 1000)
SEED = 0


def main() -> None:
    wanted = [{"task": task, "weight": weight} for task, weight in product(SUITES, WEIGHTS)]
    lines = measured("coral_weight", __doc__, wanted, measure)
    table = (lines["coral"] / lines["task_loss"]).groupby([lines["task"], lines["weight"]]).mean().unstack()
    weights = table.apply(lambda ratios: crossing(list(ratios)), axis=1)
    print(table.assign(weight=weights).to_string())
    print(f"the geometric mean of those that cross: {one_digit(float(np.exp(np.log(weights).mean())))}")


def measure(line: Line) -> Line:
    """The weighted losses at the end of a run, and the accuracy on the source's batches, in the mean."""
    spec = run_of(SUITES[line["task"]], line["task"], "coral", SEED, {"coral": {"trade_off": line["weight"]}})
    task_loss, coral, accuracy = late(trained(spec, load_task(spec.task, seed=SEED)).progress.curves)
    return {"task_loss": task_loss, "coral": coral, "source_accuracy": accuracy}


def late(curves: Sequence[Signals]) -> list[float]:
    """Means over the last fifth of a run."""
    last = pd.DataFrame(curves[-len(curves) // 5 :])
    return [float(last[name].mean()) for name in ("task", "coral", "source_accuracy")]


def crossing(ratios: Sequence[float]) -> float:
    """The weight at which the ratio of the weighted losses becomes 1; NaN where it does not.

    Args:
        ratios: at each of ``WEIGHTS``, CORAL's loss over the loss on labels.
    """
    above = next((number for number, value in enumerate(ratios) if value >= 1), 0)
    if not above:
        return np.nan
    near = slice(above - 1, above + 1)
    return float(10 ** np.interp(0, np.log10(ratios[near]), np.log10(WEIGHTS[near])))


def one_digit(value: float) -> float:
    return float(f"{value:.0e}")


if __name__ == "__main__":
    main()
