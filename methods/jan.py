"""Joint adaptation networks (Long et al., ICML 2017)."""

from pydantic import NonNegativeFloat
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.losses.jmmd import joint_mmd
from methods.networks import ramp
from methods.networks.build import Build


class Params(ramp.Params):
    trade_off: NonNegativeFloat = param(
        1.0, "weight of the joint MMD at the end", low=0.1, high=10, log=True, source="TLlib's code"
    )
    gamma: NonNegativeFloat = param(
        10.0, "steepness of its ramp", low=1, high=20, log=True, source="section 5.1, as DANN's"
    )


@METHODS.register(
    "jan",
    MethodInfo(
        "moments", 2017, "ICML", "Long et al., Joint Adaptation Networks", display="JAN", classes_only=True
    ),
)
class JAN(base.Deep):
    """The MMD of features and predicted probabilities jointly; both learn from it. Without JAN-A's adversary."""

    settings = Params
    params: Params

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.ramp = ramp.Ramp(self.n_classes, params.gamma, 0.0, params.waits)

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        probabilities = (side.logits.softmax(1) for side in (source, target))
        distance = joint_mmd(source.features, target.features, *probabilities)
        strength = self.params.trade_off * self.ramp(progress, source)
        self.log(strength=strength)
        return {"joint_mmd": (strength * distance).to(distance.dtype)}
