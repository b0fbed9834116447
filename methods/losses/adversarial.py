"""The domain classification loss and the schedule of its reversed gradient."""

import torch
from torch import Tensor
from torch.nn import functional as F


def domain_loss(
    source: Tensor, target: Tensor, source_weight: Tensor | None = None, target_weight: Tensor | None = None
) -> Tensor:
    """Cross-entropy of a domain classifier, summed over the two domains' means (JMLR 2016, equation 9).

    Args:
        source, target: (n,) and (m,) logits; above 0 means source.
        source_weight, target_weight: (n,) and (m,) weights with mean 1, if any.
    """
    return _error(source, torch.ones_like(source), source_weight) + _error(
        target, torch.zeros_like(target), target_weight
    )


def _error(logits: Tensor, label: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return F.binary_cross_entropy_with_logits(logits, label)
    # PyTorch's own weights take no gradient.
    return (weight * F.binary_cross_entropy_with_logits(logits, label, reduction="none")).mean()


def domain_accuracy(source: Tensor, target: Tensor) -> Tensor:
    """Mean over the two domains of the share of logits on the right side of 0."""
    return ((source.detach() > 0).double().mean() + (target.detach() <= 0).double().mean()) / 2


def ramp(progress: Tensor, gamma: float, warmup: float = 0.0) -> Tensor:
    """2 / (1 + exp(-gamma p)) - 1 (JMLR 2016, section 5.2.2), p starting after a ``warmup`` share of steps."""
    p = ((progress - warmup) / (1 - warmup)).clamp(min=0)
    return 2 / (1 + torch.exp(-gamma * p)) - 1
