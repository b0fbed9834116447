"""Cross-domain adaptive clustering (Li et al., CVPR 2021)."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn import functional as F

from benchmarks.core.registry import ALIGNING, METHODS, MethodInfo
from benchmarks.core.settings import Share, param
from methods import base
from methods.base import Stage, Update
from methods.mme import Cosine
from methods.networks.build import Build
from methods.networks.grl import reverse

TINY = 1e-7  # added to what a logarithm is taken of, as in the authors' code


class Params(base.Params):
    clustering: NonNegativeFloat = param(
        1.0, "weight λ of the adversarial clustering", low=0.1, high=10, log=True, source="the authors' code"
    )
    consistency: NonNegativeFloat = param(
        30.0, "weight of the consistency at the end", low=3, high=100, log=True, source="the authors' code"
    )
    rise: Annotated[float, Field(gt=0, le=1)] = param(
        0.4, "share of steps over which it rises", source="the authors' code: 20,000 of 50,000 steps"
    )
    threshold: Share = param(
        0.95, "confidence τ from which a prediction is a label", low=0.7, high=0.99, source="the authors' code"
    )
    top: PositiveInt = param(
        5,
        "k, the largest features, which similar samples have in common",
        low=2,
        high=10,
        source="the authors' code",
    )
    temperature: PositiveFloat = param(
        0.05, "T of the head", low=0.02, high=0.2, log=True, source="the authors' code, as MME's"
    )


@METHODS.register(
    "cdac",
    MethodInfo(
        "few_labels",
        2021,
        "CVPR",
        "Li et al., Cross-Domain Adaptive Clustering for Semi-Supervised Domain Adaptation",
        uses=(*ALIGNING, "views"),
        needs=("few",),
        display="CDAC",
        classes_only=True,
    ),
)
class CDAC(base.Deep):
    """The encoder gives target samples the same prediction if they are similar, else another; the head opposes it.

    Besides, a sure prediction is the label of a strong view, and two views are to be predicted alike. The authors'
    code draws two strong views; here the first of these is a weak one. It takes one step for the labelled samples
    and one for the others; here they are one. The class loss is the sum of the means over the source and the few,
    theirs the mean over both: beside it the weights are half of theirs.
    """

    settings = Params
    params: Params

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        outputs = build.objective.outputs
        self.head = build.network(lambda: Cosine(self.n_features, outputs, params.temperature), "head")

    def stages(self) -> Sequence[Stage]:
        return [Stage("joint", [Update(self.loss)], views=("weak", "strong"))]

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        weak, strong = self.features(*(target.samples.views[name] for name in ("weak", "strong")))
        opposed = (reverse(features, features.new_ones(())) for features in (target.features, weak))
        p, q = (self.head(features).softmax(1) for features in opposed)
        similar = alike(target.features.detach(), self.params.top).to(p.dtype)
        on_weak, on_strong = self.head(weak), self.head(strong)
        confidence, label = target.logits.detach().softmax(1).max(1)
        sure = (confidence >= self.params.threshold).to(p.dtype)
        risen = torch.exp(-5 * (1 - (progress / self.params.rise).clamp(max=1)).square()).to(p.dtype)
        self.log(confident=sure.mean(), similar=similar.mean())
        return {
            "clustering": -self.params.clustering * disagreement(p @ q.T, similar),
            "pseudo": (sure * F.cross_entropy(on_strong, label, reduction="none")).mean(),
            "consistency": self.params.consistency * risen * F.mse_loss(on_weak.softmax(1), on_strong.softmax(1)),
        }


def alike(features: Tensor, top: int) -> Tensor:
    """Whether (n, n) two samples have the same largest features, in any order, of theirs (n, d)."""
    largest = features.topk(min(top, features.shape[1])).indices
    member = torch.zeros_like(features).scatter(1, largest, 1.0)
    return member @ member.T == largest.shape[1]


def disagreement(agree: Tensor, similar: Tensor) -> Tensor:
    """Mean binary cross-entropy over pairs: a scalar.

    Args:
        agree: (n, n) probabilities that the predictions of a sample's plain view and another's weak view agree.
        similar: (n, n), 1 where they should, else 0.
    """
    return -(similar * (agree + TINY).log() + (1 - similar) * (1 - agree + TINY).log()).mean()
