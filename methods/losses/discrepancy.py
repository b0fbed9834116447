"""The discrepancy of two classifiers (Saito et al., CVPR 2018, section 3.2)."""

from torch import Tensor


def discrepancy(first: Tensor, second: Tensor) -> Tensor:
    """Mean absolute difference of the class probabilities, over classes and samples: a scalar.

    Args:
        first, second: (n, classes) logits of the same samples.
    """
    return (first.softmax(1) - second.softmax(1)).abs().mean()
