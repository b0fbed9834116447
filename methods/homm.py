"""Higher-order moment matching (Chen et al., AAAI 2020)."""

from pydantic import NonNegativeFloat
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.losses.homm import third_moments


class Params(base.Params):
    trade_off: NonNegativeFloat = param(
        1e4, "weight", low=1e2, high=1e6, log=True, source="the authors' code, on digits"
    )


@METHODS.register(
    "homm", MethodInfo("moments", 2020, "AAAI", "Chen et al., HoMM: Higher-Order Moment Matching", display="HoMM")
)
class HoMM(base.Deep):
    """Third-order moments of the features' tanh.

    The authors' adapted layer ends in tanh, and their weight is made for it; the head here still reads the
    features as they are. The clustering of the target by pseudo labels, which the paper adds, is left out.
    """

    settings = Params
    params: Params

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        return {"moments": self.params.trade_off * third_moments(source.features.tanh(), target.features.tanh())}
