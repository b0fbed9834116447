"""Deep adaptation networks (Long et al., ICML 2015)."""

from typing import Literal

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.losses.mmd import mk_mmd
from methods.networks import ramp
from methods.networks.build import Build


class Params(ramp.Params):
    trade_off: NonNegativeFloat = param(
        1.0, "weight of the MMD at the end", low=0.1, high=10, log=True, source="section 4.1"
    )
    gamma: NonNegativeFloat = param(
        10.0, "steepness of its ramp", low=1, high=20, log=True, source="DANN's; see the class"
    )
    layers: tuple[Literal["features", "logits"], ...] = param(
        ("features", "logits"),
        "whose distributions are matched",
        source="section 3.2: all task-specific layers",
    )


@METHODS.register(
    "dan",
    MethodInfo(
        "moments",
        2015,
        "ICML",
        "Long et al., Learning Transferable Features with Deep Adaptation",
        core=True,
        display="DAN",
    ),
)
class DAN(base.Deep):
    """Multi-kernel MMD, summed over layers.

    Two things differ from the paper. All kernels weigh the same; it learns their weights. And the weight rises as
    DANN's does: the paper starts from a trained encoder, but from scratch a full weight now and then merges the
    classes before they have formed (seen without target labels: source accuracy falls to chance).
    """

    settings = Params
    params: Params

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.ramp = ramp.Ramp(self.n_classes, params.gamma, 0.0, params.waits)

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        distances = [mk_mmd(getattr(source, layer), getattr(target, layer)) for layer in self.params.layers]
        strength = self.params.trade_off * self.ramp(progress, source)
        self.log(strength=strength)
        return {"mmd": (strength * torch.stack(distances).sum()).to(distances[0].dtype)}
