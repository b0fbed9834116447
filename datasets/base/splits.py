"""The parts of a domain: the data set's own, or drawn blind to the labels, whole groups at a time."""

from dataclasses import replace

import numpy as np

from benchmarks.core.randomness import generator
from datasets.base.samples import Samples

TEST_SHARE = 0.3  # of a domain's samples, where the data set has no test split of its own
VAL_SHARE = 0.1  # of the source's training samples
FEWEST = 5  # groups of a class of the source that are held out whole
SPLIT_SEED = 0  # of the first draw: splits belong to a task, unless it says split=seed


def _test_mask(samples: Samples, seed: int) -> np.ndarray:
    """Which samples are for testing: the data set's own, or whole groups drawn blind to the labels."""
    if samples.test is not None:
        return samples.test
    return draw(len(samples.x), samples.groups, TEST_SHARE, generator(seed, "split/test"))


def draw(size: int, groups: np.ndarray | None, share: float, rng: np.random.Generator) -> np.ndarray:
    """A mask (size,) of about ``share`` of the samples, whole groups at a time. Never sees a label."""
    if not size:
        return np.zeros(0, bool)
    _, group = np.unique(np.arange(size) if groups is None else groups, return_inverse=True)
    order = rng.permutation(group.max() + 1)
    taken = np.cumsum(np.bincount(group)[order]) <= round(share * size)
    taken[0] = True
    return np.isin(group, order[taken])


def split(samples: Samples, seed: int = SPLIT_SEED) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices of a domain's train, val and test samples, if it is a source."""
    test = _test_mask(samples, seed)
    rest = np.flatnonzero(~test)
    if samples.val is not None:
        val = samples.val[rest]
    else:
        groups = None if samples.groups is None else samples.groups[rest]
        val = draw(len(rest), groups, VAL_SHARE, generator(seed, "split/val"))
    return rest[~val], rest[val], np.flatnonzero(test)


def held_out(source: Samples, seed: int) -> Samples:
    """A source with test and validation samples of each class, for families whose groups are few.

    Whole groups are held out; those of a class that has fewer than five are divided, or training would lack it.
    """
    test, val = np.zeros((2, len(source.y)), bool)
    for label in np.unique(source.y):
        own = np.flatnonzero(source.y == label)
        groups = None if source.groups is None else source.groups[own]
        if groups is not None and len(np.unique(groups)) < FEWEST:
            groups = None
        tested = draw(len(own), groups, TEST_SHARE, generator(seed, f"split/test/{label}"))
        test[own[tested]] = True
        rest, left = own[~tested], None if groups is None else groups[~tested]
        val[rest[draw(len(rest), left, VAL_SHARE, generator(seed, f"split/val/{label}"))]] = True
    return replace(source, test=test, val=val)


def unvalidated(target: Samples) -> Samples:
    """A target none of whose samples is kept for validation, as of few groups that would be a whole class."""
    return replace(target, val=np.zeros(len(target.y), bool))
