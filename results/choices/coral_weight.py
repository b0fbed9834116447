"""The weight of CORAL's loss, by its paper's rule, without target labels.

    python -m results.choices.coral_weight

Sun and Saenko (ECCV workshops 2016, section 4.1) set the weight so that "at the end of training the classification
loss and CORAL loss are roughly the same": the loss on the source's labels, and the weighted CORAL loss, both in
the mean over the last fifth of a run. Each task is trained with weights of 1, 10, 100 and 1000, and printed are
the ratios and where they cross 1, interpolated on a log scale.

Planned was a weight for each task, where the ratio comes up to 1. It does nowhere: as the weight rises the ratio
falls, or stays far below 1, since what weighs more becomes smaller and the loss on labels larger. On
`office_caltech_surf` it comes down through 1 at a weight of 3 to 6, from 1.2 at a weight of 1, which is "roughly
the same" too. So the rule moves no weight, and the default of 1 stays.
"""

from collections.abc import Sequence
from itertools import pairwise, product

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
    print(table.round(2).assign(crossing=table.apply(lambda row: crossing(list(row)), axis=1)).to_string())


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
    """The first weight at which a ratio is 1, from those at each of ``WEIGHTS``; NaN without any."""
    for weights, near in zip(pairwise(np.log10(WEIGHTS)), pairwise(np.log10(ratios)), strict=True):
        if min(near) <= 0 <= max(near):
            return float(10 ** np.interp(0, sorted(near), weights if near[0] < near[1] else weights[::-1]))
    return np.nan


if __name__ == "__main__":
    main()
