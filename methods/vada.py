"""Virtual adversarial domain adaptation (Shu et al., ICLR 2018)."""

import math
from collections.abc import Sequence

import torch
from pydantic import NonNegativeFloat
from torch import Tensor
from torch.func import functional_call

from benchmarks.core.registry import ADVERSARIAL, METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.base import Batch, Loss, Stage, Update
from methods.losses.adversarial import domain_accuracy, domain_loss
from methods.losses.virtual_adversarial import soft_cross_entropy, worst_step
from methods.networks.build import Build


class Params(base.Params):
    domain: NonNegativeFloat = param(
        0.01, "weight of deceiving the discriminator", low=1e-3, high=1, log=True, source="the authors' code"
    )
    source_smooth: NonNegativeFloat = param(
        1.0, "weight of smoothness on the source", low=0.1, high=1, log=True, source="the authors' code"
    )
    target: NonNegativeFloat = param(
        0.01,
        "weight of entropy and smoothness on the target",
        low=1e-3,
        high=0.1,
        log=True,
        source="the authors' code",
    )
    radius: NonNegativeFloat = param(
        0.063,
        "root mean square of an adversarial step over an input's entries",
        low=0.01,
        high=0.3,
        log=True,
        source="the authors' code: a length of 3.5 for 32 x 32 x 3",
    )


@METHODS.register(
    "vada",
    MethodInfo(
        "adversarial",
        2018,
        "ICLR",
        "Shu et al., A DIRT-T Approach to Unsupervised Domain Adaptation",
        uses=ADVERSARIAL,
        display="VADA",
        optimises=("entropy", "im"),
        classes_only=True,
    ),
)
class VADA(base.Deep):
    """A discriminator to deceive, certain predictions on the target, and smooth ones on both domains.

    The authors predict with an average of the weights over steps; here it is the network itself, as elsewhere.
    """

    settings = Params
    params: Params

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.discriminator = build.discriminator(self.n_features)

    def stages(self) -> Sequence[Stage]:
        discriminate = Update(self.discriminate, trains=("discriminator.",))
        return [Stage("joint", [discriminate, Update(self.loss, trains=("encoder.", "head."))])]

    def discriminate(self, batch: Batch, progress: Tensor) -> Loss:
        assert batch.source is not None
        assert batch.target is not None
        with torch.no_grad():
            features = self.features(batch.source.x, batch.target.x)
        on_source, on_target = self.discriminator.both(*features)
        self.log(domain_accuracy=domain_accuracy(on_source, on_target))
        return Loss(None, {"domain": domain_loss(on_source, on_target) / 2})

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        """Section 4.1, with flipped labels of the domains, as in the authors' code, for reversed gradients."""
        on_source, on_target = self.discriminator.both(source.features, target.features)
        return {
            "fool": self.params.domain * domain_loss(on_target, on_source) / 2,
            "entropy": self.params.target * soft_cross_entropy(target.logits, target.logits),
            "source_smooth": self.params.source_smooth * self.roughness(source.samples.x, source.logits),
            "target_smooth": self.params.target * self.roughness(target.samples.x, target.logits),
        }

    def roughness(self, x: Tensor, logits: Tensor) -> Tensor:
        """How far predictions (n, classes) at x (n, *input_shape) are from those a worst step away: a scalar."""
        length = self.params.radius * math.sqrt(x[0].numel())
        moved = x + worst_step(self.logits, x, logits, length)
        return soft_cross_entropy(self.logits(moved), logits.detach())

    def logits(self, x: Tensor) -> Tensor:
        """As in training, but what is made up leaves no trace in the averages of batch norm."""
        averages = {name: buffer.clone() for name, buffer in self.encoder.named_buffers()}
        return self.head(functional_call(self.encoder, averages, (x,)))
