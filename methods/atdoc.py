"""An auxiliary target domain-oriented classifier, by neighbourhood aggregation (Liang et al., CVPR 2021)."""

from collections.abc import Sequence

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor
from torch.nn import functional as F

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.base import Stage, StageData, Update
from methods.networks.build import Build

TINY = torch.finfo(torch.float32).tiny  # for what would be divided by 0


class Params(base.Params):
    trade_off: NonNegativeFloat = param(
        0.2,
        "weight λ of the pseudo-labels at the end",
        low=0.02,
        high=2,
        log=True,
        source="the authors' code for Office-Home",
    )
    neighbours: PositiveInt = param(
        5, "m, nearest neighbours of a sample", low=2, high=10, source="the authors' code: K"
    )


@METHODS.register(
    "atdoc",
    MethodInfo(
        "certainty",
        2021,
        "CVPR",
        "Liang et al., Domain Adaptation with Auxiliary Target Domain-Oriented Classifier",
        display="ATDOC",
        classes_only=True,
    ),
)
class ATDOC(base.Deep):
    """A target sample's pseudo-label is what its nearest neighbours in the target were last predicted to be.

    It is ATDOC-NA, on the source's plain cross-entropy. λ rises in a line. As in the authors' code, features and
    sharpened predictions of a batch are kept after its step; but they are those of its own forward pass, not of a
    further one, and what is kept at the start is the untrained network's, not random.
    """

    settings = Params
    params: Params
    bank: Tensor
    scores: Tensor
    latest: tuple[Tensor, Tensor, Tensor]  # positions, features and predictions of the step's batch

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        size = build.facts.target_size
        self.register_buffer("bank", torch.zeros(size, self.n_features))  # features of length 1
        self.register_buffer("scores", torch.zeros(size, self.n_classes))

    def stages(self) -> Sequence[Stage]:
        return [Stage("joint", [Update(self.loss, after=self.remember)], begin=self.remember_all)]

    def remember_all(self, data: StageData) -> None:
        features, logits = data.embed("target")
        self.bank.copy_(F.normalize(features))
        self.scores.copy_(sharpened(logits))

    def remember(self) -> None:
        index, features, logits = self.latest
        self.bank[index], self.scores[index] = F.normalize(features), sharpened(logits)

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        index, features = target.samples.index, target.features.detach()
        self.latest = index, features, target.logits.detach()
        similarity = (features @ self.bank.T).scatter(1, index[:, None], -torch.inf)
        near = similarity.topk(min(self.params.neighbours, len(self.bank) - 1), dim=1).indices
        weight, label = self.scores[near].sum(1).max(1)
        weight = weight / weight.sum().clamp(min=TINY)  # a single sample has no neighbours
        error = weight @ F.cross_entropy(target.logits, label, reduction="none")
        strength = self.params.trade_off * progress
        self.log(strength=strength)
        return {"pseudo": (strength * error).to(error.dtype)}


def sharpened(logits: Tensor) -> Tensor:
    """Squared probabilities (n, classes), each class's divided by their mean, lest one class take all samples."""
    squares = logits.softmax(1).square()
    return squares / squares.mean(0).clamp(min=TINY)
