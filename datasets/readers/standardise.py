"""Features standardised in double precision, each by its mean and deviation; sequences and images by channel.

A chunk of the features at a time, so that beside the inputs and the result little memory is needed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from datasets.base import Domains, Samples, split

CHUNK = 2**24  # numbers that are worked on at once
FAR = 1e6  # deviations of the source between it and the target, past which units must be different
COARSE = 0.01  # of a deviation: the distance of neighbouring values, past which digits are lacking
MIDDLE = (0.25, 0.75)  # quantiles of the source between which values differ even if a few are far away


@dataclass(frozen=True)
class Scale:
    """Mean and deviation of each feature or channel; none where inputs stay as they are."""

    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()


def fitted(x: np.ndarray, train: np.ndarray) -> Scale:
    """The scale of some of the samples x (n, features, ...); the deviation of what does not vary is 1."""
    means, deviations = [], []
    for part in _chunks(x):
        values = x[:, part][train].astype(np.float64)
        axes, low, high = _axes(x), _least(values), _most(values)
        # Powers of two: squares neither overflow nor vanish, and no bit of ordinary values changes.
        exponent = np.frexp(np.maximum(np.abs(low), np.abs(high)))[1]
        unit = np.ldexp(values, -_along(exponent, x))
        mean, deviation = np.ldexp(unit.mean(axes), exponent), np.ldexp(unit.std(axes), exponent)
        constant = (low == high) | (deviation < np.finfo(np.float64).tiny)
        means += np.where(low == high, low, mean).tolist()  # a sum of many 0.1 is not their number times 0.1
        deviations += np.where(constant, 1, deviation).tolist()
    return Scale(tuple(means), tuple(deviations))


def standardised(x: np.ndarray, scale: Scale) -> np.ndarray:
    """Inputs as float32; of those too far from the mean for it, infinity."""
    made = np.empty(x.shape, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for part in _chunks(x):
            values = x[:, part]
            if scale.mean:
                mean, deviation = (_along(np.array(of[part]), x) for of in (scale.mean, scale.deviation))
                values = (values.astype(np.float64) - mean) / deviation
            made[:, part] = values
    return made


def by_sources(domains: Domains, draw: int) -> Domains:
    """Arrays of all domains, standardised by the training samples of the sources.

    Args:
        draw: of the splits.
    """
    training = np.concatenate([np.asarray(source.x)[split(source, draw)[0]] for source in domains.sources])
    scale = fitted(training, np.arange(len(training)))
    sources, targets = (
        [replace(domain, x=standardised(np.asarray(domain.x), scale)) for domain in side]
        for side in (domains.sources, domains.targets)
    )
    return Domains(sources, targets)


def each_by_itself(domains: Domains, draw: int) -> Domains:
    """Arrays of all domains, each standardised by its own samples for training, which adapts whatever follows."""

    def own(domain: Samples, *parts: np.ndarray) -> Samples:
        x = np.asarray(domain.x)
        return replace(domain, x=standardised(x, fitted(x, np.concatenate(parts))))

    return Domains(
        [own(source, split(source, draw)[0]) for source in domains.sources],
        [own(target, *split(target, draw)[:2]) for target in domains.targets],
    )


def doubts(source: np.ndarray, target: np.ndarray, scale: Scale, names: Sequence[str]) -> list[str]:
    """Notes on features that standardising cannot put right.

    Args:
        source: (n, features, ...) the samples that gave the scale.
        names: of the features.
    """
    constant, far, coarse, crowded = [], [], [], []
    for part in _chunks(source if len(source) > len(target) else target):
        here, there = source[:, part], target[:, part]
        low, high = _least(here), _most(here)
        mean, deviation = np.array(scale.mean[part]), np.array(scale.deviation[part])
        with np.errstate(over="ignore", invalid="ignore"):
            away = (there.astype(np.float64) - _along(mean, there)) / _along(deviation, there)
            distance = np.abs(away.mean(_axes(there)))
            step = np.spacing(np.maximum(np.abs(low), np.abs(high))).astype(np.float64)
            first, last = np.quantile(here.astype(np.float64), MIDDLE, _axes(here))
        varies = low != high
        moved = (_least(there) != low) | (_most(there) != high)
        constant += (~varies & moved).tolist()
        far += (varies & ~(distance <= FAR)).tolist()
        crowded += ((first < last) & ((last - first) * FAR < deviation)).tolist()
        coarse += np.where(varies, step > COARSE * deviation, ~moved & (step > 1)).tolist()
    return [
        f"{_listed(names, which)}: {problem}"
        for which, problem in (
            (constant, "constant in the source's training samples, but not in the target; better left out"),
            (far, f"the target is more than {FAR:.0e} of the source's deviations away; are the units the same?"),
            (
                crowded,
                "a few values are so far away that the others are all but equal; are they codes of no value?",
            ),
            (coarse, "the values are so large that few of their digits vary; subtract a constant before saving"),
        )
        if any(which)
    ]


def _listed(names: Sequence[str], which: Sequence[bool]) -> str:
    found = [name for name, holds in zip(names, which, strict=True) if holds]
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return ", ".join(found[:5]) + more


def _chunks(x: np.ndarray) -> Iterator[slice]:
    size = max(1, CHUNK // max(1, len(x) * prod(x.shape[2:])))
    return (slice(start, start + size) for start in range(0, x.shape[1], size))


def _axes(x: np.ndarray) -> tuple[int, ...]:
    """All axes but that of the features."""
    return (0, *range(2, x.ndim))


def _least(x: np.ndarray) -> np.ndarray:
    return x.min(_axes(x))


def _most(x: np.ndarray) -> np.ndarray:
    return x.max(_axes(x))


def _along(values: np.ndarray, x: Any) -> np.ndarray:
    """A value a feature (features,), to be combined with x (n, features, ...)."""
    return values.reshape(-1, *[1] * (x.ndim - 2))
