"""Files that cannot be shipped: in a data directory of the user's, and checked before they are read."""

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.registry import DataFile
from benchmarks.settings import UserError

VARIABLE = "BENCHMARKS_DATA"

State = Literal["present", "missing", "corrupt"]


def directory() -> Path | None:
    """The data directory, if there is one."""
    return Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None


def state(file: DataFile) -> State:
    """Whether a file is there and is what it should be."""
    root = directory()
    if root is None or not (root / file.path).is_file():
        return "missing"
    return "present" if _digest(root / file.path) == file.sha256 else "corrupt"


def checked(file: DataFile) -> Path:
    """The path of a file that is what it should be.

    Raises:
        UserError: there is no data directory, or the file is missing, truncated or another.
    """
    root = directory()
    if root is None:
        raise UserError(f"{file.path} is needed: name the folder it is in with --data-dir or ${VARIABLE}")
    found = state(file)
    if found == "missing":
        raise UserError(f"{root / file.path} is missing; `data check` says how to get it")
    if found == "corrupt":
        raise UserError(f"{root / file.path} is truncated, or another file: its sha256 is not {file.sha256}")
    return root / file.path


def arrays(file: DataFile) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` that is what it should be."""
    with np.load(checked(file), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _digest(path: Path) -> str:
    status = path.stat()
    return _digest_of(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _digest_of(path: Path, size: int, changed: int) -> str:
    """Once for each content: reading a task again need not read its files again."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
