"""What a path of the user's holds: an ``.npz`` with arrays ``x`` and ``y``, a ``.csv``, or a folder of images."""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.settings import UserError
from datasets.files.folders import class_names, images_in, read_folder
from datasets.files.images import File, ImageFiles, content_of

LABELS = "the labels are needed to score, and no training sees those of the target"


@dataclass(frozen=True)
class Domain:
    """What a path holds: inputs (n, ...), labels (n,) as text if there are any, names of a table's columns."""

    path: Path
    x: Any
    labels: np.ndarray | None
    columns: tuple[str, ...] = ()

    def numbers(self, classes: Sequence[str]) -> np.ndarray:
        """Labels (n,) int64 as places in ``classes``."""
        assert self.labels is not None
        order = {name: number for number, name in enumerate(classes)}
        return np.array([order[label] for label in self.labels.tolist()])

    @property
    def names(self) -> Sequence[object]:
        """(n,) file names in a folder, row numbers elsewhere."""
        if not isinstance(self.x, ImageFiles):
            return range(len(self.x))
        (squares,) = self.x.sets
        return [str(file).removeprefix(f"{self.path}/") for file in squares.paths]


def read_domain(path: Path, label: str) -> Domain:
    """What a path holds; labels may be missing.

    Raises:
        UserError: it cannot be read, is empty, or holds what cannot be trained on.
    """
    if path.is_dir():
        domain = _images(path)
    elif not path.is_file():
        raise UserError(f"{path}: there is no such file or folder")
    elif path.suffix in READERS:
        domain = READERS[path.suffix](path, label)
    else:
        raise UserError(f"{path}: expected an .npz, a .csv or a folder class/image")
    if not len(domain.x):
        raise UserError(f"{path}: it has no samples")
    if isinstance(domain.x, np.ndarray) and not np.isfinite(domain.x).all():
        place = np.argwhere(~np.isfinite(domain.x))[0]
        where = f"line {place[0] + 2}, column {domain.columns[place[1]]!r}" if domain.columns else f"x[{place[0]}]"
        raise UserError(f"{path}: {where} has NaN, infinity or nothing; mend it or leave it out")
    return domain


def decoded(path: File, shape: tuple[int, ...]) -> np.ndarray:
    """One image as it is, (channels, height, width) uint8, grey or in colour as the shape says.

    Raises:
        UserError: no image, or one of another size.
    """
    channels, height, width = shape
    try:
        with Image.open(io.BytesIO(content_of(path))) as image:
            pixels = np.asarray(image.convert("RGB" if channels == 3 else "L"))
    except Exception as error:  # Pillow's decoders raise whatever their parsers do
        raise UserError(f"{path} is no image that can be read ({error}); mend or remove it") from None
    if pixels.shape[:2] != (height, width):
        found, needed = "x".join(map(str, pixels.shape[:2])), f"{height}x{width}"
        raise UserError(
            f"{path} is {found}; the model was trained on arrays of {needed}: resize as you did for it"
        )
    return pixels.reshape(height, width, channels).transpose(2, 0, 1)


def _images(folder: Path) -> Domain:
    classes = class_names(folder)
    if not classes:
        return Domain(folder, ImageFiles(images_in(folder), name="own"), None)
    paths, y = read_folder(folder, classes)
    return Domain(folder, ImageFiles(paths, name="own"), np.array(classes)[y])


def _npz(path: Path, label: str) -> Domain:
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path}: it is no .npz that can be read")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        if "allow_pickle" in str(error):
            raise UserError(f"{path}: it holds pickled objects, which could run code; save plain arrays") from None
        raise UserError(f"{path}: it is no .npz that can be read ({error})") from None
    if "x" not in arrays:
        raise UserError(f"{path}: it has no array x; it has {', '.join(arrays) or 'none'}")
    x = _inputs(path, arrays["x"])
    y = _label_texts(path, arrays["y"], len(x)) if "y" in arrays else None
    return Domain(path, x, y)


def _inputs(path: Path, x: np.ndarray) -> np.ndarray:
    """Images of bytes as (n, channels, height, width) uint8, everything else as float32."""
    if x.dtype.kind not in "fiub" or not 2 <= x.ndim <= 4:
        raise UserError(
            f"{path}: x is {x.dtype} of shape {x.shape}; it must be numbers (n, features), (n, channels, length) "
            "or (n, channels, height, width)"
        )
    if x.dtype != np.uint8 or x.ndim == 2:
        with np.errstate(over="ignore"):  # what is too large becomes infinity, and is refused as that
            return x.astype(np.float32)
    if x.ndim == 4 and x.shape[1] not in (1, 3):
        raise UserError(f"{path}: images must be (n, 1 or 3 channels, height, width), not {x.shape}; transpose x")
    return x[:, None] if x.ndim == 3 else x


def _label_texts(path: Path, y: np.ndarray, size: int) -> np.ndarray:
    """Whole numbers from 0 on, or texts, as texts (n,)."""
    if y.shape != (size,):
        raise UserError(f"{path}: y has shape {y.shape}; it must be one label for each of the {size} samples")
    if y.dtype.kind in "US":
        return y.astype(str)
    if y.dtype.kind not in "fiub" or not (np.isfinite(y).all() and (y == y.astype(np.int64)).all()):
        raise UserError(f"{path}: labels must be whole numbers or texts; y is {y.dtype}")
    if size and y.min() < 0:
        raise UserError(
            f"{path}: label {y.min():g} is outside the range; labels are whole numbers from 0 on, or texts"
        )
    return y.astype(np.int64).astype(str)


def _csv(path: Path, label: str) -> Domain:
    import pandas as pd

    try:
        table = pd.read_csv(path)
        labels = None
        if label in table:  # read apart: there, NA and None are names like others
            labels = pd.read_csv(path, usecols=[label], dtype=str, keep_default_na=False).pop(label).fillna("")
            del table[label]
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: it is no .csv that can be read ({error})") from None
    if labels is not None and (labels == "").any():
        raise UserError(
            f"{path}: line {(labels == '').argmax() + 2} has no label in the column {label!r}; {LABELS}"
        )
    for name in map(str, table.columns):
        if name.startswith("Unnamed: "):  # what pandas calls a column that has no name
            raise UserError(f"{path}: a column has no name; leave it out if it holds row numbers, or name it")
        if len(table) and table[name].dtype.kind not in "fiub":
            hint = f"; if it is the label, say --label {name}" if labels is None else ""
            raise UserError(f"{path}: column {name!r} is not of numbers; encode it or leave it out{hint}")
    if table.shape[1] == 0:
        raise UserError(f"{path}: it has no column besides {label!r}")
    columns = tuple(map(str, table.columns))
    texts = None if labels is None else labels.to_numpy(str)
    return Domain(path, table.to_numpy(np.float32), texts, columns)


READERS = {".npz": _npz, ".csv": _csv}
