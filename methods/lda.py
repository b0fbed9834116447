"""Linear discriminant analysis with a shrunk covariance (Fisher 1936; Ledoit and Wolf 2004): no adaptation."""

import numpy as np
import torch
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from methods.base import NEVER, Params, Shallow, StageData
from methods.networks.build import Build


@METHODS.register(
    "lda",
    MethodInfo(
        "shallow",
        1936,
        "Annals of Eugenics",
        "Fisher, The Use of Multiple Measurements",
        uses=(),
        display="LDA",
        classes_only=True,
    ),
)
class LDA(Shallow):
    """Classes are normal around their own means with a covariance that they share; logits are log densities."""

    weight: Tensor
    bias: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.register_buffer("weight", torch.zeros(self.n_classes, self.n_features))
        self.register_buffer("bias", torch.zeros(self.n_classes))

    def fit(self, data: StageData) -> None:
        assert data.source is not None
        x, y = data.embed("source")[0].cpu().double().numpy(), data.source.y.cpu().numpy()
        weight, bias = discriminants(x, y, self.n_classes)
        self.weight.copy_(torch.from_numpy(weight))
        self.bias.copy_(torch.from_numpy(bias))

    def logits(self, features: Tensor) -> Tensor:
        return features @ self.weight.T + self.bias


def discriminants(x: np.ndarray, y: np.ndarray, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights Σ⁻¹ m_c (n_classes, d) and biases log π_c - m_cᵀ Σ⁻¹ m_c / 2.

    Σ is (1 - s) ZᵀZ / n + s v I, of the samples around their classes' means Z, their mean variance v, and the s of
    Ledoit and Wolf (Journal of Multivariate Analysis 2004), as scikit-learn's ``ledoit_wolf_shrinkage`` has it. So
    it is scikit-learn's ``LinearDiscriminantAnalysis`` with this shrinkage, but takes classes of one sample, and
    makes no (d, d) where samples are fewer than dimensions. A class without samples is never said.
    """
    (n, d), (present, group, counts) = x.shape, np.unique(y, return_inverse=True, return_counts=True)
    centre = x.mean(0)
    means = np.stack([x[group == number].mean(0) for number in range(len(present))]) - centre
    z = (x - centre - means[group]) / np.sqrt(n)
    variance = (z**2).sum() / d
    gram = z @ z.T if n < d else z.T @ z
    squares = (gram**2).sum()
    away, error = squares - d * variance**2, (z**2).sum(1) @ (z**2).sum(1) - squares / n
    # At least a millionth, without which constant features would leave no inverse.
    shrinkage = max(min(error / away, 1.0) if away > 0 else 1.0, 1e-6)
    ridge = shrinkage * (variance or 1.0)
    inner = (1 - shrinkage) * gram + ridge * np.eye(len(gram))
    if n < d:  # Woodbury's identity
        solved = (means - (1 - shrinkage) * np.linalg.solve(inner, z @ means.T).T @ z) / ridge
    else:
        solved = np.linalg.solve(inner, means.T).T
    weight, bias = np.zeros((n_classes, d)), np.full(n_classes, NEVER)
    weight[present] = solved
    bias[present] = np.log(counts / n) - (solved * (means / 2 + centre)).sum(1)
    return weight, bias
