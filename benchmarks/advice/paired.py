"""Accuracies on few samples, and the difference of two on the same samples: exact, or nearly so."""

import math
from dataclasses import dataclass

from scipy.optimize import brentq
from scipy.stats import binomtest, norm

from benchmarks.report.statistics import LEVEL

POWER = 0.8
Z = float(norm.ppf((1 + LEVEL) / 2))


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95% interval."""

    value: float
    low: float
    high: float


def exact(count: int, n: int) -> Interval:
    """A share with Clopper and Pearson's interval."""
    low, high = binomtest(count, n).proportion_ci(LEVEL, "exact")
    return Interval(count / n, float(low), float(high))


def mcnemar(better: int, worse: int) -> float:
    """Two-sided p of the exact test."""
    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def paired(better: int, worse: int, n: int) -> Interval:
    """A difference of two accuracies on the same n samples, of which one candidate alone has some right.

    The score interval of Tango (Statistics in Medicine 17, 1998), which the comparison of Fagerland et
    al. (Statistics in Medicine 33, 2014) recommends. It reaches to 0 where :func:`mcnemar` finds no difference at
    5%, so that the two never contradict each other.
    """

    def distance(difference: float) -> float:
        """Standard errors between what was found and a difference, which falls as that rises."""
        linear = (2 * n - better + worse) * difference - better - worse
        root = math.sqrt(max(linear**2 + 8 * n * worse * difference * (1 - difference), 0.0))
        other = (root - linear) / (4 * n)
        variance = n * (2 * other + difference * (1 - difference))
        return (better - worse - n * difference) / math.sqrt(max(variance, 1e-300))

    value, edge = (better - worse) / n, 1 - 1e-12
    low = brentq(lambda at: distance(at) - Z, -edge, edge) if value > -1 else -1.0
    high = brentq(lambda at: distance(at) + Z, -edge, edge) if value < 1 else 1.0
    if mcnemar(better, worse) >= 1 - LEVEL:
        low, high = min(low, 0.0), max(high, 0.0)
    return Interval(value, float(low), float(high))


def labels_needed(difference: float, disagreement: float) -> int | None:
    """Random labels with which a paired test at 5% finds a difference of accuracies in 80% of draws.

    (z1 sqrt(d) + z2 sqrt(d - difference²))² / difference² (Connor, Biometrics 43, 1987), where d is
    the share of samples that only one of the two has right: at most their disagreement, so that this is enough.
    Of labels that are drawn from the disagreements alone it takes that share.

    Returns:
        None where two candidates that disagree so rarely cannot differ so much.
    """
    if difference > disagreement:
        return None
    spread = Z * math.sqrt(disagreement) + norm.ppf(POWER) * math.sqrt(disagreement - difference**2)
    return math.ceil((spread / difference) ** 2)
