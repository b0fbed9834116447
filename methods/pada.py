"""Partial adversarial domain adaptation (Cao et al., ECCV 2018)."""

from collections.abc import Sequence

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from benchmarks.core.registry import ADVERSARIAL, METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.losses.adversarial import domain_accuracy, domain_loss
from methods.networks import ramp
from methods.networks.build import Build
from methods.networks.grl import reverse


class Params(ramp.Params):
    trade_off: NonNegativeFloat = param(
        1.0, "λ at the end", low=0.1, high=10, log=True, source="the authors' code"
    )
    gamma: NonNegativeFloat = param(10.0, "how steeply λ rises", low=1, high=20, log=True, source="that of DANN")


@METHODS.register(
    "pada",
    MethodInfo(
        "adversarial",
        2018,
        "ECCV",
        "Cao et al., Partial Adversarial Domain Adaptation",
        uses=ADVERSARIAL,
        display="PADA",
        classes_only=True,
    ),
)
class PADA(base.Deep):
    """DANN in which a source class weighs as much as the target is predicted to have of it.

    The weights are the mean prediction over the target, divided by their largest. They count in the task loss and,
    for the source, in the domain loss, and are made anew at each pass over the target; the authors' code does so
    every 500 steps, and divides the class loss by the weights' sum, not by the batch's size.
    """

    settings = Params
    params: Params
    weight: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.discriminator = build.discriminator(self.n_features)
        self.ramp = ramp.Ramp(self.n_classes, params.gamma, 0.0, params.waits)
        self.register_buffer("weight", torch.ones(self.n_classes))

    def stages(self) -> Sequence[base.Stage]:
        return [base.Stage("joint", [base.Update(self.loss)], each_epoch=self.weigh)]

    def weigh(self, data: base.StageData) -> None:
        share = data.embed("target")[1].softmax(1).mean(0)
        self.weight.copy_(share / share.max())

    def source_weight(self, source: base.Labelled) -> Tensor:
        return self.weight[source.y]

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        strength = self.params.trade_off * self.ramp(progress, source)
        on_source, on_target = self.discriminator.both(*(reverse(s.features, strength) for s in (source, target)))
        self.log(strength=strength, domain_accuracy=domain_accuracy(on_source, on_target))
        self.log(smallest_weight=self.weight.min())
        return {"domain": domain_loss(on_source, on_target, self.weight[source.samples.y])}
