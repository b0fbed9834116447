"""The central moment discrepancy (Zellinger et al., ICLR 2017, definition 2)."""

import torch
from torch import Tensor

MOMENTS = 5  # section 4: the mean, and central moments of orders 2 to 5


def central_moments(source: Tensor, target: Tensor) -> Tensor:
    """Σ_k ||c_k(source) - c_k(target)|| / (b - a)^k, c_1 the mean and c_k the k-th central moments: a scalar.

    All activations have to be in [a, b]. The paper's are sigmoids; here those of any encoder are in the smallest
    interval that holds the batch, through whose ends no gradient flows.

    Args:
        source, target: (n, d) and (m, d).
    """
    joined = torch.cat([source, target]).detach()
    low, high = joined.aminmax()
    width = (high - low).clamp(min=torch.finfo(joined.dtype).tiny)
    x, y = ((side - low) / width for side in (source, target))
    moments = [(x.mean(0), y.mean(0))]
    moments += [((x - x.mean(0)).pow(k).mean(0), (y - y.mean(0)).pow(k).mean(0)) for k in range(2, MOMENTS + 1)]
    return torch.stack([torch.linalg.vector_norm(a - b) for a, b in moments]).sum()
