"""The `table` command: from records that there are; never trains."""

import argparse
import os
from dataclasses import replace
from pathlib import Path

import pandas as pd

from benchmarks.commands.common import found, print_report, report_of, selected_by, sources_of
from benchmarks.core.outfiles import prepare_output
from benchmarks.core.settings import UserError
from benchmarks.plan.grid import Grid
from benchmarks.plan.methods import BASELINE
from benchmarks.plan.suite import load_suite
from benchmarks.records.compact import save_records
from benchmarks.report.selection import candidates, chosen_steps
from benchmarks.report.table import Report


def main(options: argparse.Namespace) -> int:
    for path in (options.figure, options.diagram):
        if path and path.suffix.lower() not in (".png", ".svg", ".pdf"):
            raise UserError(f"{str(path)!r}: a picture's name must end in .png, .svg or .pdf")
    outputs = list(filter(None, (options.figure, options.diagram, options.save_records)))
    if len(set(map(os.path.realpath, outputs))) < len(outputs):
        raise UserError("two outputs have one path; give each its own")
    for path in outputs:
        prepare_output(path, [*sources_of(options), Path(options.suite)], force=options.force)
    planned, records, failures = _found(options)
    if options.save_records:
        if not len(records):
            raise UserError("--save-records: all runs failed, and there is no record to save")
        validator = selected_by(options)
        chosen = chosen_steps(candidates(planned, records), validator) if validator else {}
        save_records(records, options.save_records, failures, chosen)
    report = report_of(planned, records, failures, options)
    if options.figure:
        from benchmarks.report.figure import save_figure

        save_figure(report, options.figure)
    if options.diagram:
        _draw_diagram(report, options.diagram, ranked=planned.ranked)
    print_report(report, options.format)
    return 0


def _draw_diagram(report: Report, path: Path, *, ranked: bool) -> None:
    from benchmarks.report.comparison import ENOUGH_METHODS, ENOUGH_TASKS, mean_ranks
    from benchmarks.report.diagram import save_diagram

    if not ranked:
        raise UserError("--diagram: a paper's own settings are compared with that paper, and never ranked")
    complete = report.complete
    if complete is None or complete.friedman is None:
        raise UserError(
            f"--diagram: critical differences need {ENOUGH_TASKS} tasks and {ENOUGH_METHODS} methods, "
            "with all their runs"
        )
    save_diagram(complete.names, mean_ranks(complete.accuracy), complete.friedman, path)


def _found(options: argparse.Namespace) -> tuple[Grid, pd.DataFrame, dict[str, str]]:
    """The grid of the flags, where they are silent of what there are records of; and those records."""
    default = f"{load_suite(options.suite).default_methods},core,shallow,all,references"  # also their order
    planned, records, failures = found(options, options.methods or default)
    if not len(records) and not failures:
        raise UserError(
            "no record fits; `run` the grid first, or name the --store, --suite and --set it was run with"
        )
    known = {*(records["run_id"] if len(records) else ()), *failures}
    return planned if options.methods else _only(planned, known), records, failures


def _only(planned: Grid, known: set[str]) -> Grid:
    """The grid without methods of which there is nothing to show."""
    methods = {spec.method for spec in planned.specs if spec.run_id in known} | {BASELINE}
    specs = [spec for spec in planned.specs if spec.method in methods]
    rest = [cell for cell in planned.not_applicable if cell.variant.partition("?")[0] in methods]
    reverse = [spec for spec in planned.reverse if spec.run_id in known]
    return replace(planned, specs=specs, not_applicable=rest, reverse=reverse)
