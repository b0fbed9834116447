"""Virtual adversarial training (Miyato et al., TPAMI 2018), as Shu et al., ICLR 2018, section 4.1, use it."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

PROBE = 1e-3  # length of the random step; that of the authors, 1e-6, is lost in the rounding of float32


def soft_cross_entropy(logits: Tensor, of: Tensor) -> Tensor:
    """Mean cross-entropy of predictions with those of which they are ``of``: a scalar.

    With themselves it is their entropy.

    Args:
        logits, of: (n, classes) logits of both.
    """
    return -(of.softmax(1) * logits.log_softmax(1)).sum(1).mean()


def worst_step(predict: Callable[[Tensor], Tensor], x: Tensor, logits: Tensor, length: float) -> Tensor:
    """The step of each sample, of this length, that changes its prediction most: one power iteration.

    The first direction is random, from PyTorch's generator on the CPU, so that every device has the same.

    Args:
        predict: inputs (n, *input_shape) to logits (n, classes).
        x: (n, *input_shape); logits: (n, classes), what is predicted there.

    Returns:
        (n, *input_shape), without gradient.
    """
    step = (PROBE * _unit(torch.randn(x.shape).to(x))).requires_grad_()
    (worst,) = torch.autograd.grad(soft_cross_entropy(predict(x + step), logits.detach()), step)
    return length * _unit(worst)


def _unit(x: Tensor) -> Tensor:
    return F.normalize(x.flatten(1), dim=1).view_as(x)
