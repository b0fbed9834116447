"""Baselines: what `check` compares with, the runs that it asks for, and their records now."""

import math
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

import pandas as pd

from benchmarks.core.settings import UserError, nearest
from benchmarks.plan.grid import plan
from benchmarks.plan.spec import RunSpec
from benchmarks.records.frame import load_records
from benchmarks.records.provenance import code_digest, spec_digest
from benchmarks.records.record import Record
from benchmarks.records.store import Store
from benchmarks.report.check import RATIO

Warn = Callable[[UserError], object]


def baseline_path(name: str) -> Path:
    """Of a baseline that ships here, or of any .csv file."""
    return Path(name) if name.endswith(".csv") else _folder() / f"{name}.csv"


def load_baseline(name: str, methods: Sequence[str], tasks: Sequence[str]) -> pd.DataFrame:
    """The records of a baseline.

    Args:
        methods, tasks: only these; none: all.

    Raises:
        UserError: no such baseline, or none of its records is of such a method or task.
    """
    path = baseline_path(name)
    if not path.exists():
        known = [p.name.removesuffix(".csv") for p in _folder().glob("*.csv")]
        raise UserError(f"unknown baseline {nearest(name, known)} (or give the path of a .csv file)")
    baseline = load_records(path)
    for column, wanted in (("method", methods), ("task", tasks)):
        for value in wanted:
            if value not in set(baseline[column]):
                raise UserError(f"the baseline has no {column} {nearest(value, set(baseline[column]))}")
        baseline = baseline[baseline[column].isin(wanted or baseline[column])]
    return baseline


def specs_of(baseline: pd.DataFrame, suite: str) -> list[RunSpec]:
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


def records_with_gradients(store: Store, specs: Sequence[RunSpec], warn: Warn) -> pd.DataFrame:
    """A row a run, with the largest ratio of the alignment's to the task's gradient over its checkpoints.

    A record that is broken is told of, and counts as missing.
    """
    folders = {spec.run_id: store.folder(spec) for spec in specs if store.finished(spec)}
    records = load_records(folders.values(), broken=warn)
    if not len(records):
        return pd.DataFrame(columns=["method", "task", "seed", RATIO])
    return records.assign(**{RATIO: [_largest_ratio(folders[run], warn) for run in records["run_id"]]})


def _largest_ratio(record: Path, warn: Warn) -> float:
    """NaN where the method has no alignment terms beside a task term, or the record's curves are broken."""
    try:
        ratios = [point.get("gradient_ratio") for point in Record(record).curves()]
    except UserError as error:
        warn(error)
        return math.nan
    return max((ratio for ratio in ratios if isinstance(ratio, int | float)), default=math.nan)


def is_current(store: Store, spec: RunSpec) -> bool:
    """Whether a store has a run, done by the code as it is."""
    return store.finished(spec) and store.code(spec) == spec_digest(spec)


def refuse_other_code(records: pd.DataFrame) -> None:
    """Raise a UserError for records that other code made."""
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
