"""Arrays ``x``, ``y`` and ``y_mask`` of an ``.npz`` that may be anything: headers are checked before values."""

import zipfile
from collections import Counter
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from benchmarks.core.escape import quoted, reason, shown
from benchmarks.core.settings import UserError
from datasets import files


def read_arrays(path: Path) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Inputs x (n, ...), labels y (n,) if there are any, and where they are masked (n,) bool.

    Numbers keep float32's or float64's digits. ``y_mask`` is as in ``numpy.ma``: True where a label is missing;
    ``numpy.savez`` writes a masked array without its mask.

    Raises:
        UserError: no such arrays, arrays that cannot be trained on, or a file that is broken.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = Counter(info.filename.removesuffix(".npy") for info in archive.infolist())
            for name in ("x", "y", "y_mask"):
                if members[name] > 1:
                    raise UserError(f"{shown(path)}: it has {members[name]} arrays {name}; save it again with one")
            if "x" not in members:
                has = ", ".join(quoted(name) for name in list(members)[:10]) or "none"
                raise UserError(f"{shown(path)}: it has no array x; it has {has}")
            if "mask" in members and "y_mask" not in members:
                raise UserError(
                    f"{shown(path)}: it has an array mask; if it is True where a label is missing, call it "
                    "y_mask, and else leave it out"
                )
            x = _Member(path, archive, "x").inputs()
            y = _Member(path, archive, "y").labels(len(x)) if "y" in members else None
            mask = np.zeros(len(x), bool)
            if "y_mask" in members:
                mask = _Member(path, archive, "y_mask").mask(len(x))
    except (UserError, OSError):
        raise
    except Exception as error:  # of the zip, what it is packed with, or NumPy's parser of headers
        raise UserError(f"{shown(path)}: it is no .npz that can be read ({reason(error)})") from None
    return x, y, mask


class _Member:
    """One array of an archive, of which only the header has been read.

    Raises:
        UserError: it is no array, holds objects, or its header does not agree with its size.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile, name: str) -> None:
        self.where, self.archive = f"{shown(path)}: {name}", archive
        self.info = next(info for info in archive.infolist() if info.filename.removesuffix(".npy") == name)
        with archive.open(self.info) as file:
            try:
                self.shape, self.dtype = _header(file)
            except ValueError as error:
                raise UserError(f"{self.where} is no array that can be read ({reason(error)})") from None
            size = self.info.file_size - file.tell()
        if self.dtype.hasobject:
            how = "texts, or numbers; a missing label is '' or NaN" if name == "y" else "plain arrays"
            raise UserError(f"{self.where} holds pickled objects, which could run code; save {how}")
        needed = prod(self.shape) * self.dtype.itemsize
        if needed != size or min(self.shape, default=0) < 0:
            raise UserError(f"{self.where} is broken: {self} would take {needed} bytes, and it has {size}")
        if 2 * needed > (memory := files.memory()):
            raise UserError(
                f"{self.where} is {self}, {needed / 1e9:,.1f} GB unpacked; this machine has {memory / 1e9:,.0f} GB"
            )

    def __str__(self) -> str:
        return f"{shown(self.dtype)[:80]} of shape {self.shape}"

    def inputs(self) -> np.ndarray:
        """Images of bytes as they are, and numbers in float32 or float64, whichever holds them."""
        if self.dtype.kind not in "fiub" or not 2 <= len(self.shape) <= 4:
            raise UserError(
                f"{self.where} is {self}; it must be numbers (n, features), (n, channels, length) "
                "or (n, channels, height, width)"
            )
        if not prod(self.shape[1:]):
            raise UserError(f"{self.where} is {self}: samples without a feature")
        if self.dtype == np.uint8 and len(self.shape) > 2:
            return self._read()
        kind = min(np.promote_types(self.dtype, np.float32), np.dtype(np.float64), key=lambda of: of.itemsize)
        with np.errstate(over="ignore"):  # what is too large becomes infinity, and is refused as that
            return self._read().astype(kind, copy=False)

    def labels(self, size: int) -> np.ndarray:
        """(n,) of whatever kind names can be made of."""
        if self.shape != (size,):
            raise UserError(
                f"{self.where} has shape {self.shape}; it must be one label for each of the {size} samples"
            )
        if self.dtype.kind not in "fiubUS":
            raise UserError(f"{self.where}: labels must be whole numbers or texts, not {shown(self.dtype)[:80]}")
        return self._read()

    def mask(self, size: int) -> np.ndarray:
        """(n,) bool."""
        if self.dtype != bool or self.shape != (size,):
            raise UserError(f"{self.where} is {self}; it must be one bool for each of the {size} samples")
        return self._read()

    def _read(self) -> np.ndarray:
        with self.archive.open(self.info) as file:
            return np.lib.format.read_array(file, allow_pickle=False)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of an array. The third version of the format is for records alone."""
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"version {version} of the format")
    shape, _, dtype = readers[version](file)
    return shape, dtype
