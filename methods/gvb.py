"""Gradually vanishing bridges on generator and discriminator, GVB-GD (Cui et al., CVPR 2020)."""

from collections.abc import Sequence

import torch
from pydantic import NonNegativeFloat
from torch import Tensor, nn

from benchmarks.core.registry import ADVERSARIAL, METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.losses.adversarial import domain_accuracy, domain_loss, ramp
from methods.losses.certainty import entropy
from methods.networks.build import Build
from methods.networks.grl import reverse
from methods.networks.layers import perceptron

GAMMA = 10.0  # how steeply the strength rises: that of DANN, as in the authors' code


class Params(base.Params):
    strength: NonNegativeFloat = param(
        1.0,
        "of the reversed gradient at the end",
        low=0.1,
        high=10,
        log=True,
        source="the paper; the authors' code has half of this domain loss",
    )
    generator: NonNegativeFloat = param(
        1.0, "weight λ of the classifier's bridge", low=0.1, high=10, log=True, source="the authors' code"
    )
    discriminator: NonNegativeFloat = param(
        1.0, "weight μ of the discriminator's bridge", low=0.1, high=10, log=True, source="the authors' code"
    )


class Bridged(nn.Module):
    """The logits (n, classes) of features (n, d) in a head, less those in a bridge of the same layers."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.own, self.bridge = perceptron(sizes), perceptron(sizes)

    def forward(self, features: Tensor) -> Tensor:
        return self.own(features) - self.bridge(features)


@METHODS.register(
    "gvb",
    MethodInfo(
        "adversarial",
        2020,
        "CVPR",
        "Cui et al., Gradually Vanishing Bridge for Adversarial Domain Adaptation",
        uses=ADVERSARIAL,
        display="GVB",
        classes_only=True,
    ),
)
class GVB(base.Deep):
    """The discriminator reads predictions. From its logit, and from the classifier's, a bridge is subtracted.

    Bridges take up what differs between the domains, and a loss makes them vanish. As in the authors' code, sure
    samples weigh more in the domain loss, by exp(-entropy), whose gradient is reversed as in CDAN+E.
    """

    settings = Params
    params: Params
    head: Bridged

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        sizes = [self.n_features, *build.head_layers, build.objective.outputs]
        self.head = build.network(lambda: Bridged(sizes), "head")
        layers, dropout = [self.n_classes, *build.discriminator_layers, 2], build.discriminator_dropout
        self.discriminator = build.network(lambda: perceptron(layers, dropout), "discriminator", "adversary")

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        strength = self.params.strength * ramp(progress, GAMMA)
        logits = torch.cat([source.logits, target.logits])
        output, bridge = self.discriminator(reverse(logits.softmax(1), strength)).unbind(1)
        sizes = [len(source.logits), len(target.logits)]
        on_source, on_target = (output - bridge).split(sizes)
        sureness = torch.exp(-entropy(reverse(logits, strength))).split(sizes)
        weights = (each / each.detach().mean() for each in sureness)
        self.log(strength=strength, domain_accuracy=domain_accuracy(on_source, on_target))
        of_classifier = self.head.bridge(torch.cat([source.features, target.features]))
        return {
            "domain": domain_loss(on_source, on_target, *weights),
            "generator_bridge": self.params.generator * of_classifier.abs().mean(),
            "discriminator_bridge": self.params.discriminator * bridge.abs().mean(),
        }
