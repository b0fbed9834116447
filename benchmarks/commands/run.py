"""The `run` command: do a grid's runs that have no record, and print its table."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from benchmarks.commands.common import (
    devices_of,
    engine_of,
    planned_grid,
    print_report,
    report_of,
    store_of,
    stored,
)
from benchmarks.core import atomic
from benchmarks.core.escape import one_line
from benchmarks.core.settings import UserError
from benchmarks.engines import Engine
from benchmarks.engines.progress import follow
from benchmarks.engines.tensorboard import Board
from benchmarks.engines.work import require_files
from benchmarks.plan.grid import Grid
from benchmarks.plan.spec import RunSpec
from benchmarks.plan.suite import load_suite
from benchmarks.records.provenance import made_by_other_code
from benchmarks.records.store import Store
from benchmarks.report.render import render
from benchmarks.report.table import Report
from benchmarks.training.estimate import PATIENCE, estimate

ANSWER = 8.0  # seconds after which a dry run should have answered


def main(options: argparse.Namespace) -> int:
    """Returns 1 if a run of the grid has failed, now or before."""
    seeds = range(options.seeds) if options.seeds else None
    methods = options.methods or load_suite(options.suite).default_methods
    planned, store = planned_grid(options, methods, seeds), store_of(options)
    if options.dry_run:
        _dry_run(planned, store, options)
        return 0
    engine = engine_of(options, store, fresh=options.fresh)
    ok = _execute(planned.specs, store, engine, options)
    judges = [spec for spec in planned.reverse if store.predictions(spec).exists()]
    ok = _execute(judges, store, engine, options) and ok
    report = report_of(planned, *stored(planned, store), options)
    print_report(report, options.format)
    _write(report, Path(planned.suite).stem, store)
    return 0 if ok else 1


def _execute(specs: Sequence[RunSpec], store: Store, engine: Engine, options: argparse.Namespace) -> bool:
    """Do what is not done; returns whether every run of these is."""
    board = Board(options.tensorboard) if options.tensorboard else None
    states = {spec.run_id: _state(spec, store, options) for spec in specs}
    done, skipped, todo = (
        [spec for spec in specs if states[spec.run_id] == state] for state in ("done", "failed", "to do")
    )
    _tell_reused(store, done, skipped)
    if again := sum(store.folder(spec).is_dir() for spec in todo if not options.fresh):
        print(f"{again} runs have a record without weights: they are done again to keep them.", file=sys.stderr)
    failures = follow(engine.run(todo), len(todo), board) if todo else []
    return not failures and not skipped


def _state(spec: RunSpec, store: Store, options: argparse.Namespace) -> Literal["done", "failed", "to do"]:
    """What the command does with a run: it reuses it, leaves it as it failed before, or does it."""
    if options.fresh:
        return "to do"
    if store.finished(spec):
        return "done"
    return "failed" if not options.retry and store.failed(spec) else "to do"


def _tell_reused(store: Store, done: Sequence[RunSpec], skipped: Sequence[RunSpec]) -> None:
    if done:
        print(f"{len(done)} runs have a record and are reused.", file=sys.stderr)
        if other := made_by_other_code({spec.run_id: store.code(spec) for spec in done}, done):
            print(f"{other}; --fresh does them again.", file=sys.stderr)
    if skipped:
        print(f"{len(skipped)} runs failed before: --retry does them again.", file=sys.stderr)


def _write(report: Report, name: str, store: Store) -> None:
    """The table of this command beside the records, to read (.md) and to compute with (.json)."""
    folder = store.root / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, form in (("md", "markdown"), ("json", "json")):
        atomic.write_text(folder / f"{name}.{suffix}", render(report, form))
    print(f"written to {folder / name}.md and .json; records in {store.root}", file=sys.stderr)


def _dry_run(planned: Grid, store: Store, options: argparse.Namespace) -> None:
    """Print the grid, what would become of each run, and how long that would take.

    Raises:
        UserError: data or weights without which no run could begin.
    """
    specs, devices = [*planned.specs, *planned.reverse], devices_of(options)
    states = [_state(spec, store, options) for spec in specs]
    for spec, state in zip(specs, states, strict=True):
        params = ", ".join(f"{key}={value}" for key, value in _settings(spec).items())
        print(f"{spec.run_id}  {state:6}  {spec}" + f"  ({params})" * bool(params))
    for cell in planned.not_applicable:
        print(f"n/a           {cell.task} {cell.variant}: {cell.reason}")
    todo = [spec for spec, state in zip(specs, states, strict=True) if state == "to do"]
    workers = min(len(devices), max(1, len(todo)))
    print(f"{len(todo)} of {len(specs)} runs to do, {workers} at a time: ", end="", flush=True)
    try:
        require_files(todo)
    except UserError:
        print("none could begin")
        raise
    # Importing PyTorch may have taken most of the time that people wait.
    known = estimate(todo, devices[0], min(PATIENCE, max(1.0, options.began + ANSWER - time.monotonic())))
    print(known.over(workers))
    for (_, method), error in known.failed.items():
        print(f"warning: {method} fails in its first steps: {one_line(error)}", file=sys.stderr)


def _settings(spec: RunSpec) -> dict[str, Any]:
    """Hyper-parameters and, of a searched configuration, what a search changes in the protocol."""
    protocol = spec.protocol.model_dump(include={"lr_backbone", "weight_decay", "backbone"})
    return {**spec.params, **(protocol if spec.configuration else {})}
