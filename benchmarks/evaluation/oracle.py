"""The only place that opens target labels: to report accuracy, and to train references that are marked as such.

Nothing here returns to training, selection or defaults of a method.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.special import softmax
from sklearn.metrics import confusion_matrix, f1_score, roc_auc_score

from benchmarks.core import atomic
from benchmarks.evaluation.outputs import Outputs
from benchmarks.evaluation.scores import accuracy
from datasets.base import Oracle, Task, TrainView

CALIBRATION_BINS = 15
CONFUSION_CLASSES = 100  # above it a record has no confusion matrix: its size is the square of their number


def open_oracle(task: Task) -> Oracle:
    """The target's labels, in the order of the outputs' ``target_test`` and of training's target samples."""
    return task.oracle()


def reference_view(task: Task, on: Literal["target", "both"]) -> TrainView:
    """What a reference trains on: labels of the target, or of both domains."""
    return task.supervised(on)


def evaluate_oracle(outputs: Outputs, oracle: Oracle) -> dict[str, float]:
    """The headline, at one checkpoint."""
    return {"target_test_accuracy": accuracy(outputs["target_test.logits"], oracle.target_test_y)}


def evaluate_last(outputs: Outputs, target_train: np.ndarray, oracle: Oracle) -> dict[str, Any]:
    """What accuracy on unseen samples alone does not say.

    Args:
        target_train: (n,) predictions of the samples that training used without labels: their accuracy is the
            transductive one.

    ``confusion`` counts samples by true class (rows) and predicted class, of up to 100 classes; class-mean
    accuracy is the mean recall of the classes present (for two: balanced accuracy), macro-F1 that of their F1; the
    majority rate is the share of the most frequent class. The area under the ROC curve is there for two classes.
    """
    logits, y = outputs["target_test.logits"], oracle.target_test_y
    predicted = logits.argmax(1)
    n_classes = logits.shape[1]
    sizes = np.bincount(y, minlength=n_classes)
    right = np.bincount(y[predicted == y], minlength=n_classes)
    return {
        "target_test_n": len(y),
        "target_class_mean_accuracy": float((right[sizes > 0] / sizes[sizes > 0]).mean()),
        "target_macro_f1": float(
            f1_score(y, predicted, labels=np.flatnonzero(sizes), average="macro", zero_division=0)
        ),
        **_auc(logits, y),
        "target_train_accuracy": float((target_train == oracle.target_train_y).mean()),
        "target_train_n": len(target_train),
        "target_majority_rate": float(sizes.max() / len(y)),
        "target_calibration_error": calibration_error(logits, y),
    } | (
        {"confusion": confusion_matrix(y, predicted, labels=range(n_classes)).tolist()}
        if n_classes <= CONFUSION_CLASSES
        else {}
    )


def right(outputs: Outputs, oracle: Oracle) -> np.ndarray:
    """Whether each target test sample (n,) is classified rightly, as packed bits (ceil(n / 8),)."""
    return np.packbits(outputs["target_test.logits"].argmax(1) == oracle.target_test_y)


def _auc(logits: np.ndarray, y: np.ndarray) -> dict[str, float]:
    if logits.shape[1] != 2 or len(np.unique(y)) != 2:
        return {}
    return {"target_auc": float(roc_auc_score(y, logits[:, 1] - logits[:, 0]))}


def calibration_error(logits: np.ndarray, y: np.ndarray) -> float:
    """Expected calibration error over 15 equal bins of confidence (Guo et al., ICML 2017, equation 5)."""
    p = softmax(logits.astype(np.float64), axis=1)
    confidence, right = p.max(1), logits.argmax(1) == y
    bins = np.ceil(confidence * CALIBRATION_BINS)
    gaps = np.bincount(bins.astype(int), right - confidence)
    return float(np.abs(gaps).sum() / len(y))


def save_oracle(oracle: Oracle, path: Path, bits: Sequence[np.ndarray]) -> None:
    """The target's test labels, and of each checkpoint what :func:`right` gives, (checkpoints, ceil(n / 8))."""
    with atomic.writing(path) as file:
        np.savez(file, target_test_y=oracle.target_test_y, right=np.stack(bits))
