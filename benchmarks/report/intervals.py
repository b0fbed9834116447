"""How far the mean of a few seeds may lie from what other seeds, splits and test samples would give.

Gains are differences of accuracies in [0, 1]; the same holds of an accuracy alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from benchmarks.report.statistics import LEVEL


@dataclass(frozen=True)
class Outcomes:
    """What a run got right on its test samples, by unit: a group of samples, or one sample.

    Attributes:
        units: (units,) their ids, rising.
        shares: (units,) of all test samples, those that a unit has.
        right: (units,) of all test samples, those that a unit has and that are classified rightly. Their sum is
            the accuracy. Of two runs it may also be the difference, and of several tasks the mean.
    """

    samples: int
    units: np.ndarray
    shares: np.ndarray
    right: np.ndarray

    @property
    def grouped(self) -> bool:
        """Whether any unit has several samples."""
        return len(self.units) < self.samples

    @classmethod
    def of(cls, right: np.ndarray, units: np.ndarray) -> "Outcomes":
        """From right or wrong (n,) of each sample, and the unit (n,) that it is in."""
        found, place, counts = np.unique(units, return_inverse=True, return_counts=True)
        return cls(len(units), found, counts / len(units), np.bincount(place, right) / len(units))

    def same_samples(self, other: "Outcomes") -> bool:
        mine, others = (self.units, self.shares), (other.units, other.shares)
        return all(a is b or np.array_equal(a, b) for a, b in zip(mine, others, strict=True))

    def on(self, other: "Outcomes") -> "Outcomes":
        """These outcomes with the arrays of others on the same samples, so that comparing both takes no time."""
        return replace(self, units=other.units, shares=other.shares) if self.same_samples(other) else self


@dataclass(frozen=True)
class Estimate:
    """A mean, the variance of its error, and how many degrees of freedom that variance has.

    Student's t is scipy.special's: ``scipy.stats.t`` says the same, in thirty times the time of a single number.
    """

    mean: float
    variance: float
    freedom: float

    @property
    def half_width(self) -> float:
        """Half the width of the 95% t-interval."""
        return float(special.stdtrit(self.freedom, (1 + LEVEL) / 2)) * math.sqrt(self.variance)

    @property
    def p(self) -> float:
        """Two-sided, of a mean of 0."""
        if not self.variance:
            return 1.0 if not self.mean else 0.0
        return float(2 * special.stdtr(self.freedom, -abs(self.mean) / math.sqrt(self.variance)))


def estimate(
    gains: np.ndarray, fixed: Sequence[Sequence[Outcomes]] = (), drawn: np.ndarray | float = 0.0
) -> Estimate:
    """The mean over seeds, with the variance of everything that is known of how it came about.

    The variance has up to four parts:

    - *seeds*: s²/n, that of the usual t-interval.
    - *splits*: (n_test / n_train) s² more, of the tasks whose test samples each seed draws anew. The draws
      overlap, so that n of them say less than n (Nadeau and Bengio, Machine Learning 52, 2003, section 3).
    - *test samples*, where all seeds have the same: seeds and units are two crossed random effects without
      replication. The variance of the units' means is added.
    - Both of the last include what is of one seed and one unit alone. So that part is taken off once, but never
      so that less is left than seeds or units alone have.

    Degrees of freedom are Satterthwaite's. Units of unequal size count as fewer.

    Args:
        gains: (n,) a value a seed, n at least 2.
        fixed: for each target whose test samples all seeds share, the outcomes of each seed.
        drawn: (n,) the part of ``gains`` that comes of tasks with drawn test samples, times the square root of
            n_test / n_train.
    """
    n = len(gains)
    seeds = float(gains.var(ddof=1)) / n + float(np.broadcast_to(drawn, n).var(ddof=1))
    parts = [(seeds, n - 1.0)]
    units = both = 0.0
    for outcomes in fixed:
        shares, right = outcomes[0].shares, np.stack([each.right for each in outcomes])
        correction = len(shares) / (len(shares) - 1)
        by_unit = right.mean(axis=0) - shares * right.sum(axis=1).mean()
        rest = right - by_unit - shares * right.sum(axis=1, keepdims=True)
        own, shared = (correction * float((each**2).sum()) for each in (by_unit, rest))
        freedom = float((shares**2).sum() ** 2 / (shares**4).sum()) - 1
        units, both = units + own, both + shared / (n * (n - 1))
        parts += [(own, freedom), (shared / (n * (n - 1)), freedom * (n - 1))]
    variance = max(seeds + units - both, seeds, units)
    uncertainty = sum(part**2 / freedom for part, freedom in parts)
    return Estimate(float(gains.mean()), variance, variance**2 / uncertainty if uncertainty else n - 1.0)
