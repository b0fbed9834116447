"""From the name of a task to the task."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from benchmarks.core.registry import DATASETS
from benchmarks.core.settings import UserError, format_query, parse_query
from datasets.base.task import Task


@dataclass(frozen=True)
class TaskSpec:
    """A task by name, resolved but not loaded.

    Attributes:
        name: the short canonical name: options at their defaults are left out.
        without_dials: the name of the same task with the splits' first draw.
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
    return TaskSpec(
        name=format_query(path, changed),
        without_dials=format_query(path, {key: value for key, value in changed.items() if key != "split"}),
        family=family_name,
        task=task,
        options=options.identity(),
        version=DATASETS.info(family_name).version,
    )


@lru_cache(maxsize=2)
def load_task(name: str, *, transductive: bool = False) -> Task:
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
