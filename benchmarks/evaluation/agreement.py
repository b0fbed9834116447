"""What models say of the target, beside each other and beside the source: no target label is needed."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from benchmarks.evaluation.outputs import Outputs

NOTHING = -1  # the class that is predicted where an output is not finite: it agrees with none


def predicted(outputs: Outputs) -> np.ndarray:
    """(n,) class of each of up to 500 target training samples."""
    logits = outputs["target_train.logits"]
    return np.where(np.isfinite(logits).all(1), logits.argmax(1), NOTHING)


def source_shares(outputs: Outputs) -> np.ndarray:
    """(classes,) share of each class among up to 500 source training samples."""
    return class_shares(outputs["source_train.y"], outputs["target_train.logits"].shape[1])


def class_shares(numbers: np.ndarray, n_classes: int) -> np.ndarray:
    """(classes,) share of each class among those of samples (n,)."""
    return np.bincount(numbers[numbers != NOTHING], minlength=n_classes) / len(numbers)


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Share of the samples that two models predict (n,) to be of the same class."""
    return float(((a == b) & (a != NOTHING)).mean())


def mean_agreement(several: Sequence[np.ndarray]) -> float:
    """Mean of :func:`agreement` over the pairs of at least two models."""
    return float(np.mean([agreement(a, b) for a, b in combinations(several, 2)]))
