"""The `list` command: what exists to choose from, a line an entry."""

from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from benchmarks.commands import warn
from benchmarks.core.registry import DATASETS, METHODS, Idea
from benchmarks.evaluation.validators import SELECTABLE
from benchmarks.plan.methods import groups
from benchmarks.plan.suite import load_suite, suite_names

HELP = "what there is to choose from"
EXAMPLES = ("list methods", "list tasks")
WIDTH = 20  # of a method's name
IDEAS = get_args(Idea)


@dataclass(frozen=True)
class Options:
    what: str


def add_flags(command: ArgumentParser) -> None:
    what = command.add_argument_group("what to list")
    what.add_argument("what", choices=KINDS)


def main(options: Options) -> int:
    for row in KINDS[options.what]():
        print(row)
    return 0


def _methods() -> Iterator[str]:
    """By idea, the oldest first."""
    for _, lines in sorted(METHODS.each(lambda name: (_rank(name), _method(name)), warn)):
        yield from lines
    for group, members in groups().items():
        yield f"{group:{WIDTH}} group        {', '.join(members)}"


def _rank(name: str) -> tuple[int, int, str]:
    info = METHODS.info(name)
    return IDEAS.index(info.family), info.year, name


def _method(name: str) -> list[str]:
    info = METHODS.info(name)
    where = f" ({info.venue} {info.year})" if info.venue != "-" else ""
    lines = [f"{name:{WIDTH}} {info.family:12} {info.paper}{where}"]
    for key, field in METHODS.get(name).settings.model_fields.items():
        extra = field.json_schema_extra
        bounds = f", searched {extra['low']:g} to {extra['high']:g}" if extra["low"] is not None else ""
        lines.append(f"{'':{WIDTH}}   {key} = {field.default}: {field.description}{bounds} [{extra['source']}]")
    return lines


def _datasets() -> Iterator[str]:
    return DATASETS.each(_dataset, warn)


def _dataset(name: str) -> str:
    info = DATASETS.info(name)
    return f"{name:12} version {info.version}: {info.summary}. Licence: {info.licence}"


def _tasks() -> Iterator[str]:
    for lines in DATASETS.each(_tasks_of, warn):
        yield from lines


def _tasks_of(name: str) -> list[str]:
    family, lines = DATASETS.get(name)(), []
    for task in family.tasks():
        options = family.options(task).model_fields
        query = "&".join(f"{key}={field.default}" for key, field in options.items())
        lines.append(f"{name}/{task}" + (f"  (?{query})" if query else ""))
    return lines


def _backbones() -> Iterator[str]:
    from methods.networks.backbones import backbone, backbone_names, backbone_options

    for name in backbone_names():
        fields = backbone_options(name).model_fields
        defaults = {key: "..." if field.is_required() else field.default for key, field in fields.items()}
        query = "&".join(f"{key}={default}" for key, default in defaults.items())
        yield f"{name:18} {(backbone(name).__doc__ or '').splitlines()[0]}" + (f"  (?{query})" if query else "")


def _validators() -> Iterator[str]:
    for name, paper in SELECTABLE.items():
        yield f"{name:20} {paper}"


def _suites() -> Iterator[str]:
    for name in suite_names():
        suite = load_suite(name)
        yield f"{name:12} {suite.kind}: {suite.description}; {len(suite.task)} tasks, {suite.seeds} seeds"


KINDS = {
    "methods": _methods,
    "datasets": _datasets,
    "tasks": _tasks,
    "backbones": _backbones,
    "suites": _suites,
    "validators": _validators,
}
