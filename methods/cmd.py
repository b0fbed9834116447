"""Central moment discrepancy (Zellinger et al., ICLR 2017)."""

from pydantic import NonNegativeFloat
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.losses.cmd import central_moments
from methods.networks import ramp
from methods.networks.build import Build


class Params(ramp.Params):
    trade_off: NonNegativeFloat = param(
        1.0, "weight λ at the end", low=0.1, high=10, log=True, source="the authors' code"
    )
    gamma: NonNegativeFloat = param(
        10.0, "steepness of its ramp", low=1, high=20, log=True, source="DANN's; see the class"
    )


@METHODS.register(
    "cmd",
    MethodInfo("moments", 2017, "ICLR", "Zellinger et al., Central Moment Discrepancy", version=2, display="CMD"),
)
class CMD(base.Deep):
    """Means and central moments of each feature, up to the fifth.

    Not the paper's: the weight rises as DANN's does, for the reason of :class:`methods.dan.DAN`. From the start it
    makes all features zero in a network without sigmoids.
    """

    settings = Params
    params: Params

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.ramp = ramp.Ramp(self.n_classes, params.gamma, 0.0, params.waits)

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        strength = self.params.trade_off * self.ramp(progress, source)
        self.log(strength=strength)
        return {"cmd": strength * central_moments(source.features, target.features)}
