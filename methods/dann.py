"""Domain-adversarial training (Ganin et al., JMLR 2016)."""

from typing import Literal

from pydantic import NonNegativeFloat
from torch import Tensor

from benchmarks.core.registry import ADVERSARIAL, METHODS, MethodInfo
from benchmarks.core.settings import Share, param
from methods import added_terms, base
from methods.losses.adversarial import domain_accuracy, domain_loss
from methods.networks import ramp
from methods.networks.build import Build
from methods.networks.grl import reverse


class Params(added_terms.Params):
    trade_off: NonNegativeFloat = param(1.0, "λ at the end", low=0.1, high=10, log=True, source="section 5.2.2")
    gamma: NonNegativeFloat = param(10.0, "how steeply λ rises", low=1, high=20, log=True, source="section 5.2.2")
    warmup: Share = param(0.0, "share of steps with λ = 0", low=0, high=0.5, source="none in the paper")
    scaled: Literal["reversal", "loss"] = param(
        "reversal",
        "what λ scales: the reversed gradient alone, or all that the domain loss teaches",
        source="section 5.2.2; loss: algorithm 1, for the shallow network of section 5.1",
        before="reversal",
    )


@METHODS.register(
    "dann",
    MethodInfo(
        "adversarial",
        2016,
        "JMLR",
        "Ganin et al., Domain-Adversarial Training of Neural Networks",
        core=True,
        uses=ADVERSARIAL,
        display="DANN",
    ),
)
class DANN(base.Deep):
    """A discriminator tells the domains apart; the encoder gets its gradient reversed and scaled by λ."""

    settings = Params
    params: Params

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.discriminator = build.discriminator(self.n_features)
        self.ramp = ramp.Ramp(self.n_classes, params.gamma, params.warmup, params.waits)

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        strength = self.params.trade_off * self.ramp(progress, source)
        reversal, weight = (strength, 1) if self.params.scaled == "reversal" else (strength.new_ones(()), strength)
        reversed_features = (reverse(side.features, reversal) for side in (source, target))
        on_source, on_target = self.discriminator.both(*reversed_features)
        self.log(strength=strength, domain_accuracy=domain_accuracy(on_source, on_target))
        return {"domain": weight * domain_loss(on_source, on_target), **self.params.added_terms(source, target)}
