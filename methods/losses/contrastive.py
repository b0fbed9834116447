"""The contrastive semantic alignment loss (Motiian et al., ICCV 2017; the authors' code)."""

import torch
from torch import Tensor

MARGIN = 1.0  # m
NEGATIVES = 3  # pairs of two classes for each pair of one


def contrastive(source: Tensor, target: Tensor, source_y: Tensor, target_y: Tensor) -> Tensor:
    """d² of pairs of one class, max(0, m - d)² of pairs of two, d being the distance of features: a scalar.

    A mean over all pairs of a batch, with those of two classes weighing three times as much as those of one: the
    authors draw as many. Without a pair of either kind that part is 0.

    Args:
        source, target: (n, d) and (m, d).
        source_y, target_y: (n,) and (m,) int64.
    """
    distance = torch.cdist(source, target)
    same = (source_y[:, None] == target_y).to(distance.dtype)
    near, far = distance.square() * same, (MARGIN - distance).clamp(min=0).square() * (1 - same)
    of_one, of_two = (part.sum() / pairs.sum().clamp(min=1) for part, pairs in ((near, same), (far, 1 - same)))
    return (of_one + NEGATIVES * of_two) / (1 + NEGATIVES)
