"""The margin disparity of a classifier and its adversary (Zhang et al., ICML 2019, section 5)."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def margin_disparity(
    source: Tensor, target: Tensor, adversary_source: Tensor, adversary_target: Tensor, margin: float
) -> Tensor:
    """What the adversary minimises: a scalar, whose negative estimates the margin disparity discrepancy.

    margin · E_source[-log p(ŷ)] + E_target[-log(1 - p(ŷ))], where p are the adversary's probabilities and ŷ the
    classes that the classifier predicts. Neither term is rounded where p(ŷ) is near 1.

    Args:
        source, target: (n, classes) and (m, classes) logits of the classifier; they get no gradient.
        adversary_source, adversary_target: those of the adversary.
    """
    agree = F.cross_entropy(adversary_source, source.argmax(1))
    others = adversary_target.scatter(1, target.argmax(1, keepdim=True), -math.inf)
    return margin * agree + (torch.logsumexp(adversary_target, 1) - torch.logsumexp(others, 1)).mean()
