"""Kernel mean matching (Huang et al., NIPS 2006; Gretton et al., in Dataset Shift in Machine Learning, 2009)."""

from typing import Annotated

import numpy as np
from pydantic import Field, PositiveFloat
from scipy.optimize import brentq, minimize
from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import weighting

BLOCK = 2000  # source samples that are weighted together
TARGET = 5000  # target samples whose mean is matched
MEDIAN_OF = 1000  # samples of each domain whose distances set the width of the kernel
ITERATIONS = 1000


class Params(weighting.Params):
    bound: Annotated[float, Field(ge=1)] = param(
        1000.0, "B, the largest weight", low=2, high=1000, log=True, source="NIPS 2006, section 4"
    )
    width: PositiveFloat = param(
        1.0,
        "σ of the Gaussian kernel, as a multiple of the median distance",
        low=0.25,
        high=4,
        log=True,
        source="the median heuristic",
    )


@METHODS.register(
    "kmm",
    MethodInfo(
        "weighting",
        2006,
        "NIPS",
        "Huang et al., Correcting Sample Selection Bias by Unlabeled Data",
        uses=("backbone", "new"),
        keeps_source=False,
        display="KMM",
    ),
)
class KMM(weighting.Weighting):
    """The weights with which the source's mean in a kernel's feature space is nearest to the target's.

    No density is estimated. As the programme is quadratic in the source, a large source is cut at random into
    blocks, and each is matched to the same sample of the target (as Chandra et al., ICDM 2016, but for their
    drawing blocks with replacement).
    """

    settings = Params
    params: Params

    def weigh(self, source: np.ndarray, target: np.ndarray, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        some = [x[rng.permutation(len(x))[:MEDIAN_OF]] for x in (source, target)]
        width = self.params.width * median_distance(np.concatenate(some))
        matched = target[rng.permutation(len(target))[:TARGET]]
        weight = np.empty(len(source))
        for block in np.array_split(rng.permutation(len(source)), -(-len(source) // BLOCK)):
            weight[block] = kernel_mean_weights(source[block], matched, width, self.params.bound)
        weighting.check_overlap("kmm", weight)
        return weight


def median_distance(x: np.ndarray) -> float:
    """Of all pairs of (n, d) that are not alike; 1 where all are."""
    distances = euclidean_distances(x)
    return float(np.median(distances[distances > 0])) if distances.any() else 1.0


def kernel_mean_weights(source: np.ndarray, target: np.ndarray, width: float, bound: float) -> np.ndarray:
    """Weights β (n,) that minimise βᵀKβ / 2 - κᵀβ with 0 ≤ β ≤ B and |Σβ - n| ≤ n ε, where ε = (√n - 1) / √n.

    K is the matrix of exp(-d² / 2σ²) of the source, and κ_i the mean of that kernel over the target, times n (NIPS
    2006, equation 12). L-BFGS-B keeps the first constraint. The second rarely binds, as ε is near 1; where it
    does, the multiplier with which it just holds is searched for, along which the sum falls.

    Args:
        source, target: (n, d) and (m, d).
    """
    n, gamma = len(source), 0.5 / width**2
    kernel, kappa = rbf_kernel(source, gamma=gamma), n * rbf_kernel(source, target, gamma=gamma).mean(1)

    def solution(multiplier: float) -> np.ndarray:
        def objective(beta: np.ndarray) -> tuple[float, np.ndarray]:
            product, linear = kernel @ beta, kappa - multiplier
            return (product @ beta / 2 - linear @ beta) / n, (product - linear) / n

        limits = {"maxiter": ITERATIONS, "ftol": 1e-12, "gtol": 1e-8}
        start, bounds = np.ones(n), [(0.0, bound)] * n
        return minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=limits).x

    least = np.sqrt(n)
    most = 2 * n - least
    beta = solution(0.0)
    if least <= beta.sum() <= most:
        return beta
    wanted, bracket = (most, (0.0, kappa.max())) if beta.sum() > most else (least, (-bound * n, 0.0))
    return solution(brentq(lambda multiplier: solution(multiplier).sum() - wanted, *bracket))
