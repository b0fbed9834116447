"""What `list` prints: a line an entry."""

import argparse
from collections.abc import Iterator

from benchmarks import grid
from benchmarks.evaluation import SELECTABLE
from benchmarks.registry import DATASETS, METHODS


def main(options: argparse.Namespace) -> int:
    rows = {
        "methods": _methods,
        "datasets": _datasets,
        "tasks": _tasks,
        "backbones": _backbones,
        "suites": _suites,
        "validators": _validators,
    }
    for row in rows[options.what]():
        print(row)
    return 0


def _methods() -> Iterator[str]:
    for name in METHODS.names():
        info = METHODS.info(name)
        where = f" ({info.venue} {info.year})" if info.venue != "-" else ""
        yield f"{name:12} {info.family:12} {info.paper}{where}"
        for key, field in METHODS.get(name).settings.model_fields.items():
            extra = field.json_schema_extra
            bounds = f", searched {extra['low']:g} to {extra['high']:g}" if extra["low"] is not None else ""
            yield f"{'':12}   {key} = {field.default}: {field.description}{bounds} [{extra['source']}]"
    for group, members in grid.GROUPS.items():
        yield f"{group:12} group        {', '.join(members)}"


def _datasets() -> Iterator[str]:
    for name in DATASETS.names():
        info = DATASETS.info(name)
        yield f"{name:12} version {info.version}: {info.summary}. Licence: {info.licence}"


def _tasks() -> Iterator[str]:
    for name in DATASETS.names():
        family = DATASETS.get(name)()
        for task in family.tasks():
            options = family.options(task).model_fields
            query = "&".join(f"{key}={field.default}" for key, field in options.items())
            yield f"{name}/{task}" + (f"  (?{query})" if query else "")


def _backbones() -> Iterator[str]:
    from methods.networks.backbones import backbone, backbone_names, backbone_options

    for name in backbone_names():
        fields = backbone_options(name).model_fields
        query = "&".join(f"{key}={field.default}" for key, field in fields.items())
        yield f"{name:12} {(backbone(name).__doc__ or '').splitlines()[0]}" + (f"  (?{query})" if query else "")


def _validators() -> Iterator[str]:
    for name, paper in SELECTABLE.items():
        yield f"{name:20} {paper}"


def _suites() -> Iterator[str]:
    for name in grid.suite_names():
        suite = grid.load_suite(name)
        yield f"{name:12} {suite.kind}: {suite.description}; {len(suite.task)} tasks, {suite.seeds} seeds"
