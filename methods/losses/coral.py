"""The CORAL loss (Sun and Saenko, ECCV workshops 2016, equations 1 to 3)."""

from torch import Tensor


def coral(source: Tensor, target: Tensor) -> Tensor:
    """Squared Frobenius distance of the two covariances, divided by 4 d²: a scalar.

    Args:
        source, target: (n, d) and (m, d), n and m at least 2.
    """
    difference = _covariance(source) - _covariance(target)
    return difference.square().sum() / (4 * source.shape[1] ** 2)


def _covariance(x: Tensor) -> Tensor:
    centred = x - x.mean(0)
    return centred.T @ centred / (len(x) - 1)
