"""Domains as arrays: as they are read, and the views of a task that training, evaluation and the oracle have."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.core.objective import Objective
from datasets.files.images import ImageFiles, concatenate

Inputs = np.ndarray | ImageFiles


@dataclass(frozen=True)
class Samples:
    """One domain as its reader returns it.

    Attributes:
        x: (n, ...) float32, used as it is; or uint8 images (n, channels, height, width), which the harness
            scales to [-1, 1]; or :class:`ImageFiles`, which are decoded batch by batch.
        y: (n,) int64 labels in 0..classes-1; of a target also -1, where nobody has labelled a sample.
        test: (n,) bool, the data set's own test samples; None: drawn at random, blind to the labels.
        groups: (n,) ids of samples that belong together and must stay on one side of a split.
        val: (n,) bool, the data set's own validation samples, none of them for testing; None: drawn.
        few: (n,) bool, of a target: samples whose labels are granted, none of them for testing; None: none.
    """

    x: Inputs
    y: np.ndarray
    test: np.ndarray | None = None
    groups: np.ndarray | None = None
    val: np.ndarray | None = None
    few: np.ndarray | None = None


@dataclass(frozen=True)
class Domains:
    """What a family reads of a task, not yet split."""

    sources: Sequence[Samples]
    targets: Sequence[Samples]


@dataclass(frozen=True)
class LabelledArrays:
    """Samples with labels and, for several sources, the number of the domain each came from."""

    x: Inputs
    y: np.ndarray
    domain: np.ndarray


def joined(parts: Sequence[LabelledArrays]) -> LabelledArrays:
    """One after the other."""
    y, domain = (np.concatenate([getattr(part, name) for part in parts]) for name in ("y", "domain"))
    return LabelledArrays(concatenate([part.x for part in parts]), y, domain)


@dataclass(frozen=True)
class UnlabelledArrays:
    """Samples without labels and, for several targets, the number of the domain each came from."""

    x: Inputs
    domain: np.ndarray


@dataclass(frozen=True)
class TrainView:
    """All that training may see.

    Attributes:
        source: with labels.
        target: without.
        few: target samples whose labels are granted, none of them in ``target``; None: there are none.
    """

    source: LabelledArrays
    target: UnlabelledArrays
    few: LabelledArrays | None = None

    def pooled(self) -> "TrainView":
        """The same with the few as further domains of the source."""
        if self.few is None:
            return self
        few = replace(self.few, domain=self.few.domain + self.source.domain.max() + 1)
        return TrainView(joined([self.source, few]), self.target)


@dataclass(frozen=True)
class EvaluationView:
    """What is forwarded at a checkpoint. The target's labels are not here."""

    source_val: LabelledArrays
    source_test: LabelledArrays
    target_test_x: Inputs


@dataclass(frozen=True)
class Oracle:
    """The target's labels: of ``EvaluationView.target_test_x`` and of ``TrainView.target``, in their orders.

    A sample without one has -1, or NaN where labels are real numbers.

    Attributes:
        objective: by which they score.
        target_test_units: (n,) which group each test sample belongs to, or which sample it is. The same in every
            draw of the splits: runs that score the same samples have the same ids.
        target_test_domain: (n,) of which target each test sample is, by its number.
    """

    target_test_y: np.ndarray
    target_train_y: np.ndarray
    target_test_units: np.ndarray
    target_test_domain: np.ndarray
    objective: Objective
