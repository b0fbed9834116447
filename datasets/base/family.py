"""What a data set says of itself: its tasks, their classes and options, and how their domains are read."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import permutations
from typing import Any, ClassVar

from pydantic import Field

from benchmarks.core.registry import DATASETS, DataFile
from benchmarks.core.settings import Settings, UserError, nearest
from datasets.base.samples import Samples
from datasets.base.splits import SPLIT_SEED


class Options(Settings):
    """The typed parameters of a task, ``family/task?key=value``; a family may add its own."""

    later: ClassVar[Mapping[str, Any]] = {"split": SPLIT_SEED}
    split: int = Field(SPLIT_SEED, ge=0, description="which draw of the validation and test samples")


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


def _parse_pair(task: str) -> tuple[list[str], str]:
    source, dash, target = task.rpartition("-")
    if not (dash and source and target):
        raise UserError(f"task {task!r}: expected source-target or source+source-target")
    return source.split("+"), target
