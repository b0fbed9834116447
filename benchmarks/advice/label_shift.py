"""Class shares of the target, estimated from what a model said, if only these shares have changed.

Both estimates assume that samples of a class look alike in both domains: p(x|y) did not change. Agreement does not
show that: both may be wrong alike. One sign that it fails is told: the model is less sure of the target, or surer,
than of source samples in the estimated shares.

The estimates are those of :mod:`benchmarks.core.label_shift`, fitted on the source's validation part. BBSE has its
hard form: confidences are not used.

Intervals are of a bootstrap: target samples are drawn anew, and validation samples within each class. It takes
a second for three classes, and several for thirty.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.advice.paired import Interval
from benchmarks.core.escape import quoted
from benchmarks.core.label_shift import bbse, calibrate, calibrated, confusion, em
from benchmarks.core.randomness import generator
from benchmarks.report.statistics import LEVEL

DRAWS = 200
ILL = 10.0  # condition number past which small errors grow too much
FEW = 5  # validation samples of a class, below which its bootstrap knows too little
ABSENT = 1 / 3  # of a class's share in the source: below it at the upper end of both intervals, it seems absent
POINT = 0.01  # a gap between intervals, or a surprise, that is smaller means nothing
SKEWED = 2.0  # times its share in the source: above it at the lower end of both intervals, a class is told of
NAMED = 8  # classes that are printed


@dataclass(frozen=True)
class Shares:
    """An estimate of the classes' shares (k,), and the ends of their 95% intervals."""

    value: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class LabelShift:
    """:func:`lines` says it; ``dataclasses.asdict`` makes JSON of it.

    Attributes:
        classes: those that the source's validation part has: of others nothing can be said, and shares are among
            these.
        missing: the others.
        few: those with fewer than five validation samples, whose intervals are too narrow.
        source: their shares there.
        sizes: validation samples of the source, samples of the target.
        condition: of the confusion matrix C, 1 or more; infinite is None.
        confidence: mean probability of the class that is predicted for a target sample, calibrated on the source.
        surprise: the confidence, less that in source samples in the shares of BBSE.

    The estimates agree if their intervals overlap for every class; with many, a distance would be all noise.
    """

    classes: tuple[str, ...]
    missing: tuple[str, ...]
    few: tuple[str, ...]
    source: tuple[float, ...]
    sizes: tuple[int, int]
    bbse: Shares
    em: Shares
    condition: float | None
    confidence: float
    surprise: Interval

    @property
    def well_conditioned(self) -> bool:
        return self.condition is not None and self.condition <= ILL

    @property
    def agree(self) -> bool:
        """Whether the two intervals of every class overlap, to a point."""
        first, second = np.maximum(self.bbse.low, self.em.low), np.minimum(self.bbse.high, self.em.high)
        return bool((first <= second + POINT).all())

    @property
    def contradicted(self) -> bool:
        """Whether the model's confidence shows that p(x|y) has changed."""
        return self.surprise.low > POINT or self.surprise.high < -POINT

    @property
    def skew(self) -> float:
        """The largest ratio of a class's share to its share in the source, by the lower of both estimates."""
        return float((np.minimum(self.bbse.value, self.em.value) / self.source).max())


def estimate(source: np.ndarray, y: np.ndarray, target: np.ndarray, classes: Sequence[str]) -> LabelShift | None:
    """Estimate the target's class shares.

    Args:
        source: (n, k) logits of the source's validation samples, and ``y`` (n,) their classes.
        target: (m, k) logits of target samples.

    Returns:
        None where the logits are not finite, or the validation part has a single class.
    """
    counts = np.bincount(y, minlength=len(classes))
    present = np.flatnonzero(counts)
    k = len(present)
    if k < 2 or not len(target) or not (np.isfinite(source).all() and np.isfinite(target).all()):
        return None
    logits, unlabelled = (of[:, present].astype(np.float64) for of in (source, target))
    order = np.argsort(y, kind="stable")  # class after class, for draws within each
    logits, numbers = logits[order], np.searchsorted(present, y[order])
    fitted = calibrate(logits, numbers)
    values = _estimates(logits, numbers, unlabelled, fitted)
    draws = np.array(list(_bootstrap(logits, numbers, unlabelled, fitted)))
    ends = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    *shares, surprise = zip(*(np.split(each, [k, 2 * k]) for each in (values, *ends)), strict=True)
    bbse, em = (Shares(*(tuple(each.tolist()) for each in of)) for of in shares)
    condition = float(np.linalg.cond(confusion(logits, numbers)))
    return LabelShift(
        classes=tuple(classes[i] for i in present.tolist()),
        missing=tuple(name for name, count in zip(classes, counts, strict=True) if not count),
        few=tuple(classes[i] for i in present.tolist() if counts[i] < FEW),
        source=tuple((counts[present] / len(y)).tolist()),
        sizes=(len(y), len(target)),
        bbse=bbse,
        em=em,
        condition=condition if condition < 1 / np.finfo(np.float64).eps else None,
        confidence=float(calibrated(unlabelled, fitted).max(1).mean()),
        surprise=Interval(*(float(each[0]) for each in surprise)),
    )


def _estimates(source: np.ndarray, y: np.ndarray, target: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """(2 k + 1,) shares by BBSE and by EM, and the surprise."""
    first = bbse(confusion(source, y), np.bincount(target.argmax(1), minlength=target.shape[1]) / len(target))
    here, there = (calibrated(of, fitted) for of in (source, target))
    expected = first @ (np.bincount(y, here.max(1)) / np.bincount(y))
    return np.concatenate([first, em(there, here.mean(0)), [there.max(1).mean() - expected]])


def _bootstrap(source: np.ndarray, y: np.ndarray, target: np.ndarray, fitted: np.ndarray) -> Iterator[np.ndarray]:
    """The estimates of each draw; ``y`` rises."""
    rng = generator(0, "advice/label_shift")
    sizes = np.bincount(y)
    for _ in range(DRAWS):
        drawn = np.repeat(np.cumsum(sizes) - sizes, sizes) + rng.integers(np.repeat(sizes, sizes))
        others = rng.integers(len(target), size=len(target))
        yield _estimates(source[drawn], y, target[others], calibrate(source[drawn], y, fitted))


def unlike(found: LabelShift) -> list[str]:
    """In what the target's classes seem unlike the source's, a clause each: where both intervals say so.

    Classes with few validation samples are left out; nothing is said where the assumption is contradicted.
    """
    if found.contradicted:
        return []
    source = np.where(np.isin(found.classes, found.few), np.nan, found.source)
    high = np.maximum(found.bbse.high, found.em.high) / source
    low = np.minimum(found.bbse.low, found.em.low) / source
    clauses = []
    if (absent := high < ABSENT).any():
        names = [name for name, holds in zip(found.classes, absent, strict=True) if holds]
        clauses.append(f"{_listed(names)} {'seems' if len(names) == 1 else 'seem'} rare or absent")
    if (low > SKEWED).any():
        most = int(np.nanargmax(low))
        clauses.append(f"{quoted(found.classes[most])} seems to have over {low[most]:.1f} times its source share")
    return clauses


def lines(found: LabelShift, method: str = "source_only") -> list[str]:
    """The estimates with their conditions, in sentences: 14 lines at most."""
    n, m = found.sizes
    changes = np.add(found.bbse.value, found.em.value) / 2 - found.source
    shown = np.sort(np.argsort(-np.abs(changes), kind="stable")[:NAMED])
    most = f" (the {len(shown)} that change most)" if len(shown) < len(changes) else ""
    said = [
        f"Class shares of the target{most}, estimated from what {method} predicts for {m:,} of its samples and "
        f"{n:,} of the source.",
        "This assumes that p(x|y) did not change: samples of a class look alike in both domains. "
        + _evidence(found, method),
    ]
    for i in shown:
        both = [f"{name} {_share(shares, i)}" for name, shares in (("BBSE", found.bbse), ("EM", found.em))]
        said.append(f"  {quoted(found.classes[i])}: {found.source[i]:.1%} in the source; {', '.join(both)}.")
    said.append(
        "The two estimates agree: their intervals overlap for every class."
        if found.agree
        else "The two estimates disagree: their intervals do not overlap for every class. Do not rely on either."
    )
    condition = "infinite" if found.condition is None else f"{found.condition:.1f}"
    verdict = "" if found.well_conditioned else ", so that BBSE is worth little here"
    said.append(
        f"The confusion matrix's condition number is {condition}: 1 is best, and past {ILL:.0f} it enlarges small "
        f"errors too much{verdict}."
    )
    if found.few:
        said.append(f"Intervals are too narrow for {_listed(found.few)}: fewer than {FEW} validation samples.")
    if found.missing:
        said.append(f"Of {_listed(found.missing)} nothing is known: no validation sample is of it.")
    return said


def _evidence(found: LabelShift, method: str) -> str:
    if not found.contradicted:
        return f"How sure {method} is does not contradict it, which is no proof."
    expected = found.confidence - found.surprise.value
    return (
        f"That is contradicted: {method} gives the classes that it predicts a mean probability of "
        f"{found.confidence:.0%}, and by these shares it would be {expected:.0%}. Do not rely on the shares."
    )


def _share(shares: Shares, i: int) -> str:
    return f"{shares.value[i]:.1%} [{100 * shares.low[i]:.1f}, {100 * shares.high[i]:.1f}]"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(quoted, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
