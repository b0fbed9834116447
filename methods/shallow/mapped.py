"""What shallow methods share that bring both domains into one space, where the nearest source sample decides.

One nearest neighbour is the headline classifier of these papers, since it has nothing to tune.
"""

import math
import warnings
from abc import abstractmethod
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import PositiveInt
from sklearn.decomposition import PCA
from torch import Tensor

from benchmarks.core.settings import param
from methods import base
from methods.base import MethodWarning, Side, StageData
from methods.nearest_neighbour import NearestNeighbour
from methods.networks.build import Build

SIDES: tuple[Side, Side] = ("source", "target")


class MappedNeighbour(NearestNeighbour):
    """The nearest source sample's label, in a space of ``size`` dimensions that both domains are mapped to."""

    sees: ClassVar[Literal["both", "source"]] = "both"

    def __init__(self, params: base.Params, build: Build, size: int) -> None:
        super().__init__(params, build)
        self.register_buffer("samples", torch.zeros(build.facts.source_size, size))

    def fit(self, data: StageData) -> None:
        self.learn(inputs(data, "source"), inputs(data, "target"), data)
        super().fit(data)

    @abstractmethod
    def learn(self, source: np.ndarray, target: np.ndarray, data: StageData) -> None:
        """Set what :meth:`features` needs, from inputs (n, d) and (m, d)."""


class SubspaceParams(base.Params):
    dim: PositiveInt = param(
        20,
        "dimensions of each domain's subspace; fewer where a domain has fewer",
        low=5,
        high=100,
        log=True,
        source="the authors' example of GFK, and a port of their code of subspace alignment",
    )


class SubspaceNeighbour(MappedNeighbour):
    """Each domain is standardised by itself and mapped linearly, as the subspaces of principal axes say."""

    settings = SubspaceParams
    params: SubspaceParams
    mean: Tensor
    scale: Tensor
    axes: Tensor
    per_dim: ClassVar[int] = 1  # dimensions of the common space, for each of a subspace

    def __init__(self, params: SubspaceParams, build: Build) -> None:
        facts, d = build.facts, math.prod(build.facts.input_shape)
        # Centred samples span one dimension less than there are samples.
        self.dim = min(params.dim, d, max(1, min(facts.source_size, facts.target_size) - 1))
        size = self.per_dim * self.dim
        super().__init__(params, build, size)
        self.register_buffer("mean", torch.zeros(2, d))
        self.register_buffer("scale", torch.ones(2, d))
        self.register_buffer("axes", torch.zeros(2, d, size))

    def learn(self, source: np.ndarray, target: np.ndarray, data: StageData) -> None:
        bases = []
        for number, x in enumerate((source, target)):
            mean, scale = x.mean(0), x.std(0)
            scale[scale <= 1e-6 * np.abs(mean)] = 1  # constant, but for rounding
            scale[scale == 0] = 1
            self.mean[number], self.scale[number] = torch.from_numpy(mean), torch.from_numpy(scale)
            bases.append(principal_axes((x - mean) / scale, self.dim, data.seed))
        for number, axes in enumerate(self.maps(*bases)):
            self.axes[number] = torch.from_numpy(axes)

    @abstractmethod
    def maps(self, source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Matrices (d, size) for the two domains, from orthonormal bases (d, dim) of their subspaces."""

    def features(self, x: Tensor, side: Side) -> Tensor:
        number = SIDES.index(side)
        return (x.flatten(1) - self.mean[number]) / self.scale[number] @ self.axes[number]


def inputs(data: StageData, side: Side) -> np.ndarray:
    """All of a domain's inputs (n, d), as networks take them."""
    return torch.cat([x.flatten(1) for x in data.inputs(side)]).cpu().numpy()


def principal_axes(x: np.ndarray, dim: int, seed: int, *, exact: bool = True) -> np.ndarray:
    """Orthonormal (d, dim), the directions of largest variance of (n, d) first, exact to rounding or about so."""
    solver = "auto" if not exact else "arpack" if dim < min(x.shape) and x.std(0).any() else "full"
    with np.errstate(invalid="ignore", divide="ignore"):  # the variance of one sample, which is not used
        pca = PCA(dim, svd_solver=solver, random_state=seed % 2**32).fit(x.astype(np.float64))
    return pca.components_.T.copy()  # of positive strides, which torch asks for


def some(method: str, x: np.ndarray, most: int, domain: Side, rng: np.random.Generator) -> np.ndarray:
    """Positions of at most so many of (n, d), drawn at random; a warning says where they are not all."""
    if len(x) <= most:
        return np.arange(len(x))
    warnings.warn(
        f"{method}: fitted to {most} of the {domain}'s {len(x)} samples, drawn at random: its cost is quadratic",
        MethodWarning,
        stacklevel=3,
    )
    return rng.permutation(len(x))[:most]
