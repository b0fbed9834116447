"""The local maximum mean discrepancy (Zhu et al., TNNLS 2020; ``LMMD_loss`` of the authors' code)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from methods.losses.kernels import multi_kernel


def local_mmd(source: Tensor, target: Tensor, labels: Tensor, probabilities: Tensor) -> Tensor:
    """The mean over classes of the squared distance between the domains: a scalar.

    A source sample belongs to the class of its label, a target sample to every class by its probability. As in the
    authors' code, the mean is over those classes that both sides of the batch have, a target sample having the
    likeliest; without any the distance is 0. No gradient flows through the probabilities.

    Args:
        source, target: features (n, d) and (m, d).
        labels: (n,) int64.
        probabilities: (m, c) of the target.
    """
    classes, probabilities = probabilities.shape[1], probabilities.detach()
    mine = F.one_hot(labels, classes).to(source.dtype)
    both = mine.any(0) & F.one_hot(probabilities.argmax(1), classes).any(0)
    tiny = torch.finfo(source.dtype).tiny
    of_source, of_target = (each / each.sum(0).clamp(min=tiny) * both for each in (mine, probabilities))
    signed = torch.cat([of_source, -of_target])
    kernel = multi_kernel(torch.cat([source, target]))
    return (kernel * (signed @ signed.T)).sum() / both.sum().clamp(min=1)
