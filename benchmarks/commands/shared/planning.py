"""What to run: the flags that name a grid, and the grid that they name."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.commands import warn
from benchmarks.commands.shared import values
from benchmarks.commands.shared.options import Group
from benchmarks.core.protocol import StepsScale
from benchmarks.core.registry import METHODS
from benchmarks.core.settings import UserError, nearest, split
from benchmarks.evaluation.validators import SELECTABLE
from benchmarks.plan.grid import Grid, plan
from benchmarks.plan.methods import method_names
from benchmarks.plan.overrides import parse_overrides, parse_search, parse_sweep
from benchmarks.plan.search import Search
from benchmarks.plan.suite import load_suite, suite_search, swept, task_names


@dataclass(frozen=True)
class WhatFlags:
    """Methods and tasks of a grid."""

    methods: str | None
    suite: str
    tasks: str | None
    source: Path | None
    target: Path | None
    label: str | None
    text: str | None = None
    target_classes: str | None = None
    sweep: str | None = None

    def __post_init__(self) -> None:
        load_suite(self.suite)
        method_names(self.methods or "")
        check_tasks(self.tasks)
        if self.sweep:
            parse_sweep(self.sweep)
        if bool(self.source) != bool(self.target):
            raise UserError("--source and --target: give both")
        for flag, value in self._of_own_data.items():
            if value and not self.source:
                raise UserError(f"{flag} needs --source and --target")
        if self.label and not any(path and path.suffix.lower() == ".csv" for path in (self.source, self.target)):
            raise UserError("--label names a column of a .csv; --source and --target are none")

    @property
    def _of_own_data(self) -> dict[str, str | None]:
        """The flags that say more of the user's own data."""
        return {"--label": self.label, "--text": self.text, "--target-classes": self.target_classes}

    @staticmethod
    def add_to(flags: Group, default_methods: str) -> None:
        flags.add_argument(
            "--methods",
            help=f"names and groups (core, all; see `list methods`), by commas; default: {default_methods}",
        )
        flags.add_argument(
            "--suite", type=values.file_name, default="quick", help="a suite's name or .toml file; default quick"
        )
        flags.add_argument("--tasks", help="these instead of the suite's, by commas: toys/moons?rotation=50")
        flags.add_argument(
            "--sweep", metavar="DIAL=VALUES", help="every task with each value of a dial: target_size=50,200,1000"
        )
        own = "your own data, an .npz (x, y), a .csv or a folder class/image"
        flags.add_argument("--source", type=values.path, metavar="PATH", help=f"{own}: the labelled source")
        flags.add_argument(
            "--target",
            type=values.path,
            metavar="PATH",
            help="the target; its labels, if it has any, only score",
        )
        flags.add_argument("--label", metavar="COLUMN", help="of labels in a .csv; default label")
        flags.add_argument(
            "--text", metavar="COLUMN", help="of texts in a .csv, whose words are then the features"
        )
        flags.add_argument(
            "--target-classes",
            metavar="CLASSES",
            help="that the target has, if not the source's: all:unknown where it has others too, cat:dog where it "
            "lacks some",
        )

    def all_tasks(self) -> list[str]:
        """The tasks named, and that of the user's own data, which are read for it."""
        tasks = split(self.tasks)
        if self.source and self.target:
            from datasets import own

            label, text, classes = self.label or "label", self.text or "", self.target_classes or ""
            tasks.append(own.make_task(self.source, self.target, label, text, classes))
        return swept(tasks or task_names(self.suite), *parse_sweep(self.sweep)) if self.sweep else tasks


@dataclass(frozen=True)
class HowFlags:
    """How the runs of a grid differ from what its suite says, and how one is chosen among several."""

    seeds: int | None
    set: list[str]
    steps_scale: str | None
    search: int | None
    grid: list[str]
    select: str | None

    def __post_init__(self) -> None:
        parse_overrides(self.set)
        parse_search(self.search, self.grid)
        if self.steps_scale:
            StepsScale.parse(self.steps_scale)
        if self.select and self.select not in SELECTABLE:
            raise UserError(f"--select: unknown validator {nearest(self.select, SELECTABLE)}")

    @staticmethod
    def add_to(flags: Group) -> None:
        flags.add_argument("--seeds", type=values.count, help="how many; default: the suite's; 5 of your own data")
        flags.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="OWNER.NAME=VALUE",
            help="dann.gamma=5 or protocol.steps=100",
        )
        flags.add_argument(
            "--steps-scale",
            metavar="HOW:FACTOR",
            help="more or fewer steps: truncate:0.3 keeps schedules in steps, compress:0.3 squeezes them too",
        )
        flags.add_argument(
            "--search",
            type=values.count,
            metavar="N",
            help="configurations of each method: its own, and N - 1 drawn from the ranges that it declares",
        )
        flags.add_argument(
            "--grid",
            action="append",
            default=[],
            metavar="OWNER.NAME=VALUES",
            help="values to combine instead: dann.trade_off=0.1,0.3,1",
        )
        flags.add_argument(
            "--select",
            metavar="VALIDATOR",
            help=f"choose configuration and checkpoint without target labels by: {', '.join(SELECTABLE)}",
        )

    @property
    def searched(self) -> bool:
        return bool(self.search or self.grid)

    @property
    def as_the_suite_says(self) -> bool:
        return not (self.set or self.steps_scale or self.searched)

    def validator(self, suite: str) -> str | None:
        """What chooses the numbers shown."""
        return load_suite(suite).validator(self.select, self.searched)

    def configurations(self, suite: str, methods: Sequence[str]) -> Search:
        """What the flags ask for, else the suite."""
        return parse_search(self.search, self.grid) if self.searched else suite_search(suite, methods)


def check_tasks(tasks: str | None) -> None:
    """Raise a UserError for a task that does not exist."""
    if tasks:
        from datasets.base import resolve

        for task in split(tasks):
            resolve(task)


def planned_grid(
    suite: str, methods: str, tasks: Sequence[str], seeds: Sequence[int] | None, how: HowFlags
) -> Grid:
    """The grid that a command's flags name.

    Args:
        methods: names and groups.
        tasks: none: the suite's.
        seeds: None: as many as the suite says; 5 of the user's own data.
    """
    names = _without_broken(methods)
    return plan(
        suite,
        names,
        tasks,
        seeds,
        parse_overrides(how.set),
        how.configurations(suite, names),
        reverse=how.validator(suite) == "reverse_validation",
        scale=StepsScale.parse(how.steps_scale) if how.steps_scale else None,
    )


def _without_broken(methods: str) -> list[str]:
    """Methods by names and groups; of a group, those whose code is broken are told of and left out."""
    named = split(methods)
    names = method_names(methods)
    broken = {name: problem for name in names if name not in named and (problem := METHODS.problem(name))}
    for problem in broken.values():
        warn(problem)
    return [name for name in names if name not in broken]
