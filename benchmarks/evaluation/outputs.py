"""What a model said at a checkpoint, and the file it is kept in. No target label is in it."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.randomness import generator
from benchmarks.settings import UserError
from datasets.base import EvaluationView, Inputs, TrainView
from methods.base import Side

KEPT = 1000  # samples of a split whose features are kept
TRAIN_KEPT = 500  # samples of a training split that are evaluated at all
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
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, array in self.arrays.items():
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
                # A fixed date: the same outputs are the same bytes.
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), buffer.getvalue(), zipfile.ZIP_DEFLATED, 1)

    @classmethod
    def load(cls, path: Path) -> "Outputs":
        """Read a file of :meth:`save`.

        Raises:
            UserError: it is missing, truncated or not such a file.
        """
        try:
            with np.load(path, allow_pickle=False) as archive:
                return cls({name: archive[name] for name in archive.files})
        except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
            raise UserError(f"{path} cannot be read ({error}); delete the record's folder and run again") from None


def evaluation_inputs(train: TrainView, view: EvaluationView) -> dict[str, tuple[Inputs, np.ndarray | None]]:
    """Inputs and, for the source, labels of each split. Training splits are capped by a fixed draw."""
    source, target = (_capped(len(x)) for x in (train.source.y, train.target_x))
    return {
        "source_train": (train.source.x[source], train.source.y[source]),
        "source_val": (view.source_val.x, view.source_val.y),
        "source_test": (view.source_test.x, view.source_test.y),
        "target_train": (train.target_x[target], None),
        "target_test": (view.target_test_x, None),
    }


def _capped(size: int) -> np.ndarray:
    return generator(0, "evaluation/kept").permutation(size)[:TRAIN_KEPT]
