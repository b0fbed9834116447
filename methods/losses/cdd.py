"""The contrastive domain discrepancy (Kang et al., CVPR 2019, section 3.2; ``CDD`` of the authors' code)."""

import torch
from torch import Tensor

from methods.losses.kernels import squared_distances
from methods.losses.mmd import BANDWIDTHS


def contrastive_discrepancy(source: Tensor, target: Tensor, of_source: Tensor, of_target: Tensor) -> Tensor:
    """The mean squared MMD between the domains' samples of one class, less that between those of two: a scalar.

    Classes that a side has no sample of are left out. The kernel is the sum of five Gaussians exp(-d² / b). As in
    the authors' code each pair of classes has its own bandwidths b, the mean of d² over distinct pairs of their
    samples, times 1/4 ... 4; no gradient flows through them.

    Args:
        source, target: (n, d) and (m, d), of one layer.
        of_source, of_target: (n, c) and (m, c), 1 where a sample is of a class, else 0; a row of zeros: of none.
    """
    n, m = of_source.sum(0), of_target.sum(0)
    distances = squared_distances(torch.cat([source, target]))
    in_source, in_target = distances[: len(source), : len(source)], distances[len(source) :, len(source) :]
    across = distances[: len(source), len(source) :]
    # Rows of what is (c, c) are the source's classes, columns the target's.
    sums = ((in_source @ of_source) * of_source).sum(0)[:, None] + ((in_target @ of_target) * of_target).sum(0)
    size = n[:, None] + m
    width = (sums + 2 * of_source.T @ across @ of_target).detach() / (size * (size - 1)).clamp(min=1)
    s, t = of_source / n.clamp(min=1), of_target / m.clamp(min=1)
    mmd = (
        torch.einsum("ir,jr,ijc->rc", s, s, _kernel(in_source[:, :, None], (of_source @ width)[:, None, :]))
        + torch.einsum("ic,jc,ijr->rc", t, t, _kernel(in_target[:, :, None], (of_target @ width.T)[:, None, :]))
        - 2 * s.T @ _kernel(across, of_source @ width @ of_target.T) @ t
    )
    both = ((n > 0) & (m > 0)).to(mmd.dtype)
    pairs = both[:, None] * both
    same, different = torch.diag(both), pairs - torch.diag(both)
    within, between = ((mmd * part).sum() / part.sum().clamp(min=1) for part in (same, different))
    return within - between


def _kernel(distances: Tensor, width: Tensor) -> Tensor:
    """The sum of exp(-d² / b), b being multiples of ``width``."""
    scaled = -distances / width.clamp(min=torch.finfo(width.dtype).tiny)
    return torch.stack([torch.exp(scaled / multiple) for multiple in BANDWIDTHS]).sum(0)
