"""Scores of saved outputs that need no target label."""

import math
from typing import Any

import numpy as np

from benchmarks.core.objective import explained, of_classes
from benchmarks.evaluation.outputs import Outputs
from benchmarks.evaluation.proxy_a_distance import ProxyADistance, proxy_a_distance


def accuracy(logits: np.ndarray, y: np.ndarray) -> float:
    """Share of samples whose largest logit (n, classes) is at their label (n,)."""
    return float((logits.argmax(1) == y).mean())


def error(outputs: np.ndarray, y: np.ndarray) -> float:
    """Root of the mean squared error of outputs (n, 1) for real numbers (n,)."""
    return float(np.square(outputs[:, 0] - y).mean() ** 0.5)


def goodness(logits: np.ndarray, y: np.ndarray) -> float:
    """Accuracy, or of real numbers minus the error: a larger one is better."""
    return accuracy(logits, y) if of_classes(y) else -error(logits, y)


def evaluate(outputs: Outputs) -> dict[str, float]:
    """Scores at one checkpoint: accuracies on the source; of real numbers, errors and R²."""
    found = {}
    for split in ("source_train", "source_val", "source_test"):
        logits, y = outputs[f"{split}.logits"], outputs[f"{split}.y"]
        found[f"{split}_accuracy"] = accuracy(logits, y) if of_classes(y) else math.nan
        if not of_classes(y):
            found |= {f"{split}_rmse": error(logits, y), f"{split}_r2": explained(logits, y)}
    return found


def evaluate_last(outputs: Outputs) -> dict[str, Any]:
    """Scores too dear for every checkpoint: the proxy A-distance of source-test and target-test features."""
    return distance_scores(
        "proxy_a_distance", proxy_a_distance(outputs["source_test.features"], outputs["target_test.features"])
    )


def distance_scores(name: str, distance: ProxyADistance | None) -> dict[str, Any]:
    """The fields of a distance under one name; none if there is no distance."""
    if distance is None:
        return {}
    return {
        name: distance.value,
        f"{name}_spread": distance.spread,
        f"{name}_n": distance.n,
        f"{name}_size": distance.size,
        f"{name}_version": distance.version,
    }
