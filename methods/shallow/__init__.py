"""Classifiers from before deep features: fitted once, to inputs as training has them (images in [-1, 1])."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

from torch import Tensor

from methods.base import Method, Params, Side, Stage, View
from methods.networks.build import Build

NEVER = -1e9  # the logit of a class that the source has no sample of: finite, so that entropies stay numbers


class Shallow(Method):
    """No encoder, no head and no step: what is fitted is kept in buffers, whose shapes are known before."""

    sees: ClassVar[Literal["both", "source"]] = "source"

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        del self.encoder, self.head
        self.n_features = math.prod(build.input_shape)

    def stages(self) -> Sequence[Stage]:
        return [Stage("fit", [], sees=self.sees, begin=self.fit)]

    @abstractmethod
    def fit(self, view: View) -> None:
        """Set the buffers. Until then the features that ``view.embed`` returns are the inputs."""

    @abstractmethod
    def logits(self, features: Tensor) -> Tensor:
        """Features (n, d) to logits (n, classes)."""

    def features(self, x: Tensor, side: Side) -> Tensor:
        return x.flatten(1)

    def predict(self, x: Tensor, side: Side) -> tuple[Tensor, Tensor]:
        features = self.features(x, side)
        return features, self.logits(features)
