"""A trained method as a PyTorch module, from its record alone: no data is read."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import weights
from benchmarks.grid import RunSpec
from benchmarks.run import new_method
from benchmarks.settings import UserError, format_query, parse_query
from benchmarks.store import read_part
from benchmarks.training import EVALUATION_BATCH, to_device
from benchmarks.weights import Signature
from methods.base import Method


class TrainedModel(nn.Module):
    """A trained method: inputs of the target domain to logits.

    Attributes:
        classes: their names, in the order of the logits.
        input_shape: of one sample.
        input_dtype: what it was trained on: float32, or uint8 images.
    """

    def __init__(self, method: Method, signature: Signature) -> None:
        super().__init__()
        self.method = method
        self.classes, self.input_shape = signature.classes, signature.input_shape
        self.input_dtype = signature.input_dtype

    def forward(self, x: Tensor) -> Tensor:
        """Inputs (n, *input_shape) to logits (n, classes).

        Images in uint8 are scaled to [-1, 1] as in training; inputs of any other type are taken as they are.
        """
        dtype = next(self.parameters()).dtype
        x = x.to(dtype) / 127.5 - 1 if x.dtype == torch.uint8 else x.to(dtype)
        x = x.to(memory_format=torch.channels_last) if x.ndim == 4 else x
        return self.method.predict(x, "target")[1]

    @torch.no_grad()
    def logits(self, x: Any) -> np.ndarray:
        """Logits (n, classes) of many inputs (n, *input_shape), in batches.

        Args:
            x: an array, or anything with a length whose slices are arrays.
        """
        device = next(self.parameters()).device
        parts = [
            self(torch.tensor(x[start : start + EVALUATION_BATCH], device=device)).float().cpu().numpy()
            for start in range(0, len(x), EVALUATION_BATCH)
        ]
        return np.concatenate(parts)


def load(folder: Path, device: torch.device | None = None) -> TrainedModel:
    """The model of a record that has its weights, in evaluation mode.

    Raises:
        UserError: no weights, or a record or weights that are broken or do not belong together.
    """
    spec = _spec(folder)
    signature, state = weights.read(folder)
    method = to_device(new_method(spec, signature), device or torch.device("cpu"), spec.protocol)
    try:
        method.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{folder / weights.WEIGHTS} does not fit {spec}: {reason}") from None
    return TrainedModel(method, signature).eval()


def _spec(folder: Path) -> RunSpec:
    """What a record was asked for, without what only a training needs: pretrained weights and compilation."""
    values = read_part(folder, "spec.json")
    try:
        values.pop("run_id")
        spec = RunSpec.from_dict(values, values["method"])
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{folder / 'spec.json'} is no spec of a run ({type(error).__name__}: {error})") from None
    name, options = parse_query(spec.protocol.backbone)
    options.pop("weights", None)
    plain: dict[str, Any] = {"backbone": format_query(name, options), "compile": False}
    return replace(spec, protocol=spec.protocol.replace(plain, str(folder)))
