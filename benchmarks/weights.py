"""The file of a run's trained weights, kept with its record where that is asked for."""

import json
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from benchmarks.settings import Settings, UserError
from benchmarks.store import WEIGHTS
from methods.base import Method


class Signature(Settings):
    """What a method's networks are built for, besides its spec: with both, they can be built without the data."""

    input_shape: tuple[int, ...]
    input_dtype: Literal["float32", "uint8"]
    classes: tuple[str, ...]
    source_size: int


def save(method: Method, signature: Signature, folder: Path) -> None:
    """Write the state of a trained method, and its signature as the file's metadata."""
    # A clone: the format refuses tensors that share memory, or that are not laid out row by row.
    state = {
        name: value.cpu().clone(memory_format=torch.contiguous_format)
        for name, value in method.state_dict().items()
    }
    metadata = {name: json.dumps(value) for name, value in signature.model_dump(mode="json").items()}
    save_file(state, folder / WEIGHTS, metadata)


def read(folder: Path) -> tuple[Signature, dict[str, Tensor]]:
    """The inverse of :func:`save`.

    Raises:
        UserError: there is no such file, or it is truncated or another.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise UserError(f"the record {folder} has no weights; do its run again with --save-weights")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = {name: json.loads(text) for name, text in (file.metadata() or {}).items()}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
        return Signature.parse(metadata, str(path)), state
    except (OSError, ValueError, SafetensorError, UserError) as error:
        raise UserError(
            f"{path} is truncated, or no file of weights ({error}); delete it and run again with --save-weights"
        ) from None
