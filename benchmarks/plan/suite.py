"""Suites: named sets of tasks under one protocol. Reading one needs no torch."""

import tomllib
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from benchmarks.core.protocol import Protocol
from benchmarks.core.registry import METHODS
from benchmarks.core.settings import Settings, UserError, format_query, nearest, parse_query
from benchmarks.evaluation.validators import SELECTABLE
from benchmarks.plan.search import Search

# What chooses among candidates where neither flag nor suite says it: accuracy on the source's validation samples.
# It is DomainBed's training-domain validation (Gulrajani and Lopez-Paz, ICLR 2021, section 3) and AdaTime's source
# risk (Ragab et al., TKDD 2023): taken because it is customary, before any result here, and not for what it finds.
A_PRIORI = "source_accuracy"
TOYS = "toys"  # the family of generated data, which shows how methods work and is no evidence on real data
LARGEST_SUITE = 20_000  # bytes of a suite's file, ten times ours: reading keys a.b.c takes their length squared


class SuiteTask(Settings):
    """A task of a suite, with its own changes to the suite's protocol."""

    name: str
    protocol: dict[str, Any] = Field({}, description="for this task only")


class Suite(Settings):
    """A named set of tasks under one protocol (``benchmarks/suites/*.toml``, or any TOML file)."""

    kind: Literal["fair", "paper"] = Field(
        description="fair: one protocol for all methods, so they may be ranked; paper: a paper's own "
        "settings, to be compared with that paper"
    )
    description: str = ""
    sources: tuple[str, ...] = Field((), description="where its settings come from")
    seeds: int = Field(3, ge=1, le=10**9)
    default_methods: str = Field("core", description="what `run` does where --methods is silent")
    select: str = Field("", description="the validator that chooses its numbers; none: the last step")
    search: int = Field(
        1, ge=1, le=10**9, description="configurations of each method: its own, and others drawn from its ranges"
    )
    grid: dict[str, dict[str, Annotated[tuple[str, ...], Field(min_length=1)]]] = Field(
        {}, description="values to combine and choose from, by method and setting; of a paper"
    )
    protocol: dict[str, Any] = Field({}, description="for all tasks")
    methods: dict[str, dict[str, Any]] = Field({}, description="hyper-parameters other than the defaults")
    task: tuple[SuiteTask, ...] = Field(min_length=1)

    @property
    def searches(self) -> bool:
        """Whether a method has several configurations."""
        return self.search > 1 or bool(self.grid)

    def validator(self, select: str | None, searched: bool) -> str | None:
        """What chooses the numbers shown: that asked for, the suite's, or the rule fixed a priori for a search."""
        return select or self.select or (A_PRIORI if searched or self.searches else None)


def suite_names() -> list[str]:
    return sorted(path.name[:-5] for path in _suites().iterdir() if path.name.endswith(".toml"))


def load_suite(name: str) -> Suite:
    """A suite that ships here, or a TOML file by its path. All names in it are known, and its protocols are valid.

    What needs the files of methods and backbones, and so torch, :func:`plan` checks.

    Raises:
        UserError: no such suite, or a file that is not one.
    """
    where = f"suite {name!r}"
    suite = Suite.parse(_toml(name, where), where)
    if suite.select and suite.select not in SELECTABLE:
        raise UserError(f"{where}: select: unknown validator {nearest(suite.select, SELECTABLE)}")
    if suite.kind == "fair" and suite.grid:
        raise UserError(
            f"{where}: grid: a fair suite gives every method as many configurations: write `search = N` instead"
        )
    try:
        for method in (*suite.methods, *suite.grid):
            METHODS.check(method)
        _check_tasks(suite, where)
    except UserError as error:
        raise error if str(error).startswith(where) else UserError(f"{where}: {error}") from None
    return suite


def _toml(name: str, where: str) -> dict[str, Any]:
    """The values in a suite's file."""
    shipped = not name.endswith(".toml")
    path = _suites() / f"{name}.toml" if shipped else Path(name)
    try:
        if (shipped and name not in suite_names()) or not path.exists():
            raise UserError(f"unknown suite {nearest(name, suite_names())} (or give the path of a .toml file)")
        if not path.is_file():
            raise UserError(f"{where} is no regular file")
        with path.open("rb") as file:
            content = file.read(LARGEST_SUITE + 1)
        if len(content) > LARGEST_SUITE:
            raise UserError(f"{where} has more than {LARGEST_SUITE:,} bytes, which no suite has")
        return tomllib.loads(content.decode("utf-8-sig"))
    except OSError as error:
        raise UserError(f"{where} cannot be read: {error.strerror}") from None
    except RecursionError:
        raise UserError(f"{where} is not valid TOML: it is nested too deep") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UserError(f"{where} is not valid TOML: line {line} is not UTF-8; save it as UTF-8") from None
    except ValueError as error:  # of TOML, a number of thousands of digits, or a name that no file can have
        raise UserError(f"{where} is not valid TOML: {error}") from None


def task_names(suite: str) -> list[str]:
    """The tasks of a suite, as runs name them."""
    return _task_names(load_suite(suite))


def swept(tasks: Sequence[str], dial: str, values: Sequence[str]) -> list[str]:
    """Every task with each value of a dial.

    Raises:
        UserError: a task has the dial already, or does not take it or the value.
    """
    from datasets.base import resolve

    found = []
    for task in tasks:
        path, options = parse_query(task)
        if dial in options:
            raise UserError(f"--sweep {dial}: the task {task} has a value of it already")
        found += [resolve(format_query(path, {**options, dial: value})).name for value in values]
    return list(dict.fromkeys(found))


def _task_names(suite: Suite) -> list[str]:
    from datasets.base import resolve

    return [resolve(task.name).name for task in suite.task]


def _check_tasks(suite: Suite, where: str) -> None:
    """Each task exists and is named once, and its protocol is valid."""
    names = _task_names(suite)
    for name, count in Counter(names).items():
        if count > 1:
            raise UserError(f"{where} has the task {name} {count} times")
    for name, task in zip(names, suite.task, strict=True):
        Protocol.parse({**suite.protocol, **task.protocol}, f"{where}, protocol of {name}")


def _suites() -> Path:
    return Path(str(files("benchmarks"))) / "suites"


def suite_search(suite: str, methods: Sequence[str]) -> Search:
    """The configurations that a suite tries of some methods."""
    settings = load_suite(suite)
    return Search(settings.search, {owner: of for owner, of in settings.grid.items() if owner in methods})
