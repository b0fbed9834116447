"""The `run` command: do a grid's runs that have no record, and print its table."""

import sys
import time
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.commands.shared import values
from benchmarks.commands.shared.budget import BudgetFlags, expected
from benchmarks.commands.shared.execution import DeviceFlags, EngineFlags, add_data_flag, use_data_folder
from benchmarks.commands.shared.output import TableFlags, show, table_name
from benchmarks.commands.shared.planning import HowFlags, WhatFlags, planned_grid
from benchmarks.commands.shared.records import add_store_flag
from benchmarks.core import atomic
from benchmarks.core.escape import one_line
from benchmarks.core.settings import UserError
from benchmarks.engines import Engine
from benchmarks.plan.grid import Grid
from benchmarks.plan.spec import RunSpec
from benchmarks.plan.suite import load_suite
from benchmarks.records.store import Store

if TYPE_CHECKING:
    from benchmarks.engines.tensorboard import Board

HELP = "run a seeded grid and print its table"
EXAMPLES = (
    "run --methods dann,coral",
    "run --methods core --suite toys --seeds 5 --select im --dry-run",
    "run --source old.csv --target new.csv --label diagnosis",
)
ANSWER = 8.0  # seconds after which a dry run should have answered


@dataclass(frozen=True)
class Options:
    what: WhatFlags
    how: HowFlags
    budget: BudgetFlags
    dry_run: bool
    fresh: bool
    retry: bool
    save_weights: bool
    tensorboard: Path | None
    devices: DeviceFlags
    engine: EngineFlags
    data_dir: Path | None
    store: Path | None
    table: TableFlags

    def __post_init__(self) -> None:
        self.engine.require_local({"budget": self.budget.budget, **self.devices.given})


def add_flags(command: ArgumentParser) -> None:
    WhatFlags.add_to(command.add_argument_group("what to run"), default_methods="the suite's")
    HowFlags.add_to(command.add_argument_group("settings and choices"))
    kept = command.add_argument_group("what is done, and what is kept")
    BudgetFlags.add_to(kept)
    kept.add_argument("--dry-run", action="store_true", help="print the grid and an estimate of its time")
    kept.add_argument("--fresh", action="store_true", help="do runs again that have a record")
    kept.add_argument("--retry", action="store_true", help="do failed runs again")
    kept.add_argument("--save-weights", action="store_true", help="keep trained weights, for `predict`")
    kept.add_argument(
        "--tensorboard", type=values.path, metavar="FOLDER", help="also write signals for TensorBoard"
    )
    where = command.add_argument_group("where")
    DeviceFlags.add_to(where)
    EngineFlags.add_to(where)
    add_data_flag(where)
    add_store_flag(where)
    TableFlags.add_to(command.add_argument_group("how it is shown"))


def main(options: Options) -> int:
    """Returns 1 if a run of the grid has failed, now or before."""
    began = time.monotonic()
    use_data_folder(options.data_dir)
    what, how = options.what, options.how
    methods = what.methods or load_suite(what.suite).default_methods
    tasks = what.all_tasks()
    planned = planned_grid(what.suite, methods, tasks, range(how.seeds) if how.seeds else None, how)
    store = Store(options.store, weights=options.save_weights)
    state = partial(_state, store=store, fresh=options.fresh, retry=options.retry)
    planned, seconds = options.budget.within(
        planned, lambda spec: state(spec) == "to do", store, options.devices.workers()
    )
    if options.dry_run:
        _dry_run(planned, seconds, store, options, began + ANSWER)
        return 0
    engine = options.engine.make(store, options.devices, fresh=options.fresh, save_weights=options.save_weights)
    from benchmarks.engines.tensorboard import Board

    board = Board(options.tensorboard) if options.tensorboard else None
    do = partial(
        execute, store=store, engine=engine, seconds=seconds, fresh=options.fresh, retry=options.retry, board=board
    )
    ok = do(planned.specs)
    ok = do([spec for spec in planned.reverse if store.predictions(spec).exists()]) and ok
    _report(planned, store, options, table_name(what.suite, tasks))
    return 0 if ok else 1


def execute(
    specs: Sequence[RunSpec],
    store: Store,
    engine: Engine,
    seconds: Mapping[str, float] | None = None,
    *,
    fresh: bool = False,
    retry: bool = False,
    board: "Board | None" = None,
) -> bool:
    """Do what is not done; returns whether every run of these is.

    Args:
        seconds: that each run will take, by id, where a budget's list tells.
        fresh: do runs again that have a record.
        retry: do failed runs again.
    """
    from benchmarks.engines.pace import Pace
    from benchmarks.engines.progress import follow

    states = {spec.run_id: _state(spec, store, fresh=fresh, retry=retry) for spec in specs}
    done, skipped, todo = (
        [spec for spec in specs if states[spec.run_id] == state] for state in ("done", "failed", "to do")
    )
    _tell_reused(store, done, skipped)
    if again := sum(store.folder(spec).is_dir() for spec in todo if not fresh):
        print(f"{again} runs have a record without weights: they are done again to keep them.", file=sys.stderr)
    if not todo:
        return not skipped
    if not seconds and engine.devices:
        seconds = expected(todo, store, engine.devices[0])
    pace = Pace(todo, seconds, min(len(engine.devices), len(todo)))
    return not follow(engine.run(todo), pace, store, board) and not skipped


def _state(spec: RunSpec, store: Store, *, fresh: bool, retry: bool) -> Literal["done", "failed", "to do"]:
    """What the command does with a run: it reuses it, leaves it as it failed before, or does it."""
    if fresh:
        return "to do"
    if store.finished(spec):
        return "done"
    return "failed" if not retry and store.failed(spec) else "to do"


def _tell_reused(store: Store, done: Sequence[RunSpec], skipped: Sequence[RunSpec]) -> None:
    from benchmarks.records.provenance import made_by_other_code

    if done:
        print(f"{len(done)} runs have a record and are reused.", file=sys.stderr)
        if other := made_by_other_code({spec.run_id: store.code(spec) for spec in done}, done):
            print(f"{other}; --fresh does them again.", file=sys.stderr)
    if skipped:
        print(f"{len(skipped)} runs failed before: --retry does them again.", file=sys.stderr)


def _report(planned: Grid, store: Store, options: Options, name: str) -> None:
    """Print the table, and put it beside the records under a name, to read (.md) and to compute with (.json).

    So is the page, to open in a browser.
    """
    from benchmarks.commands.shared.page import command_line, write_page
    from benchmarks.commands.shared.reading import records_of
    from benchmarks.report.page.contents import SHOWN
    from benchmarks.report.render import render

    validator = options.how.validator(options.what.suite)
    records = records_of(planned, store, options.table.validators(validator))
    report = options.table.report(planned, records, validator)
    show(report, options.table.format)
    folder = store.root / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_text(folder / f"{name}.md", render(report, "markdown"))
    atomic.write_text(folder / f"{name}.json", render(report, "json"))
    print(f"written to {folder / name}.md and .json; records in {store.root}", file=sys.stderr)
    page = store.root / "reports" / f"{name}.html"
    again = command_line("run", options.what, options.how, data_dir=options.data_dir, store=options.store)
    write_page(page, planned, records, [store], SHOWN, validator, commands=[again])
    print(f"report: {page}", file=sys.stderr)


def _dry_run(planned: Grid, seconds: Mapping[str, float], store: Store, options: Options, until: float) -> None:
    """Print the grid, what would become of each run, and how long that would take.

    Args:
        seconds: that runs will take, by id, where a budget's list tells.
        until: when the estimate should end, by the monotonic clock.

    Raises:
        UserError: data or weights without which no run could begin.
    """
    from benchmarks.engines.work import require_files, require_precision
    from benchmarks.plan.cost import in_words
    from benchmarks.records.clocks import recorded
    from benchmarks.training.estimate import PATIENCE, estimate

    specs, devices = planned.runs, options.devices.workers()
    states = [_state(spec, store, fresh=options.fresh, retry=options.retry) for spec in specs]
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
        require_precision(todo, devices if options.engine.engine == "local" else ())
    except UserError:
        print("none could begin")
        raise
    if seconds:
        print(in_words([seconds[spec.run_id] for spec in todo], workers, devices[0]))
        return
    # Importing PyTorch may have taken most of the time that people wait.
    patience = min(PATIENCE, max(1.0, until - time.monotonic()))
    known = estimate(todo, recorded(todo, store, devices[0]), devices[0], patience)
    if todo and not known.known:
        print("time unknown: no kind of run could be timed in a few seconds")
    else:
        trust = f" ({known})" * bool(str(known))
        print(in_words(list(known.seconds(todo).values()), workers, devices[0]) + trust)
    for (_, method), error in known.failed.items():
        print(f"warning: {method} fails in its first steps: {one_line(error)}", file=sys.stderr)


def _settings(spec: RunSpec) -> dict[str, Any]:
    """Hyper-parameters and, of a searched configuration, what a search changes in the protocol."""
    protocol = spec.protocol.model_dump(include={"lr_backbone", "weight_decay", "backbone"})
    return {**spec.params, **(protocol if spec.configuration else {})}
