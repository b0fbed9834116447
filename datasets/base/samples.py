"""Domains as arrays: as they are read, and the views of a task that training, evaluation and the oracle have."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasets.files.images import ImageFiles

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
    """

    x: Inputs
    y: np.ndarray
    test: np.ndarray | None = None
    groups: np.ndarray | None = None
    val: np.ndarray | None = None


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


@dataclass(frozen=True)
class UnlabelledArrays:
    """Samples without labels and, for several targets, the number of the domain each came from."""

    x: Inputs
    domain: np.ndarray


@dataclass(frozen=True)
class TrainView:
    """All that training may see: the labelled source, the target's inputs, and target labels that were granted."""

    source: LabelledArrays
    target: UnlabelledArrays
    few: LabelledArrays | None = None


@dataclass(frozen=True)
class EvaluationView:
    """What is forwarded at a checkpoint. The target's labels are not here."""

    source_val: LabelledArrays
    source_test: LabelledArrays
    target_test_x: Inputs


@dataclass(frozen=True)
class Oracle:
    """The target's labels: of ``EvaluationView.target_test_x`` and of ``TrainView.target``, in their orders.

    -1 where a sample has none.

    Attributes:
        target_test_units: (n,) which group each test sample belongs to, or which sample it is. The same in every
            draw of the splits: runs that score the same samples have the same ids.
    """

    target_test_y: np.ndarray
    target_train_y: np.ndarray
    target_test_units: np.ndarray
