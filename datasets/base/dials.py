"""Dials: changes of a task that any data set can have. Their values are fields of :class:`Options`.

:func:`dialled` applies them to what a family has read, in this order: the split; the classes of source and target;
the share of each class; the source's size; noise in its labels; target labels that are granted; the target's size.
The split comes first, blind to labels. So no dial moves a sample from one part to another, and what a family has
made of training samples alone stays so. A size leaves the test samples as they are: the points of a curve over it
are scored on the same ones.

What a dial draws is a function of the task's name without dials, of the dial and of the draw of the splits. Of two
values the smaller takes a part of what the larger takes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks.core.randomness import generator
from benchmarks.core.settings import UserError
from datasets.base.options import FLIP, SIDES, ClassSets, Options, Side, ratios
from datasets.base.samples import Domains, Samples
from datasets.base.splits import SPLIT_SEED, split

Change = Callable[[Samples, np.random.Generator], Samples]


@dataclass(frozen=True)
class Dials:
    """The dials of one task.

    Attributes:
        options: whose seed is known.
        classes: that each side has.
        name: of the task, for errors.
        without_dials: the same without dials, for random draws.
        transductive: no target sample is drawn for testing.
    """

    options: Options
    classes: ClassSets
    name: str
    without_dials: str
    transductive: bool

    def applied(self, domains: Domains) -> Domains:
        """What they make of the domains that a family has read, whose masks then say the parts of each.

        Raises:
            UserError: the domains lack the samples that a dial asks for.
        """
        options = self.options
        sources = [_parted(source, options.draw, whole=False) for source in domains.sources]
        targets = [_parted(target, options.draw, whole=self.transductive) for target in domains.targets]
        sources, targets = self._with_classes(sources, targets)
        if options.source_size:
            sized = partial(self._sized, side="source", size=options.source_size)
            sources = self._each("source", sources, "source_size", sized)
        if options.label_noise:
            sources = self._each("source", sources, "label_noise", self._mislabelled)
        if options.shots:
            targets = self._each("target", targets, "shots", self._with_shots)
        if options.target_size:
            sized = partial(self._sized, side="target", size=options.target_size)
            targets = self._each("target", targets, "target_size", sized)
        return Domains(sources, targets)

    def _each(self, side: Side, domains: Sequence[Samples], dial: str, change: Change) -> list[Samples]:
        """One dial of every domain of a side, each with a stream of its own."""
        return [
            change(samples, generator(self.options.draw, f"dials/{dial}/{self.without_dials}/{side}", number))
            for number, samples in enumerate(domains)
        ]

    def _with_classes(
        self, sources: Sequence[Samples], targets: Sequence[Samples]
    ) -> tuple[list[Samples], list[Samples]]:
        """Samples of the classes of each side, in the shares asked for, with labels as the task numbers them."""
        sides: dict[Side, Sequence[Samples]] = {"source": sources, "target": targets}
        for side in SIDES:
            numbers = self.classes.of(side)
            if len(numbers) < len(self.classes.names):
                sides[side] = [_of_classes(samples, numbers) for samples in sides[side]]
            if ratio := ratios(self.options.imbalance).get(side):
                shares = dict(zip(numbers, ratio ** np.linspace(0, 1, len(numbers)), strict=True))
                sides[side] = self._shared_out(side, sides[side], "imbalance", shares)
        if self.options.prior:
            shares = dict(zip(self.classes.target, self._prior(sides["source"]), strict=True))
            sides["target"] = self._shared_out("target", sides["target"], "prior", shares)
        return (
            [replace(samples, y=self.classes.renumbered(samples.y)) for samples in sides["source"]],
            [replace(samples, y=self.classes.renumbered(samples.y)) for samples in sides["target"]],
        )

    def _prior(self, sources: Sequence[Samples]) -> np.ndarray:
        """The share of each of the target's classes."""
        shares = [float(number) for number in self.options.prior.split(":")] if self.options.prior != FLIP else []
        if len(shares) > 1:
            return np.array(shares)
        if shares:
            stream = generator(self.options.draw, f"dials/prior/{self.without_dials}/shares")
            return stream.dirichlet(shares * len(self.classes.target))
        y = np.concatenate([source.y[~_known(source.test)] for source in sources])
        sizes = np.bincount(y, minlength=len(self.classes.names))[list(self.classes.target)]
        order = np.argsort(sizes, kind="stable")
        flipped = np.empty(len(sizes))
        flipped[order] = sizes[order[::-1]]
        return flipped / flipped.sum()

    def _shared_out(
        self, side: Side, domains: Sequence[Samples], dial: str, shares: Mapping[int, float]
    ) -> list[Samples]:
        """Of each part as many samples as can be had whose classes have these shares, up to a factor."""

        def change(samples: Samples, rng: np.random.Generator) -> Samples:
            order = rng.permutation(len(samples.y))
            test = _known(samples.test)[order]
            kept = [self._shared_part(side, samples.y, order[part], dial, shares) for part in (~test, test)]
            return _taken(samples, np.concatenate(kept))

        return self._each(side, domains, dial, change)

    def _shared_part(
        self, side: Side, y: np.ndarray, part: np.ndarray, dial: str, shares: Mapping[int, float]
    ) -> np.ndarray:
        """The first of a part's samples of each class that have these shares."""
        wanted = {number: share for number, share in shares.items() if share > 0}
        of_class = {number: part[y[part] == number] for number in wanted}
        if not len(part):
            return part
        for number, found in of_class.items():
            if not len(found):
                raise UserError(
                    f"{self.name}: a part of the {side} has no sample of the class "
                    f"{self.classes.names[number]!r}, to which {dial} gives a share"
                )
        total = min(len(found) / wanted[number] for number, found in of_class.items())
        return np.concatenate([found[: round(total * wanted[number])] for number, found in of_class.items()])

    def _sized(self, samples: Samples, rng: np.random.Generator, side: Side, size: int) -> Samples:
        """So many of the samples that are neither for testing nor granted, with their part for validation."""
        order, val = rng.permutation(len(samples.y)), _known(samples.val)
        free = order[~_known(samples.test)[order] & ~_granted(samples)[order]]
        if size > len(free):
            raise UserError(f"{self.name}: {side}_size={size}, and the {side} has {len(free)} samples to train on")
        validating, training = free[val[free]], free[~val[free]]
        least = size - len(training)  # where there is little else
        count = max(least, min(size - 1, len(validating), max(1, round(size * len(validating) / len(free)))))
        rest = np.setdiff1d(order, free)
        return _taken(samples, np.concatenate([rest, validating[:count], training[: size - count]]))

    def _mislabelled(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """A share of the training and validation samples with the label of another class, any of the others."""
        free = rng.permutation(np.flatnonzero(~_known(samples.test)))
        n_classes = len(self.classes.source)
        others = rng.integers(1, n_classes, size=len(free))
        which = slice(round(self.options.label_noise * len(free)))
        y = samples.y.copy()
        y[free[which]] = (y[free[which]] + others[which]) % n_classes
        return replace(samples, y=y)

    def _with_shots(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """The labels of the first samples of each class are granted, from as few groups as can be.

        What else is of a group of theirs leaves the target's training samples, since it says too much of them.
        """
        seen, y = ~_known(samples.test), samples.y
        _, group = np.unique(np.arange(len(y)) if samples.groups is None else samples.groups, return_inverse=True)
        order = np.lexsort((rng.random(len(y)), rng.permutation(group.max() + 1)[group]))
        few = np.zeros(len(y), bool)
        for number in sorted({*y.tolist()} & {*range(len(self.classes.source))}):
            found = order[seen[order] & (y[order] == number)]
            if len(found) < self.options.shots:
                lacking = f"{len(found)} training samples of {self.classes.names[self.classes.source[number]]!r}"
                raise UserError(f"{self.name}: shots={self.options.shots}, and the target has {lacking}")
            few[found[: self.options.shots]] = True
        mates = seen & ~few & np.isin(group, group[few])
        return _taken(replace(samples, few=few), np.flatnonzero(~mates))


def _parted(samples: Samples, draw: int, *, whole: bool) -> Samples:
    """With masks that say its parts. Of a ``whole`` domain, no sample is drawn for testing."""
    size = len(samples.y)
    if whole and samples.test is None:
        samples = replace(samples, test=np.zeros(size, bool))
    _, val, test = split(samples, draw)
    return replace(samples, val=np.isin(np.arange(size), val), test=np.isin(np.arange(size), test))


def _of_classes(samples: Samples, numbers: Sequence[int]) -> Samples:
    """Those of some classes; without a label, a sample stays."""
    return _taken(samples, np.flatnonzero(np.isin(samples.y, [-1, *numbers])))


def _taken(samples: Samples, which: np.ndarray) -> Samples:
    """Some of the samples, in their order."""
    which = np.sort(which)
    arrays: dict[str, Any] = {name: None if of is None else of[which] for name, of in vars(samples).items()}
    return Samples(**arrays)


def _known(mask: np.ndarray | None) -> np.ndarray:
    assert mask is not None  # since :func:`_parted`
    return mask


def _granted(samples: Samples) -> np.ndarray:
    return np.zeros(len(samples.y), bool) if samples.few is None else samples.few


def check_split(name: str, options: Options, domains: Domains) -> None:
    """Refuse to draw where there is nothing to draw.

    Raises:
        UserError: every domain has splits of its own, and a draw is asked for.
    """
    given = [mask is not None for source in domains.sources for mask in (source.test, source.val)]
    given += [target.test is not None for target in domains.targets]
    if options.split != SPLIT_SEED and all(given):
        raise UserError(f"{name}: all splits are the data set's own; there is nothing to draw with split=")
