"""The nearest source sample's label (Cover and Hart, IEEE Trans. Information Theory 1967): no adaptation."""

import torch
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from methods.base import NEVER, Params, Shallow, StageData
from methods.networks.build import Build


@METHODS.register(
    "nearest_neighbour",
    MethodInfo(
        "shallow",
        1967,
        "IEEE TIT",
        "Cover and Hart, Nearest Neighbor Pattern Classification",
        uses=(),
        classes_only=True,
    ),
)
class NearestNeighbour(Shallow):
    """Logits are minus the Euclidean distances to the nearest source sample of each class."""

    samples: Tensor
    labels: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.register_buffer("samples", torch.zeros(build.facts.source_size, self.n_features))
        self.register_buffer("labels", torch.zeros(build.facts.source_size, dtype=torch.int64))

    def fit(self, data: StageData) -> None:
        assert data.source is not None
        self.samples.copy_(data.embed("source")[0])
        self.labels.copy_(data.source.y)

    def logits(self, features: Tensor) -> Tensor:
        nearness = -torch.cdist(features, self.samples)
        farthest = nearness.new_full((len(features), self.n_classes), NEVER)
        return farthest.scatter_reduce(1, self.labels.expand(len(features), -1), nearness, "amax")
