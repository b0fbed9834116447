"""From the name of a task to the task."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from benchmarks.core.registry import DATASETS
from benchmarks.core.settings import UserError, format_query, parse_query
from datasets.base.dials import Options, check_split
from datasets.base.family import Preprocessing
from datasets.base.samples import Inputs, Samples
from datasets.base.task import Task

Through = Callable[[Inputs], np.ndarray]


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
    own = {key: value for key, value in changed.items() if key not in Options.model_fields}
    return TaskSpec(
        name=format_query(path, changed),
        without_dials=format_query(path, own),
        family=family_name,
        task=task,
        options=options.identity(),
        version=DATASETS.info(family_name).version,
    )


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
    spec = resolve(name)
    return DATASETS.get(spec.family)().options(spec.task).of_identity(spec.options, name).of_seed(seed)


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
    return Task(
        name,
        family.classes(spec.task),
        _passed(domains.sources, through),
        _passed(domains.targets, through),
        split_seed=options.draw,
        transductive=transductive,
    )


def _passed(side: Sequence[Samples], through: Through | None) -> Sequence[Samples]:
    return [replace(samples, x=through(samples.x)) for samples in side] if through else side


def forget_tasks() -> None:
    """Read tasks again: their data may have changed."""
    _load_task.cache_clear()
