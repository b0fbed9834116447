"""How sure a number is: what n allows, and no more."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

ENOUGH = 5  # seeds, for an interval, a test or a mark
LEVEL = 0.95
SEEDS = "seeds"


@dataclass(frozen=True)
class Summary:
    """A mean over seeds, with a 95% t-interval (n >= 5), the range (2 <= n < 5), or nothing (n = 1).

    Attributes:
        covers: what else could have come out otherwise, and is in the interval.
    """

    mean: float
    low: float
    high: float
    n: int
    interval: Literal["t95", "range", "none"]
    covers: str = SEEDS


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


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """p-values adjusted for their number (Holm 1979), in the order given; None, where no test was made, stays."""
    tested = [i for i, p in enumerate(p_values) if p is not None]
    values = np.array([p_values[i] for i in tested], dtype=float)
    order = np.argsort(values)
    steps = values[order] * np.arange(len(order), 0, -1)
    adjusted: list[float | None] = [None] * len(p_values)
    for place, value in zip(order, np.minimum(np.maximum.accumulate(steps), 1.0), strict=True):
        adjusted[tested[place]] = float(value)
    return adjusted
