"""Alignment losses for real numbers: subspaces, and inverse Gram matrices, of features."""

from typing import Any

import torch
from torch import Tensor

EPSILON = 1e-6  # of differences of squared singular values, as shares of the largest


def subspace_distance(source: Tensor, target: Tensor, mismatch: float) -> Tensor:
    """Σ sin θ_i, θ being the principal angles of two batches' subspaces, plus a penalty on their bases: a scalar.

    The penalty is mismatch · || |P_s| - |P_t| ||_F, P being the rotations of singular vectors into principal ones
    (Chen et al., ICML 2021). A subspace has at most half as many dimensions as the features: with as many samples
    as there are dimensions, each would be the whole space, and at no angle to the other.

    Args:
        source, target: (n, d) and (m, d).
        mismatch: weight of the penalty.
    """
    (u_s, *_), (u_t, *_) = (SVD.apply(side.T) for side in (source, target))
    rank = min(len(source), len(target), max(1, source.shape[1] // 2))
    p_s, cosines, p_t = SVD.apply(u_s[:, :rank].T @ u_t[:, :rank])
    sines = (1 - cosines.square()).clamp(min=torch.finfo(cosines.dtype).eps).sqrt()
    return sines.sum() + mismatch * torch.linalg.matrix_norm(p_s.abs() - p_t.abs())


class SVD(torch.autograd.Function):
    """U, S and V of a matrix. Its gradient stays finite where singular values are equal or 0.

    PyTorch's divides by differences of squared singular values. Here 1 / x is x / (x² + ε) (Liao et al., Physical
    Review X 2019, section III).
    """

    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
        ctx.save_for_backward(u, s, vh)
        return u, s, vh.T

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (u, s, vh), (of_u, of_s, of_v) = ctx.saved_tensors, gradients
        largest = s[0].square().clamp(min=torch.finfo(s.dtype).tiny)
        apart = (s.square() - s.square()[:, None]) / largest
        f, inverse = apart / (apart.square() + EPSILON) / largest, s / (s.square() + EPSILON * largest)
        rotations = [f * (own - own.T) for own in (u.T @ of_u, vh @ of_v)]
        inner = rotations[0] * s + s[:, None] * rotations[1] + of_s.diag()
        outer = (of_u - u @ (u.T @ of_u)) * inverse @ vh
        return u @ inner @ vh + outer + u * inverse @ (of_v - vh.T @ (vh @ of_v)).T


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
    # Z = U S Vᵀ gives ZᵀZ = V S² Vᵀ, from a matrix that is as small as the batch.
    found = [SVD.apply(torch.cat([x.new_ones(len(x), 1), x], 1)) for x in (source, target)]
    values = [s.square() for _, s, _ in found]
    shares = [(each.cumsum(0) / each.sum()).detach() for each in values]
    k = max(1, *(int((share <= max(kept, float(share[:2].max()))).sum()) - 1 for share in shares))
    k = min(k, *(int((each > EPSILON * each[0]).sum()) for each in values))  # further ones are 0 but for rounding
    inverses = [v[:, :k] / each[:k] @ v[:, :k].T for (_, _, v), each in zip(found, values, strict=True)]
    cosines = torch.cosine_similarity(inverses[0], inverses[1], dim=0, eps=1e-6)
    distance = torch.linalg.vector_norm(values[0][:k] - values[1][:k]) / k
    return angle * (1 - cosines).mean() + scale * distance
