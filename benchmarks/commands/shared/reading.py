"""Records of a grid, from a store, a .csv, or both."""

import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from benchmarks.commands import warn
from benchmarks.commands.shared.planning import HowFlags, WhatFlags, planned_grid
from benchmarks.core.settings import UserError
from benchmarks.plan.grid import Grid
from benchmarks.plan.methods import BASELINE
from benchmarks.plan.suite import load_suite
from benchmarks.records.compact import load_failures
from benchmarks.records.frame import PREDICTED, is_compact, load_records
from benchmarks.records.provenance import made_by_other_code
from benchmarks.records.record import Record
from benchmarks.records.rescoring import rescore
from benchmarks.records.store import Store
from benchmarks.records.validation import kept_scores, make_scores

Records = tuple[pd.DataFrame, dict[str, str]]
"""A row a run, and the errors of failed runs by id."""


def records_of(planned: Grid, store: Store, validators: Collection[str]) -> Records:
    """What a store has of a grid. A record that is broken is told of, and counts as missing.

    Args:
        validators: whose scores its checkpoints shall have, as for :func:`load_records`.
    """
    for problem in store.misplaced():
        warn(problem)
    specs = planned.runs
    rescore(store, [spec for spec in planned.specs if store.finished(spec)], tell=warn)
    done = {spec.run_id: store.folder(spec) for spec in specs if store.finished(spec)}
    errors = {spec.run_id: store.failed(spec) for spec in specs if spec.run_id not in done}
    make_scores(done.values(), [name for name in validators if name != PREDICTED], _tell_of_scores)
    records = load_records(done.values(), broken=warn, validators=validators)
    return records, {run: text for run, text in errors.items() if text}


def with_kept_scores(
    planned: Grid, records: pd.DataFrame, stores: Sequence[Store], validators: Collection[str]
) -> tuple[pd.DataFrame, int]:
    """Records with those scores of validators that are beside them, and how many lack some. None is made."""
    known = {row["run_id"]: row["checkpoints"] for row in records.to_dict("records")}
    lacking = 0
    for spec in planned.runs:
        store = next((store for store in stores if spec.run_id in known and store.finished(spec)), None)
        if store is None or known[spec.run_id][-1].keys() >= {*validators}:
            continue
        kept = {scores["step"]: scores for scores in kept_scores(Record(store.folder(spec)), validators)}
        known[spec.run_id] = [kept.get(own["step"], {}) | own for own in known[spec.run_id]]
        lacking += any(name not in own for own in known[spec.run_id] for name in validators)
    return records.assign(checkpoints=[known[run] for run in records["run_id"]]), lacking


def _tell_of_scores(done: int, total: int) -> None:
    print(f"[{done}/{total}] records have their validators' scores", file=sys.stderr)


def grid_and_records(
    paths: Sequence[Path],
    plan: Callable[[Sequence[int] | None], Grid],
    seeds: int | None,
    validators: Collection[str],
) -> tuple[Grid, Records]:
    """A grid, and its records from several places; the first place that has a run's record counts.

    What is broken, a record or a line of a .csv, is told of, and counts as missing.

    Args:
        paths: stores, and .csv files of records.
        plan: the grid with some seeds, or with the suite's number of them.
        seeds: how many; None: those of which the grid has a record.
        validators: whose scores the checkpoints of a store's records shall have.

    Raises:
        UserError: a store or a file of records that does not exist.
    """
    files = {path: load_records(path, broken=warn) for path in paths if is_compact(path)}
    stores = {path: Store(path).require() for path in paths if path not in files}
    known = {
        int(seed) for path in paths for seed in (files[path]["seed"] if path in files else stores[path].seeds())
    }
    planned = plan(range(seeds) if seeds else sorted(known) or None)
    sources = [
        (files[path], load_failures(path)) if path in files else records_of(planned, stores[path], validators)
        for path in paths
    ]
    for path, (records, _) in zip(paths, sources, strict=True):
        if path in stores and len(records):  # a .csv is kept while code goes on
            codes = dict(zip(records["run_id"], records["code"], strict=True))
            if other := made_by_other_code(codes, planned.runs):
                warn(f"{other}; `run --fresh` does them again")
    records, failures = _in_order(planned, sources)
    if not seeds:
        shown = {*(records["run_id"] if len(records) else ()), *failures}
        planned = _with_seeds(planned, {spec.seed for spec in planned.runs if spec.run_id in shown})
    return planned, (records, failures)


def _with_seeds(planned: Grid, seeds: Collection[int]) -> Grid:
    """The grid with some of its seeds; if none of its runs has one of them, the grid as it is."""
    specs = [spec for spec in planned.specs if spec.seed in seeds]
    reverse = [spec for spec in planned.reverse if spec.seed in seeds]
    return replace(planned, specs=specs, reverse=reverse) if specs else planned


def found_grid(
    sources: Sequence[Path],
    what: WhatFlags,
    how: HowFlags,
    tasks: Sequence[str],
    validators: Collection[str],
) -> tuple[Grid, Records]:
    """The grid of the flags; without ``--methods``, of those that have a record. And its records.

    Raises:
        UserError: no record fits.
    """
    default = f"{load_suite(what.suite).default_methods},core,shallow,all,references"  # also their order

    def planned_with(seeds: Sequence[int] | None) -> Grid:
        return planned_grid(what.suite, what.methods or default, tasks, seeds, how)

    planned, (records, failures) = grid_and_records(sources, planned_with, how.seeds, validators)
    if not len(records) and not failures:
        raise UserError(
            "no record fits; `run` the grid first, or name the --store, --suite and --set it was run with"
        )
    known = {*(records["run_id"] if len(records) else ()), *failures}
    return planned if what.methods else _only(planned, known), (records, failures)


def _only(planned: Grid, known: set[str]) -> Grid:
    """The grid without methods of which there is nothing to show."""
    methods = {spec.method for spec in planned.specs if spec.run_id in known} | {BASELINE}
    specs = [spec for spec in planned.specs if spec.method in methods]
    rest = [cell for cell in planned.not_applicable if cell.variant.partition("?")[0] in methods]
    reverse = [spec for spec in planned.reverse if spec.run_id in known]
    return replace(planned, specs=specs, not_applicable=rest, reverse=reverse)


def _in_order(planned: Grid, sources: Sequence[Records]) -> Records:
    """A grid's records and errors, each run's from the first source that has it."""
    order = [spec.run_id for spec in planned.runs]
    frames = [records.set_index("run_id", drop=False) for records, _ in sources if len(records)]
    records = pd.concat(frames) if frames else pd.DataFrame()
    records = records[~records.index.duplicated()]
    records = records.loc[[run for run in order if run in records.index]]
    errors = {run: text for _, failures in reversed(sources) for run, text in failures.items()}
    failures = {run: errors[run] for run in order if run in errors and run not in records.index}
    return records.reset_index(drop=True), failures
