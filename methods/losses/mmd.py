"""Multi-kernel maximum mean discrepancy (Long et al., ICML 2015, section 3.1)."""

import torch
from torch import Tensor

BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # multiples of the mean squared distance


def mk_mmd(source: Tensor, target: Tensor) -> Tensor:
    """The unbiased quadratic estimate of the squared MMD: a scalar that may be slightly negative.

    The kernel is the mean of five Gaussians exp(-d² / b), with b the mean squared distance over all distinct
    pairs of the joined sample, times 1/4 ... 4; no gradient flows through b. The paper learns the kernel
    weights; equal ones are used here.

    Args:
        source, target: (n, d) and (m, d), n and m at least 2.
    """
    n, m = len(source), len(target)
    joined = torch.cat([source, target])
    squares = joined.square().sum(1)
    distances = (squares[:, None] + squares[None, :] - 2 * joined @ joined.T).clamp(min=0)
    distances = distances * (1 - torch.eye(n + m, dtype=joined.dtype, device=joined.device))
    mean = distances.detach().sum() / ((n + m) * (n + m - 1))
    scaled = -distances / mean.clamp(min=torch.finfo(joined.dtype).tiny)
    kernel = torch.stack([torch.exp(scaled / width) for width in BANDWIDTHS]).mean(0)
    within_source = (kernel[:n, :n].sum() - n) / (n * (n - 1))
    within_target = (kernel[n:, n:].sum() - m) / (m * (m - 1))
    return within_source + within_target - 2 * kernel[:n, n:].mean()
