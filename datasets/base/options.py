"""What can be asked of a task beside its domains, ``family/task?key=value``: dials, and a family's own options.

Values are kept in the one way of writing them, so that ``0-4`` and ``0:1:2:3:4`` are one task.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field

from benchmarks.core.objective import of_classes
from benchmarks.core.registry import Trait
from benchmarks.core.settings import Settings, UserError, nearest, number, setting, short, whole_number
from datasets.base.splits import SPLIT_SEED

ALL = "all"  # classes
FLIP = "flip"
ROUNDED = 0.01  # by which shares that a user has rounded may miss their sum of 1
CONCENTRATIONS = (0.01, 1e6)  # of a Dirichlet distribution: outside, draws are one class, or all are even
Side = Literal["source", "target"]
SIDES: tuple[Side, ...] = ("source", "target")
MOST = 10**9


def _number_or_seed(split: Any) -> int | str:
    draw = whole_number(str(split))
    if draw is None and split != "seed":
        raise ValueError("expected a whole number from 0 on, or seed")
    return "seed" if draw is None else draw


def _number(text: str) -> float:
    value = number(text)
    if value is None or not 0 <= value < float("inf"):
        raise ValueError(f"expected numbers from 0 on, got {short(text)}")
    return value


def _prior(text: str) -> str:
    """Shares as short as can be; raises ValueError."""
    if text in ("", FLIP):
        return text
    numbers = [_number(part) for part in text.split(":")]
    low, high = CONCENTRATIONS
    if len(numbers) == 1 and not low <= numbers[0] <= high:
        raise ValueError(f"the concentration of a Dirichlet distribution is from {low:g} to {high:g}")
    if len(numbers) > 1 and abs(sum(numbers) - 1) > ROUNDED:
        raise ValueError(f"shares add up to 1, not to {sum(numbers):g}")
    return ":".join(f"{each:g}" for each in numbers)


def _imbalance(text: str) -> str:
    """Sides in order; raises ValueError."""
    return ":".join(f"{side}:{ratio:g}" for side, ratio in ratios(text).items())


def ratios(text: str) -> dict[str, float]:
    """By side, ``source:0.1:target:0.5``; raises ValueError."""
    parts = text.split(":") if text else []
    found = dict(zip(parts[::2], parts[1::2], strict=False))
    if len(parts) % 2 or len(found) < len(parts) // 2 or not found.keys() <= {*SIDES}:
        raise ValueError("expected source:RATIO, target:RATIO or both, as source:0.1")
    numbers = {side: _number(found[side]) for side in SIDES if side in found}
    if not all(1 / MOST <= ratio <= 1 for ratio in numbers.values()):
        raise ValueError(f"the ratio of the smallest class to the largest is from {1 / MOST:g} to 1")
    return {side: ratio for side, ratio in numbers.items() if ratio < 1}


Split = Annotated[int | str, BeforeValidator(_number_or_seed)]
Size = Annotated[int | None, Field(ge=1, le=MOST)]


class Options(Settings):
    """The typed parameters of a task; a family may add its own.

    Attributes:
        split: a number, or ``seed``: each run draws by its own seed, under one task name. That has no effect where
            all splits are the data set's own.
        source_classes, target_classes: names, numbers from 0 on and ranges of these, as ``0-4:7``. Where names are
            numbers, names count. Target classes that the source lacks are one, ``unknown``.
        prior: the share of each of the target's classes, as ``0.2:0.8``; one number: the concentration of a
            Dirichlet distribution that they are drawn from; ``flip``: the source's, from its largest class to its
            smallest in the opposite order.
        imbalance: of each side named, the smallest class's size over the largest's; sizes fall geometrically from
            the first class to the last.
        source_size, target_size: training samples of each domain; the source's are with those that validate.
        label_noise: share of the source's training and validation samples that have another class's label.
        shots: target samples of each class that the source has whose labels are granted. They, and what is of
            one group with them, are not among the others: neither scored nor validated on.
    """

    split: Split = setting(
        SPLIT_SEED, "which draw of the validation and test samples; seed: the run's own", before=SPLIT_SEED
    )
    source_classes: str = setting(ALL, "of the source: names, numbers and ranges, as 0-4:7", before=ALL)
    target_classes: str = setting(ALL, "of the target; those that the source lacks are unknown", before=ALL)
    prior: Annotated[str, AfterValidator(_prior)] = setting(
        "", "shares of the target's classes, as 0.2:0.8; a Dirichlet's concentration; or flip", before=""
    )
    imbalance: Annotated[str, AfterValidator(_imbalance)] = setting(
        "", "smallest class over largest, as source:0.1 or source:0.1:target:0.1", before=""
    )
    source_size: Size = setting(None, "training samples of each source, with those that validate", before=None)
    target_size: Size = setting(None, "training samples of each target without labels", before=None)
    label_noise: float = setting(
        0.0, "share of the source's labels that are another class's", before=0.0, ge=0, lt=1
    )
    shots: int = setting(0, "target samples of each class whose labels are granted", before=0, ge=0, le=MOST)

    def of_seed(self, seed: int | None) -> Self:
        """The options of a run of that seed: ``split`` is a number.

        Raises:
            UserError: the split follows the run's seed, and there is no run.
        """
        if self.split != "seed":
            return self
        if seed is None:
            raise UserError("split=seed follows the seed of a run; name a draw, as split=0")
        return self.replace({"split": seed}, "split")

    @property
    def draw(self) -> int:
        """The number of the draw, of options whose seed is known."""
        assert isinstance(self.split, int)
        return self.split

    @property
    def of_target_labels(self) -> list[str]:
        """The dials that are set and read target labels: with these, the labels define the task."""
        read = {
            "target_classes": self.target_classes != ALL,
            "prior": self.prior != "",
            "imbalance": "target" in ratios(self.imbalance),
            "shots": self.shots > 0,
        }
        return [dial for dial, is_set in read.items() if is_set]

    @property
    def of_classes(self) -> list[str]:
        """The dials that are set and have a meaning for classes alone."""
        dials = ("source_classes", "target_classes", "prior", "imbalance", "label_noise", "shots")
        return [dial for dial in dials if dial in self.changed()]

    def canonical(self, classes: Sequence[str], where: str) -> Self:
        """The same options in the one way of writing them; raises a UserError for a class that does not exist."""
        sets = self.class_sets(classes, where)
        return self.replace(
            {"source_classes": _written(sets.source, classes), "target_classes": _written(sets.target, classes)},
            where,
        )

    def class_sets(self, classes: Sequence[str], where: str) -> "ClassSets":
        """Which of all classes each side has; raises a UserError for one that does not exist."""
        source, target = (
            tuple(_chosen(getattr(self, dial), classes, f"{where}: {dial}"))
            for dial in ("source_classes", "target_classes")
        )
        return ClassSets(tuple(classes), source, target)

    def check(self, classes: "ClassSets", where: str) -> None:
        """Whether dials fit each other, and the classes that each side has by its dials and by nature.

        Raises:
            UserError: shares of another number of classes, or dials that contradict each other.
        """
        source, target = classes.source, classes.target
        if len(source) < 2:
            raise UserError(f"{where}: source_classes leaves the source one class; it takes two")
        if not {*source} & {*target}:
            raise UserError(f"{where}: source and target have no class in common")
        if self.prior and "target" in ratios(self.imbalance):
            raise UserError(
                f"{where}: prior and imbalance both give the target's classes their shares; leave one out"
            )
        shares = len(self.prior.split(":"))
        if shares > 1 and shares != len(target):
            raise UserError(f"{where}: prior has {shares} shares, and the target {len(target)} classes")
        if self.prior == FLIP and "open" in classes.traits:
            raise UserError(
                f"{where}: prior=flip takes the source's shares, and the target has classes that it lacks"
            )


@dataclass(frozen=True)
class ClassSets:
    """Numbers of the classes, of all that a data set has, that source and target have.

    Attributes:
        names: of all.
    """

    names: tuple[str, ...]
    source: tuple[int, ...]
    target: tuple[int, ...]

    @property
    def source_names(self) -> list[str]:
        return [self.names[number] for number in self.source]

    def of(self, side: Side) -> tuple[int, ...]:
        return self.source if side == "source" else self.target

    @property
    def traits(self) -> tuple[Trait, ...]:
        absent: dict[Trait, bool] = {
            "partial": not {*self.source} <= {*self.target},
            "open": not {*self.target} <= {*self.source},
        }
        return tuple(trait for trait, holds in absent.items() if holds)

    def objective(self, usual: str) -> str:
        """What is learnt of them, where ``usual`` is learnt if both sides have all classes."""
        by_trait = {"open": "unknown", "partial": "partial"}
        return next((name for trait, name in by_trait.items() if trait in self.traits), usual)

    def renumbered(self, y: np.ndarray) -> np.ndarray:
        """Labels (n,) numbered as the source's classes are; others are the number after these, and -1 stays.

        Real numbers are as they were.
        """
        if not of_classes(y):
            return y
        number = np.full(len(self.names) + 1, len(self.source))
        number[[*self.source, -1]] = [*range(len(self.source)), -1]
        return number[y]


def _chosen(text: str, classes: Sequence[str], where: str) -> list[int]:
    """Numbers of the classes that a dial names, in order.

    Raises:
        UserError: no such class.
    """
    if text == ALL:
        return list(range(len(classes)))
    found = set[int]()
    for part in text.split(":"):
        numbers = [_class_number(end, classes, where) for end in _ends(part, classes)]
        found |= set(range(numbers[0], numbers[-1] + 1))
    if not found:
        raise UserError(f"{where}={short(text)}: the range has no class; write the smaller end first")
    return sorted(found)


def _ends(part: str, classes: Sequence[str]) -> list[str]:
    """What a part of a dial names: a class, or both ends of a range. Names may have dashes: ``-1``, ``18-25``."""
    dashes = [place for place, char in enumerate(part) if char == "-"]
    if part in classes or not dashes:
        return [part]
    pairs = [[part[:place], part[place + 1 :]] for place in dashes]
    return next((ends for ends in pairs if {*ends} <= {*classes}), pairs[0])


def _class_number(text: str, classes: Sequence[str], where: str) -> int:
    if text in classes:
        return list(classes).index(text)
    number = whole_number(text)
    if number is None or _numbers_are_names(classes):
        raise UserError(f"{where}: no class {nearest(text, classes)}")
    if number >= len(classes):
        raise UserError(f"{where}: no class {number}; there are {len(classes)}, numbered from 0")
    return number


def _numbers_are_names(classes: Sequence[str]) -> bool:
    return any(whole_number(name) is not None for name in classes)


def _written(numbers: Sequence[int], classes: Sequence[str]) -> str:
    """The inverse of :func:`_chosen`, with ranges where numbers follow each other and are read as such."""
    if len(numbers) == len(classes):
        return ALL
    names = classes if _numbers_are_names(classes) else [str(number) for number in range(len(classes))]
    parts = []
    for run in np.split(np.array(numbers), np.flatnonzero(np.diff(numbers) > 1) + 1):
        ends = list(dict.fromkeys((names[run[0]], names[run[-1]])))
        is_read = _ends("-".join(ends), classes) == ends
        parts += ["-".join(ends)] if is_read else [names[number] for number in run]
    return ":".join(parts)
