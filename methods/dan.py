"""Deep adaptation networks (Long et al., ICML 2015)."""

from typing import Literal

import torch
from torch import Tensor

from benchmarks.registry import METHODS, MethodInfo
from benchmarks.settings import param
from methods import base
from methods.losses.mmd import mk_mmd


class Params(base.Params):
    trade_off: float = param(1.0, "weight of the MMD", low=0.1, high=10, log=True, source="section 4.1")
    layers: tuple[Literal["features", "logits"], ...] = param(
        ("features", "logits"),
        "whose distributions are matched",
        source="section 3.2: all task-specific layers",
    )


@METHODS.register(
    "dan",
    MethodInfo("moments", 2015, "ICML", "Long et al., Learning Transferable Features with Deep Adaptation"),
)
class DAN(base.Method):
    """Multi-kernel MMD, summed over layers. All kernels weigh the same; the paper learns their weights."""

    settings = Params
    params: Params

    def alignment(self, source: base.Embedded, target: base.Embedded, progress: Tensor) -> dict[str, Tensor]:
        distances = [mk_mmd(getattr(source, layer), getattr(target, layer)) for layer in self.params.layers]
        return {"mmd": self.params.trade_off * torch.stack(distances).sum()}
