"""Batch spectral penalisation (Chen et al., ICML 2019; the authors' code)."""

import torch
from torch import Tensor


def largest_singular_values(source: Tensor, target: Tensor) -> Tensor:
    """σ₁² of the source's features plus that of the target's, k = 1 as in the authors' code: a scalar.

    Args:
        source, target: (n, d) and (m, d).
    """
    return torch.stack([torch.linalg.matrix_norm(side, 2).square() for side in (source, target)]).sum()
