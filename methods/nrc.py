"""Neighbourhood reciprocity clustering (Yang et al., NeurIPS 2021)."""

import math
from collections.abc import Sequence

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor
from torch.nn import functional as F

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.base import Batch, Loss, Stage, StageData, Update
from methods.networks.build import Build


class Params(base.Params):
    neighbours: PositiveInt = param(
        4, "K, nearest neighbours of a sample", low=2, high=8, source="the authors' code for Office-Home"
    )
    expanded: PositiveInt = param(
        3, "M, nearest neighbours of each of these", low=2, high=8, source="the authors' code for Office-Home"
    )
    affinity: NonNegativeFloat = param(
        0.1, "r, weight of neighbours that are not mutual", low=0.01, high=1, log=True, source="the authors' code"
    )


@METHODS.register(
    "nrc",
    MethodInfo(
        "source_free",
        2021,
        "NeurIPS",
        "Yang et al., Exploiting the Intrinsic Neighborhood Structure for Source-free Domain Adaptation",
        uses=("backbone", "new", "target", "finetune"),
        version=2,
        keeps_source=False,
        display="NRC",
        classes_only=True,
    ),
)
class NRC(base.Deep):
    """A source model first; then, without the source, target samples are predicted as their neighbours are.

    Neighbours are mutual, and count in full, if the sample is among theirs. Features and predictions of all target
    samples are kept, each from when it was last seen; no gradient flows through them. The authors' code for
    Office-Home takes one neighbour more of each kind from the middle of the training on.
    """

    settings = Params
    params: Params
    bank: Tensor
    scores: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        size = build.facts.target_size
        self.register_buffer("bank", torch.zeros(size, self.n_features))  # features of length 1
        self.register_buffer("scores", torch.zeros(size, self.n_classes))

    def stages(self) -> Sequence[Stage]:
        adapt = Stage("adapt", [Update(self.adapt)], sees="target", finetune=("*",), begin=self.remember_all)
        return [Stage("source", [Update(self.loss)], sees="source"), adapt]

    def remember_all(self, data: StageData) -> None:
        features, logits = data.embed("target")
        self.bank.copy_(F.normalize(features))
        self.scores.copy_(logits.softmax(1))

    def adapt(self, batch: Batch, progress: Tensor) -> Loss:
        assert batch.target is not None
        index, features = batch.target.index, self.encoder(batch.target.x)
        log_p = self.head(features).log_softmax(1)
        p, log_mean = log_p.exp(), log_p.logsumexp(0) - math.log(len(log_p))
        self.bank[index], self.scores[index] = F.normalize(features.detach()), p.detach()
        near = nearest(self.bank, index, self.params.neighbours)
        beyond = nearest(self.bank, near.flatten(), self.params.expanded).unflatten(0, near.shape)
        mutual = (beyond == index[:, None, None]).any(2)
        weight = torch.where(mutual, 1.0, self.params.affinity).to(p.dtype)
        agreements = {
            "neighbours": (weight[:, :, None] * self.scores[near]).sum(1),
            "expanded": self.params.affinity * self.scores[beyond].sum((1, 2)),
            "self": self.scores[index],
        }
        terms = {name: -(expected * p).sum(1).mean() for name, expected in agreements.items()}
        return Loss(None, terms | {"diversity": (log_mean.exp() * log_mean).sum()})


def nearest(bank: Tensor, index: Tensor, k: int) -> Tensor:
    """Positions (n, k) of the rows of a bank (m, d) that are most like those at ``index`` (n,), but for these."""
    similarity = bank[index] @ bank.T
    similarity = similarity.scatter(1, index[:, None], -torch.inf)
    return similarity.topk(min(k, len(bank) - 1), dim=1).indices
