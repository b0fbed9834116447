"""The only place that opens target labels: to report accuracy, and to train references that are marked as such.

Nothing here returns to training, selection or defaults of a method. Target samples without a label (-1) are left
out; where no sample has one, no score exists.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.special import softmax
from sklearn.metrics import confusion_matrix, f1_score, roc_auc_score

from benchmarks.core import atomic
from benchmarks.core.outfiles import NAME, writing
from benchmarks.core.settings import UserError
from benchmarks.evaluation import HEADLINE, candidates, outcomes
from benchmarks.evaluation.correction import Correction
from benchmarks.evaluation.outputs import Outputs, capped, read_arrays, write_arrays
from benchmarks.evaluation.targets import by_domain
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
    """What the objective says of one checkpoint: the headline, and what belongs beside it."""
    said = Said.of(outputs, oracle)
    return oracle.objective.scores(said.logits, said.y, outputs["source_val.logits"]) if len(said.y) else {}


def evaluate_last(outputs: Outputs, target_train: np.ndarray, oracle: Oracle) -> dict[str, Any]:
    """What accuracy on unseen samples alone does not say: all of :data:`LAST`, and accuracy in training.

    Args:
        target_train: (n,) predictions of the samples that training used without labels: their accuracy is the
            transductive one.
    """
    said = Said.of(outputs, oracle)
    known = oracle.objective.labelled(oracle.target_train_y)
    found: dict[str, Any] = {"target_test_n": len(said.y)} if len(said.y) else {}
    found |= by_domain(outputs, oracle)
    if not oracle.objective.of_classes:
        return found
    for score in LAST if len(said.y) else ():
        found |= score(said)
    if known.any():
        right = target_train[known] == oracle.target_train_y[known]
        found |= {"target_train_accuracy": float(right.mean()), "target_train_n": len(right)}
    return found


@dataclass(frozen=True)
class Said:
    """What a model says of the target's test samples that have a label.

    Attributes:
        logits: (n, outputs).
        predicted: (n,) what the objective makes of them.
        y: (n,) the labels.
        n_classes: that labels may be of, unknown among them.
    """

    logits: np.ndarray
    predicted: np.ndarray
    y: np.ndarray
    n_classes: int

    @classmethod
    def of(cls, outputs: Outputs, oracle: Oracle) -> "Said":
        objective, known = oracle.objective, oracle.objective.labelled(oracle.target_test_y)
        logits, y = outputs["target_test.logits"][known], oracle.target_test_y[known]
        predicted = objective.predicted(logits, outputs["source_val.logits"])
        return cls(logits, predicted, y, objective.n_labels)


def _by_class(said: Said) -> dict[str, float]:
    """Mean recall (of two classes: balanced accuracy) and F1 of the classes present; the share of the largest."""
    predicted, y = said.predicted, said.y
    sizes = np.bincount(y, minlength=said.n_classes)
    present = np.flatnonzero(sizes)
    right = np.bincount(y[predicted == y], minlength=len(sizes))
    return {
        "target_class_mean_accuracy": float((right[present] / sizes[present]).mean()),
        "target_macro_f1": float(f1_score(y, predicted, labels=present, average="macro", zero_division=0)),
        "target_majority_rate": float(sizes.max() / len(y)),
    }


def right(outputs: Outputs, oracle: Oracle) -> str:
    """Which labelled target test samples are classified rightly: packed bits in base64.

    Empty without labels, and where the headline is no mean over samples.
    """
    if oracle.objective.headline != HEADLINE:
        return ""
    said = Said.of(outputs, oracle)
    return b64encode(np.packbits(said.predicted == said.y).tobytes()).decode()


def test_units(oracle: Oracle) -> str:
    """Which group, or sample, each bit of :func:`right` is of; empty without labels."""
    return outcomes.packed_units(oracle.target_test_units[oracle.objective.labelled(oracle.target_test_y)])


def _auc(said: Said) -> dict[str, float]:
    """The area under the ROC curve, for two classes."""
    logits, y = said.logits, said.y
    if said.n_classes != 2 or len(np.unique(y)) != 2:
        return {}
    return {"target_auc": float(roc_auc_score(y, logits[:, 1] - logits[:, 0]))}


def _calibration(said: Said) -> dict[str, float]:
    """None where a class may be said that has no probability."""
    if said.logits.shape[1] < said.n_classes:
        return {}
    return {"target_calibration_error": calibration_error(said.logits, said.y)}


def _confusion(said: Said) -> dict[str, Any]:
    """Samples by true class (rows) and predicted class, of up to 100 classes."""
    classes = range(said.n_classes)
    if len(classes) > CONFUSION_CLASSES:
        return {}
    return {"confusion": confusion_matrix(said.y, said.predicted, labels=classes).tolist()}


LAST: tuple[Callable[[Said], dict[str, Any]], ...] = (_by_class, _auc, _calibration, _confusion)
"""Scores of classes after the last step, of at least one sample. To add one, add a function."""


def calibration_error(logits: np.ndarray, y: np.ndarray) -> float:
    """Expected calibration error over 15 equal bins of confidence (Guo et al., ICML 2017, equation 5)."""
    p = softmax(logits.astype(np.float64), axis=1)
    confidence, right = p.max(1), logits.argmax(1) == y
    bins = np.ceil(confidence * CALIBRATION_BINS)
    gaps = np.bincount(bins.astype(int), right - confidence)
    return float(np.abs(gaps).sum() / len(y))


def save_labels(labels: Mapping[str, np.ndarray], path: Path) -> None:
    """Keep the labels of the samples that :mod:`candidates` has predictions of, by run id; equal ones once.

    Runs of a task have equal ones, or, where each seed draws its own splits, those of a seed.
    """
    known, numbers = candidates.distinct(labels.values())
    arrays = {
        "run_id": np.array(list(labels), "S12"),
        "number": np.array(numbers, np.uint32),
        "size": np.array([len(y) for y in known], np.uint16),
        "y": np.concatenate(known).astype(np.int32),
    }
    with writing(path) as file:
        write_arrays(file, arrays, level=9, comment=NAME.encode())


def load_labels(path: Path) -> dict[str, np.ndarray]:
    """By run id, labels (n,) of a file of :func:`save_labels`; -1 where a sample has none.

    Raises:
        UserError: it is missing, truncated or not such a file.
    """
    arrays = read_arrays(path, candidates.ADVICE)
    try:
        known = candidates.pieces("y", arrays["y"], np.cumsum(candidates.counts(arrays["size"])))
        numbers = zip(candidates.texts(arrays["run_id"]), candidates.counts(arrays["number"]), strict=True)
        return {run: known[number] for run, number in numbers}
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UserError(f"{str(path)!r} is no file of labels ({error}); {candidates.ADVICE}") from None


def score_correction(correction: Correction, saved: Path) -> dict[str, float]:
    """Scores of corrected predictions by the labels in a record's file of :func:`save_oracle`; none without any.

    ``class_share_error`` is the total variation distance of the estimated shares from those of the scored samples.
    """
    y = read_arrays(saved)["target_test_y"]
    log_p, y = correction.log_p[y >= 0], y[y >= 0]
    if not len(y):
        return {}
    right, sizes = log_p.argmax(1) == y, np.bincount(y, minlength=log_p.shape[1])
    by_class = np.bincount(y, right, minlength=len(sizes))[sizes > 0] / sizes[sizes > 0]
    return {
        "corrected_accuracy": float(right.mean()),
        "corrected_class_mean_accuracy": float(by_class.mean()),
        "class_share_error": float(np.abs(correction.shares - sizes / len(y)).sum() / 2),
    }


def candidates_labels(saved: Path) -> np.ndarray:
    """Of a record's file of :func:`save_oracle`, the labels of the samples whose outputs it has."""
    y = read_arrays(saved)["target_train_y"]
    return y[capped(len(y))]


def save_oracle(oracle: Oracle, path: Path) -> None:
    """Keep the labels that scores were made of, -1 where a sample has none."""
    with atomic.writing(path) as file:
        np.savez(file, target_test_y=oracle.target_test_y, target_train_y=oracle.target_train_y)
