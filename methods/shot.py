"""Source hypothesis transfer (Liang et al., ICML 2020)."""

from collections.abc import Sequence

import torch
from pydantic import NonNegativeFloat
from torch import Tensor
from torch.nn import functional as F

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.base import Batch, Loss, Stage, StageData, Update
from methods.losses.certainty import mutual_information
from methods.networks.build import Build


class Params(base.Params):
    pseudo: NonNegativeFloat = param(
        0.3, "weight β of the pseudo-labels", low=0.03, high=1, log=True, source="section 4.2"
    )


@METHODS.register(
    "shot",
    MethodInfo(
        "source_free",
        2020,
        "ICML",
        "Liang et al., Do We Really Need to Access the Source Data? Source Hypothesis Transfer",
        uses=("backbone", "new", "target", "finetune"),
        version=2,
        keeps_source=False,
        display="SHOT",
        optimises=("entropy", "im"),
        classes_only=True,
    ),
)
class SHOT(base.Deep):
    """A source model first; then, without the source, its encoder learns to be sure and diverse on the target.

    The head stays as it is (section 3.2), and pseudo-labels come from it and from clusters of features
    (equations 4 to 6). The source model is `source_only`'s: the paper smooths its labels, and gives it a
    bottleneck with batch normalisation and a last layer with normalised weights.
    """

    settings = Params
    params: Params
    label: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.register_buffer("label", torch.zeros(build.facts.target_size, dtype=torch.int64))

    def stages(self) -> Sequence[Stage]:
        adapt = Update(self.adapt, trains=("encoder.",))
        return [
            Stage("source", [Update(self.loss)], sees="source"),
            Stage("adapt", [adapt], sees="target", finetune=("encoder.",), each_epoch=self.relabel),
        ]

    def relabel(self, data: StageData) -> None:
        features, logits = data.embed("target")
        self.label.copy_(cluster_labels(features, logits.softmax(1)))

    def adapt(self, batch: Batch, progress: Tensor) -> Loss:
        assert batch.target is not None
        logits = self.head(self.encoder(batch.target.x))
        pseudo = F.cross_entropy(logits, self.label[batch.target.index])
        return Loss(None, {"information": -mutual_information(logits), "pseudo": self.params.pseudo * pseudo})


def cluster_labels(features: Tensor, probability: Tensor) -> Tensor:
    """Labels (n,) of samples by the nearest of their classes' centroids, by the cosine of the angle between them.

    Centroids are means weighted by the probability of the class, then once more of the samples that got its
    label (equations 4 to 6). A class that is predicted for no sample, or got none, has none.

    Args:
        features: (n, d).
        probability: (n, classes), as predicted.
    """
    directions = F.normalize(features, dim=1)
    weights, labels = probability, probability.argmax(1)
    for _ in range(2):
        classes = labels.unique()
        centroids = F.normalize(weights[:, classes].T @ directions, dim=1)
        labels = classes[(directions @ centroids.T).argmax(1)]
        weights = F.one_hot(labels, probability.shape[1]).to(features.dtype)
    return labels
