"""Domains, splits and tasks, and the two views of a task: what training may see, and the rest.

Labels of the target leave a :class:`Task` in one place only, :meth:`Task.oracle`, which
``benchmarks/evaluation/oracle.py`` alone may call.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import permutations
from typing import Any, ClassVar, Literal

import numpy as np

from benchmarks.core.randomness import generator
from benchmarks.core.registry import DATASETS, DataFile
from benchmarks.core.settings import Settings, UserError, format_query, nearest, parse_query, setting
from datasets.files.images import ImageFiles, concatenate

Inputs = np.ndarray | ImageFiles
TEST_SHARE = 0.3  # of a domain's samples, where the data set has no test split of its own
VAL_SHARE = 0.1  # of the source's training samples
SPLIT_SEED = 0  # splits belong to a task, never to a run


@dataclass(frozen=True)
class Samples:
    """One domain as its reader returns it.

    Attributes:
        x: (n, ...) float32, used as it is; or uint8 images (n, channels, height, width), which the harness
            scales to [-1, 1]; or :class:`ImageFiles`, which are decoded batch by batch.
        y: (n,) int64 labels in 0..classes-1.
        test: (n,) bool, the data set's own test samples; None: drawn at random, blind to the labels.
        groups: (n,) ids of samples that belong together and must stay on one side of a split.
        val: (n,) bool, the data set's own validation samples, none of them for testing; None: drawn.
    """

    x: Inputs
    y: np.ndarray
    test: np.ndarray | None = None
    groups: np.ndarray | None = None
    val: np.ndarray | None = None


class Options(Settings):
    """The typed parameters of a task, ``family/task?key=value``; a family may add its own."""

    split: int = setting(SPLIT_SEED, "which draw of the validation and test samples", before=SPLIT_SEED, ge=0)


class Preprocessing(Settings):
    """What new data must pass before a model takes them: kept with its weights, so that a record is enough.

    Attributes:
        label: the column of a table's classes.
        columns: a table's features, in order.
        mean, deviation: by which features are standardised; none for images of bytes.
        digest: of the data that the task is made of.
    """

    label: str
    columns: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    digest: str


@dataclass(frozen=True)
class LabelledArrays:
    """Samples with labels and, for several sources, the number of the domain each came from."""

    x: Inputs
    y: np.ndarray
    domain: np.ndarray


@dataclass(frozen=True)
class UnlabelledArrays:
    """Samples without labels and, for several targets, the number of the domain each came from."""

    x: Inputs
    domain: np.ndarray


@dataclass(frozen=True)
class TrainView:
    """All that training may see: the labelled source, the target's inputs, and target labels that were granted."""

    source: LabelledArrays
    target: UnlabelledArrays
    few: LabelledArrays | None = None


@dataclass(frozen=True)
class EvaluationView:
    """What is forwarded at a checkpoint. The target's labels are not here."""

    source_val: LabelledArrays
    source_test: LabelledArrays
    target_test_x: Inputs


@dataclass(frozen=True)
class Oracle:
    """The target's labels: of ``EvaluationView.target_test_x`` and of ``TrainView.target``, in their orders."""

    target_test_y: np.ndarray
    target_train_y: np.ndarray


@dataclass(frozen=True)
class TaskSpec:
    """A task by name, resolved but not loaded.

    Attributes:
        name: the short canonical name: options at their defaults are left out.
        undrawn: the name of the same task with the splits' first draw.
        options: what they add to a run's identity.
        version: the data set's version.
    """

    name: str
    undrawn: str
    family: str
    task: str
    options: Mapping[str, Any]
    version: int


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
        target_test = _test_mask(target, split_seed)
        self._target_train = np.flatnonzero(~target_test)
        self._target_test = self._target_train if transductive else np.flatnonzero(target_test)
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


class Family(ABC):
    """A set of tasks over domains of one kind. Subclasses are registered with ``@DATASETS.register``."""

    name: ClassVar[str]

    @abstractmethod
    def classes(self, task: str) -> tuple[str, ...]:
        """Names of the classes that the task's domains share."""

    @abstractmethod
    def tasks(self) -> list[str]:
        """Names of all tasks, without the family."""

    @abstractmethod
    def read(self, task: str, options: Options) -> tuple[list[Samples], Samples]:
        """The reader: source domains and the target domain of a task, not yet split."""

    def check(self, task: str) -> None:
        """Raise a UserError unless ``task`` can be read."""
        if task not in self.tasks():
            raise UserError(f"{self.name} has no task {nearest(task, self.tasks())}")

    def files(self, task: str) -> tuple[DataFile, ...]:
        """What reading the task needs of the data directory."""
        return DATASETS.info(self.name).files

    def options(self, task: str) -> type[Options]:
        return Options

    def protocol(self, task: str) -> dict[str, Any]:
        """Protocol settings that suit the task, such as its backbone, for suites that do not say."""
        return {}

    def preprocessing(self, task: str, options: Options) -> Preprocessing | None:
        """What new data must pass before a model of the task takes them, for its record; None: nothing."""
        return None


class DomainFamily(Family):
    """Named domains; every ordered pair is a task, and ``a+b-c`` has two sources."""

    domains: tuple[str, ...]

    @abstractmethod
    def read_domain(self, domain: str) -> Samples:
        """One domain, not yet split."""

    def tasks(self) -> list[str]:
        return [f"{source}-{target}" for source, target in permutations(self.domains, 2)]

    def check(self, task: str) -> None:
        sources, target = _parse_pair(task)
        for domain in (*sources, target):
            if domain not in self.domains:
                raise UserError(f"{self.name} has no domain {nearest(domain, self.domains)}")
        if target in sources or len(set(sources)) < len(sources):
            raise UserError(f"{self.name}/{task}: a domain is named twice")

    def read(self, task: str, options: Options) -> tuple[list[Samples], Samples]:
        sources, target = _parse_pair(task)
        return [self.read_domain(source) for source in sources], self.read_domain(target)


def resolve(text: str) -> TaskSpec:
    """Check a task name such as ``toys/moons?rotation=50`` without loading its data.

    Raises:
        UserError: an unknown family, domain, task or option.
    """
    path, query = parse_query(text)
    family_name, slash, task = path.partition("/")
    if not slash or not task:
        raise UserError(f"task {text!r}: expected family/task, for example toys/blobs; see `list tasks`")
    family = DATASETS.get(family_name)()
    family.check(task)
    options = family.options(task).parse(query, f"task {text!r}")
    changed = options.changed()
    return TaskSpec(
        name=format_query(path, changed),
        undrawn=format_query(path, {key: value for key, value in changed.items() if key != "split"}),
        family=family_name,
        task=task,
        options=options.identity(),
        version=DATASETS.info(family_name).version,
    )


@lru_cache(maxsize=2)
def load(name: str, *, transductive: bool = False) -> Task:
    """Read and split a task (cached: the runs of a grid share it)."""
    spec = resolve(name)
    family = DATASETS.get(spec.family)()
    options = family.options(spec.task).of_identity(spec.options, name)
    sources, target = family.read(spec.task, options)
    return Task(
        name,
        family.classes(spec.task),
        sources,
        target,
        split_seed=options.split,
        transductive=transductive,
    )


def _parse_pair(task: str) -> tuple[list[str], str]:
    source, dash, target = task.rpartition("-")
    if not (dash and source and target):
        raise UserError(f"task {task!r}: expected source-target or source+source-target")
    return source.split("+"), target


def _test_mask(samples: Samples, seed: int) -> np.ndarray:
    """Which samples are for testing: the data set's own, or whole groups drawn blind to the labels."""
    if samples.test is not None:
        return samples.test
    return _draw(len(samples.x), samples.groups, TEST_SHARE, generator(seed, "split/test"))


def _draw(size: int, groups: np.ndarray | None, share: float, rng: np.random.Generator) -> np.ndarray:
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
        val = _draw(len(rest), groups, VAL_SHARE, generator(seed, "split/val"))
    return rest[~val], rest[val], np.flatnonzero(test)


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
