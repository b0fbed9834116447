"""The `check` command: train what a baseline holds, or read it, and compare."""

import argparse
import math
import sys
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import pandas as pd

from benchmarks.commands import warn
from benchmarks.commands.common import engine_of, store_of
from benchmarks.core.outfiles import prepare_output, writing
from benchmarks.core.settings import UserError, nearest, split
from benchmarks.engines.progress import follow
from benchmarks.plan.grid import plan
from benchmarks.plan.methods import method_names
from benchmarks.plan.spec import RunSpec
from benchmarks.plan.suite import load_suite
from benchmarks.records.compact import save_records
from benchmarks.records.frame import load_records
from benchmarks.records.provenance import code_digest, spec_digest
from benchmarks.records.record import Record
from benchmarks.records.store import Store
from benchmarks.report.check import RATIO, as_json, as_junit, compare


def main(options: argparse.Namespace) -> int:
    methods = options.methods and method_names(options.methods)
    suite = options.suite or Path(options.baseline).stem
    if options.update:
        return _update(options, suite, methods)
    return _check(options, suite, methods)


def _check(options: argparse.Namespace, suite: str, methods: Sequence[str] | None) -> int:
    """Compare with a baseline; prints a line a cell. Returns 1 if any cell is worse, missing or dead."""
    if options.junit:
        inputs = (_path(options.baseline), Path(suite), options.source)
        prepare_output(options.junit, filter(None, inputs), force=options.force)
    baseline = _select(_load_baseline(options.baseline), methods, split(options.tasks))
    specs = _specs(baseline, suite)
    if options.source is None:
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder))
            follow(engine_of(options, store).run(specs), len(specs))
            now = _with_gradients(_records(store, specs), store, specs)
    else:
        store = Store(options.source).require()
        now = _with_gradients(_records(store, specs), store, specs)
        _refuse_other_code(now)
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


def _update(options: argparse.Namespace, suite: str, methods: Sequence[str] | None) -> int:
    """Write a baseline from a suite's runs: those in the store that this code made, the others done now."""
    path = _path(options.baseline)
    count = options.seeds or load_suite(suite).seeds
    before = load_records(path)["seed"].nunique() if path.exists() else 0
    if count < before:
        raise UserError(
            f"baseline {options.baseline!r} has {before} seeds; an update may not have fewer ({count})"
        )
    planned = plan(suite, methods or method_names("core"), seeds=range(count))
    store = store_of(options)
    todo = [spec for spec in planned.specs if not _is_current(store, spec)]
    if todo and follow(engine_of(options, store, fresh=True).run(todo), len(todo)):
        raise UserError("some runs failed, so the baseline is not written")
    save_records(load_records(map(store.folder, planned.specs)), path)
    print(f"written to {path}: {len(planned.specs)} runs", file=sys.stderr)
    return 0


def _load_baseline(name: str) -> pd.DataFrame:
    path = _path(name)
    if not path.exists():
        known = [p.name.removesuffix(".csv") for p in _folder().glob("*.csv")]
        raise UserError(f"unknown baseline {nearest(name, known)} (or give the path of a .csv file)")
    return load_records(path)


def _select(baseline: pd.DataFrame, methods: Sequence[str] | None, tasks: Sequence[str]) -> pd.DataFrame:
    for column, wanted in (("method", methods), ("task", tasks)):
        if wanted:
            for value in wanted:
                if value not in set(baseline[column]):
                    raise UserError(f"the baseline has no {column} {nearest(value, set(baseline[column]))}")
            baseline = baseline[baseline[column].isin(list(wanted))]
    return baseline


def _specs(baseline: pd.DataFrame, suite: str) -> list[RunSpec]:
    """The runs of the baseline, as the suite asks for them today."""
    planned = plan(
        suite,
        list(baseline["method"].unique()),
        list(baseline["task"].unique()),
        sorted(int(seed) for seed in baseline["seed"].unique()),
    )
    if {spec.run_id for spec in planned.specs} != set(baseline["run_id"]):
        raise UserError(
            f"the suite {suite!r}, a method's defaults or a data set has changed since the baseline was made: "
            "its runs cannot be compared. `check --update` makes a new one"
        )
    return planned.specs


def _records(store: Store, specs: Sequence[RunSpec]) -> pd.DataFrame:
    """What there is of some runs: a record that is broken is told of, and counts as missing."""
    folders = [store.folder(spec) for spec in specs if store.finished(spec)]
    records = load_records(folders, broken=warn)
    return records if len(records) else pd.DataFrame(columns=["method", "task", "seed"])


def _with_gradients(records: pd.DataFrame, store: Store, specs: Sequence[RunSpec]) -> pd.DataFrame:
    """With the largest ratio of the alignment's to the task's gradient over each run's checkpoints."""
    folders = {spec.run_id: store.folder(spec) for spec in specs}
    ratios = [_largest_ratio(folders[run]) for run in records.get("run_id", ())]
    return records.assign(**{RATIO: ratios})


def _largest_ratio(record: Path) -> float:
    """NaN where the method has no alignment terms beside a task term, or the record's curves are broken."""
    try:
        found = [point.get("gradient_ratio") for point in Record(record).curves()]
    except UserError as error:
        warn(error)
        return math.nan
    return max((ratio for ratio in found if isinstance(ratio, int | float)), default=math.nan)


def _is_current(store: Store, spec: RunSpec) -> bool:
    return store.finished(spec) and store.code(spec) == spec_digest(spec)


def _refuse_other_code(records: pd.DataFrame) -> None:
    other = [
        row.run_id
        for row in records.itertuples()
        if row.code != code_digest(row.method, row.task.partition("/")[0], row.spec["protocol"]["backbone"])
    ]
    if other:
        raise UserError(
            f"{len(other)} of {len(records)} records were made by different code and prove nothing about this; "
            "`run --fresh` them, or check without --from"
        )


def _folder() -> Path:
    return Path(str(files("results"))) / "baselines"


def _path(name: str) -> Path:
    return Path(name) if name.endswith(".csv") else _folder() / f"{name}.csv"
