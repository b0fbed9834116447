"""A task: what training may see of it, and the rest.

Labels of the target leave a :class:`Task` in one place only, :meth:`Task.oracle`, which
``benchmarks/evaluation/oracle.py`` alone may call.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from benchmarks.core.settings import UserError
from datasets.base.samples import EvaluationView, LabelledArrays, Oracle, Samples, TrainView, UnlabelledArrays
from datasets.base.splits import SPLIT_SEED, split
from datasets.files.images import concatenate


class Task:
    """Source domain(s) and a target domain, split.

    Args:
        split_seed: which draw of the validation and test samples, where the data set has none of its own.
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
        target: Samples,
        *,
        split_seed: int = SPLIT_SEED,
        transductive: bool = False,
    ) -> None:
        self.name, self.classes, self.split_seed = name, tuple(classes), split_seed
        for samples in (*sources, target):
            _check(name, samples, len(classes))
        sources, target = _same_channels(name, [*sources, target])
        given = [*(mask is not None for s in sources for mask in (s.test, s.val)), target.test is not None]
        if split_seed != SPLIT_SEED and all(given):
            raise UserError(f"{name}: all splits are the data set's own; there is nothing to draw with split=")
        train, val, test = zip(*(split(samples, split_seed) for samples in sources), strict=True)
        for parts in zip(train, val, test, strict=True):
            if not all(map(len, parts)):
                found = f"{len(parts[0])}, {len(parts[1])} and {len(parts[2])}"
                raise UserError(
                    f"{name}: a source has {found} samples to train, validate and test on; it takes one of each, "
                    "and copies or groups stay together"
                )
        self._source = {
            "train": _labelled(sources, train),
            "val": _labelled(sources, val),
            "test": _labelled(sources, test),
        }
        if transductive and target.test is None:
            target = replace(target, test=np.zeros(len(target.y), bool))
        self._target = target
        target_train, target_val, target_test = split(target, split_seed)
        self._target_train = np.union1d(target_train, target_val)
        self._target_test = self._target_train if transductive else target_test
        if not len(self._target_train):
            raise UserError(f"{name}: the target has no training samples; copies or groups stay together")
        if not len(self._target_test):
            raise UserError(f"{name}: the target has no test samples; set protocol.scoring=transductive")

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self._target.x.shape[1:]

    def train_view(self) -> TrainView:
        x = self._target.x[self._target_train]
        return TrainView(self._source["train"], UnlabelledArrays(x, np.zeros(len(x), np.int64)))

    def evaluation_view(self) -> EvaluationView:
        return EvaluationView(self._source["val"], self._source["test"], self._target.x[self._target_test])

    def oracle(self) -> Oracle:
        """The labels that no training may see."""
        return Oracle(self._target.y[self._target_test], self._target.y[self._target_train])

    def supervised(self, on: Literal["target", "both"]) -> TrainView:
        """What a reference trains on: the labelled target's training samples, after the source's or alone."""
        train, _, _ = split(self._target, self.split_seed)
        x, y = self._target.x[train], self._target.y[train]
        source = self._source["train"]
        labelled = LabelledArrays(x, y, np.full(len(y), source.domain.max() + 1))
        if on == "both":
            labelled = _joined([source, labelled])
        return TrainView(labelled, self.train_view().target)

    def reversed(self, predictions: np.ndarray) -> "Task":
        """The domains swapped, for reverse validation (Ganin et al., JMLR 2016, section 5.1.2).

        Args:
            predictions: (n,) int64, what a model says of the target's training samples: their labels here. The
                target's own labels are not read. Scored are the samples that were the source's validation split.
        """
        train, val = self._source["train"], self._source["val"]
        groups = None if self._target.groups is None else self._target.groups[self._target_train]
        backward = Samples(self._target.x[self._target_train], predictions, groups=groups)
        held_out = np.repeat([False, True], [len(train.y), len(val.y)])
        forward = Samples(concatenate([train.x, val.x]), np.concatenate([train.y, val.y]), held_out)
        return Task(self.name, self.classes, [backward], forward, split_seed=self.split_seed)


def _labelled(domains: Sequence[Samples], parts: Sequence[np.ndarray]) -> LabelledArrays:
    return _joined(
        [
            LabelledArrays(domain.x[part], domain.y[part], np.full(len(part), number))
            for number, (domain, part) in enumerate(zip(domains, parts, strict=True))
        ]
    )


def _joined(parts: Sequence[LabelledArrays]) -> LabelledArrays:
    y, domain = (np.concatenate([getattr(part, name) for part in parts]) for name in ("y", "domain"))
    return LabelledArrays(concatenate([part.x for part in parts]), y, domain)


def _check(name: str, samples: Samples, classes: int) -> None:
    x, y = samples.x, samples.y
    if len(x) != len(y) or len(x) < 2:
        raise UserError(f"{name}: a domain has {len(x)} inputs and {len(y)} labels; it needs at least 2 of each")
    if x.dtype not in (np.float32, np.uint8):
        raise UserError(f"{name}: inputs are {x.dtype}; they must be float32, or uint8 images")
    if isinstance(x, np.ndarray) and x.dtype == np.float32 and not np.isfinite(x).all():
        raise UserError(f"{name}: inputs contain NaN or infinity")
    if y.dtype != np.int64 or y.min() < 0 or y.max() >= classes:
        raise UserError(f"{name}: labels must be int64 in 0..{classes - 1}, got {y.dtype} {y.min()}..{y.max()}")


def _same_channels(name: str, domains: list[Samples]) -> tuple[list[Samples], Samples]:
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
    return matched[:-1], matched[-1]
