"""How sure a number is: what n allows, and no more."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

ENOUGH = 5  # seeds, for an interval, a test or a mark
LEVEL = 0.95


@dataclass(frozen=True)
class Summary:
    """A mean over seeds, with a 95% t-interval (n >= 5), the range (2 <= n < 5), or nothing (n = 1)."""

    mean: float
    low: float
    high: float
    n: int
    interval: Literal["t95", "range", "none"]


def summarise(values: Sequence[float]) -> Summary | None:
    """Summary of one cell; None without values."""
    if not len(values):
        return None
    array = np.asarray(values, dtype=float)
    mean, n = float(array.mean()), len(array)
    if n >= ENOUGH:
        half = t_half_width(array)
        return Summary(mean, mean - half, mean + half, n, "t95")
    if n > 1:
        return Summary(mean, float(array.min()), float(array.max()), n, "range")
    return Summary(mean, mean, mean, n, "none")


def t_half_width(values: np.ndarray) -> float:
    """Half the width of the 95% t-interval of a mean of (n,) values, n at least 2."""
    n = len(values)
    return t_quantile(n) * float(values.std(ddof=1)) / math.sqrt(n)


def t_quantile(n: int) -> float:
    """How many standard errors a 95% t-interval from n values, at least 2, goes to either side."""
    return float(stats.t.ppf((1 + LEVEL) / 2, n - 1))


def binomial_error(accuracy: float, n: int) -> float:
    """Standard error sqrt(p(1 - p)/n) of an accuracy p in [0, 1] on n independent test samples.

    What the choice of the test samples adds, which no spread over seeds shows.
    """
    return math.sqrt(accuracy * (1 - accuracy) / n)


def paired(values: Mapping[int, float], baseline: Mapping[int, float]) -> np.ndarray:
    """Differences of the seeds that both have."""
    return np.array([values[seed] - baseline[seed] for seed in sorted(values.keys() & baseline.keys())])


def hurts(gains: np.ndarray) -> bool:
    """The unadjusted 95% interval of a paired gain lies below zero; never with fewer than 5 seeds."""
    return len(gains) >= ENOUGH and float(gains.mean()) + t_half_width(gains) < 0


def paired_p(gains: np.ndarray) -> float | None:
    """Two-sided p of a paired t-test over seeds; None with fewer than 5."""
    if len(gains) < ENOUGH:
        return None
    if not gains.std():
        return 1.0 if not gains.mean() else 0.0
    return float(stats.ttest_1samp(gains, 0.0).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number (Holm 1979), in the order given."""
    order = np.argsort(p_values)
    steps = np.array(p_values)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted.tolist()
