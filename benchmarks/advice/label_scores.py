"""What a few labels of the target say of candidates, or which they choose, and the sentences for it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.advice.labels import Labels, check_population
from benchmarks.advice.paired import POWER, Interval, exact, labels_needed, mcnemar, paired
from benchmarks.core.escape import shown
from benchmarks.core.settings import UserError

DIFFERENCES = (0.03, 0.06, 0.12)  # of accuracies, for which the number of labels is told


@dataclass(frozen=True)
class Score:
    """What labels say of a candidate, or of two.

    Attributes:
        right: how many of the labelled samples each candidate has right.
        accuracies: of each, by random labels.
        disagreement: the share of the target's samples for which the two predict different classes.
        gain: accuracy of the first less that of the second.
        p: of no gain, by McNemar's exact test: two-sided, binomial, on the samples that one of the two has right.
    """

    design: str
    n: int
    skipped: int
    right: tuple[int, ...]
    accuracies: tuple[Interval, ...] = ()
    disagreement: float | None = None
    gain: Interval | None = None
    p: float | None = None


@dataclass(frozen=True)
class Choice:
    """The candidate that has most labelled samples right, the first of equals; these labels say no more of it."""

    name: str
    n: int
    right: dict[str, int]


def score(labels: Labels, first: np.ndarray, second: np.ndarray | None = None) -> Score:
    """What labels say of a candidate's accuracy, and of its gain on a second.

    A gain is that over all random labels; or over labelled disagreements, times the share of disagreement: Horvitz
    and Thompson's estimator, to which samples on which the candidates agree add nothing. Both are of the target's
    samples as they are; that these are drawn without replacement makes intervals and tests a little too careful.

    Args:
        first, second: predicted classes (N,) of all samples of the target.

    Raises:
        UserError: the labels have chosen a candidate, or were drawn for two others.
    """
    candidates = [first] if second is None else [first, second]
    _check_design(labels, candidates)
    labels.use("score")
    right = [each[labels.index] == labels.y for each in candidates]
    n, counts = len(labels.y), tuple(int(each.sum()) for each in right)
    accuracies = tuple(exact(count, n) for count in counts) if labels.design == "random" else ()
    if second is None:
        return Score(labels.design, n, labels.skipped, counts, accuracies)
    better, worse = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    share = float((first != second).mean())
    gain, p = paired(better, worse, n), mcnemar(better, worse)
    if labels.design == "disagreement":
        gain = Interval(share * gain.value, share * gain.low, share * gain.high)
    return Score(labels.design, n, labels.skipped, counts, accuracies, share, gain, p)


def choose_by_labels(labels: Labels, candidates: Mapping[str, np.ndarray]) -> Choice:
    """Choose among candidates' predicted classes (N,); from then on these labels refuse to score.

    Raises:
        UserError: the labels have scored a candidate, or were drawn for two others.
    """
    _check_design(labels, list(candidates.values()))
    labels.use("choose")
    right = {name: int((each[labels.index] == labels.y).sum()) for name, each in candidates.items()}
    return Choice(max(right, key=right.__getitem__), len(labels.y), right)


def needs(first: str, second: str, predictions: tuple[np.ndarray, np.ndarray]) -> str:
    """How many labels tell two candidates apart, in a sentence or two."""
    different, size = int((predictions[0] != predictions[1]).sum()), len(predictions[0])
    share = different / size
    found = {difference: labels_needed(difference, share) for difference in DIFFERENCES}
    possible = {difference: n for difference, n in found.items() if n is not None}
    names = f"{_capitalised(first)} and {second}"
    start = f"{names} predict different classes for {share:.0%} of the target's {size:,} samples"
    if not possible:
        return f"{start}, so that their accuracies differ by less than {100 * DIFFERENCES[0]:.0f} points."
    points = _listed([f"{100 * difference:.0f}" for difference in possible])
    random = _listed([f"{min(n, size):,}" for n in possible.values()])
    fewer = _listed([f"{min(math.ceil(n * share), different):,}" for n in possible.values()])
    return (
        f"{start}. To see a difference of {points} points in {POWER:.0%} of draws takes about {random} random "
        f"labels, or {fewer} labels of the samples on which they disagree."
    )


def said(found: Score, first: str, second: str = "") -> str:
    """A score in a sentence or two."""
    gain = "" if found.gain is None else f"difference {_points(found.gain)}, {_p(found.p)}"
    if found.design == "random":
        parts = [f"{name} {_percent(each)}" for name, each in zip((first, second), found.accuracies, strict=False)]
        sentence = f"On {found.n} random labels: {', '.join(parts)}{gain and f'; {gain}'}."
    else:
        sentence = (
            f"On {found.n} labels of samples for which {first} and {second} predict different classes "
            f"({found.disagreement:.0%} of the target): {first} is right {found.right[0]} times, {second} "
            f"{found.right[1]} times; over all samples, {gain}."
        )
    return sentence + _skipped(found.skipped)


def chosen(choice: Choice) -> str:
    """A choice in two sentences."""
    right = ", ".join(f"{name} {count}" for name, count in choice.right.items())
    return (
        f"{_capitalised(choice.name)} is chosen by {choice.n} labels (right: {right}). They do not say how "
        "accurate it is. It takes other labels to score what these chose."
    )


def _check_design(labels: Labels, candidates: Sequence[np.ndarray]) -> None:
    """Raise a UserError if labels were drawn where two candidates disagree, and not these two."""
    if labels.design == "random":
        return
    if len(candidates) != 2:
        raise UserError(
            f"{shown(labels.path)}: labels of disagreements compare the two candidates that they were drawn for, "
            "and tell no accuracy; for more, label random samples"
        )
    different = candidates[0] != candidates[1]
    if not different[labels.index].all():
        raise UserError(
            f"{shown(labels.path)}: the two candidates agree on some of these samples, which were drawn where two "
            "others disagree; write a new file for these two"
        )
    check_population(labels, int(different.sum()), "the two candidates disagree on")


def _capitalised(name: str) -> str:
    """A name as a sentence begins with it."""
    return f"{name[0].upper()}{name[1:]}"


def _percent(share: Interval) -> str:
    return f"{share.value:.1%} [{100 * share.low:.1f}, {100 * share.high:.1f}]"


def _points(gain: Interval) -> str:
    low, high = (0.0 if abs(end) < 5e-4 else 100 * end for end in (gain.low, gain.high))  # not "-0.0"
    return f"{100 * gain.value:+.1f} points [{low:+.1f}, {high:+.1f}]"


def _p(p: float | None) -> str:
    return "p < 0.001" if p is None or p < 0.001 else f"p = {p:.2g}"


def _skipped(count: int) -> str:
    if not count:
        return ""
    lines = (
        "1 line above the last label has none" if count == 1 else f"{count} lines above the last label have none"
    )
    return f" {lines}; if samples were left out because they are hard, the figures mislead."


def _listed(texts: Sequence[str]) -> str:
    return " or ".join(", ".join(texts).rsplit(", ", 1))
