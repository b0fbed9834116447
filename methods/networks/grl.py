"""The gradient reversal layer (Ganin and Lempitsky, ICML 2015, section 3)."""

from typing import Any

import torch
from torch import Tensor


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: Tensor) -> Tensor:
        ctx.save_for_backward(strength)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (strength,) = ctx.saved_tensors
        return -strength * gradients[0], None


def reverse(x: Tensor, strength: Tensor) -> Tensor:
    """The identity, whose gradient is multiplied by ``-strength`` (a scalar tensor)."""
    return _Reverse.apply(x, strength.to(x.dtype))
