"""Inputs of a user's own, to predict on: an .npz, a .csv of features, or a folder of images."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.settings import UserError, nearest
from datasets.files.images import ImageFiles

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Inputs:
    """Samples to predict on.

    Attributes:
        x: (n, ...) numbers, as they are stored; images in uint8.
        names: (n,) row numbers or file names.
        labels: (n,) names or numbers of classes, where they are given.
    """

    x: np.ndarray | ImageFiles
    names: Sequence[object]
    labels: np.ndarray | None


def read_inputs(path: Path, shape: tuple[int, ...], label: str | None = None, *, resize: bool = False) -> Inputs:
    """Read what ``path`` holds.

    Args:
        shape: of one sample, as the model has it.
        label: of a .csv, the column of true classes.
        resize: images are resized and cropped as image files are for training; otherwise they must fit.

    Raises:
        UserError: no such file, or one that is not of the kind its name says.
    """
    if label and path.suffix != ".csv":
        raise UserError(f"--label names a column of a .csv; {str(path)!r} is none")
    if not path.exists():
        raise UserError(f"input {str(path)!r}: no such file or folder")
    if path.is_dir():
        return _read_images(path, shape, resize)
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


def _read_images(folder: Path, shape: tuple[int, ...], resize: bool) -> Inputs:
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
    x = ImageFiles(paths, shape[1], "predict") if resize else np.stack([_decoded(path, shape) for path in paths])
    return Inputs(x, [path.relative_to(folder).as_posix() for path in paths], labels)


def _decoded(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """One image as it is, (channels, height, width) uint8, grey or in colour as the shape says."""
    channels, height, width = shape
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB" if channels == 3 else "L"))
    except Exception as error:  # Pillow's decoders raise whatever their parsers do
        raise UserError(f"{path} is no image that can be read ({error}); mend or remove it") from None
    if pixels.shape[:2] != (height, width):
        found, needed = "x".join(map(str, pixels.shape[:2])), f"{height}x{width}"
        raise UserError(
            f"{path} is {found}; the model was trained on arrays of {needed}: resize as you did for it"
        )
    return pixels.reshape(height, width, channels).transpose(2, 0, 1)
