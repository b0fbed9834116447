"""The joint maximum mean discrepancy (Long et al., ICML 2017, section 4.1)."""

import torch
from torch import Tensor

from methods.losses.kernels import multi_kernel, squared_distances

BANDWIDTH = 1.68  # of the probabilities' kernel, in the authors' code; 2 * 0.92² in TLlib


def joint_mmd(
    source: Tensor, target: Tensor, source_probabilities: Tensor, target_probabilities: Tensor
) -> Tensor:
    """The squared distance of the two joint distributions' embeddings: a scalar.

    The kernel of two samples is the product of their features' kernel, :func:`multi_kernel`, and their
    probabilities', exp(-d² / 1.68). As in TLlib, the estimate is over all pairs, within a domain over distinct
    ones: it is unbiased, and may be slightly negative.

    Args:
        source, target: features (n, d) and (m, d), n and m at least 2.
        source_probabilities, target_probabilities: (n, c) and (m, c).
    """
    n, m = len(source), len(target)
    distances = squared_distances(torch.cat([source_probabilities, target_probabilities]))
    kernel = multi_kernel(torch.cat([source, target])) * torch.exp(-distances / BANDWIDTH)
    own = kernel - torch.diag(kernel.diagonal())
    within_source = own[:n, :n].sum() / (n * (n - 1))
    within_target = own[n:, n:].sum() / (m * (m - 1))
    return within_source + within_target - 2 * kernel[:n, n:].mean()
