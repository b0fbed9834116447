"""Files that cannot be shipped: in a data directory of the user's, and checked before they are read."""

import fcntl
import glob
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from functools import cache as once
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.core import atomic
from benchmarks.core.escape import reason
from benchmarks.core.reading import digest_of
from benchmarks.core.registry import DataFile
from benchmarks.core.settings import UserError

VARIABLE = "BENCHMARKS_DATA"
CACHE_VARIABLE = "BENCHMARKS_CACHE"

State = Literal["present", "missing", "corrupt"]


def directory() -> Path | None:
    """The data directory, if there is one."""
    return Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None


def cache() -> Path:
    """The folder of what was decoded before."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "domain-adaptation-benchmarks")


def unwritable(error: OSError) -> UserError:
    """What to say of a cache that cannot be written."""
    return UserError(
        f"cache folder {cache()}: {error.strerror}; make room, or name another with ${CACHE_VARIABLE}"
    )


def memory() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@once
def tell(note: str) -> None:
    """Say something of the data that is no error, once a process."""
    print(f"note: {note}", file=sys.stderr, flush=True)


def mapped(path: Path) -> np.ndarray:
    """An array of the cache, mapped from its file.

    Raises:
        UserError: it was broken from outside.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy's parser of headers raises whatever Python's does
        raise broken(path, reason(error)) from None


def broken(path: Path, problem: str) -> UserError:
    """What to say of a part of the cache that is not as it was written."""
    return UserError(f"{path} is broken ({problem}); remove it, and it is made again")


def state(file: DataFile) -> State:
    """Whether a file is there and is what it should be; a folder's files are checked as they are read."""
    root = directory()
    if root is None or not os.path.exists(root / file.path):
        return "missing"
    if not (file.sha256 or file.md5):
        return "present" if (root / file.path).is_dir() else "missing"
    return "corrupt" if _fault(file, root / file.path) else "present"


def _fault(file: DataFile, path: Path) -> str:
    """Why what is at ``path`` is not the file; empty if it is."""
    try:
        if matches(file, path):
            return ""
    except OSError as error:  # no permission, a folder, a pipe
        return f"cannot be read: {reason(error)}"
    digest = f"sha256 is not {file.sha256}" if file.sha256 else f"md5 is not {file.md5}"
    return f"is truncated, or another file: its {digest}"


def matches(file: DataFile, path: Path) -> bool:
    """Whether what is at ``path`` has one of the file's digests; raises OSError where it cannot be read."""
    right = {"sha256": file.sha256, "md5": file.md5}
    return any(right[kind] == _digest(path, kind) for kind in right if right[kind])


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
        raise UserError(f"{root / file.path} {_fault(file, root / file.path)}")
    return root / file.path


def arrays(file: DataFile) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` that is what it should be."""
    with np.load(checked(file), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def cached(
    name: str, sources: Iterable[DataFile], make: Callable[[], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """What ``make`` returns, decoded once and then mapped from ``$BENCHMARKS_CACHE`` (else ``~/.cache``).

    Args:
        name: what is made, with a version: the cache knows nothing of the code.
        sources: what it is made from; other contents are another entry.

    Raises:
        UserError: the cache cannot be written, or what it holds was broken from outside.
    """
    digest = hashlib.sha256("".join(file.sha256 for file in sources).encode()).hexdigest()[:12]
    folder = cache() / f"{name}-{digest}"
    if not folder.is_dir():
        _keep(folder, make())
    return _Kept(folder)


def kept(
    name: str, shape: tuple[int, ...], dtype: np.dtype, make: Callable[[], Iterable[np.ndarray]]
) -> np.ndarray:
    """An array of the cache, memory-mapped. One process makes its file, part by part; it is renamed when whole.

    Args:
        name: of the file; it says what the array is made from, since another content is another array.
        make: its parts, one after the other.

    Raises:
        UserError: the cache cannot be written, or what it holds was broken from outside.
    """
    path = cache() / f"{name}.npy"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                for left in path.parent.glob(f".{glob.escape(path.name)}.*{atomic.ASIDE}"):  # by killed processes
                    left.unlink()
                with atomic.writing(path) as file:
                    # Not a memory map: writing to one on a full disk ends the process.
                    header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(file, header)
                    for part in make():
                        file.write(part.tobytes())
    except OSError as error:
        raise unwritable(error) from None
    array = mapped(path)
    if (array.shape, array.dtype) != (shape, dtype):
        raise broken(path, f"an array of {array.dtype} {array.shape}")
    return array


class _Kept(dict[str, np.ndarray]):
    """The arrays that a folder of the cache holds, by name."""

    def __init__(self, folder: Path) -> None:
        super().__init__({path.stem: mapped(path) for path in folder.glob("*.npy")})
        self.folder = folder

    def __missing__(self, name: str) -> np.ndarray:
        raise broken(self.folder, f"{name}.npy is missing")


def _keep(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays into a new folder, whole or not at all."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as partial:
            whole = Path(partial) / "whole"
            whole.mkdir()
            for key, array in arrays.items():
                np.save(whole / f"{key}.npy", array, allow_pickle=False)
            try:
                whole.rename(folder)
            except OSError:
                if not folder.is_dir():  # else another process was first: its is the same
                    raise
    except OSError as error:
        raise unwritable(error) from None


def _digest(path: Path, kind: str) -> str:
    status = path.stat()
    return _digest_of(path, kind, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _digest_of(path: Path, kind: str, size: int, changed: int) -> str:
    """Once for each content: reading a task again need not read its files again."""
    return digest_of(path, kind)
