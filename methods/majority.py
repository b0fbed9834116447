"""A reference, not a method: always the most frequent label of the target's training samples. The floor."""

from collections.abc import Sequence

import torch
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from methods.base import Method, Params, Side, Stage, StageData
from methods.networks.build import Build


@METHODS.register(
    "majority",
    MethodInfo(
        "reference", 2010, "-", "the target's most frequent class", reference="target", uses=(), classes_only=True
    ),
)
class Majority(Method):
    shares: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.register_buffer("shares", torch.zeros(self.n_classes))

    def stages(self) -> Sequence[Stage]:
        return [Stage("count", [], sees="source", begin=self.count)]

    def count(self, data: StageData) -> None:
        assert data.source is not None
        self.shares.copy_(torch.bincount(data.source.y, minlength=self.n_classes) / len(data.source.y))

    def predict(self, x: Tensor, side: Side) -> tuple[Tensor, Tensor]:
        return x.new_zeros(len(x), 1), self.shares.expand(len(x), -1)
