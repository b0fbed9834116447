"""What a data set says of itself: its tasks, their classes and options, and how their domains are read."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import permutations
from typing import Any, ClassVar

from benchmarks.core.facts import Facts, counted_traits
from benchmarks.core.registry import DATASETS, DataFile, Trait
from benchmarks.core.settings import Settings, UserError, nearest
from datasets.base.options import ClassSets, Options
from datasets.base.samples import Domains, Samples


class Preprocessing(Settings):
    """What new data must pass before a model takes them: kept with its weights, so that a record is enough.

    Attributes:
        label: the column of a table's classes.
        columns: a table's features, in order.
        mean, deviation: by which features are standardised; none for images of bytes.
        digest: of the data that the task is made of.
        text: the column of a table's texts, whose words are then ``columns``.
        idf: the inverse document frequency of each word.
    """

    label: str
    columns: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    digest: str
    text: str = ""
    idf: tuple[float, ...] = ()


class Family(ABC):
    """A set of tasks over domains of one kind. Subclasses are registered with ``@DATASETS.register``."""

    name: ClassVar[str]
    labels_may_change: ClassVar[bool] = False  # of the target, under the same task's name
    seeds: ClassVar[int] = 1  # least number of a grid that names its tasks, and not how many seeds

    @abstractmethod
    def classes(self, task: str) -> tuple[str, ...]:
        """Names of the classes that the task's domains have between them."""

    @abstractmethod
    def tasks(self) -> list[str]:
        """Names of all tasks, without the family."""

    @abstractmethod
    def read(self, task: str, options: Options) -> Domains:
        """The reader: source and target domains of a task, not yet split."""

    def check(self, task: str) -> None:
        """Raise a UserError unless ``task`` can be read."""
        if task not in self.tasks():
            raise UserError(f"{self.name} has no task {nearest(task, self.tasks())}")

    def domain_counts(self, task: str) -> tuple[int, int]:
        """How many sources and targets the task has."""
        return 1, 1

    def domain_names(self, task: str) -> tuple[list[str], list[str]]:
        """Names of the task's sources and targets. Tasks of a family that share one are not independent."""
        return [f"source of {task}"], [f"target of {task}"]

    def input_shape(self, task: str) -> tuple[int, ...] | None:
        """Of one sample; None where that is not known without reading. Methods for images run only where it is."""
        return None

    def fully_labelled(self, task: str) -> bool:
        """Whether every target sample has a label, so that references can be trained on them."""
        return True

    def objective(self, task: str) -> str:
        """What is learnt where dials change no classes, by its name in ``benchmarks.core.objective``."""
        return "classes"

    def class_sets(self, task: str, options: Options) -> ClassSets:
        """Which classes each side has: those of the dials, where its domains do not lack them by nature."""
        return options.class_sets(self.classes(task), f"{self.name}/{task}")

    def facts(self, task: str, options: Options | None = None) -> Facts:
        """What is known of the task, with its dials, without reading its data."""
        options = options or self.options(task)()
        n_sources, n_targets = self.domain_counts(task)
        classes = self.class_sets(task, options)
        known = self.fully_labelled(task)
        return Facts(
            input_shape=self.input_shape(task),
            n_classes=len(classes.source),
            n_sources=n_sources,
            n_targets=n_targets,
            traits=traits_of(n_sources, n_targets, classes.traits, few=options.shots > 0, fully_labelled=known),
            objective=classes.objective(self.objective(task)),
        )

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
    """Named domains; every ordered pair is a task, and ``a+b-c+d`` has two sources and two targets."""

    domains: tuple[str, ...]

    @abstractmethod
    def read_domain(self, domain: str) -> Samples:
        """One domain, not yet split."""

    def tasks(self) -> list[str]:
        return [f"{source}-{target}" for source, target in permutations(self.domains, 2)]

    def check(self, task: str) -> None:
        named = [*parse_domains(task)[0], *parse_domains(task)[1]]
        for domain in named:
            if domain not in self.domains:
                raise UserError(f"{self.name} has no domain {nearest(domain, self.domains)}")
        if len(set(named)) < len(named):
            raise UserError(f"{self.name}/{task}: a domain is named twice")

    def domain_names(self, task: str) -> tuple[list[str], list[str]]:
        return parse_domains(task)

    def domain_counts(self, task: str) -> tuple[int, int]:
        sources, targets = parse_domains(task)
        return len(sources), len(targets)

    def read(self, task: str, options: Options) -> Domains:
        sources, targets = ([self.read_domain(name) for name in names] for names in parse_domains(task))
        return Domains(sources, targets)


def parse_domains(task: str) -> tuple[list[str], list[str]]:
    """Names of the sources and of the targets of ``a+b-c+d``.

    Raises:
        UserError: it has another form.
    """
    sources, dash, targets = task.rpartition("-")
    if not (dash and sources and targets):
        raise UserError(f"task {task!r}: expected source-target, or several of either as source+source-target")
    return sources.split("+"), targets.split("+")


def traits_of(
    n_sources: int, n_targets: int, of_classes: Sequence[Trait] = (), *, few: bool = False, fully_labelled: bool
) -> tuple[Trait, ...]:
    """What a task with so many domains is, and whose classes make it partial, open or neither."""
    unlabelled: tuple[Trait, ...] = () if fully_labelled else ("unlabelled",)
    return (*of_classes, *counted_traits(n_sources, n_targets, int(few)), *unlabelled)
