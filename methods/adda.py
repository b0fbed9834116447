"""Adversarial discriminative domain adaptation (Tzeng et al., CVPR 2017)."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from benchmarks.registry import METHODS, MethodInfo
from methods.base import Batch, Loss, Method, Params, Side, Stage, Update, View
from methods.losses.adversarial import domain_accuracy, domain_loss
from methods.networks.build import Build


@METHODS.register(
    "adda",
    MethodInfo("adversarial", 2017, "CVPR", "Tzeng et al., Adversarial Discriminative Domain Adaptation"),
)
class ADDA(Method):
    """A source model first; then a target encoder, started from it, learns to pass for the source's.

    The source encoder and the head stay frozen in the second stage (section 4).
    """

    adapting: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.target_encoder = build.encoder()
        self.discriminator = build.discriminator(self.n_features)
        self.register_buffer("adapting", torch.tensor(False))

    def stages(self) -> Sequence[Stage]:
        discriminate = Update(self.discriminate, trains=("discriminator.",))
        fool = Update(self.fool, trains=("target_encoder.",))
        return [
            Stage("source", [Update(self.loss, trains=("encoder.", "head."))], sees="source"),
            Stage("adapt", [discriminate, fool], finetune=True, begin=self.copy_encoder),
        ]

    def copy_encoder(self, view: View) -> None:
        self.target_encoder.load_state_dict(self.encoder.state_dict())
        self.adapting.fill_(True)

    def discriminate(self, batch: Batch, progress: Tensor) -> Loss:
        assert batch.source is not None
        assert batch.target is not None
        with torch.no_grad():
            source, target = self.frozen_features(batch.source.x), self.target_encoder(batch.target.x)
        on_source, on_target = self.discriminator.both(source, target)
        self.log(domain_accuracy=domain_accuracy(on_source, on_target))
        return Loss(None, {"domain": domain_loss(on_source, on_target)})

    def frozen_features(self, x: Tensor) -> Tensor:
        """The source encoder in training mode (dropout like the target's), its batch-norm averages untouched."""
        buffers = {name: buffer.clone() for name, buffer in self.encoder.named_buffers()}
        return functional_call(self.encoder, buffers, (x,))

    def fool(self, batch: Batch, progress: Tensor) -> Loss:
        """Flipped labels: the target's features are to be taken for the source's (equation 9)."""
        assert batch.target is not None
        on_target = self.discriminator(self.target_encoder(batch.target.x))
        return Loss(None, {"fool": F.binary_cross_entropy_with_logits(on_target, torch.ones_like(on_target))})

    def predict(self, x: Tensor, side: Side) -> tuple[Tensor, Tensor]:
        adapted = side == "target" and bool(self.adapting)
        features = (self.target_encoder if adapted else self.encoder)(x)
        return features, self.head(features)
