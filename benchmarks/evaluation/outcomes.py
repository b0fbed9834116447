"""Which test samples were classified rightly, and which of them belong together, as text in a record."""

import zlib
from base64 import b64decode, b64encode
from functools import lru_cache

import numpy as np

LARGEST = 2**27  # bytes of ids


def packed_units(units: np.ndarray) -> str:
    """Ids (n,) as text: the differences of neighbours, compressed, in base64; empty for none.

    Differences, because ids mostly rise by 1: ten thousand of them take 60 letters.
    """
    steps = np.diff(units, prepend=0).astype("<i4")
    return b64encode(zlib.compress(steps.tobytes(), 9)).decode() if len(units) else ""


@lru_cache(maxsize=256)
def unpacked_units(text: str) -> np.ndarray:
    """The inverse of :func:`packed_units`.

    Raises:
        ValueError: no such text.
    """
    try:
        steps = zlib.decompressobj().decompress(b64decode(text, validate=True), LARGEST) if text else b""
        return np.frombuffer(steps, "<i4").astype(np.int64).cumsum()
    except zlib.error as error:
        raise ValueError(f"these are no ids of test samples: {error}") from None


def unpacked_right(text: str) -> np.ndarray:
    """Right (1) or wrong (0) of each test sample, from what :func:`oracle.right` gives; up to 7 zeros follow.

    Raises:
        ValueError: no such text.
    """
    return np.unpackbits(np.frombuffer(b64decode(text, validate=True), np.uint8))
