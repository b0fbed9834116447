"""Adaptive batch normalisation (Li et al., ICLR workshops 2017)."""

from collections.abc import Sequence
from contextlib import suppress
from functools import cache

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from benchmarks.core.facts import Facts
from benchmarks.core.protocol import Protocol
from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import UserError
from methods import base
from methods.base import Side, Stage, StageData, Update
from methods.networks.backbones import build_backbone
from methods.networks.build import Build

SHAPES = ((3, 32, 32), (1, 28, 28), (1, 128), (2,))  # backbones are for one or other, and some for several


@METHODS.register(
    "adabn",
    MethodInfo(
        "moments",
        2017,
        "ICLR workshops",
        "Li et al., Revisiting Batch Normalization for Practical Domain Adaptation",
        uses=("backbone", "new"),
        keeps_source=False,
        display="AdaBN",
    ),
)
class AdaBN(base.Deep):
    """A source model; then every batch norm gets means and variances of the target, and no weight changes.

    Each domain is predicted with its own statistics, as in the paper: the source's are those of the training.
    """

    adapted: Tensor

    def __init__(self, params: base.Params, build: Build) -> None:
        super().__init__(params, build)
        self.target_encoder = build.encoder()
        self.register_buffer("adapted", torch.tensor(False))

    @classmethod
    def unsupported(cls, facts: Facts, protocol: Protocol) -> str | None:
        if protocol.frozen:
            return "it adapts the batch norms of the whole encoder, and the backbone is frozen (protocol.frozen)"
        if has_batch_norm(protocol.backbone):
            return None
        return f"it needs batch normalisation, which backbone {protocol.backbone!r} does not have"

    def stages(self) -> Sequence[Stage]:
        source = Stage("source", [Update(self.loss, trains=("encoder.", "head."))], sees="source")
        return [source, Stage("statistics", [], sees="target", begin=self.measure)]

    @torch.no_grad()
    def measure(self, data: StageData) -> None:
        """One pass over the target, each layer's inputs being normalised by those before it as in training."""
        self.target_encoder.load_state_dict(self.encoder.state_dict())
        self.adapted.fill_(True)
        self.target_encoder.eval()
        layers = [layer.train() for layer in self.target_encoder.modules() if isinstance(layer, _BatchNorm)]
        seen = 0
        for x in data.inputs("target"):
            seen += len(x)
            for layer in layers:
                layer.momentum = len(x) / seen  # the mean over batches, by their sizes
            if len(x) > 1:  # one sample has no variance
                self.target_encoder(x)

    def predict(self, x: Tensor, side: Side) -> tuple[Tensor, Tensor]:
        features = (self.target_encoder if side == "target" and bool(self.adapted) else self.encoder)(x)
        return features, self.head(features)


@cache
def has_batch_norm(backbone: str) -> bool:
    """As it is built for any shape that it takes; a backbone that cannot be built says so itself, in its run."""
    for shape in SHAPES:
        with suppress(UserError):
            return any(isinstance(layer, _BatchNorm) for layer in build_backbone(backbone, shape).modules())
    return True
