"""Importance-weighted domain adversarial network (Tachet des Combes et al., NeurIPS 2020)."""

from collections.abc import Sequence

import numpy as np
import torch
from pydantic import NonNegativeFloat
from torch import Tensor
from torch.nn import functional as F

from benchmarks.core.label_shift import bbse
from benchmarks.core.registry import ADVERSARIAL, METHODS, MethodInfo
from benchmarks.core.settings import Share, param
from methods import base
from methods.losses.adversarial import domain_accuracy, domain_loss
from methods.networks import ramp
from methods.networks.build import Build
from methods.networks.grl import reverse


class Params(ramp.Params):
    trade_off: NonNegativeFloat = param(
        1.0, "λ at the end", low=0.1, high=10, log=True, source="the authors' code: that of DANN"
    )
    gamma: NonNegativeFloat = param(
        10.0, "how steeply λ rises", low=1, high=20, log=True, source="the authors' code: that of DANN"
    )
    memory: Share = param(
        0.5, "share of the old weights in the new ones", low=0, high=0.9, source="the authors' code"
    )


@METHODS.register(
    "iwdan",
    MethodInfo(
        "adversarial",
        2020,
        "NeurIPS",
        "Tachet des Combes et al., DA with Conditional Distribution Matching and Generalized Label Shift",
        uses=ADVERSARIAL,
        display="IWDAN",
        classes_only=True,
    ),
)
class IWDAN(base.Deep):
    """DANN whose source classes weigh as much as the target seems to have of them, w(y) = q(y) / p(y).

    After each pass over the target, q is estimated as the shares that explain what was predicted during it (see
    :func:`bbse`), from probabilities. In the task loss a class weighs w(y) / (k p(y)), as in the authors' code.
    """

    settings = Params
    params: Params
    weight: Tensor
    prior: Tensor
    joint: Tensor
    predicted: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        k = self.n_classes
        self.discriminator = build.discriminator(self.n_features)
        self.ramp = ramp.Ramp(k, params.gamma, 0.0, params.waits)
        self.register_buffer("weight", torch.ones(k))
        self.register_buffer("prior", torch.full((k,), 1 / k))
        self.register_buffer("joint", torch.zeros(k, k))  # sums: of probabilities (rows) of each class (columns)
        self.register_buffer("predicted", torch.zeros(k))

    def stages(self) -> Sequence[base.Stage]:
        return [base.Stage("joint", [base.Update(self.loss)], begin=self.count, each_epoch=self.weigh)]

    def count(self, data: base.StageData) -> None:
        assert data.source is not None
        counts = torch.bincount(data.source.y, minlength=self.n_classes)
        self.prior.copy_(counts / counts.sum())

    def weigh(self, data: base.StageData) -> None:
        """New weights from the sums of a pass; of a class without a sample in it, the old one stays."""
        joint, predicted = (each.double().cpu().numpy() for each in (self.joint, self.predicted))
        known = np.flatnonzero(joint.sum(0))
        if len(known):
            share = bbse(joint[:, known] / joint[:, known].sum(0), predicted / predicted.sum())
            new = self.weight.clone()
            new[known] = torch.from_numpy(share).to(new) / self.prior[known]
            self.weight.lerp_(new, 1 - self.params.memory)
        self.joint.zero_()
        self.predicted.zero_()

    def source_weight(self, source: base.Labelled) -> Tensor:
        return self.weight[source.y] / (self.n_classes * self.prior[source.y])

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        own = F.one_hot(source.samples.y, self.n_classes).to(source.logits.dtype)
        self.joint += source.logits.detach().softmax(1).T @ own
        self.predicted += target.logits.detach().softmax(1).sum(0)
        strength = self.params.trade_off * self.ramp(progress, source)
        on_source, on_target = self.discriminator.both(*(reverse(s.features, strength) for s in (source, target)))
        self.log(strength=strength, domain_accuracy=domain_accuracy(on_source, on_target))
        self.log(largest_weight=self.weight.max())
        return {"domain": domain_loss(on_source, on_target, self.weight[source.samples.y])}
