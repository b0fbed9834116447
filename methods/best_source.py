"""The baseline for several sources: train on the one that looks most like the target."""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from methods import base
from methods.networks.build import Build
from methods.shallow.domain_classifier import domain_scores

MOST = 1000  # samples of each domain that the classifier sees


@METHODS.register(
    "best_source",
    MethodInfo(
        "baseline",
        2010,
        "-",
        "training on the one source that is nearest to the target",
        uses=("backbone", "new"),
        needs=("several_sources",),
        keeps_source=False,
        display="Best source",
    ),
)
class BestSource(base.Deep):
    """No target label chooses it, but how well a logistic regression on inputs tells it from the target.

    Batches are of all sources, as in other methods: a step has as many samples of the chosen one as fall into it.
    """

    weight: Tensor

    def __init__(self, params: base.Params, build: Build) -> None:
        super().__init__(params, build)
        self.register_buffer("weight", torch.ones(build.facts.n_sources))

    def stages(self) -> Sequence[base.Stage]:
        choose = base.Stage("choose", [], begin=self.choose)
        return [choose, base.Stage("source", [base.Update(self.loss)], sees="source")]

    def choose(self, data: base.StageData) -> None:
        """Set the weight of each source: 0 of all but one, with mean 1 over the samples of all."""
        assert data.source is not None
        source, target = (
            torch.cat([x.flatten(1) for x in data.inputs(side)]).double().cpu().numpy()
            for side in ("source", "target")
        )
        domain, rng = data.source.domain.cpu().numpy(), np.random.default_rng(data.seed)
        target = rng.permutation(target)[:MOST]
        apart = []
        for number in range(len(self.weight)):
            own = rng.permutation(source[domain == number])[:MOST]
            scores, domains, _ = domain_scores("best_source", own, target, "logistic", data.seed)
            apart.append(roc_auc_score(domains, scores))
        nearest = int(np.argmin(apart))
        self.weight.zero_()
        self.weight[nearest] = 1 / (domain == nearest).mean()

    def source_weight(self, source: base.Labelled) -> Tensor:
        self.log(chosen=self.weight.argmax())
        return self.weight[source.domain]
