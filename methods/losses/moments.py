"""The moment distance of several domains (Peng et al., ICCV 2019, definition 1)."""

import torch
from torch import Tensor

ORDERS = 2  # equation 1: the first two moments


def moment_distance(domains: Tensor, weights: Tensor) -> Tensor:
    """The mean over pairs (source, target) and that over pairs of sources of ||E(x^k) - E(y^k)||, summed over k.

    The moments are not central, and taken of each feature. A source without a sample is in no pair: a scalar.

    Args:
        domains: (n, d), all samples; the target is the last domain.
        weights: (k, n), 1 where a sample is of a domain and 0 elsewhere.
    """
    sizes = weights.sum(1)
    means = weights / sizes.clamp(min=1)[:, None]
    first, second = torch.triu_indices(len(sizes), len(sizes), offset=1, device=domains.device)
    known = ((sizes[first] > 0) & (sizes[second] > 0)).to(domains.dtype)
    with_target = (second == len(sizes) - 1).to(domains.dtype)
    moments = [means @ domains.pow(k) for k in range(1, ORDERS + 1)]
    distances = torch.stack([torch.linalg.vector_norm(m[first] - m[second], dim=1) for m in moments]).sum(0)
    kinds = (known * with_target, known * (1 - with_target))
    return torch.stack([(kind * distances).sum() / kind.sum().clamp(min=1) for kind in kinds]).sum()
