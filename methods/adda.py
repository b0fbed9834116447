"""Adversarial discriminative domain adaptation (Tzeng et al., CVPR 2017)."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from benchmarks.core.registry import ADVERSARIAL, METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.base import Batch, Loss, Side, Stage, StageData, Update
from methods.losses.adversarial import domain_accuracy, domain_loss
from methods.networks.build import Build


class Params(base.Params):
    representation: Literal["features", "logits"] = param(
        "features",
        "what the discriminator reads; with logits the last layer is adapted too",
        source="section 4 leaves it open; logits: the authors' code for digits",
        before="features",
    )


@METHODS.register(
    "adda",
    MethodInfo(
        "adversarial",
        2017,
        "CVPR",
        "Tzeng et al., Adversarial Discriminative Domain Adaptation",
        core=True,
        uses=(*ADVERSARIAL, "finetune"),
        version=2,
        keeps_source=False,
        display="ADDA",
    ),
)
class ADDA(base.Deep):
    """A source model first; then a target network, started from it, learns to pass for the source's.

    The source's stays frozen in the second stage (section 4); so does its head, where features are matched.
    """

    settings = Params
    params: Params
    adapting: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.of_logits = params.representation == "logits"
        self.target_encoder = build.encoder()
        self.target_head = build.head(self.n_features)
        self.discriminator = build.discriminator(self.n_classes if self.of_logits else self.n_features)
        self.register_buffer("adapting", torch.tensor(False))

    def stages(self) -> Sequence[Stage]:
        target = ("target_encoder.", "target_head.") if self.of_logits else ("target_encoder.",)
        discriminate = Update(self.discriminate, trains=("discriminator.",))
        fool = Update(self.fool, trains=target)
        return [
            Stage("source", [Update(self.loss, trains=("encoder.", "head."))], sees="source"),
            Stage("adapt", [discriminate, fool], finetune=target, begin=self.copy_source),
        ]

    def copy_source(self, data: StageData) -> None:
        self.target_encoder.load_state_dict(self.encoder.state_dict())
        self.target_head.load_state_dict(self.head.state_dict())
        self.adapting.fill_(True)

    def discriminate(self, batch: Batch, progress: Tensor) -> Loss:
        assert batch.source is not None
        assert batch.target is not None
        with torch.no_grad():
            source, target = self.frozen_source(batch.source.x), self.target_representation(batch.target.x)
        on_source, on_target = self.discriminator.both(source, target)
        self.log(domain_accuracy=domain_accuracy(on_source, on_target))
        return Loss(None, {"domain": domain_loss(on_source, on_target)})

    def frozen_source(self, x: Tensor) -> Tensor:
        """The source network in training mode (dropout like the target's), its batch-norm averages untouched."""
        buffers = {name: buffer.clone() for name, buffer in self.encoder.named_buffers()}
        features = functional_call(self.encoder, buffers, (x,))
        return self.head(features) if self.of_logits else features

    def target_representation(self, x: Tensor) -> Tensor:
        features = self.target_encoder(x)
        return self.target_head(features) if self.of_logits else features

    def fool(self, batch: Batch, progress: Tensor) -> Loss:
        """Flipped labels: the target is to be taken for the source (equation 9)."""
        assert batch.target is not None
        on_target = self.discriminator(self.target_representation(batch.target.x))
        return Loss(None, {"fool": F.binary_cross_entropy_with_logits(on_target, torch.ones_like(on_target))})

    def predict(self, x: Tensor, side: Side) -> tuple[Tensor, Tensor]:
        if side == "target" and bool(self.adapting):
            features = self.target_encoder(x)
            return features, self.target_head(features)
        return super().predict(x, side)
