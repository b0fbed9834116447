"""Linear optimal transport before a linear SVM (Flamary, Lounici and Ferrari, 2019)."""

from typing import ClassVar, Literal

import numpy as np
import ot
import torch
from pydantic import PositiveFloat
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import svm
from methods.base import Side, StageData
from methods.networks.build import Build
from methods.shallow.mapped import inputs, principal_axes

DIRECTIONS = 800  # in which covariances are matched, at most


class Params(svm.Params):
    ridge: PositiveFloat = param(
        1e-3,
        "added to the variances, of which the mean is 1",
        low=1e-6,
        high=1,
        log=True,
        source="POT has 1e-8, which rounding hides where samples are fewer than dimensions",
    )


@METHODS.register(
    "linear_ot",
    MethodInfo(
        "shallow",
        2019,
        "arXiv",
        "Flamary et al., Concentration Bounds for Linear Monge Mapping",
        uses=(),
        display="linear OT",
        classes_only=True,
    ),
)
class LinearOT(svm.SVM):
    """The source is moved by x ↦ m_t + A (x - m_s), A = C_s^-1/2 (C_s^1/2 C_t C_s^1/2)^1/2 C_s^-1/2.

    It is the optimal transport between normal distributions with the domains' means and covariances. The
    classifier is that of ``coral_svm``, so that the two differ by their maps alone. Inputs of many dimensions are
    transported in the principal ones of both centred domains together; in the others they only follow the mean.
    """

    settings = Params
    params: Params
    sees: ClassVar[Literal["both", "source"]] = "both"
    mean: Tensor
    move: Tensor
    axes: Tensor
    change: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        d = self.n_features
        k = min(DIRECTIONS, d, build.facts.source_size + build.facts.target_size)
        for name, shape in {"mean": (d,), "move": (d,), "axes": (d, k), "change": (k, k)}.items():
            self.register_buffer(name, torch.zeros(shape))

    def fit(self, data: StageData) -> None:
        domains = [inputs(data, side).astype(np.float64) for side in ("source", "target")]
        means = [x.mean(0) for x in domains]
        centred = [x - mean for x, mean in zip(domains, means, strict=True)]
        axes = principal_axes(np.concatenate(centred), self.axes.shape[1], data.seed, exact=False)
        source, target = (x @ axes for x in centred)
        unit = np.sqrt((source.var(0) + target.var(0)).mean() / 2) or 1.0
        transport = ot.da.LinearTransport(reg=self.params.ridge).fit(Xs=source / unit, Xt=target / unit)
        found = (means[0], means[1] - means[0], axes, transport.A_ - np.eye(len(transport.A_)))
        for name, values in zip(("mean", "move", "axes", "change"), found, strict=True):
            getattr(self, name).copy_(torch.from_numpy(values))
        super().fit(data)

    def features(self, x: Tensor, side: Side) -> Tensor:
        x = super().features(x, side)
        return x + self.move + (x - self.mean) @ self.axes @ self.change @ self.axes.T if side == "source" else x
