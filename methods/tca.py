"""Transfer component analysis (Pan, Tsang, Kwok and Yang, IEEE Trans. Neural Networks 2011)."""

from typing import Literal

import numpy as np
import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.base import Side, StageData
from methods.kmm import median_distance
from methods.networks.build import Build
from methods.shallow.mapped import MappedNeighbour, principal_axes, some

ANCHORS = 1000  # samples of each domain that components are made of, at most
MEDIAN_OF = 1000  # of them, whose distances set the width of the kernel


def linear(x: Tensor, anchors: Tensor, sigma: Tensor) -> Tensor:
    """xᵀy / σ², (n, m) for (n, d) and (m, d)."""
    return x @ anchors.T / sigma**2


def gaussian(x: Tensor, anchors: Tensor, sigma: Tensor) -> Tensor:
    """exp(-|x - y|² / 2σ²), (n, m) for (n, d) and (m, d)."""
    return torch.exp(-0.5 * (torch.cdist(x, anchors) / sigma).square())


KERNELS = {"linear": linear, "gaussian": gaussian}


class Params(base.Params):
    kernel: Literal["linear", "gaussian"] = param(
        "linear", "of pairs of inputs", source="jindongwang/transferlearning, whose default is linear, too"
    )
    dim: PositiveInt = param(
        30, "components", low=5, high=100, log=True, source="the default of jindongwang/transferlearning"
    )
    mu: PositiveFloat = param(
        0.1, "μ of the components' size", low=1e-3, high=10, log=True, source="the default of the library adapt"
    )
    width: PositiveFloat = param(
        1.0, "σ of the kernel, in median distances", low=0.25, high=4, log=True, source="the median heuristic"
    )


@METHODS.register(
    "tca",
    MethodInfo(
        "shallow",
        2011,
        "IEEE TNN",
        "Pan et al., DA via Transfer Component Analysis",
        uses=(),
        display="TCA",
        classes_only=True,
    ),
)
class TCA(MappedNeighbour):
    """Components in a kernel's space that keep the variance and bring the domains' means together.

    A new sample x is mapped to Wᵀ k(anchors, x). That the kernel is linear was settled with target labels in
    sight, on four tasks of `office-caltech-surf`, where it has the accuracy that papers give. So its accuracy
    there is no evidence.
    """

    settings = Params
    params: Params
    anchors: Tensor
    components: Tensor
    sigma: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        anchors = sum(min(size, ANCHORS) for size in (build.facts.source_size, build.facts.target_size))
        super().__init__(params, build, min(params.dim, anchors - 1))
        self.register_buffer("anchors", torch.zeros(anchors, self.n_features))
        self.register_buffer("components", torch.zeros(anchors, self.samples.shape[1]))
        self.register_buffer("sigma", torch.ones(()))

    def learn(self, source: np.ndarray, target: np.ndarray, data: StageData) -> None:
        rng = np.random.default_rng(data.seed)
        source = source[some("tca", source, ANCHORS, "source", rng)]
        target = target[some("tca", target, ANCHORS, "target", rng)]
        anchors = np.concatenate([source, target]).astype(np.float64)
        self.anchors.copy_(torch.from_numpy(anchors))
        self.sigma.fill_(self.params.width * median_distance(rng.permutation(anchors)[:MEDIAN_OF]))
        kernel = self.kernel(self.anchors.double()).cpu().numpy()
        found = transfer_components(kernel, len(source), self.components.shape[1], self.params.mu, data.seed)
        self.components.copy_(torch.from_numpy(found))

    def kernel(self, x: Tensor) -> Tensor:
        """Of inputs (n, d) with the anchors (m, d): (n, m)."""
        return KERNELS[self.params.kernel](x, self.anchors.to(x), self.sigma.to(x))

    def features(self, x: Tensor, side: Side) -> Tensor:
        return self.kernel(x.flatten(1)) @ self.components


def transfer_components(kernel: np.ndarray, n_source: int, dim: int, mu: float, seed: int) -> np.ndarray:
    """W (n, dim), the leading eigenvectors of (K L K + μ I)⁻¹ K H K: the paper's solution.

    As L = e eᵀ, with e = 1 / n_s on the source and -1 / n_t on the target, S = (K L K + μ I)^-1/2 is known, and
    W = S V for the principal axes V of K S, whose centring is H. The paper's trace is the same for any scale of W;
    with this, Wᵀ (K L K + μ I) W = I, and a component's variance is what it adds to the trace.

    Args:
        kernel: K (n, n), of the source's samples first.
    """
    n = len(kernel)
    e = np.where(np.arange(n) < n_source, 1 / n_source, -1 / (n - n_source))
    apart = kernel @ e
    length = apart @ apart
    shrink = (1 - np.sqrt(mu / (mu + length))) / max(length, np.finfo(np.float64).tiny)
    scaled = (kernel - shrink * np.outer(kernel @ apart, apart)) / np.sqrt(mu)  # K S
    axes = principal_axes(scaled, dim, seed)
    return (axes - shrink * np.outer(apart, apart @ axes)) / np.sqrt(mu)
