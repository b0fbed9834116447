"""Conditional adversarial domain adaptation (Long et al., NeurIPS 2018)."""

import math

import torch
from pydantic import NonNegativeFloat, NonNegativeInt
from torch import Tensor, nn

from benchmarks.core.registry import ADVERSARIAL, METHODS, MethodInfo
from benchmarks.core.settings import Share, param
from methods import added_terms, base
from methods.losses.adversarial import domain_accuracy, domain_loss
from methods.networks import ramp
from methods.networks.build import Build
from methods.networks.grl import reverse

RANDOM_MAP = 1024  # dimensions of a randomised map (section 4)


class Params(added_terms.Params):
    trade_off: NonNegativeFloat = param(
        1.0, "strength λ at the end", low=0.1, high=10, log=True, source="section 4"
    )
    gamma: NonNegativeFloat = param(10.0, "steepness of λ's ramp", low=1, high=20, log=True, source="section 4")
    warmup: Share = param(
        0.0, "share of steps with λ = 0", low=0, high=0.5, source="none; its code has one", before=0.0
    )
    largest_map: NonNegativeInt = param(
        4096, "dimensions above which the map is randomised", source="section 3.1", before=4096
    )


@METHODS.register(
    "cdan",
    MethodInfo(
        "adversarial",
        2018,
        "NeurIPS",
        "Long et al., Conditional Adversarial Domain Adaptation",
        core=True,
        uses=ADVERSARIAL,
        display="CDAN",
        classes_only=True,
    ),
)
class CDAN(base.Deep):
    """DANN whose discriminator reads features ⊗ class probabilities, the probabilities detached."""

    settings = Params
    params: Params

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.map = MultilinearMap(self.n_features, self.n_classes, params.largest_map, build)
        self.discriminator = build.discriminator(self.map.out_features)
        self.ramp = ramp.Ramp(self.n_classes, params.gamma, params.warmup, params.waits)

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        strength = self.params.trade_off * self.ramp(progress, source)
        maps = (
            self.map(reverse(side.features, strength), side.logits.detach().softmax(1))
            for side in (source, target)
        )
        on_source, on_target = self.discriminator.both(*maps)
        self.log(strength=strength, domain_accuracy=domain_accuracy(on_source, on_target))
        weights = (self.sample_weight(side.logits, strength) for side in (source, target))
        return {"domain": domain_loss(on_source, on_target, *weights), **self.params.added_terms(source, target)}

    def sample_weight(self, logits: Tensor, strength: Tensor) -> Tensor | None:
        """Weights (n,) of samples in the domain loss, from logits (n, classes) and λ; None: all the same."""
        return None


class MultilinearMap(nn.Module):
    """f ⊗ p, flattened; or, above ``largest`` dimensions, (R_f f) ⊙ (R_p p) / √1024 with fixed Gaussian R."""

    def __init__(self, n_features: int, n_classes: int, largest: int, build: Build) -> None:
        super().__init__()
        self.of_features: Tensor
        self.of_classes: Tensor
        self.randomised = n_features * n_classes > largest
        self.out_features = RANDOM_MAP if self.randomised else n_features * n_classes
        if self.randomised:
            with build.seeded("random_map"):
                self.register_buffer("of_features", torch.randn(n_features, RANDOM_MAP))
                self.register_buffer("of_classes", torch.randn(n_classes, RANDOM_MAP))

    def forward(self, features: Tensor, probabilities: Tensor) -> Tensor:
        """(n, d) and (n, classes) to (n, out_features)."""
        if self.randomised:
            return (features @ self.of_features) * (probabilities @ self.of_classes) / math.sqrt(RANDOM_MAP)
        return (probabilities[:, :, None] * features[:, None, :]).flatten(1)
