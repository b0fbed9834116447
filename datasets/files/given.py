"""Data given in memory, kept as files of the cache: from there on they are like any other of the user's data."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from benchmarks.core import atomic
from benchmarks.core.settings import UserError
from datasets import files


def path_of(data: Any, name: str, label: str) -> Path:
    """The path of a domain: that given, or that of a file which holds the data given.

    The file's folder is named by a digest of the data, so that the same data are written once.

    Args:
        data: a path; inputs (n, ...); a pair of those and labels (n,), where None, NaN, "" and masked are missing;
            or a DataFrame with a column of labels.
        name: of the file, and in errors.
        label: the column of a DataFrame's labels.

    Raises:
        UserError: data that no file can hold, or a cache that cannot be written. What a file can hold and no run
            can use, its reader tells of.
    """
    if isinstance(data, str | os.PathLike):
        return Path(data)
    x, y = data if isinstance(data, tuple) and len(data) == 2 else (data, None)
    if isinstance(x, pd.DataFrame):
        text = _table(x, y, name, label).to_csv(index=False).encode()
        return _kept(hashlib.sha256(text), f"{name}.csv", lambda file: file.write(text))
    arrays: dict[str, Any] = {"x": _inputs(x, name)} | ({} if y is None else {"y": _labels(y)})
    digest = hashlib.sha256()
    for key, array in arrays.items():
        digest.update(f"{key} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return _kept(digest, f"{name}.npz", lambda file: np.savez(file, **arrays))


def _table(frame: pd.DataFrame, y: Any, name: str, label: str) -> pd.DataFrame:
    if y is None:
        return frame
    if label in frame:
        raise UserError(
            f"{name}: the column {label!r} is in the DataFrame already; leave out the labels beside it"
        )
    if len(labels := _labels(y)) != len(frame):
        raise UserError(f"{name}: {len(labels)} labels for {len(frame)} rows")
    return frame.assign(**{label: labels})


def _inputs(x: Any, name: str) -> np.ndarray:
    """Numbers (n, ...), NaN where they are masked."""
    x = np.ma.filled(x.astype(np.float64), np.nan) if np.ma.isMaskedArray(x) else np.asarray(x)
    if x.dtype.kind not in "fiub":
        raise UserError(f"{name}: an array of {x.dtype}; it must be numbers (n, ...), a DataFrame or a path")
    return x


def _labels(y: Any) -> np.ndarray:
    """Numbers or texts (n,) as an .npz can hold them; a text is empty where a label is missing."""
    array = np.asarray(y)
    if array.dtype.kind in "fiubS" and not np.ma.isMaskedArray(y):
        return array
    return np.array(["" if pd.isna(value) else str(value) for value in getattr(y, "tolist", lambda: y)()], str)


def _kept(digest: Any, name: str, write: Callable[[BinaryIO], object]) -> Path:
    path = files.cache() / "own" / "given" / digest.hexdigest()[:16] / name
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic.writing(path) as file:
                write(file)
        except OSError as error:
            raise files.unwritable(error) from None
    return path
