"""Deep subdomain adaptation network (Zhu et al., TNNLS 2020)."""

from pydantic import NonNegativeFloat
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.losses.lmmd import local_mmd
from methods.networks import ramp
from methods.networks.build import Build


class Params(ramp.Params):
    trade_off: NonNegativeFloat = param(
        0.5, "weight of the local MMD at the end", low=0.05, high=5, log=True, source="the authors' code"
    )
    gamma: NonNegativeFloat = param(
        10.0, "steepness of its ramp", low=1, high=20, log=True, source="the authors' code, as DANN's"
    )


@METHODS.register(
    "dsan",
    MethodInfo(
        "moments",
        2020,
        "TNNLS",
        "Zhu et al., Deep Subdomain Adaptation Network for Image Classification",
        display="DSAN",
        classes_only=True,
    ),
)
class DSAN(base.Deep):
    """The MMD class by class, a target sample belonging to each class by its predicted probability."""

    settings = Params
    params: Params

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.ramp = ramp.Ramp(self.n_classes, params.gamma, 0.0, params.waits)

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        predicted = target.logits.softmax(1)
        distance = local_mmd(source.features, target.features, source.samples.y, predicted)
        strength = self.params.trade_off * self.ramp(progress, source)
        self.log(strength=strength)
        return {"local_mmd": (strength * distance).to(distance.dtype)}
