"""The `check` command: train what a baseline holds, or read it, and compare."""

import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmarks.commands import warn
from benchmarks.commands.shared import values
from benchmarks.commands.shared.execution import DeviceFlags, EngineFlags, add_data_flag, use_data_folder
from benchmarks.commands.shared.options import refuse
from benchmarks.commands.shared.output import add_force_flag
from benchmarks.commands.shared.planning import check_tasks
from benchmarks.commands.shared.records import add_store_flag
from benchmarks.core.outfiles import prepare_output, writing
from benchmarks.core.settings import UserError, split
from benchmarks.plan.grid import plan
from benchmarks.plan.methods import method_names
from benchmarks.plan.spec import RunSpec
from benchmarks.plan.suite import load_suite
from benchmarks.records.store import Store

if TYPE_CHECKING:
    import pandas as pd

HELP = "compare headlines with a baseline; exit code 1 if it is worse"
EXAMPLES = (
    "check --baseline quick",
    "check --baseline quick --methods dann --junit report.xml",
    "check --baseline mine.csv --suite toys --update --seeds 5",
)


@dataclass(frozen=True)
class Options:
    baseline: str
    methods: str | None
    tasks: str | None
    suite: str | None
    update: bool
    seeds: int | None
    source: Path | None
    store: Path | None
    data_dir: Path | None
    devices: DeviceFlags
    engine: EngineFlags
    format: Literal["text", "json"]
    junit: Path | None
    force: bool

    def __post_init__(self) -> None:
        if self.suite:
            load_suite(self.suite)
        method_names(self.methods or "")
        check_tasks(self.tasks)
        self.engine.require_local(self.devices.given)
        if self.update:
            ignored = {"from": self.source, "tasks": self.tasks, "junit": self.junit}
            refuse(ignored, "--update trains and writes a whole baseline")
        elif self.source:
            where = {"store": self.store, "data_dir": self.data_dir, "engine": self.engine.engine != "local"}
            refuse({**where, **self.devices.given}, "--from reads records and trains nothing")
        else:
            refuse({"store": self.store}, "without --update or --from, runs are done anew and not kept")
        if self.seeds and not self.update:
            raise UserError("--seeds is of an updated baseline; add --update, or leave it out")

    @property
    def suite_of_baseline(self) -> str:
        return self.suite or Path(self.baseline).stem


def add_flags(command: ArgumentParser) -> None:
    what = command.add_argument_group("what to check")
    what.add_argument(
        "--baseline",
        type=values.file_name,
        required=True,
        help="name of a baseline, or a path to its .csv",
    )
    what.add_argument("--methods", help="only these of the baseline's methods")
    what.add_argument("--tasks", help="only these of the baseline's tasks")
    what.add_argument(
        "--suite", type=values.file_name, help="the suite it belongs to; default: the baseline's name"
    )
    what.add_argument("--update", action="store_true", help="write the baseline instead")
    what.add_argument("--seeds", type=values.count, help="seeds of an updated baseline")
    where = command.add_argument_group("where")
    where.add_argument(
        "--from", dest="source", type=values.path, metavar="STORE", help="read these records, do not train"
    )
    DeviceFlags.add_to(where)
    EngineFlags.add_to(where)
    add_data_flag(where)
    add_store_flag(where)
    shown = command.add_argument_group("how it is shown")
    shown.add_argument("--format", choices=("text", "json"), default="text")
    shown.add_argument(
        "--junit", type=values.path, metavar="XML", help="also write a JUnit file, a test case a cell"
    )
    add_force_flag(shown)


def main(options: Options) -> int:
    """Returns 1 if any cell is worse, missing or dead."""
    use_data_folder(options.data_dir)
    methods = method_names(options.methods) if options.methods else []
    return _update(options, methods) if options.update else _check(options, methods)


def _check(options: Options, methods: Sequence[str]) -> int:
    """Compare with a baseline; prints a line a cell."""
    from benchmarks.report.baseline import baseline_path, load_baseline, specs_of
    from benchmarks.report.cells import require_labels
    from benchmarks.report.check import as_json, as_junit, compare

    suite = options.suite_of_baseline
    if options.junit:
        inputs = (baseline_path(options.baseline), Path(suite), options.source)
        prepare_output(options.junit, filter(None, inputs), force=options.force)
    baseline = load_baseline(options.baseline, methods, split(options.tasks))
    require_labels("check", baseline)
    now = _records_now(options, specs_of(baseline, suite))
    require_labels("check", now)
    findings = compare(baseline, now)
    failed = sum(finding.failed for finding in findings)
    if options.format == "json":
        print(as_json(findings))
    else:
        print(*findings, sep="\n")
        print(f"{failed} of {len(findings)} cells failed" if failed else f"all {len(findings)} cells pass")
    if options.junit:  # after the findings: they are not lost to a full disk
        with writing(options.junit) as file:
            file.write(as_junit(findings))
    return 1 if failed else 0


def _records_now(options: Options, specs: Sequence[RunSpec]) -> "pd.DataFrame":
    """Of runs done now, or of those in a store that this code made."""
    from benchmarks.engines.pace import Pace
    from benchmarks.engines.progress import follow
    from benchmarks.report.baseline import records_with_gradients, refuse_other_code

    if options.source:
        records = records_with_gradients(Store(options.source).require(), specs, warn)
        refuse_other_code(records)
        return records
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        follow(options.engine.make(store, options.devices).run(specs), Pace(specs), store)
        return records_with_gradients(store, specs, warn)


def _update(options: Options, methods: Sequence[str]) -> int:
    """Write a baseline from a suite's runs: those in the store that this code made, the others done now."""
    from benchmarks.engines.pace import Pace
    from benchmarks.engines.progress import follow
    from benchmarks.records.compact import save_records
    from benchmarks.records.frame import load_records
    from benchmarks.report.baseline import baseline_path, is_current
    from benchmarks.report.cells import require_labels

    path, suite = baseline_path(options.baseline), options.suite_of_baseline
    count = options.seeds or load_suite(suite).seeds
    before = load_records(path)["seed"].nunique() if path.exists() else 0
    if count < before:
        raise UserError(
            f"baseline {options.baseline!r} has {before} seeds; an update may not have fewer ({count})"
        )
    planned = plan(suite, methods or method_names("core"), seeds=range(count))
    prepare_output(path, [Path(suite)], force=options.force)
    store = Store(options.store)
    todo = [spec for spec in planned.specs if not is_current(store, spec)]
    engine = options.engine.make(store, options.devices, fresh=True)
    if todo and follow(engine.run(todo), Pace(todo), store):
        raise UserError("some runs failed, so the baseline is not written")
    records = load_records(map(store.folder, planned.specs))
    require_labels("check", records)
    save_records(records, path)
    print(f"written to {path}: {len(planned.specs)} runs", file=sys.stderr)
    return 0
