"""What a method learns, and how it is scored. PyTorch is imported only where it is used.

A task's facts name one of :data:`OBJECTIVES`. To add one, add a class to that dictionary.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from benchmarks.core.facts import Facts
from benchmarks.core.headline import Headline

if TYPE_CHECKING:
    from torch import Tensor

SURE = 0.95  # of the source's validation samples are surer than what a closed-set method is taken to find unknown


@dataclass(frozen=True)
class Objective(Headline, ABC):
    """What a head gives, the loss that teaches it, and the scores of what it says; how the first of these is read.

    Attributes:
        n_classes: that the source has.
        of_classes: whether labels are classes (int64): then dials of classes and scores by class have a meaning.
    """

    n_classes: int
    of_classes: ClassVar[bool] = True

    @property
    def outputs(self) -> int:
        """How many numbers a head gives for a sample."""
        return self.n_classes

    @property
    def n_labels(self) -> int:
        """How many classes labels may be of."""
        return self.n_classes

    def loss(self, logits: "Tensor", y: "Tensor") -> "Tensor":
        """Cross-entropy (n,) of logits (n, outputs) and labels (n,)."""
        from torch.nn import functional as F

        return F.cross_entropy(logits, y, reduction="none")

    def predicted(self, logits: np.ndarray, source_val: np.ndarray) -> np.ndarray:
        """(n,) what logits (n, outputs) say of samples.

        Args:
            source_val: logits (m, outputs) of the source's validation samples, of which a threshold may be made.
        """
        return logits.argmax(1)

    def labelled(self, y: np.ndarray) -> np.ndarray:
        """Which samples (n,) have a label."""
        return y >= 0

    def learnt(self, logits: np.ndarray, y: np.ndarray) -> tuple[str, float, float]:
        """How well logits (n, outputs) know samples of these labels (n,): by which score, its value and chance's.

        Chance is what the best answer has that is the same for all samples; 1 is no error. NaN where undefined.
        """
        return "accuracy", float((logits.argmax(1) == y).mean()), float(np.bincount(y).max() / len(y))

    @abstractmethod
    def scores(self, logits: np.ndarray, y: np.ndarray, source_val: np.ndarray) -> dict[str, float]:
        """The headline, and what belongs beside it at each checkpoint, of labels (n,), n at least 1."""


class Classes(Objective):
    """One class a sample, of those that the source has."""

    headline = "target_test_accuracy"
    title = "Target test accuracy"
    name = "accuracy"

    def scores(self, logits: np.ndarray, y: np.ndarray, source_val: np.ndarray) -> dict[str, float]:
        """Accuracy is the share of samples whose largest logit (n, outputs) is at their label (n,)."""
        return {self.headline: float((self.predicted(logits, source_val) == y).mean())}


class PartialClasses(Classes):
    """The target lacks classes that the source has. A method is not told which."""

    def scores(self, logits: np.ndarray, y: np.ndarray, source_val: np.ndarray) -> dict[str, float]:
        """Also the share of samples that are taken for a class of which no scored sample is."""
        absent = ~np.isin(self.predicted(logits, source_val), y)
        return {**super().scores(logits, y, source_val), "target_absent_share": float(absent.mean())}


class Ranking(Classes):
    """Two classes: what counts is the order of samples by the difference of their logits, and no threshold."""

    headline = "target_auc"
    title = "Target AUC"
    name = "AUC"

    def scores(self, logits: np.ndarray, y: np.ndarray, source_val: np.ndarray) -> dict[str, float]:
        """The area under the ROC curve, none unless both classes are scored; and accuracy."""
        auc = _auc(logits, y)
        found = {} if math.isnan(auc) else {self.headline: auc}
        return {**found, Classes.headline: float((self.predicted(logits, source_val) == y).mean())}

    def learnt(self, logits: np.ndarray, y: np.ndarray) -> tuple[str, float, float]:
        return "AUC", _auc(logits, y), 0.5


class ClassesWithUnknown(Objective):
    """The target also has classes that the source lacks: for scoring, all of these are one, ``unknown``.

    Its number is ``n_classes``. A method that can say unknown gives one output more than the source has classes,
    the last. Of any other method, a sample is unknown if its entropy is above that of 95% of the source's
    validation samples: no target label chooses the threshold.

    The headline is H, the harmonic mean of OS* and of the accuracy of unknown (Bucci et al., ECCV 2020, On the
    Effectiveness of Image Rotation for Open Set Domain Adaptation). OS* is the mean accuracy of the classes that
    both domains have; OS counts unknown as one class more (Panareda Busto and Gall, ICCV 2017). Papers also have
    the accuracy over all samples (ALL).
    """

    headline = "target_h_score"
    title = "Target H-score of shared classes and unknown"
    name = "H-score"

    @property
    def n_labels(self) -> int:
        return self.n_classes + 1

    def predicted(self, logits: np.ndarray, source_val: np.ndarray) -> np.ndarray:
        said = logits.argmax(1)
        if logits.shape[1] > self.n_classes:
            return said
        return np.where(_entropy(logits) > np.quantile(_entropy(source_val), SURE), self.n_classes, said)

    def scores(self, logits: np.ndarray, y: np.ndarray, source_val: np.ndarray) -> dict[str, float]:
        """None unless samples of both kinds, shared and unknown, have a label."""
        right = self.predicted(logits, source_val) == y
        by_class = {label: float(right[y == label].mean()) for label in np.unique(y).tolist()}
        unknown = by_class.pop(self.n_classes, None)
        if unknown is None or not by_class:
            return {}
        shared = float(np.mean([*by_class.values()]))
        both = shared + unknown
        return {
            self.headline: 2 * shared * unknown / both if both else 0.0,
            "target_os_star": shared,
            "target_unknown_accuracy": unknown,
            "target_os": float(np.mean([*by_class.values(), unknown])),
            "target_overall_accuracy": float(right.mean()),
        }


class RealNumbers(Objective):
    """One real number a sample: labels are float32."""

    headline = "target_rmse"
    title = "Target root mean squared error"
    name = on_source = "RMSE"
    known_by = "r2"
    unit = ""
    higher_is_better = False
    of_classes = False

    @property
    def outputs(self) -> int:
        return 1

    def loss(self, logits: "Tensor", y: "Tensor") -> "Tensor":
        """Squared error (n,) of outputs (n, 1) and labels (n,)."""
        return (logits[:, 0] - y).square()

    def predicted(self, logits: np.ndarray, source_val: np.ndarray) -> np.ndarray:
        return logits[:, 0]

    def labelled(self, y: np.ndarray) -> np.ndarray:
        return ~np.isnan(y)

    def scores(self, logits: np.ndarray, y: np.ndarray, source_val: np.ndarray) -> dict[str, float]:
        """The root of the mean squared error, and R² where labels differ."""
        r2 = explained(logits, y)
        error = float(((y - logits[:, 0]) ** 2).mean()) ** 0.5
        return {self.headline: error} | ({} if math.isnan(r2) else {"target_r2": r2})

    def learnt(self, logits: np.ndarray, y: np.ndarray) -> tuple[str, float, float]:
        return "R²", explained(logits, y), 0.0


OBJECTIVES: dict[str, type[Objective]] = {
    "classes": Classes,
    "partial": PartialClasses,
    "ranking": Ranking,
    "unknown": ClassesWithUnknown,
    "real": RealNumbers,
}


def objective_of(facts: Facts) -> Objective:
    """What is learnt on a task."""
    return OBJECTIVES[facts.objective](facts.n_classes)


def of_classes(y: np.ndarray) -> bool:
    """Whether labels (n,) are numbers of classes, and not real numbers."""
    return y.dtype.kind != "f"


def explained(outputs: np.ndarray, y: np.ndarray) -> float:
    """R², the share of the variance of numbers (n,) that outputs (n, 1) explain; NaN where none differ."""
    errors, deviations = (float(((y - of) ** 2).mean()) for of in (outputs[:, 0], y.mean()))
    return 1 - errors / deviations if deviations else math.nan


def _auc(logits: np.ndarray, y: np.ndarray) -> float:
    """The area under the ROC curve of logits (n, 2); NaN unless samples of both classes are there."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(y, logits[:, 1] - logits[:, 0])) if len(np.unique(y)) == 2 else math.nan


def _entropy(logits: np.ndarray) -> np.ndarray:
    """(n,) of the softmax of logits (n, classes), in nats."""
    shifted = logits.astype(np.float64) - logits.max(1, keepdims=True)
    total = np.exp(shifted).sum(1)
    return np.log(total) - (np.exp(shifted) * shifted).sum(1) / total
