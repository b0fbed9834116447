"""What several commands do alike."""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from benchmarks.commands import warn
from benchmarks.core.protocol import StepsScale
from benchmarks.core.registry import METHODS
from benchmarks.core.settings import UserError, nearest, split
from benchmarks.engines import Engine
from benchmarks.engines.devices import devices
from benchmarks.engines.local import LocalEngine
from benchmarks.engines.ray import RayEngine
from benchmarks.engines.work import train
from benchmarks.plan.grid import Grid, plan
from benchmarks.plan.methods import method_names
from benchmarks.plan.overrides import parse_overrides, parse_search
from benchmarks.plan.search import Search
from benchmarks.plan.suite import load_suite, suite_search
from benchmarks.records.compact import load_failures
from benchmarks.records.frame import is_compact, load_records
from benchmarks.records.provenance import made_by_other_code
from benchmarks.records.store import Store
from benchmarks.report.render import render
from benchmarks.report.table import PARTS, SHORTHANDS, Report, build_report

DEFAULT_VALIDATOR = "source_accuracy"  # the customary one; chosen for that, not for what it finds


def planned_grid(options: argparse.Namespace, methods: str, seeds: Sequence[int] | None) -> Grid:
    """The grid of a command's flags."""
    names, tasks = _working(methods), split(options.tasks)
    return plan(
        options.suite,
        names,
        tasks,
        seeds,
        parse_overrides(options.set),
        _search(options, names),
        reverse=selected_by(options) == "reverse_validation",
        scale=StepsScale.parse(options.steps_scale) if options.steps_scale else None,
    )


def _working(methods: str) -> list[str]:
    """The methods of names and groups, without those of a group whose code is broken, which are told of."""
    named = split(methods)
    names = method_names(methods)
    broken = {name: problem for name in names if name not in named and (problem := METHODS.problem(name))}
    for problem in broken.values():
        warn(problem)
    return [name for name in names if name not in broken]


def _search(options: argparse.Namespace, methods: Sequence[str]) -> Search:
    """What the flags ask for, else the suite."""
    if options.search or options.grid:
        return parse_search(options.search, options.grid)
    return suite_search(options.suite, methods)


def selected_by(options: argparse.Namespace) -> str | None:
    """The validator that chooses what is shown: the flag's, the suite's, or source accuracy for a search."""
    searched = options.search or options.grid
    return options.select or load_suite(options.suite).select or (DEFAULT_VALIDATOR if searched else None)


def store_of(options: argparse.Namespace) -> Store:
    return Store(options.store, weights=_saves_weights(options))


def stored(planned: Grid, store: Store) -> tuple[pd.DataFrame, dict[str, str]]:
    """The records of a grid that a store has, and the errors of its failed runs by id.

    A record that is broken is told of, and counts as missing.
    """
    for problem in store.misplaced():
        warn(problem)
    specs = [*planned.specs, *planned.reverse]
    done = {spec.run_id: store.folder(spec) for spec in specs if store.finished(spec)}
    errors = {spec.run_id: store.failed(spec) for spec in specs if spec.run_id not in done}
    records = load_records(done.values(), broken=warn)
    return records, {run: text for run, text in errors.items() if text}


def sources_of(options: argparse.Namespace) -> list[Path]:
    """The stores and files of records that a command reads, by the flags."""
    return [path for path in (options.store, options.records) if path] or [store_of(options).root]


def found(options: argparse.Namespace, methods: str) -> tuple[Grid, pd.DataFrame, dict[str, str]]:
    """The grid of the flags, without ``--seeds`` of those there are; its records; errors of failed runs by id.

    With both ``--store`` and ``--records``, the store's record of a run counts. What is broken, a record or
    a line of a .csv, is told of, and counts as missing.

    Raises:
        UserError: a store or a file of records that does not exist.
    """
    paths = sources_of(options)
    files = {path: load_records(path, broken=warn) for path in paths if is_compact(path)}
    stores = {path: Store(path).require() for path in paths if path not in files}
    seeds = {
        int(seed) for path in paths for seed in (files[path]["seed"] if path in files else stores[path].seeds())
    }
    planned = planned_grid(options, methods, _seeds(options, sorted(seeds)))
    sources = [
        (files[path], load_failures(path)) if path in files else stored(planned, stores[path]) for path in paths
    ]
    for path, (records, _) in zip(paths, sources, strict=True):
        if path in stores and len(
            records
        ):  # records in a .csv stay: code goes on, and they are named by their git
            codes = dict(zip(records["run_id"], records["code"], strict=True))
            if other := made_by_other_code(codes, [*planned.specs, *planned.reverse]):
                warn(f"{other}; `run --fresh` does them again")
    return planned, *_in_order(planned, sources)


def _in_order(
    planned: Grid, sources: Sequence[tuple[pd.DataFrame, dict[str, str]]]
) -> tuple[pd.DataFrame, dict[str, str]]:
    """A grid's records and errors, each run's from the first source that has it."""
    order = [spec.run_id for spec in [*planned.specs, *planned.reverse]]
    frames = [records.set_index("run_id", drop=False) for records, _ in sources if len(records)]
    records = pd.concat(frames) if frames else pd.DataFrame()
    records = records[~records.index.duplicated()]
    records = records.loc[[run for run in order if run in records.index]]
    errors = {run: text for _, failures in reversed(sources) for run, text in failures.items()}
    failures = {run: errors[run] for run in order if run in errors and run not in records.index}
    return records.reset_index(drop=True), failures


def _seeds(options: argparse.Namespace, known: Sequence[int]) -> Sequence[int] | None:
    return range(options.seeds) if options.seeds else known or None


def report_of(
    planned: Grid, records: pd.DataFrame, failures: dict[str, str], options: argparse.Namespace
) -> Report:
    """The report, with what ``--show`` adds.

    Raises:
        UserError: a metric that no record has.
    """
    show = [name for part in split(options.show) for name in SHORTHANDS.get(part, (part,))]
    known = [*records.select_dtypes("number").columns, *PARTS, *SHORTHANDS]
    for name in show:
        if len(records) and name not in known:
            raise UserError(f"--show: no metric {nearest(name, known)}")
    return build_report(planned, records, failures, show, selected_by(options))


def print_report(report: Report, form: str) -> None:
    print(render(report, form), end="")


def devices_of(options: argparse.Namespace) -> list[str]:
    return devices(options.device, options.jobs, options.jobs_per_gpu)


def engine_of(options: argparse.Namespace, store: Store, *, fresh: bool = False) -> Engine:
    """What executes the runs of a command."""
    execute = partial(train, save_weights=True) if _saves_weights(options) else train
    if options.engine == "local":
        return LocalEngine(store, devices_of(options), retries=options.retries, fresh=fresh, execute=execute)
    return RayEngine(
        store,
        options.ray_address,
        cpus=options.cpus_per_run,
        gpus=options.gpus_per_run,
        retries=options.retries,
        fresh=fresh,
        execute=execute,
    )


def _saves_weights(options: argparse.Namespace) -> bool:
    """Whether this is a `run` that was asked to."""
    return getattr(options, "save_weights", False)
