"""Multisource domain adversarial networks, the soft-max version (Zhao et al., NeurIPS 2018)."""

import torch
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.core.registry import ADVERSARIAL, METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.networks.build import Build
from methods.networks.grl import reverse


class Params(base.Params):
    mu: NonNegativeFloat = param(
        0.01,
        "strength of the reversed gradient",
        low=0.001,
        high=1,
        log=True,
        source="the authors' code for Amazon reviews and digits",
    )
    sharpness: PositiveFloat = param(
        10.0, "γ of the soft-max over sources", low=1, high=100, log=True, source="the authors' code"
    )


@METHODS.register(
    "mdan",
    MethodInfo(
        "adversarial",
        2018,
        "NeurIPS",
        "Zhao et al., Adversarial Multiple Source Domain Adaptation",
        uses=ADVERSARIAL,
        needs=("several_sources",),
        display="MDAN",
    ),
)
class MDAN(base.Deep):
    """Each source has a discriminator of its own against the target; the sources that are hardest weigh most.

    Section 4 minimises log Σ exp(γ (ε_i + μ d_i)) / γ, ε_i and d_i being a source's errors in class and domain.
    Its gradient is the sources' own, weighted by the soft-max of γ (ε_i + μ d_i), which is what is written here.
    μ scales the encoder's gradient alone: discriminators learn at their full rate, as everywhere in this suite.
    """

    settings = Params
    params: Params

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        names = [f"discriminator{number}" for number in range(build.facts.n_sources)]
        self.discriminators = nn.ModuleList(build.discriminator(self.n_features, name) for name in names)

    def loss(self, batch: base.Batch, progress: Tensor) -> base.Loss:
        source, target, few = self.embed(batch)
        assert target is not None
        errors = self.objective.loss(source.logits, source.samples.y)
        if self.objective.of_classes:
            self.log(source_accuracy=(source.logits.detach().argmax(1) == source.samples.y).double().mean())
        own = F.one_hot(source.samples.domain, self.facts.n_sources).to(errors.dtype)
        sizes = own.sum(0)
        own = own / sizes.clamp(min=1)  # (n, sources): columns are means over the samples of a source
        strength = errors.new_tensor(self.params.mu)
        s, t = (reverse(side.features, strength) for side in (source, target))
        on_source, on_target = (torch.stack([net(x) for net in self.discriminators], 1) for x in (s, t))
        of_class = errors @ own
        of_domain = (F.softplus(-on_source) * own).sum(0) + F.softplus(on_target).mean(0)
        total = self.params.sharpness * (of_class + self.params.mu * of_domain)
        weight = total.masked_fill(sizes == 0, -torch.inf).softmax(0).detach()
        self.log(largest_weight=weight.max())
        task = weight @ of_class
        if few:
            task = task + self.objective.loss(few.logits, few.samples.y).mean()
        return base.Loss(task, {"domain": weight @ of_domain})
