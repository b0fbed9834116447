"""Representation subspace distance (Chen et al., ICML 2021)."""

from pydantic import NonNegativeFloat
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.losses.regression import subspace_distance


class Params(base.Params):
    trade_off: NonNegativeFloat = param(
        0.001, "weight of the distance", low=1e-4, high=0.1, log=True, source="the authors' code for dSprites"
    )
    mismatch: NonNegativeFloat = param(
        0.01,
        "weight of the bases' mismatch in it",
        low=1e-3,
        high=1,
        log=True,
        source="the authors' code for dSprites",
    )


@METHODS.register(
    "rsd",
    MethodInfo(
        "moments",
        2021,
        "ICML",
        "Chen et al., Representation Subspace Distance for Domain Adaptation Regression",
        display="RSD",
    ),
)
class RSD(base.Deep):
    """The features of both domains span one subspace, and no feature is scaled, which numbers would not bear."""

    settings = Params
    params: Params

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        distance = subspace_distance(source.features, target.features, self.params.mismatch)
        return {"subspace": self.params.trade_off * distance}
