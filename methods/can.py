"""Contrastive adaptation network (Kang et al., CVPR 2019)."""

from collections.abc import Sequence

import torch
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn import functional as F

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.base import Stage, StageData, Update
from methods.losses.cdd import contrastive_discrepancy
from methods.networks.build import Build

ROUNDS = 100  # of clustering, at most
MOVED = 0.005  # the centres' mean distance from those of the round before, below which it ends (the authors' code)


class Params(base.Params):
    trade_off: NonNegativeFloat = param(
        0.3, "weight β of the discrepancy", low=0.03, high=3, log=True, source="the authors' code"
    )
    distance: PositiveFloat = param(
        0.05,
        "D0, (1 - cos) / 2 to its centre from which a target sample is left out; 1 leaves out none",
        low=0.02,
        high=1,
        log=True,
        source="the authors' code for Office-31; 1 for VisDA-2017",
    )
    least: PositiveInt = param(
        3, "N0, samples that a cluster must then have", low=1, high=10, source="the authors' code"
    )


@METHODS.register(
    "can",
    MethodInfo(
        "moments",
        2019,
        "CVPR",
        "Kang et al., Contrastive Adaptation Network for Unsupervised Domain Adaptation",
        display="CAN",
        classes_only=True,
    ),
)
class CAN(base.Deep):
    """The domains' samples of one class come together, and those of two go apart; the target's are clusters.

    Clusters start from the source's class centres, anew at each pass over the target. Features and predicted
    probabilities are matched. Batches are drawn at random: the paper draws classes, then samples of each, and
    gives each domain batch norms of its own. A cluster is of the class that it started from; the authors' code
    assigns clusters anew to the centres of the source, one to one.
    """

    settings = Params
    params: Params
    label: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        size, none = build.facts.target_size, self.n_classes
        self.register_buffer("label", torch.full((size,), none))  # of a sample that is left out: n_classes

    def stages(self) -> Sequence[Stage]:
        return [Stage("joint", [Update(self.loss)], each_epoch=self.relabel)]

    def relabel(self, data: StageData) -> None:
        assert data.source is not None
        source, target = (F.normalize(data.embed(side)[0]) for side in ("source", "target"))
        centres = F.one_hot(data.source.y, self.n_classes).to(source.dtype).T @ source
        distance, label = clusters(target, centres)
        near = distance < self.params.distance
        large = torch.bincount(label[near], minlength=self.n_classes) >= self.params.least
        self.label.copy_(torch.where(near & large[label], label, self.n_classes))

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        of_source, of_target = (
            F.one_hot(label, self.n_classes + 1)[:, :-1].to(source.features.dtype)
            for label in (source.samples.y, self.label[target.samples.index])
        )
        layers = (
            (source.features, target.features),
            (source.logits.softmax(1), target.logits.softmax(1)),
        )
        distances = [contrastive_discrepancy(*layer, of_source, of_target) for layer in layers]
        self.log(clustered=(self.label < self.n_classes).double().mean())
        return {"discrepancy": self.params.trade_off * torch.stack(distances).sum()}


def clusters(directions: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Spherical k-means: distances (n,) of samples from the nearest centre, (1 - cos) / 2, and whose it is (n,).

    A cluster without samples keeps its centre.

    Args:
        directions: (n, d), of length 1.
        centres: (k, d) to start from, of any length.
    """
    for _ in range(ROUNDS):
        member = F.one_hot((directions @ F.normalize(centres).T).argmax(1), len(centres)).to(directions.dtype)
        before, centres = centres, torch.where(member.any(0)[:, None], member.T @ directions, centres)
        if (1 - F.cosine_similarity(before, centres)).mean() / 2 < MOVED:
            break
    nearest = (1 - directions @ F.normalize(centres).T).min(1)
    return nearest.values / 2, nearest.indices
