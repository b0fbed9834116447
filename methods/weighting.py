"""What methods share that weigh the source's samples: weights once, then a training on the source alone."""

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from benchmarks.core.settings import param
from methods import base
from methods.networks.build import Build

COLLAPSE = 0.1  # of the source, as effective sample size: below it a warning says so


class Params(base.Params):
    inputs: Literal["raw", "features"] = param(
        "raw",
        "what weights are estimated from: raw inputs, or features of a model trained on the source",
        source="JMLR 2009",
    )


class Weighting(base.Deep):
    """A source model in whose loss each sample has a weight: the target's density over the source's at its place.

    The effective sample size (Σw)² / Σw², as a share of the source, shows how many samples carry the weight.
    """

    settings = Params
    params: Params
    weight: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.register_buffer("weight", torch.ones(build.facts.source_size))

    def stages(self) -> Sequence[base.Stage]:
        source = base.Stage("source", [base.Update(self.loss)], sees="source")
        estimate = base.Stage("estimate", [], begin=self.estimate)
        weighted = base.Stage("weighted", [base.Update(self.loss)], sees="source")
        return [estimate, weighted] if self.params.inputs == "raw" else [source, estimate, weighted]

    def estimate(self, data: base.StageData) -> None:
        """Set the weights, normalised to mean 1 over the whole source."""
        source, target = (self._read(data, side).cpu().double().numpy() for side in ("source", "target"))
        weight = torch.from_numpy(self.weigh(source, target, data.seed))
        self.weight.copy_(weight / weight.mean())

    @abstractmethod
    def weigh(self, source: np.ndarray, target: np.ndarray, seed: int) -> np.ndarray:
        """Weights (n,) of samples (n, d) of the source, up to a factor, from these and (m, d) of the target."""

    def source_weight(self, source: base.Labelled) -> Tensor:
        self.log(effective_sample_size=effective_size(self.weight))
        return self.weight[source.index]

    def _read(self, data: base.StageData, side: base.Side) -> Tensor:
        if self.params.inputs == "raw":
            return torch.cat([x.flatten(1) for x in data.inputs(side)])
        return data.embed(side)[0]


def effective_size(weight: Tensor) -> Tensor:
    """(Σw)² / Σw² of weights (n,), as a share of n."""
    return weight.sum() ** 2 / weight.square().sum() / len(weight)


def check_overlap(method: str, weight: np.ndarray) -> None:
    """Warn where few samples carry estimated weights (n,)."""
    if (size := effective_size(torch.from_numpy(weight))) < COLLAPSE:
        warnings.warn(
            f"{method}: the effective sample size of its weights is {size:.1%} of the source; the domains overlap "
            "too little for them to mean much",
            base.MethodWarning,
            stacklevel=2,
        )
