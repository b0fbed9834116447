"""The Wasserstein distance by a critic whose slope is held near 1 (Gulrajani et al., NeurIPS 2017, equation 3)."""

import torch
from torch import Tensor


def distance(source: Tensor, target: Tensor) -> Tensor:
    """The mean value of the source minus that of the target: a scalar (Shen et al., AAAI 2018, algorithm 1).

    Args:
        source, target: (n,) and (m,) values of the critic.
    """
    return source.mean() - target.mean()


def gradient_penalty(values: Tensor, points: Tensor) -> Tensor:
    """Mean of (‖∇value‖ - 1)², each norm over the features of one point: a scalar, itself differentiable.

    Args:
        values: (n,) of the critic, each of its own point alone.
        points: (n, d), which require gradients.
    """
    (slopes,) = torch.autograd.grad(values.sum(), points, create_graph=True)
    return (slopes.norm(dim=1) - 1).square().mean()


def between(source: Tensor, target: Tensor) -> Tensor:
    """Points drawn evenly from the lines between the i-th rows of both sides: (min(n, m), d).

    The numbers come from PyTorch's generator on the CPU, seeded at each step, so that every device has the same.

    Args:
        source, target: (n, d) and (m, d).
    """
    n = min(len(source), len(target))
    return torch.lerp(target[:n], source[:n], torch.rand(n, 1).to(source))
