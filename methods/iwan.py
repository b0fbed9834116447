"""Importance weighted adversarial nets (Zhang et al., CVPR 2018)."""

from pydantic import NonNegativeFloat
from torch import Tensor

from benchmarks.core.registry import ADVERSARIAL, METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.losses.adversarial import domain_accuracy, domain_loss
from methods.losses.certainty import entropy
from methods.networks import ramp
from methods.networks.build import Build
from methods.networks.grl import reverse


class Params(ramp.Params):
    trade_off: NonNegativeFloat = param(
        1.5, "λ at the end", low=0.1, high=10, log=True, source="TLlib's code: 3, of half of this domain loss"
    )
    gamma: NonNegativeFloat = param(
        10.0, "how steeply λ rises", low=1, high=20, log=True, source="TLlib's code: 1 per 1,000 of 10,000 steps"
    )
    entropy: NonNegativeFloat = param(
        0.1, "weight γ of the target's entropy", low=0.01, high=1, log=True, source="TLlib's code"
    )


@METHODS.register(
    "iwan",
    MethodInfo(
        "adversarial",
        2018,
        "CVPR",
        "Zhang et al., Importance Weighted Adversarial Nets for Partial Domain Adaptation",
        uses=ADVERSARIAL,
        display="IWAN",
        optimises=("entropy", "im"),
        classes_only=True,
    ),
)
class IWAN(base.Deep):
    """DANN in which source samples weigh less the surer a first discriminator is that they are the source's.

    The weights are 1 - D(x), with mean 1 over a batch; what teaches D does not reach the encoder. As in TLlib's
    code both domains share an encoder. The paper's for the source is trained before, and then fixed.
    """

    settings = Params
    params: Params

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.discriminator = build.discriminator(self.n_features)
        self.weigher = build.discriminator(self.n_features, "weigher")
        self.ramp = ramp.Ramp(self.n_classes, params.gamma, 0.0, params.waits)

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        strength = self.params.trade_off * self.ramp(progress, source)
        first = self.weigher.both(source.features.detach(), target.features.detach())
        weight = (-first[0].detach()).sigmoid()
        weight = weight / weight.mean()
        on_source, on_target = self.discriminator.both(*(reverse(s.features, strength) for s in (source, target)))
        self.log(strength=strength, domain_accuracy=domain_accuracy(on_source, on_target))
        return {
            "weigher": domain_loss(*first),
            "domain": domain_loss(on_source, on_target, weight),
            "entropy": self.params.entropy * entropy(target.logits).mean(),
        }
