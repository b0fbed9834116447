"""The command line. Nothing heavy is imported until the arguments are known to make sense."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import grid
from benchmarks.settings import UserError, nearest

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.grid import Grid
    from benchmarks.store import Store

FORMATS = ("text", "markdown", "latex", "csv", "json")
STORE_VARIABLE = "BENCHMARKS_STORE"


class _Parser(argparse.ArgumentParser):
    """One clear line for a wrong flag, as for every other error."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise UserError(f"{message}; see `{self.prog} --help`")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0 fine, 1 runs or checks failed, 2 wrong use, 130 interrupted."""
    try:
        options = parser().parse_args(arguments)
        return options.command(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: everything finished is kept; the same command goes on from there", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has gone, as in `... | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def parser() -> argparse.ArgumentParser:
    root = _Parser(prog="benchmarks", description="Compare domain adaptation methods, repeatably.")
    commands = root.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    run = commands.add_parser("run", help="run a seeded grid and print its table")
    _grid_flags(run, methods="core")
    _run_flags(run)
    run.add_argument("--dry-run", action="store_true", help="print the grid and an estimate of its time")
    run.add_argument("--fresh", action="store_true", help="do runs again that have a record")
    run.add_argument("--retry", action="store_true", help="do failed runs again")
    _table_flags(run)
    run.set_defaults(command=_run)

    table = commands.add_parser("table", help="print the table of stored records; never trains")
    _grid_flags(table, methods=None)
    table.add_argument("--records", type=Path, metavar="PATH", help="a store or a .csv of records, not --store")
    table.add_argument("--save-records", type=Path, metavar="CSV", help="also write the records, a line a run")
    table.add_argument("--figure", type=Path, metavar="PATH", help="also draw it (.png, .svg or .pdf)")
    _store_flag(table)
    _table_flags(table)
    table.set_defaults(command=_table)

    check = commands.add_parser("check", help="compare accuracy with a baseline; exit code 1 if it is worse")
    check.add_argument("--baseline", required=True, help="name of a baseline, or a path to its .csv")
    check.add_argument("--methods", help="only these of the baseline's methods")
    check.add_argument("--tasks", help="only these of the baseline's tasks")
    check.add_argument("--suite", help="the suite it belongs to; default: the baseline's name")
    check.add_argument(
        "--from", dest="source", type=Path, metavar="STORE", help="read these records, do not train"
    )
    check.add_argument("--update", action="store_true", help="write the baseline instead")
    check.add_argument("--seeds", type=_count, help="seeds of an updated baseline")
    _run_flags(check)
    check.set_defaults(command=_check)

    listing = commands.add_parser("list", help="what there is to choose from")
    listing.add_argument("what", choices=("methods", "datasets", "tasks", "backbones", "suites"))
    listing.set_defaults(command=_list)
    return root


def _grid_flags(command: argparse.ArgumentParser, methods: str | None) -> None:
    groups = ", ".join(grid.GROUPS)
    command.add_argument(
        "--methods",
        default=methods,
        help=f"names and groups ({groups}, all), by commas; default {methods or 'all found'}",
    )
    command.add_argument("--suite", default="quick", help="a suite's name or .toml file; default quick")
    command.add_argument("--tasks", help="these instead of the suite's, by commas: toys/moons?rotation=50")
    command.add_argument("--seeds", type=_count, help="how many; default: the suite's")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="OWNER.NAME=VALUE",
        help="dann.gamma=5 or protocol.steps=100",
    )


def _run_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument("--jobs", type=_count, help="runs at a time; default: one a core, or one a GPU")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda, or cuda:0,1; default auto")
    _store_flag(command)


def _store_flag(command: argparse.ArgumentParser) -> None:
    command.add_argument("--store", type=Path, help=f"folder of records; default ${STORE_VARIABLE} or ./runs")


def _table_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument("--format", choices=FORMATS, default="text")
    command.add_argument(
        "--show",
        default="",
        metavar="METRIC",
        help="more blocks: source_test_accuracy, training_seconds, ...",
    )


def _count(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _run(options: argparse.Namespace) -> int:
    _check_early(options)
    planned = _plan(options, grid.method_names(options.methods))
    devices = _devices(options.device, options.jobs)
    from benchmarks.store import Store

    if options.dry_run:
        return _dry_run(planned, Store(_store_path(options)), devices)
    store = Store(_store_path(options))
    ok = _execute(planned, store, devices, fresh=options.fresh, retry=options.retry)
    _print_table(planned, _stored(planned, store), _failures(planned, store), options)
    _write_tables(planned, store)
    return 0 if ok else 1


def _table(options: argparse.Namespace) -> int:
    _check_early(options)
    from benchmarks.store import Store, load_records, save_records

    store = None if options.records else Store(_store_path(options))
    everything = load_records(options.records) if options.records else None
    if options.seeds is None:
        found = store.seeds() if store else sorted(everything["seed"].unique())  # type: ignore[index]
        options.seeds = [int(seed) for seed in found] or None
    named = options.methods is not None
    planned = _plan(options, grid.method_names(options.methods if named else "all,references"))
    records = _stored(planned, store) if store else everything
    assert records is not None
    planned_ids = {spec.run_id for spec in planned.specs}
    records = records[records["run_id"].isin(planned_ids)] if len(records) else records
    failures = _failures(planned, store) if store else {}
    if not len(records) and not failures:
        raise UserError(
            "no record fits; `run` the grid first, or name the --store, --suite and --set it was run with"
        )
    if not named:
        planned = _only_found(planned, records, failures)
    if options.save_records:
        save_records(records, options.save_records)
    if options.figure:
        _draw(planned, records, failures, options.figure)
    _print_table(planned, records, failures, options)
    return 0


def _check(options: argparse.Namespace) -> int:
    from benchmarks.check import check, update

    methods = options.methods and grid.method_names(options.methods)
    suite = options.suite or Path(options.baseline).stem
    grid.load_suite(suite)
    devices = _devices(options.device, options.jobs)
    if options.update:
        return update(options.baseline, suite, methods, options.seeds, _store_path(options), devices)
    return check(options.baseline, suite, methods, _split(options.tasks), options.source, devices)


def _list(options: argparse.Namespace) -> int:
    from benchmarks.listing import rows

    for row in rows(options.what):
        print(row)
    return 0


def _check_early(options: argparse.Namespace) -> None:
    """Everything that can be checked before torch is imported."""
    grid.load_suite(options.suite)
    grid.method_names(options.methods or "")
    grid.parse_overrides(options.set)
    from datasets.base import resolve

    for task in _split(options.tasks):
        resolve(task)


def _plan(options: argparse.Namespace, methods: list[str]) -> "Grid":
    seeds = range(options.seeds) if isinstance(options.seeds, int) else options.seeds
    return grid.plan(options.suite, methods, _split(options.tasks), seeds, grid.parse_overrides(options.set))


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _store_path(options: argparse.Namespace) -> Path:
    return options.store or Path(os.environ.get(STORE_VARIABLE) or "runs")


def _devices(text: str, jobs: int | None) -> list[str]:
    """A device for each worker."""
    import torch

    if text == "auto":
        text = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, numbers = text.partition(":")
    if kind == "cpu" and not numbers:
        return ["cpu"] * (jobs or _cores())
    if kind != "cuda" or not all(number.isdigit() for number in numbers.split(",") if numbers):
        raise UserError(f"unknown device {nearest(text, ['auto', 'cpu', 'cuda', 'cuda:0,1'])}")
    count = torch.cuda.device_count()
    chosen = [int(number) for number in numbers.split(",")] if numbers else list(range(count))
    if not chosen or max(chosen) >= count:
        raise UserError(f"device {text!r}: this machine has {count} CUDA devices; use --device cpu or auto")
    return [f"cuda:{chosen[i % len(chosen)]}" for i in range(jobs or len(chosen))]


def _cores() -> int:
    """Cores that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _execute(planned: "Grid", store: "Store", devices: list[str], *, fresh: bool, retry: bool) -> bool:
    """Do what is not done; True if no run of the grid has failed."""
    from benchmarks.engines.local import LocalEngine
    from benchmarks.progress import follow

    done = [] if fresh else [spec for spec in planned.specs if store.finished(spec)]
    skipped = [] if fresh or retry else [spec for spec in planned.specs if store.failed(spec)]
    handled = {spec.run_id for spec in [*done, *skipped]}
    todo = [spec for spec in planned.specs if spec.run_id not in handled]
    _tell_reused(store, done, skipped)
    failures = follow(LocalEngine(store, devices, fresh=fresh).run(todo), len(todo)) if todo else []
    return not failures and not skipped


def _tell_reused(store: "Store", done: list[grid.RunSpec], skipped: list[grid.RunSpec]) -> None:
    from benchmarks.provenance import code_digest
    from benchmarks.store import load_records

    if done:
        records = load_records([store.folder(spec) for spec in done])
        now = [code_digest(spec.method, spec.task.partition("/")[0]) for spec in done]
        changed = sum(code != current for code, current in zip(records["code"], now, strict=True))
        print(f"{len(done)} runs have a record and are reused" + ("." if not changed else ";"), file=sys.stderr)
        if changed:
            print(f"{changed} of them were made by different code: --fresh does them again.", file=sys.stderr)
    if skipped:
        print(f"{len(skipped)} runs failed before: --retry does them again.", file=sys.stderr)


def _stored(planned: "Grid", store: "Store") -> "pd.DataFrame":
    from benchmarks.store import load_records

    return load_records([store.folder(spec) for spec in planned.specs if store.finished(spec)])


def _failures(planned: "Grid", store: "Store") -> dict[str, str]:
    found = {spec.run_id: store.failed(spec) for spec in planned.specs if not store.finished(spec)}
    return {run_id: error for run_id, error in found.items() if error}


def _only_found(planned: "Grid", records: "pd.DataFrame", failures: dict[str, str]) -> "Grid":
    """The grid without methods of which there is nothing to show."""
    known = set(records["run_id"]) | failures.keys() if len(records) else failures.keys()
    methods = {spec.method for spec in planned.specs if spec.run_id in known} | {grid.BASELINE}
    specs = [spec for spec in planned.specs if spec.method in methods]
    rest = [cell for cell in planned.not_applicable if cell.variant.partition("?")[0] in methods]
    return grid.Grid(planned.suite, specs, rest)


def _print_table(
    planned: "Grid", records: "pd.DataFrame", failures: dict[str, str], options: argparse.Namespace
) -> None:
    from benchmarks.report.render import render
    from benchmarks.report.table import build_report

    extra = tuple(_split(options.show))
    for metric in extra:
        if len(records) and metric not in records.select_dtypes("number"):
            raise UserError(f"--show: no metric {nearest(metric, records.select_dtypes('number').columns)}")
    print(render(build_report(planned, records, failures, extra), options.format), end="")


def _draw(planned: "Grid", records: "pd.DataFrame", failures: dict[str, str], path: Path) -> None:
    from benchmarks.report.figure import save_figure
    from benchmarks.report.table import build_report

    if path.suffix not in (".png", ".svg", ".pdf"):
        raise UserError(f"--figure {str(path)!r}: the name must end in .png, .svg or .pdf")
    save_figure(build_report(planned, records, failures), path)


def _write_tables(planned: "Grid", store: "Store") -> None:
    """The table of this command beside the records, to read (.md) and to compute with (.json)."""
    from benchmarks.report.render import render
    from benchmarks.report.table import build_report

    folder = store.root / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    report = build_report(planned, _stored(planned, store), _failures(planned, store))
    name = Path(planned.suite).stem
    for suffix, form in (("md", "markdown"), ("json", "json")):
        (folder / f"{name}.{suffix}").write_text(render(report, form))
    print(f"written to {folder / name}.md and .json; records in {store.root}", file=sys.stderr)


def _dry_run(planned: "Grid", store: "Store", devices: list[str]) -> int:
    from benchmarks.estimate import estimate_seconds

    todo = [spec for spec in planned.specs if not store.finished(spec)]
    for spec in planned.specs:
        params = ", ".join(f"{key}={value}" for key, value in spec.params.items())
        state = "done " if store.finished(spec) else "to do"
        print(f"{spec.run_id}  {state}  {spec}" + f"  ({params})" * bool(params))
    for cell in planned.not_applicable:
        print(f"n/a           {cell.task} {cell.variant}: {cell.reason}")
    seconds = estimate_seconds(todo, devices)
    print(
        f"{len(todo)} of {len(planned.specs)} runs to do, about {seconds / 60:.1f} min, {len(devices)} at a time"
    )
    return 0
