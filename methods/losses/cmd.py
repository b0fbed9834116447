"""The central moment discrepancy (Zellinger et al., ICLR 2017, definition 2)."""

import torch
from torch import Tensor

MOMENTS = 5  # section 4: the mean, and central moments of orders 2 to 5


def central_moments(source: Tensor, target: Tensor) -> Tensor:
    """Σ_k ||c_k(source) - c_k(target)|| / (b - a)^k, c_1 the mean and c_k the k-th central moments: a scalar.

    All activations have to be in [a, b]. The paper's are sigmoids, and b - a is 1. Where the batch has a wider
    range, b - a is that, and no gradient flows through it. A narrower one is not taken: the smaller a network
    makes its features, the larger would be their gradient, until all are zero.

    Args:
        source, target: (n, d) and (m, d).
    """
    low, high = torch.cat([source, target]).detach().aminmax()
    width = (high - low).clamp(min=1)
    x, y = ((side - low) / width for side in (source, target))
    moments = [(x.mean(0), y.mean(0))]
    moments += [((x - x.mean(0)).pow(k).mean(0), (y - y.mean(0)).pow(k).mean(0)) for k in range(2, MOMENTS + 1)]
    return torch.stack([torch.linalg.vector_norm(a - b) for a, b in moments]).sum()
