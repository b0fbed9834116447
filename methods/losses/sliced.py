"""The sliced Wasserstein discrepancy of two classifiers (Lee et al., CVPR 2019; the authors' code)."""

import torch
from torch import Tensor
from torch.nn import functional as F

DIRECTIONS = 128  # the authors' code


def sliced_discrepancy(first: Tensor, second: Tensor) -> Tensor:
    """Squared sliced Wasserstein distance between the two sets of class probabilities: a scalar.

    Both sets are projected onto random directions. In one dimension the cheapest transport joins equal ranks; its
    squared distances are averaged over ranks and directions. The directions come from PyTorch's generator on the
    CPU, so that every device has the same.

    Args:
        first, second: (n, classes) logits of the same samples.
    """
    directions = F.normalize(torch.randn(first.shape[1], DIRECTIONS).to(first), dim=0)
    one, other = ((logits.softmax(1) @ directions).sort(0).values for logits in (first, second))
    return (one - other).square().mean()
