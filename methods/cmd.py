"""Central moment discrepancy (Zellinger et al., ICLR 2017)."""

from pydantic import NonNegativeFloat
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.losses.cmd import central_moments


class Params(base.Params):
    trade_off: NonNegativeFloat = param(1.0, "weight λ", low=0.1, high=10, log=True, source="the authors' code")


@METHODS.register(
    "cmd",
    MethodInfo("moments", 2017, "ICLR", "Zellinger et al., Central Moment Discrepancy", display="CMD"),
)
class CMD(base.Deep):
    """Means and central moments of each feature, up to the fifth."""

    settings = Params
    params: Params

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        return {"cmd": self.params.trade_off * central_moments(source.features, target.features)}
