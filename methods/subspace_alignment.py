"""Subspace alignment (Fernando, Habrard, Sebban and Tuytelaars, ICCV 2013)."""

import numpy as np

from benchmarks.core.registry import METHODS, MethodInfo
from methods.shallow.mapped import SubspaceNeighbour


@METHODS.register(
    "subspace_alignment",
    MethodInfo(
        "shallow",
        2013,
        "ICCV",
        "Fernando et al., Unsupervised Visual DA Using Subspace Alignment",
        uses=(),
        classes_only=True,
    ),
)
class SubspaceAlignment(SubspaceNeighbour):
    """The source's principal axes P_s are turned into the target's by M = P_sᵀ P_t, which minimises |P_s M - P_t|.

    The paper also has a linear SVM on top, and chooses the dimension by a bound and cross-validation; here it is
    fixed.
    """

    def maps(self, source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return source @ (source.T @ target), target  # algorithm 1
