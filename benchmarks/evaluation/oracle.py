"""The only place that opens target labels: to report accuracy, and to train references that are marked as such.

Nothing here returns to training, selection or defaults of a method.
"""

from pathlib import Path

import numpy as np

from benchmarks.evaluation.outputs import Outputs
from benchmarks.evaluation.scores import accuracy
from datasets.base import Oracle, Task


def open_oracle(task: Task, *, transductive: bool) -> Oracle:
    """The target's labels, in the order of the outputs' ``target_test``."""
    return task.oracle(transductive=transductive)


def reference_task(task: Task) -> Task:
    """The task as a reference method sees it: the labelled target in the source's place."""
    return task.supervised_on_target()


def evaluate_oracle(outputs: Outputs, oracle: Oracle) -> dict[str, float]:
    """The headline, at one checkpoint."""
    return {"target_test_accuracy": accuracy(outputs["target_test.logits"], oracle.target_test_y)}


def save_oracle(oracle: Oracle, path: Path) -> None:
    np.savez(path, target_test_y=oracle.target_test_y)
