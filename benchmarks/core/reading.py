"""Reading files that anyone may have put there, in bounded memory and time. Stdlib only."""

import hashlib
import json
import math
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any

LARGEST = 2**26  # bytes read at once: no run writes as much text, and JSON takes 20 times as much in memory


def read_bytes(path: Path | str, largest: int = LARGEST) -> bytes:
    """The content of a regular file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is too large.
    """
    with _regular(path) as file:
        if (size := os.fstat(file.fileno()).st_size) > largest:
            raise ValueError(f"it has {size:,} bytes, more than any run writes")
        return file.read(size)


def ends_of(path: Path | str, size: int = 2**16) -> bytes:
    """The beginning and the end of a regular file, ``size`` bytes of each; raises OSError."""
    with _regular(path) as file:
        start = file.read(size)
        file.seek(max(file.tell(), os.fstat(file.fileno()).st_size - size))
        return start + file.read(size)


def digest_of(path: Path | str, kind: str = "sha256") -> str:
    """A digest of a regular file of any size; raises OSError."""
    with _regular(path) as file:
        return hashlib.file_digest(file, kind).hexdigest()


def _regular(path: Path | str) -> BufferedReader:
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(0, "it is no regular file", str(path))
    return open(handle, "rb")


def parse_json(content: bytes | str, *, nan: bool = False) -> Any:
    """Standard JSON, in UTF-8, with no key twice.

    Args:
        nan: numbers may be NaN, as in a .csv of records.

    Raises:
        ValueError: it is none, or nested too deep.
    """
    try:
        text = content.decode() if isinstance(content, bytes) else content
        return (_NAN_DECODER if nan else _DECODER).decode(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is in it twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _only_nan(name: str) -> float:
    return math.nan if name == "NaN" else _no_constant(name)


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
_NAN_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_only_nan)
