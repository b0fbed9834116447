"""Margin disparity discrepancy (Zhang et al., ICML 2019)."""

from pydantic import NonNegativeFloat
from torch import Tensor

from benchmarks.core.registry import ADVERSARIAL, METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.losses.disparity import margin_disparity
from methods.networks import ramp
from methods.networks.build import Build
from methods.networks.grl import reverse


class Params(ramp.Params):
    trade_off: NonNegativeFloat = param(
        0.1, "strength of the reversed gradient at the end", low=0.01, high=1, log=True, source="the authors' code"
    )
    gamma: NonNegativeFloat = param(
        20.0,
        "steepness of its ramp",
        low=1,
        high=100,
        log=True,
        source="the authors' code: one per 1,000 steps, of which TLlib takes 20,000",
    )
    margin: NonNegativeFloat = param(
        4.0, "margin factor: the weight of the source", low=1, high=4, source="the authors' code for Office-31"
    )


@METHODS.register(
    "mdd",
    MethodInfo(
        "adversarial",
        2019,
        "ICML",
        "Zhang et al., Bridging Theory and Algorithm for Domain Adaptation",
        uses=ADVERSARIAL,
        display="MDD",
        classes_only=True,
    ),
)
class MDD(base.Deep):
    """A second head agrees with the first on the source and differs on the target; the encoder works against it.

    Only the gradient that reaches the encoder is scaled: the second head learns at its full rate.
    """

    settings = Params
    params: Params

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.adversary = build.head(self.n_features, "adversary", role="adversary")
        self.ramp = ramp.Ramp(self.n_classes, params.gamma, 0.0, params.waits)

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        strength = self.params.trade_off * self.ramp(progress, source)
        self.log(strength=strength)
        on_source, on_target = (self.adversary(reverse(side.features, strength)) for side in (source, target))
        disparity = margin_disparity(source.logits, target.logits, on_source, on_target, self.params.margin)
        return {"disparity": disparity}
