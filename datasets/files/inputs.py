"""Inputs of a user's own, to predict on: an .npz, a .csv of features, or a folder of images."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.settings import UserError, nearest

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


class Images:
    """Images by path, decoded when a slice of them is asked for: (n, channels, height, width) uint8.

    They are made grey or coloured, and stretched to the size, as the shape says.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, paths: Sequence[Path], shape: tuple[int, ...]) -> None:
        self.paths = paths
        self.shape = (len(paths), *shape)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, part: slice) -> np.ndarray:
        return np.stack([self._decoded(path) for path in self.paths[part]])

    def _decoded(self, path: Path) -> np.ndarray:
        _, channels, height, width = self.shape
        try:
            with Image.open(path) as image:
                plain = image.convert("RGB" if channels == 3 else "L")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise UserError(f"{path} cannot be decoded as an image ({error})") from None
        pixels = np.asarray(plain.resize((width, height), Image.Resampling.BILINEAR))
        return pixels.reshape(height, width, channels).transpose(2, 0, 1)


@dataclass(frozen=True)
class Inputs:
    """Samples to predict on.

    Attributes:
        x: (n, ...) numbers, as they are stored; images in uint8.
        names: (n,) row numbers or file names.
        labels: (n,) names or numbers of classes, where they are given.
    """

    x: np.ndarray | Images
    names: Sequence[object]
    labels: np.ndarray | None


def read_inputs(path: Path, shape: tuple[int, ...], label: str | None = None) -> Inputs:
    """Read what ``path`` holds.

    Args:
        shape: of one sample, as the model has it; images are made to fit.
        label: of a .csv, the column of true classes.

    Raises:
        UserError: no such file, or one that is not of the kind its name says.
    """
    if label and path.suffix != ".csv":
        raise UserError(f"--label names a column of a .csv; {str(path)!r} is none")
    if not path.exists():
        raise UserError(f"input {str(path)!r}: no such file or folder")
    if path.is_dir():
        return _read_images(path, shape)
    if path.suffix == ".npz":
        return _read_npz(path)
    if path.suffix == ".csv":
        return _read_csv(path, label)
    raise UserError(f"input {str(path)!r}: expected a .npz, a .csv, or a folder of images")


def _read_npz(path: Path) -> Inputs:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read ({error}); pickled objects are refused") from None
    if "x" not in arrays or not arrays["x"].ndim:
        raise UserError(
            f"{path} needs an array x of inputs, and may have y, their labels; it has {sorted(arrays)}"
        )
    x, y = arrays["x"], arrays.get("y")
    if x.dtype != np.uint8 and x.dtype.kind not in "biuf":
        raise UserError(f"{path}: x is {x.dtype}; inputs are numbers")
    if y is not None and (y.shape != x.shape[:1] or y.dtype.kind not in "iuU"):
        raise UserError(
            f"{path}: y is {y.dtype} {y.shape}; expected one whole number or name for each of {len(x)}"
        )
    return Inputs(x, range(len(x)), y)


def _read_csv(path: Path, label: str | None) -> Inputs:
    try:
        table = pd.read_csv(path, dtype={label: str} if label else None)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a .csv ({error})") from None
    if label and label not in table:
        raise UserError(f"{path}: no column {nearest(label, map(str, table))}")
    features = table.drop(columns=label or [])
    for name in features.select_dtypes(exclude="number"):
        raise UserError(f"{path}: column {name!r} is not numeric; remove it, or name it with --label")
    labels = table[label].fillna("").to_numpy(str) if label else None
    return Inputs(features.to_numpy(np.float64), range(len(table)), labels)


def _read_images(folder: Path, shape: tuple[int, ...]) -> Inputs:
    """A flat folder without labels, or a folder for each class."""
    if len(shape) != 3:
        raise UserError(f"{folder} is a folder of images; the model takes inputs of shape {shape}")
    flat, nested = (
        sorted(path for path in folder.glob(pattern) if path.suffix.lower() in SUFFIXES)
        for pattern in ("*", "*/*")
    )
    if bool(flat) == bool(nested):
        found = "both" if flat else "none"
        raise UserError(f"{folder}: expected images in it, or in a folder for each class; it has {found}")
    paths = flat or nested
    labels = np.array([path.parent.name for path in nested]) if nested else None
    return Inputs(Images(paths, shape), [path.relative_to(folder).as_posix() for path in paths], labels)
