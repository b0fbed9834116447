"""The saved state of a run that was interrupted: it goes on to the same bits, or starts over."""

import hashlib
import io
import os
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.core import atomic
from benchmarks.core.reading import read_bytes

NAME = "state.pt"


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values, behind their SHA-256."""
    content = io.BytesIO()
    torch.save(state, content)
    with atomic.writing(folder / NAME) as file:
        file.write(hashlib.sha256(content.getbuffer()).digest())
        file.write(content.getbuffer())


def saved_state(folder: Path) -> dict[str, Any] | None:
    """What :func:`save_state` wrote; None if it wrote nothing.

    Raises:
        Exception: of any kind, if the file is damaged: PyTorch's reader raises of a dozen.
    """
    path = folder / NAME
    if not os.path.lexists(path):
        return None
    content = read_bytes(path, sys.maxsize)
    size = hashlib.sha256().digest_size
    if hashlib.sha256(memoryview(content)[size:]).digest() != content[:size]:
        raise ValueError("it is damaged")
    return torch.load(io.BytesIO(content[size:]), weights_only=True)
