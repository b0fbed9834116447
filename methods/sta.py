"""Separate to adapt (Liu et al., CVPR 2019)."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field, NonNegativeFloat
from torch import Tensor
from torch.nn import functional as F

from benchmarks.core.registry import ADVERSARIAL, METHODS, MethodInfo
from benchmarks.core.settings import Share, param
from methods import base
from methods.base import Batch, Loss, Stage, Update
from methods.losses.adversarial import domain_accuracy, domain_loss, ramp
from methods.losses.certainty import entropy
from methods.networks.build import Build
from methods.networks.grl import reverse

GAMMA = 10.0  # how steeply the strength rises: that of DANN, as in the authors' code


class Params(base.Params):
    strength: NonNegativeFloat = param(
        0.3, "of the reversed gradient at the end", low=0.03, high=3, log=True, source="the authors' code"
    )
    entropy: NonNegativeFloat = param(
        0.1, "weight of the target's entropy", low=0.01, high=1, log=True, source="the authors' code"
    )
    unknown: NonNegativeFloat = param(
        0.3, "weight of the loss of unknown", low=0.03, high=3, log=True, source="the authors' code"
    )
    chosen: Annotated[float, Field(gt=0, le=0.5)] = param(
        0.0625,
        "share of a batch that is taken for known, and for unknown",
        low=0.03,
        high=0.25,
        log=True,
        source="the authors' code: 2 of 32",
    )
    wait: Share = param(
        0.79,
        "share of the second stage's steps before unknown is learnt",
        low=0,
        high=0.9,
        source="the authors' code: 1,500 of 1,900",
    )


@METHODS.register(
    "sta",
    MethodInfo(
        "adversarial",
        2019,
        "CVPR",
        "Liu et al., Separate to Adapt: Open Set Domain Adaptation via Progressive Separation",
        uses=(*ADVERSARIAL, "finetune"),
        needs=("open",),
        display="STA",
        optimises=("entropy", "im"),
        classes_only=True,
    ),
)
class STA(base.Deep):
    """A separator learns which target samples are of known classes; these are aligned, and the rest is unknown.

    It learns from the target samples of a batch that are most and least like a class of the source, as
    one-vs-rest classifiers see them (section 3.2). In the second stage it is fixed, and its probabilities weigh
    the target. The head has a class more, unknown. The encoder learns in both stages; the authors' code has a
    pretrained one, which learns in the second alone.
    """

    settings = Params
    params: Params

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.head = build.head(self.n_features, outputs=self.n_classes + 1)
        self.one_vs_rest = build.head(self.n_features, "one_vs_rest", outputs=self.n_classes)
        self.separator = build.head(self.n_features, "separator", outputs=1)
        self.discriminator = build.discriminator(self.n_features)

    def stages(self) -> Sequence[Stage]:
        classifiers = ("encoder.", "head.")
        separate = Update(self.separate, trains=(*classifiers, "one_vs_rest.", "separator."))
        adapt = Update(self.loss, trains=(*classifiers, "discriminator."))
        return [Stage("separate", [separate]), Stage("adapt", [adapt], finetune=classifiers)]

    def separate(self, batch: Batch, progress: Tensor) -> Loss:
        source, target, few = self.embed(batch)
        assert target is not None
        labelled = [source, few] if few else [source]
        task = torch.stack([self.objective.loss(each.logits, each.samples.y).mean() for each in labelled]).sum()
        own = F.one_hot(source.samples.y, self.n_classes).to(source.features.dtype)
        errors = F.binary_cross_entropy_with_logits(self.one_vs_rest(source.features), own, reduction="none")
        similarity = self.one_vs_rest(target.features.detach()).detach().max(1).values
        known = self.separator(target.features.detach())[:, 0]
        alike, unlike = (known[similarity.topk(self.count(known), largest=most).indices] for most in (True, False))
        return Loss(task, {"one_vs_rest": errors.sum(1).mean(), "separator": domain_loss(alike, unlike)})

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        known = self.separator(target.features)[:, 0].detach().sigmoid()
        weight = known / known.mean()
        strength = self.params.strength * ramp(progress, GAMMA)
        on_source, on_target = self.discriminator.both(*(reverse(s.features, strength) for s in (source, target)))
        unknown = target.logits[known.topk(self.count(known), largest=False).indices].log_softmax(1)[:, -1]
        learns = (progress >= self.params.wait).to(unknown.dtype)
        self.log(strength=strength, domain_accuracy=domain_accuracy(on_source, on_target), known=known.mean())
        return {
            "domain": domain_loss(on_source, on_target, None, weight),
            "entropy": self.params.entropy * (weight * entropy(target.logits)).mean(),
            "unknown": -self.params.unknown * learns * unknown.mean(),
        }

    def count(self, target: Tensor) -> int:
        """How many samples of a batch (n,) are chosen."""
        return max(1, round(self.params.chosen * len(target)))
