"""Joint distribution adaptation (Long, Wang, Ding, Sun and Yu, ICCV 2013)."""

import math

import numpy as np
import torch
from pydantic import PositiveFloat, PositiveInt
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor
from torch.nn import functional as F

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.base import Side, StageData
from methods.networks.build import Build
from methods.shallow.mapped import MappedNeighbour, principal_axes, some

ANCHORS = 2000  # samples of each domain that the map is fitted to, at most


class Params(base.Params):
    dim: PositiveInt = param(
        100, "dimensions of the common space", low=5, high=100, log=True, source="the authors' code"
    )
    ridge: PositiveFloat = param(
        1.0, "λ of the map's size", low=0.01, high=100, log=True, source="the authors' code for Office and Caltech"
    )
    rounds: PositiveInt = param(10, "times that the target is labelled", source="the authors' code")


@METHODS.register(
    "jda",
    MethodInfo(
        "shallow",
        2013,
        "ICCV",
        "Long et al., Joint Distribution Adaptation",
        uses=(),
        display="JDA",
        classes_only=True,
    ),
)
class JDA(MappedNeighbour):
    """A linear map that keeps the variance and brings the means of the domains, and of their classes, together.

    The target's classes are those of the nearest source samples in the space of the round before. As in the
    authors' code, samples are scaled to unit length before they are mapped, and once more afterwards.
    """

    settings = Params
    params: Params
    axes: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        facts = build.facts
        samples = min(facts.source_size, ANCHORS) + min(facts.target_size, ANCHORS)
        d = math.prod(facts.input_shape)
        super().__init__(params, build, min(params.dim, d, samples))
        self.register_buffer("axes", torch.zeros(d, self.samples.shape[1]))

    def learn(self, source: np.ndarray, target: np.ndarray, data: StageData) -> None:
        assert data.source is not None
        rng = np.random.default_rng(data.seed)
        anchors = some("jda", source, ANCHORS, "source", rng)
        y = data.source.y.cpu().numpy()[anchors]
        target = target[some("jda", target, ANCHORS, "target", rng)]
        x = _unit(np.concatenate([source[anchors], target]).astype(np.float64))
        said = np.full(len(target), -1)  # of no class yet
        for _ in range(self.params.rounds):
            axes = joint_axes(x, contrasts(y, said), self.axes.shape[1], self.params.ridge, data.seed)
            mapped = _unit(x @ axes)
            said = KNeighborsClassifier(1).fit(mapped[: len(y)], y).predict(mapped[len(y) :])
        self.axes.copy_(torch.from_numpy(axes))

    def features(self, x: Tensor, side: Side) -> Tensor:
        return F.normalize(F.normalize(x.flatten(1)) @ self.axes)


def contrasts(y: np.ndarray, said: np.ndarray) -> np.ndarray:
    """E (n + m, 1 + classes), whose columns subtract means of the target from those of the source.

    The first is of whole domains, as heavy as all classes of the source together; the others are of the classes
    that both have. M = E Eᵀ has the norm 1, as in the authors' code.

    Args:
        y: (n,) labels of the source.
        said: (m,) labels of the target; -1 is none.
    """

    def column(own: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.concatenate([own / own.sum(), other / -other.sum()])

    shared = np.intersect1d(y, said)
    whole = np.sqrt(len(np.unique(y))) * column(np.ones(len(y)), np.ones(len(said)))
    columns = np.stack([whole, *(column(y == label, said == label) for label in shared)], axis=1)
    return columns / np.sqrt(np.linalg.norm(columns.T @ columns))


def joint_axes(x: np.ndarray, contrasts: np.ndarray, dim: int, ridge: float, seed: int) -> np.ndarray:
    """A (d, dim), the leading eigenvectors of (Xᵀ M X + λ I)⁻¹ Xᵀ H X with M = E Eᵀ and H the centring.

    S = (Xᵀ M X + λ I)^-1/2 is known from the singular vectors of Xᵀ E, which has few columns, and A = S V for the
    principal axes V of X S. So Aᵀ (Xᵀ M X + λ I) A = I, and no (d, d) is made.

    Args:
        x: X (n, d).
        contrasts: E (n, columns).
    """
    left, values, _ = np.linalg.svd(x.T @ contrasts, full_matrices=False)
    shrink = 1 - np.sqrt(ridge / (ridge + values**2))

    def scaled(a: np.ndarray) -> np.ndarray:
        return (a - (a @ left * shrink) @ left.T) / np.sqrt(ridge)

    return scaled(principal_axes(scaled(x), dim, seed).T).T


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), np.finfo(np.float64).tiny)
