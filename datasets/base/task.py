"""A task: what training may see of it, and the rest.

Labels of the target leave a :class:`Task` in one place only, :meth:`Task.oracle`, which
``benchmarks/evaluation/oracle.py`` alone may call.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from benchmarks.core.facts import Facts
from benchmarks.core.objective import OBJECTIVES, Objective
from benchmarks.core.registry import Trait
from benchmarks.core.settings import UserError
from datasets.base.family import traits_of
from datasets.base.samples import (
    EvaluationView,
    LabelledArrays,
    Oracle,
    Samples,
    TrainView,
    UnlabelledArrays,
    joined,
)
from datasets.base.splits import SPLIT_SEED, split
from datasets.files.images import concatenate


class Task:
    """Source and target domains, split.

    Args:
        classes: of the source, in the order of their numbers; target labels may have one number more, ``unknown``.
        split_seed: which draw of the validation and test samples, where the data set has none of its own.
        objective: what is learnt, by name.
        traits: what the samples do not tell: whether it is partial or open.
        transductive: scored are the target samples that training uses without their labels. They are the whole
            target, unless the data set has a test split of its own.

    Raises:
        UserError: the domains do not fit together, or their values cannot be trained on.
    """

    def __init__(
        self,
        name: str,
        classes: Sequence[str],
        sources: Sequence[Samples],
        targets: Sequence[Samples],
        *,
        split_seed: int = SPLIT_SEED,
        objective: str = "classes",
        traits: Sequence[Trait] = (),
        transductive: bool = False,
    ) -> None:
        self.name, self.classes, self.split_seed = name, tuple(classes), split_seed
        self._objective, self._traits = objective, tuple(traits)
        check = _check_classes if OBJECTIVES[objective].of_classes else _check_numbers
        for samples in sources:
            _check_inputs(name, samples)
            check(name, samples.y, range(len(classes)))
        for samples in targets:
            _check_inputs(name, samples)
            check(name, samples.y, range(-1, self.objective.n_labels))
        matched = _same_channels(name, [*sources, *targets])
        sources, targets = matched[: len(sources)], matched[len(sources) :]
        train, val, test = zip(*(split(samples, split_seed) for samples in sources), strict=True)
        for parts in zip(train, val, test, strict=True):
            if not all(map(len, parts)):
                found = f"{len(parts[0])}, {len(parts[1])} and {len(parts[2])}"
                raise UserError(
                    f"{name}: a source has {found} samples to train, validate and test on; it takes one of each, "
                    "and copies or groups stay together"
                )
        self._source = {
            "train": _parts(sources, train),
            "val": _parts(sources, val),
            "test": _parts(sources, test),
        }
        if transductive:
            targets = [_whole(samples) for samples in targets]
        few = [np.flatnonzero(samples.few) if samples.few is not None else np.zeros(0, int) for samples in targets]
        train, val, test = zip(*(split(samples, split_seed) for samples in targets), strict=True)
        seen = [np.setdiff1d(np.union1d(*parts), own) for *parts, own in zip(train, val, few, strict=True)]
        if not all(map(len, seen)):
            raise UserError(f"{name}: the target has no training samples; copies or groups stay together")
        scored = seen if transductive else test
        if not all(map(len, scored)):
            raise UserError(f"{name}: the target has no test samples; set protocol.scoring=transductive")
        self._target = {
            "train": _parts(targets, seen),
            "test": _parts(targets, scored),
            "labelled": _parts(targets, [np.union1d(*parts) for parts in zip(train, few, strict=True)]),
        }
        self._few = _parts(targets, few) if any(map(len, few)) else None
        units = _units(targets)
        self._target_groups = np.concatenate([ids[part] for ids, part in zip(units, seen, strict=True)])
        self._test_units = np.concatenate([ids[part] for ids, part in zip(units, scored, strict=True)])

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self._source["train"].x.shape[1:]

    @property
    def facts(self) -> Facts:
        """What is known of it without looking at single samples."""
        n_sources, n_targets = (len(np.unique(side["train"].domain)) for side in (self._source, self._target))
        known = all(self.objective.labelled(self._target[part].y).all() for part in ("train", "test"))
        return Facts(
            input_shape=self.input_shape,
            n_classes=len(self.classes),
            n_sources=n_sources,
            n_targets=n_targets,
            traits=traits_of(n_sources, n_targets, self._traits, few=self._few is not None, fully_labelled=known),
            objective=self._objective,
        )

    @property
    def objective(self) -> Objective:
        """What is learnt, and how it is scored."""
        return OBJECTIVES[self._objective](len(self.classes))

    @property
    def traits(self) -> tuple[Trait, ...]:
        """What the task is: the numbers of its domains, their classes, and which target samples have labels."""
        return self.facts.traits

    def train_view(self) -> TrainView:
        target = self._target["train"]
        return TrainView(self._source["train"], UnlabelledArrays(target.x, target.domain), self._few)

    def evaluation_view(self) -> EvaluationView:
        return EvaluationView(self._source["val"], self._source["test"], self._target["test"].x)

    def oracle(self) -> Oracle:
        """The labels that no training may see."""
        test, train = self._target["test"], self._target["train"]
        return Oracle(test.y, train.y, self._test_units, test.domain, self.objective)

    def supervised(self, on: Literal["target", "both"]) -> TrainView:
        """What a reference trains on: the labelled target's training samples, after the source's or alone.

        Raises:
            UserError: not all of them have a label.
        """
        source, target = self._source["train"], self._target["labelled"]
        if not self.objective.labelled(target.y).all():
            raise UserError(f"{self.name}: a reference trains on target labels, and not all samples have one")
        labelled = replace(target, domain=target.domain + source.domain.max() + 1)
        if on == "both":
            labelled = joined([source, labelled])
        return TrainView(labelled, self.train_view().target)

    def reversed(self, predictions: np.ndarray) -> "Task":
        """The domains swapped, for reverse validation (Ganin et al., JMLR 2016, section 5.1.2).

        Args:
            predictions: (n,) what a model says of the target's training samples: their labels here. The target's
                own labels are not read. Scored are the samples that were the source's validation split. What it
                says to be unknown is left out.
        """
        train, val = self._source["train"], self._source["val"]
        known = predictions != len(self.classes) if self.objective.of_classes else np.full(len(predictions), True)
        backward = Samples(self._target["train"].x[known], predictions[known], groups=self._target_groups[known])
        held_out = np.repeat([False, True], [len(train.y), len(val.y)])
        forward = Samples(concatenate([train.x, val.x]), np.concatenate([train.y, val.y]), held_out)
        objective = "classes" if self.objective.of_classes else self._objective
        return Task(
            self.name, self.classes, [backward], [forward], split_seed=self.split_seed, objective=objective
        )


def _whole(target: Samples) -> Samples:
    """A target whose test samples are not drawn: all of it is for training, and is scored."""
    return target if target.test is not None else replace(target, test=np.zeros(len(target.y), bool))


def _parts(domains: Sequence[Samples], parts: Sequence[np.ndarray]) -> LabelledArrays:
    """A part of each domain, one after the other, with the domains' numbers."""
    return joined(
        [
            LabelledArrays(domain.x[part], domain.y[part], np.full(len(part), number))
            for number, (domain, part) in enumerate(zip(domains, parts, strict=True))
        ]
    )


def _units(domains: Sequence[Samples]) -> list[np.ndarray]:
    """For each domain, (n,) ids of the groups of its samples, or of the samples: no two domains share one."""
    found, first = [], 0
    for domain in domains:
        groups = np.arange(len(domain.y)) if domain.groups is None else domain.groups
        _, ids = np.unique(groups, return_inverse=True)
        found.append(first + ids)
        first += ids.max() + 1
    return found


def _check_inputs(name: str, samples: Samples) -> None:
    x, y = samples.x, samples.y
    if len(x) != len(y) or len(x) < 2:
        raise UserError(f"{name}: a domain has {len(x)} inputs and {len(y)} labels; it needs at least 2 of each")
    if x.dtype not in (np.float32, np.uint8):
        raise UserError(f"{name}: inputs are {x.dtype}; they must be float32, or uint8 images")
    if isinstance(x, np.ndarray) and x.dtype == np.float32 and not np.isfinite(x).all():
        raise UserError(f"{name}: inputs contain NaN or infinity")


def _check_classes(name: str, y: np.ndarray, allowed: range) -> None:
    if y.dtype != np.int64 or y.min() not in allowed or y.max() not in allowed:
        limits = f"{allowed[0]}..{allowed[-1]}"
        raise UserError(f"{name}: labels must be int64 in {limits}, got {y.dtype} {y.min()}..{y.max()}")


def _check_numbers(name: str, y: np.ndarray, allowed: range) -> None:
    """Real numbers; NaN, of a target, is no label."""
    missing = np.isnan(y).any() and -1 not in allowed
    if y.dtype != np.float32 or np.isinf(y).any() or missing:
        raise UserError(f"{name}: labels must be finite numbers in float32, got {y.dtype} {y.min()}..{y.max()}")


def _same_channels(name: str, domains: list[Samples]) -> list[Samples]:
    """Grey images beside colour ones are repeated to three channels; other shapes must agree."""
    channels = max(samples.x.shape[1] for samples in domains)
    matched = []
    for samples in domains:
        x = samples.x
        if isinstance(x, np.ndarray) and x.dtype == np.uint8 and x.shape[1] == 1 and channels == 3:
            x = np.repeat(x, 3, axis=1)
        if x.shape[1:] != (channels, *domains[-1].x.shape[2:]):
            shapes = " and ".join(str(samples.x.shape[1:]) for samples in domains)
            raise UserError(f"{name}: the domains have inputs of different shapes: {shapes}")
        matched.append(replace(samples, x=x))
    return matched
