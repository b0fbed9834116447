"""Matching of third-order moments (Chen et al., AAAI 2020; ``HoMM3_loss`` of the authors' code)."""

from torch import Tensor

ORDER = 3


def third_moments(source: Tensor, target: Tensor) -> Tensor:
    """The mean square of the difference of the two tensors of third central moments, d³ entries each: a scalar.

    The paper samples entries where they are too many. Here all are compared and no tensor is formed: the inner
    product of x ⊗ x ⊗ x and y ⊗ y ⊗ y is (x · y)³. By rounding the result may be slightly negative.

    Args:
        source, target: (n, d) and (m, d).
    """
    x, y = (side - side.mean(0) for side in (source, target))

    def product(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / a.shape[1]).pow(ORDER).mean()

    return product(x, x) + product(y, y) - 2 * product(x, y)
