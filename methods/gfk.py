"""The geodesic flow kernel (Gong, Shi, Sha and Grauman, CVPR 2012)."""

from typing import ClassVar

import numpy as np

from benchmarks.core.registry import METHODS, MethodInfo
from methods.shallow.mapped import SubspaceNeighbour


@METHODS.register(
    "gfk",
    MethodInfo(
        "shallow",
        2012,
        "CVPR",
        "Gong et al., Geodesic Flow Kernel for Unsupervised DA",
        uses=(),
        display="GFK",
        classes_only=True,
    ),
)
class GFK(SubspaceNeighbour):
    """Distances by a kernel that integrates over all subspaces on the geodesic from the source's to the target's.

    Subspaces are of principal axes for both domains, as the paper's PCA, PCA; it also has one by labels.
    """

    per_dim: ClassVar[int] = 2

    def maps(self, source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        factor = flow_factor(source, target)
        return factor, factor


def flow_factor(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """L (d, 2k) with L Lᵀ = G = ∫ Φ(t) Φ(t)ᵀ dt over [0, 1], of orthonormal bases (d, k) of two subspaces.

    With principal angles θ, the geodesic is Φ(t) = A cos(tθ) + B sin(tθ), where A are the source's principal
    vectors and B the directions, orthogonal to them, in which the target's lie. So G is the sum, over the pairs of
    their columns a and b (in the paper B, and so λ2, has the other sign), of::

        [a b] [λ1 λ2; λ2 λ3] [a b]ᵀ,  λ1, λ3 = (1 ± sin 2θ / 2θ) / 2,  λ2 = (1 - cos 2θ) / 4θ

    of which the Cholesky factor is taken. Nothing of (d, d) is made.
    """
    left, cosine, right = np.linalg.svd(source.T @ target)
    start = source @ left
    beside = target @ right.T - start * cosine
    sine = np.linalg.norm(beside, axis=0)
    beside /= np.maximum(sine, np.finfo(np.float64).tiny)
    theta = np.arctan2(sine, cosine)  # exact also near 0, where the arc cosine is not
    one, three = (1 + sign * np.sinc(2 * theta / np.pi) for sign in (1, -1))
    one, three, two = one / 2, three / 2, np.sinc(theta / np.pi) * np.sin(theta) / 2
    shared = two / np.sqrt(one)
    rest = np.sqrt(np.maximum(three - shared**2, 0))
    return np.concatenate([start * np.sqrt(one) + beside * shared, beside * rest], axis=1)
