"""What a model said at a checkpoint, and the file it is kept in. No target label is in it."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from benchmarks.core import atomic
from benchmarks.core.randomness import generator
from benchmarks.core.settings import UserError
from datasets.base import EvaluationView, Inputs, TrainView
from methods.base import Side

KEPT = 1000  # samples of a split whose features are kept
TRAIN_KEPT = 500  # samples of a training split that are evaluated at all
LARGEST = 2**31  # bytes of a file's arrays: no run writes as many
MIXED = 0.55  # the first sample's part in MixVal's probes (Hu et al., NeurIPS 2023; the value is their code's)
SPLITS: dict[str, Side] = {
    "source_train": "source",
    "source_val": "source",
    "source_test": "source",
    "target_train": "target",
    "target_test": "target",
}


@dataclass(frozen=True)
class Outputs:
    """Arrays by ``split.kind``.

    Predictions and confidences of the target's training samples, at each checkpoint, are the largest of the
    ``target_train`` logits and their softmax: they are not kept a second time.

    Kinds: ``logits`` (n, classes) of all val and test samples and of up to 500 training samples;
    ``features`` (m, d) float16 of the first m = min(n, 1000) of these, of test samples at the last checkpoint
    only; and ``y`` (n,), of the source only. ``target_mixed.logits`` (n, classes) are MixVal's probes: of
    0.55 x_i + 0.45 x_j, x_i the target_train samples and x_j the same in reverse order.
    """

    arrays: dict[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def save(self, path: Path) -> None:
        """An .npz file, lightly compressed: features after a ReLU are half zeros."""
        with atomic.writing(path) as file:
            write_arrays(file, self.arrays, level=1)

    @classmethod
    def load(cls, path: Path) -> "Outputs":
        """Read a file of :meth:`save`.

        Raises:
            UserError: it is missing, truncated or not such a file.
        """
        return cls(read_arrays(path))


def write_arrays(file: BinaryIO, arrays: Mapping[str, np.ndarray], *, level: int, comment: bytes = b"") -> None:
    """An .npz file; the same arrays are the same bytes."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        archive.comment = comment
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
            # ZipInfo: without a date.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), buffer.getvalue(), zipfile.ZIP_DEFLATED, level)


def read_arrays(path: Path, advice: str = "delete the record's folder and run again") -> dict[str, np.ndarray]:
    """The arrays of an .npz file, of a record unless ``advice`` says what to do instead.

    Raises:
        UserError: it is missing, truncated or not such a file, or unpacks to more than any run writes.
    """
    try:
        if not path.is_file():
            raise ValueError("there is no such file" if not path.exists() else "it is no regular file")
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > LARGEST:
                raise ValueError(f"it unpacks to more than {LARGEST:,} bytes")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: _array(arrays[name]) for name in arrays.files}
    except Exception as error:  # zipfile, its decompressors and NumPy raise of a dozen kinds, some undocumented
        said = " ".join(str(error).split())[:200]
        raise UserError(f"{str(path)!r} cannot be read ({said}); {advice}") from None


def _array(member: object) -> np.ndarray:
    if not isinstance(member, np.ndarray):  # NumPy gives the bytes of what is no array
        raise ValueError("it holds what is no array")
    return member


def evaluation_inputs(train: TrainView, view: EvaluationView) -> dict[str, tuple[Inputs, np.ndarray | None]]:
    """Inputs and, for the source, labels of each split. Training splits are capped by a fixed draw."""
    source, target = (capped(len(x)) for x in (train.source.y, train.target.x))
    return {
        "source_train": (train.source.x[source], train.source.y[source]),
        "source_val": (view.source_val.x, view.source_val.y),
        "source_test": (view.source_test.x, view.source_test.y),
        "target_train": (train.target.x[target], None),
        "target_test": (view.target_test_x, None),
    }


def capped(size: int) -> np.ndarray:
    """Which of so many training samples are evaluated."""
    return generator(0, "evaluation/kept").permutation(size)[:TRAIN_KEPT]
