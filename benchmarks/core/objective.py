"""What a method learns, and how it is scored. PyTorch is imported only where it is used."""

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from benchmarks.core.facts import Facts

if TYPE_CHECKING:
    from torch import Tensor


class Objective:
    """One class a sample.

    Attributes:
        headline: the column of a table's figures.
        unit: that they are printed in.
    """

    headline: ClassVar[str] = "target_test_accuracy"
    unit: ClassVar[str] = "%"

    def outputs(self, facts: Facts) -> int:
        """How many numbers a head gives for a sample."""
        return facts.n_classes

    def loss(self, logits: "Tensor", y: "Tensor") -> "Tensor":
        """Cross-entropy (n,) of logits (n, outputs) and labels (n,)."""
        from torch.nn import functional as F

        return F.cross_entropy(logits, y, reduction="none")

    def scores(self, logits: np.ndarray, y: np.ndarray) -> dict[str, float]:
        """By name: accuracy is the share of samples whose largest logit (n, outputs) is at their label (n,)."""
        return {"accuracy": float((logits.argmax(1) == y).mean())}
