"""The file of a run's trained weights, kept with its record where that is asked for."""

from pathlib import Path
from typing import Literal

from safetensors import SafetensorError, safe_open
from torch import Tensor

from benchmarks.core.reading import parse_json
from benchmarks.core.settings import Settings, UserError
from benchmarks.records.record import WEIGHTS, Record
from datasets.base import Preprocessing


class Signature(Settings):
    """What networks are built for, besides what a spec says: with both, they can be built without the data.

    Attributes:
        preprocessing: what new data must pass before the model takes them; None: nothing, or an older record.
        inputs: float32; uint8 for images in an array; files for images that are resized when they are read; None
            where a record does not say.
    """

    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    source_size: int
    inputs: Literal["float32", "uint8", "files"] | None = None
    preprocessing: Preprocessing | None = None


def read(folder: Path) -> tuple[Signature, dict[str, Tensor]]:
    """The weights of a record.

    Raises:
        UserError: it has none, or the file is truncated, or is not as the run wrote it.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise UserError(f"the record {folder} has no weights; do its run again with --save-weights")
    Record(folder).check(WEIGHTS)
    try:
        with safe_open(path, framework="pt") as file:
            about = parse_json((file.metadata() or {})["model"])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
        return Signature.parse(about, "model"), state
    except (OSError, ValueError, KeyError, AttributeError, SafetensorError, UserError) as error:
        raise UserError(
            f"{path} is truncated, or no file of weights ({error}); delete it and run again with --save-weights"
        ) from None
