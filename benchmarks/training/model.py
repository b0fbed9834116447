"""A trained method as a PyTorch module, from its record alone: no data is read."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.core.settings import UserError, format_query, parse_query
from benchmarks.plan.spec import RunSpec
from benchmarks.records.record import WEIGHTS, read_part
from benchmarks.training import weights
from benchmarks.training.build import new_method
from benchmarks.training.frozen import FrozenBackbone, frozen_backbone
from benchmarks.training.loop import evaluation_batch
from benchmarks.training.weights import AGAIN, SOURCE_VAL, Signature
from methods.base import Method


class TrainedModel(nn.Module):
    """A trained method: inputs of the target domain to logits.

    Attributes:
        classes: of the source, their names in the order of the logits.
        open: whether a sample may be of none of them.
        source_val: logits (m, outputs) of the source's validation samples; none unless it is open.
        frozen: the frozen backbone that comes before the method, if one does.
        input_shape: of one sample.
        inputs, preprocessing: as :class:`benchmarks.training.weights.Signature` says.
    """

    def __init__(
        self,
        method: Method,
        signature: Signature,
        frozen: FrozenBackbone | None = None,
        source_val: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        self.method = method
        self.classes, self.frozen = signature.classes, frozen
        self.objective, self.open = signature.objective, signature.open
        self.source_val = np.empty((0, 0)) if source_val is None else source_val
        self.input_shape = signature.trunk.input_shape if signature.trunk else signature.facts.input_shape
        self.inputs, self.preprocessing = signature.inputs, signature.preprocessing

    def forward(self, x: Tensor) -> Tensor:
        """Inputs (n, *input_shape) to logits (n, classes).

        Images in uint8 are scaled to [-1, 1] as in training; inputs of any other type are taken as they are.
        """
        return self._outputs(self.frozen.forward(x) if self.frozen else x)[1]

    def _outputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features (n, d) and logits (n, classes)."""
        dtype = self._numbers().dtype
        x = x.to(dtype) / 127.5 - 1 if x.dtype == torch.uint8 else x.to(dtype)
        x = x.to(memory_format=torch.channels_last) if x.ndim == 4 else x
        return self.method.predict(x, "target")

    def logits(self, x: Any) -> np.ndarray:
        """Logits (n, classes) of many inputs (n, *input_shape), in batches.

        Args:
            x: an array, or :class:`datasets.files.images.ImageFiles`.
        """
        return self._batched(x, 1)

    def predicted(self, logits: np.ndarray) -> np.ndarray:
        """Numbers of classes (n,) of logits (n, outputs); of what is unknown, that after the last class."""
        return self.objective.predicted(logits, self.source_val)

    def features(self, x: Any) -> np.ndarray:
        """Features (n, d), before they are classified, of inputs as :meth:`logits` takes them."""
        return self._batched(x, 0)

    @torch.no_grad()
    def _batched(self, x: Any, part: int) -> np.ndarray:
        x = self.frozen(x) if self.frozen else x
        device = self._numbers().device
        size = evaluation_batch(x.shape[1:])
        parts = [
            self._outputs(torch.tensor(np.asarray(x[start : start + size]), device=device))[part]
            .float()
            .cpu()
            .numpy()
            for start in range(0, len(x), size)
        ]
        return np.concatenate(parts)

    def _numbers(self) -> Tensor:
        """One of its tensors, for type and device; shallow methods have no parameter to ask."""
        return next(tensor for tensor in self.state_dict().values() if tensor.is_floating_point())


def load_model(folder: Path, device: torch.device | None = None) -> TrainedModel:
    """The model of a record that has its weights, in evaluation mode.

    Raises:
        UserError: no weights, or a record or weights that are broken or do not belong together.
    """
    spec = _spec(folder)
    signature, state = weights.read(folder)
    # Where means were subtracted, they are among the weights: what matters here is how many there are.
    means = None if spec.protocol.normalisation == "range" else (0.0,) * signature.facts.input_shape[0]
    device = device or torch.device("cpu")
    method = new_method(spec, signature.facts, means, device)
    frozen = frozen_backbone(spec.protocol.backbone, device.type) if spec.protocol.frozen else None
    source_val = state.pop(SOURCE_VAL, None)
    if signature.open and source_val is None:
        raise UserError(f"{folder / WEIGHTS} is of another version of this program; {AGAIN}")
    if frozen and signature.trunk and frozen.digest != signature.trunk.digest:
        raise UserError(f"{folder / WEIGHTS}: backbone {frozen.text!r} has other weights than it was trained with")
    try:
        method.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{folder / WEIGHTS} does not fit {spec}: {reason}") from None
    return TrainedModel(method, signature, frozen, None if source_val is None else source_val.numpy()).eval()


def _spec(folder: Path) -> RunSpec:
    """What a record was asked for, without what only a training needs.

    That is also a backbone's pretrained weights, unless it is frozen: else those of the training are kept.
    """
    values = read_part(folder, "spec.json")
    try:
        values.pop("run_id")
        spec = RunSpec.from_dict(values, values["method"])
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{folder / 'spec.json'} is no spec of a run ({type(error).__name__}: {error})") from None
    name, options = parse_query(spec.protocol.backbone)
    if "weights" in options and not spec.protocol.frozen:
        options["weights"] = "none"
    plain = {"backbone": format_query(name, options), "compile": False, "augmentation": "none"}
    return replace(spec, protocol=spec.protocol.replace(plain, str(folder)))
