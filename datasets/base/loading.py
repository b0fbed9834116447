"""From the name of a task to the task."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from benchmarks.core.facts import Facts
from benchmarks.core.objective import OBJECTIVES, Objective, objective_of
from benchmarks.core.registry import DATASETS
from benchmarks.core.settings import UserError, format_query, parse_query
from datasets.base.dials import Dials, check_split
from datasets.base.family import Family, Preprocessing
from datasets.base.options import Options
from datasets.base.samples import Inputs, Samples
from datasets.base.task import Task

Through = Callable[[Inputs], np.ndarray]
UNKNOWN = "unknown"  # the name of all classes that the source lacks


@dataclass(frozen=True)
class TaskSpec:
    """A task by name, resolved but not loaded.

    Attributes:
        name: the short canonical name: options at their defaults are left out.
        without_dials: the name of the same task as its data set has it.
        options: what they add to a run's identity.
        version: the data set's version.
    """

    name: str
    without_dials: str
    family: str
    task: str
    options: Mapping[str, Any]
    version: int


def resolve(text: str) -> TaskSpec:
    """Check a task name such as ``toys/moons?rotation=50`` without loading its data.

    Raises:
        UserError: an unknown family, domain, task or option, or dials that do not fit the task.
    """
    path, query = parse_query(text)
    family_name, slash, task = path.partition("/")
    if not slash or not task:
        raise UserError(f"task {text!r}: expected family/task, for example toys/blobs; see `list tasks`")
    family = DATASETS.get(family_name)()
    family.check(task)
    options = _canonical(family.options(task).parse(query, f"task {text!r}"), family, task, f"task {text!r}")
    changed = options.changed()
    own = {key: value for key, value in changed.items() if key not in Options.model_fields}
    return TaskSpec(
        name=format_query(path, changed),
        without_dials=format_query(path, own),
        family=family_name,
        task=task,
        options=options.identity(),
        version=DATASETS.info(family_name).version,
    )


def _canonical(options: Options, family: Family, task: str, where: str) -> Options:
    """The options in the one way of writing them.

    Raises:
        UserError: they do not fit the task.
    """
    if (reading := options.of_target_labels) and not family.fully_labelled(task):
        dials = " and ".join(reading)
        raise UserError(f"{where}: {dials} must know the target's labels, and not all of its samples have one")
    if of_classes := options.of_classes:
        if not OBJECTIVES[family.objective(task)].of_classes:
            raise UserError(f"{where}: {of_classes[0]} is for classes, and the labels here are real numbers")
        options = options.canonical(family.classes(task), where)
        options.check(family.class_sets(task, options), where)
    return options


def labels_define(name: str) -> bool:
    """Whether target labels are a part of what the task is: a dial of it reads them."""
    return bool(_options(name).of_target_labels)


def facts_of_task(name: str) -> Facts:
    """What is known of a task without reading its data."""
    spec = resolve(name)
    return DATASETS.get(spec.family)().facts(spec.task, _options(name))


def objective_of_task(name: str) -> Objective:
    """What is learnt on a task, and how it is scored."""
    return objective_of(facts_of_task(name))


def class_names(name: str) -> list[str]:
    """Names of the classes that a task's labels may be of, in the order of their numbers."""
    spec = resolve(name)
    names = DATASETS.get(spec.family)().class_sets(spec.task, _options(name)).source_names
    return [*names, *[UNKNOWN] * (objective_of_task(name).n_labels - len(names))]


def load_task(
    name: str, *, transductive: bool = False, seed: int | None = None, through: Through | None = None
) -> Task:
    """Read and split a task. The runs of a grid share it.

    Args:
        seed: of the run, for a task whose split follows it.
        through: makes other inputs of each domain's, such as the features of a frozen network.
    """
    return _load_task(name, transductive, seed_that_matters(name, seed), through)


def seed_that_matters(name: str, seed: int | None) -> int | None:
    """A run's seed, for a task whose split follows it; None for others, which are alike in all runs."""
    return seed if resolve(name).options.get("split") == "seed" else None


def options_of(name: str, seed: int | None) -> Options:
    """The options of a task in a run of that seed."""
    return _options(name).of_seed(seed)


def _options(name: str) -> Options:
    """The options of a task, whose split may follow the seed of a run."""
    spec = resolve(name)
    return DATASETS.get(spec.family)().options(spec.task).of_identity(spec.options, name)


def preprocessing_of(name: str, seed: int | None) -> Preprocessing | None:
    """What new data must pass before a model takes them that a run of that seed has trained; None: nothing."""
    spec = resolve(name)
    return DATASETS.get(spec.family)().preprocessing(spec.task, options_of(name, seed))


@lru_cache(maxsize=2)
def _load_task(name: str, transductive: bool, seed: int | None, through: Through | None) -> Task:
    spec = resolve(name)
    family, options = DATASETS.get(spec.family)(), options_of(name, seed)
    domains = family.read(spec.task, options)
    if seed is None:
        check_split(name, options, domains)
    facts = family.facts(spec.task, options)
    classes = family.class_sets(spec.task, options)
    domains = Dials(options, classes, name, spec.without_dials, transductive).applied(domains)
    return Task(
        name,
        classes.source_names,
        _passed(domains.sources, through),
        _passed(domains.targets, through),
        split_seed=options.draw,
        objective=facts.objective,
        traits=[trait for trait in facts.traits if trait in ("partial", "open")],
        transductive=transductive,
    )


def _passed(side: Sequence[Samples], through: Through | None) -> Sequence[Samples]:
    return [replace(samples, x=through(samples.x)) for samples in side] if through else side


def forget_tasks() -> None:
    """Read tasks again: their data may have changed."""
    _load_task.cache_clear()
