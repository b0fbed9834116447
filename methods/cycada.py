"""CyCADA: cycle-consistent adversarial domain adaptation (Hoffman et al., ICML 2018)."""

from collections.abc import Sequence

import torch
from pydantic import NonNegativeFloat
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from benchmarks.core.facts import Facts
from benchmarks.core.objective import objective_of
from benchmarks.core.protocol import Protocol
from benchmarks.core.registry import ADVERSARIAL, METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base, cyclegan
from methods.base import Batch, Loss, Stage, StageData, Update
from methods.losses.adversarial import domain_accuracy, domain_loss
from methods.networks.build import Build


class Params(cyclegan.Params):
    cycle: NonNegativeFloat = param(
        1.0, "weight of coming back to the image", low=0.1, high=10, log=True, source="the authors' script"
    )
    semantic: NonNegativeFloat = param(
        1.0,
        "weight of keeping the class that the source's classifier sees",
        low=0.1,
        high=10,
        log=True,
        source="equation 5, and the authors' code",
    )
    features: NonNegativeFloat = param(
        1.0, "weight of aligning features", low=0.1, high=10, log=True, source="equation 5"
    )


@METHODS.register(
    "cycada",
    MethodInfo(
        "adversarial",
        2018,
        "ICML",
        "Hoffman et al., CyCADA: Cycle-Consistent Adversarial Domain Adaptation",
        uses=(*ADVERSARIAL, "gan", "finetune"),
        display="CyCADA",
    ),
)
class CyCADA(cyclegan.CycleGAN):
    """CycleGAN whose translations keep their class for a classifier of the source; features are aligned as well.

    That classifier is the first stage's, and is then frozen: its features of translated source images are what
    those of the target are to resemble (section 3). In the last stage a copy of it learns translations and aligns
    features at once, as the paper's losses say; the authors' code does one after the other.
    """

    settings = Params
    params: Params

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.source_model = nn.Sequential(build.encoder(), build.head(self.n_features)).requires_grad_(False)
        self.discriminator = build.discriminator(self.n_features)

    @classmethod
    def unsupported(cls, facts: Facts, protocol: Protocol) -> str | None:
        if not objective_of(facts).of_classes:
            return "its translations keep their class, and labels are real numbers"
        return super().unsupported(facts, protocol)

    def stages(self) -> Sequence[Stage]:
        own = ("encoder.", "head.")
        discriminate = Update(self.discriminate, trains=("discriminator.",))
        adapt = Update(self.classify, trains=own)
        return [
            Stage("source", [Update(self.loss, trains=own)], sees="source"),
            self.translation(),
            Stage("adapt", [discriminate, adapt], finetune=own, begin=self.start_translating),
        ]

    def start(self, data: StageData) -> None:
        super().start(data)
        for kept, net in zip(self.source_model, (self.encoder, self.head), strict=True):
            kept.load_state_dict(net.state_dict())

    def consistency(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        """The source's classifier is to say of a translation what it says of the image (equation 4)."""
        errors = [F.cross_entropy(self.said(translated), self.said(x).argmax(1)) for x, translated in pairs]
        return {"semantic": self.params.semantic * torch.stack(errors).sum()}

    def said(self, x: Tensor) -> Tensor:
        """Logits (n, classes) of the source's classifier, as at evaluation."""
        return self.source_model.eval()(x)

    def discriminate(self, batch: Batch, progress: Tensor) -> Loss:
        assert batch.source is not None
        assert batch.target is not None
        with torch.no_grad():
            source, target = self.reference(self.translated(batch.source.x)), self.encoder(batch.target.x)
        on_source, on_target = self.discriminator.both(source, target)
        self.log(domain_accuracy=domain_accuracy(on_source, on_target))
        return Loss(None, {"domain": domain_loss(on_source, on_target)})

    def reference(self, x: Tensor) -> Tensor:
        """The source model's features (n, d): with dropout, as the target's have, and no trace in batch norm."""
        encoder = self.source_model[0].train()
        averages = {name: buffer.clone() for name, buffer in encoder.named_buffers()}
        return functional_call(encoder, averages, (x,))

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        on_target = self.discriminator(target.features)
        fool = F.binary_cross_entropy_with_logits(on_target, torch.ones_like(on_target))
        return {"fool": self.params.features * fool}
