"""Alignment losses for real numbers: subspaces, and inverse Gram matrices, of features."""

import torch
from torch import Tensor

SMALLEST = 1e-3  # singular values of a batch below this share of the largest are noise


def subspace_distance(source: Tensor, target: Tensor, mismatch: float) -> Tensor:
    """Σ sin θ_i, θ being the principal angles of two batches' subspaces, plus a penalty on their bases: a scalar.

    The penalty is mismatch · || |P_s| - |P_t| ||_F, P being the rotations of singular vectors into principal ones
    (Chen et al., ICML 2021). A subspace has at most half as many dimensions as the features: with as many samples
    as there are dimensions, each would be the whole space, and at no angle to the other.

    Args:
        source, target: (n, d) and (m, d).
        mismatch: weight of the penalty.
    """
    rank = min(*(int(_rank(side)) for side in (source, target)), max(1, source.shape[1] // 2))
    bases = [_leading(side, rank) for side in (source, target)]
    p_s, cosines, p_t = torch.linalg.svd(bases[0].T @ bases[1])
    sines = (1 - cosines.square()).clamp(min=torch.finfo(cosines.dtype).eps).sqrt()
    return sines.sum() + mismatch * torch.linalg.matrix_norm(p_s.abs() - p_t.T.abs())


def _rank(features: Tensor) -> Tensor:
    values = torch.linalg.svdvals(features.detach())
    return (values > SMALLEST * values[0]).sum().clamp(min=1)


def _leading(features: Tensor, rank: int) -> Tensor:
    """The first left singular vectors of (d, n): (d, rank).

    The right ones are held fixed, so that no gradient divides by the difference of singular values that are 0.
    """
    right = torch.linalg.svd(features.detach(), full_matrices=False).U[:, :rank]
    return torch.linalg.svd(features.T @ right, full_matrices=False).U


def inverse_gram(source: Tensor, target: Tensor, kept: float, angle: float, scale: float) -> Tensor:
    """How the pseudo-inverses of two Gram matrices differ in angle, and the matrices in scale: a scalar.

    A column of ones stands before the features. The angle is the mean over columns of 1 less their cosine. The
    scale is ||·|| / k of the first k singular values, and the pseudo-inverse drops the others (Nejjar et al., CVPR
    2023). As in the authors' code, k is the number of leading values that together make up at most the share
    ``kept`` in one of the domains, less one, and at least 1.

    Args:
        source, target: (n, d) and (m, d).
        angle, scale: weights of the two.
    """
    grams = [side.T @ side for side in (torch.cat([x.new_ones(len(x), 1), x], 1) for x in (source, target))]
    values = [torch.linalg.svdvals(gram) for gram in grams]
    shares = [(each.cumsum(0) / each.sum()).detach() for each in values]
    k = max(int((share <= max(kept, float(share[1]))).sum()) - 1 for share in shares)
    inverses = [
        torch.linalg.pinv(gram, rtol=(each[k] / each[0]).detach())
        for gram, each in zip(grams, values, strict=True)
    ]
    cosines = torch.cosine_similarity(inverses[0], inverses[1], dim=0, eps=1e-6)
    distance = torch.linalg.vector_norm(values[0][:k] - values[1][:k]) / k
    return angle * (1 - cosines).mean() + scale * distance
