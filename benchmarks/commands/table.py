"""The `table` command: from records that exist; never trains."""

import os
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.commands.shared import values
from benchmarks.commands.shared.output import TableFlags, add_force_flag, show
from benchmarks.commands.shared.planning import HowFlags, WhatFlags
from benchmarks.commands.shared.records import add_records_flags, record_sources
from benchmarks.core.label_shift import ESTIMATES, Estimate
from benchmarks.core.outfiles import prepare_output
from benchmarks.core.settings import UserError, split
from benchmarks.evaluation.validators import VALIDATORS
from benchmarks.plan.grid import Grid
from benchmarks.records.store import Store
from benchmarks.report.options import WIDTHS, Width

if TYPE_CHECKING:
    from benchmarks.commands.shared.reading import Records
    from benchmarks.report.table import Report

HELP = "print the table of stored records; never trains"
EXAMPLES = (
    "table --show statistics,bound,cost --figure quick.pdf --width column",
    "table --suite label-shift --correct em --format latex --only accuracy",
    "table --records committed.csv --store runs --save-records both.csv",
)
PICTURES = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class Options:
    what: WhatFlags
    how: HowFlags
    records: Path | None
    store: Path | None
    table: TableFlags
    correct: Estimate | None
    only: str | None
    width: Width
    save_records: Path | None
    save_outputs: Path | None
    figure: Path | None
    diagram: Path | None
    sweep_figure: Path | None
    force: bool

    def __post_init__(self) -> None:
        for path in (self.figure, self.diagram, self.sweep_figure):
            if path and path.suffix.lower() not in PICTURES:
                raise UserError(f"{str(path)!r}: a picture's name must end in .png, .svg or .pdf")
        for path, ending in ((self.save_records, ".csv"), (self.save_outputs, ".npz")):
            if path and path.suffix.lower() != ending:
                raise UserError(f"{str(path)!r}: its name must end in {ending}, by which commands know what it is")
        if len(set(map(os.path.realpath, self.outputs))) < len(self.outputs):
            raise UserError("two outputs have one path; give each its own")

    @property
    def outputs(self) -> list[Path]:
        labels = _labels(self.save_outputs) if self.save_outputs else None
        written = (self.figure, self.diagram, self.sweep_figure, self.save_records, self.save_outputs, labels)
        return [path for path in written if path]


def add_flags(command: ArgumentParser) -> None:
    WhatFlags.add_to(command.add_argument_group("what to show"), default_methods="all found")
    HowFlags.add_to(command.add_argument_group("settings and choices"))
    where = command.add_argument_group("where")
    add_records_flags(where)
    shown = command.add_argument_group("how it is shown")
    TableFlags.add_to(shown)
    shown.add_argument(
        "--correct",
        choices=ESTIMATES,
        help="also score predictions corrected for changed class shares, and say under which conditions",
    )
    shown.add_argument(
        "--only",
        metavar="TABLES",
        help="these tables alone, by commas: accuracy, gain, choices-digits",
    )
    shown.add_argument(
        "--width", choices=WIDTHS, default="page", help="of pictures and LaTeX's tables, in a paper of two columns"
    )
    written = command.add_argument_group("what is written")
    written.add_argument(
        "--save-records", type=values.path, metavar="CSV", help="also write the records, a line a run"
    )
    written.add_argument(
        "--save-outputs",
        type=values.path,
        metavar="NPZ",
        help="also write predictions and confidences at each checkpoint; labels beside them, in NAME-labels.npz",
    )
    written.add_argument("--figure", type=values.path, metavar="PATH", help="also draw it (.png, .svg or .pdf)")
    written.add_argument(
        "--diagram", type=values.path, metavar="PATH", help="draw mean ranks with critical differences"
    )
    written.add_argument(
        "--sweep-figure", type=values.path, metavar="PATH", help="draw results against the dial of a --sweep"
    )
    add_force_flag(written)


def main(options: Options) -> int:
    sources, tasks = record_sources(options.store, options.records), options.what.all_tasks()
    for path in options.outputs:
        prepare_output(path, [*sources, Path(options.what.suite)], force=options.force)
    select = options.how.validator(options.what.suite)
    validators = [*(VALIDATORS if options.save_records else ()), *options.table.validators(select)]
    from benchmarks.commands.shared.reading import found_grid

    planned, records = found_grid(sources, options.what, options.how, tasks, validators)
    if options.save_records:
        _save(planned, records, options)
    if options.save_outputs:
        _save_outputs(planned, sources, options.save_outputs)
    report = _report(planned, records, sources, options, select)
    if options.figure:
        from benchmarks.report.figure import save_figure

        save_figure(report, options.figure, options.width)
    if options.diagram:
        _draw_diagram(report, options.diagram, options.width, ranked=planned.ranked)
    if options.sweep_figure:
        from benchmarks.report.sweep_figure import save_sweeps
        from benchmarks.report.table import cells_of

        save_sweeps(cells_of(planned, *records, [], select).cells, options.sweep_figure, options.width)
    shown = report.only(split(options.only)) if options.only else report
    show(shown, options.table.format, options.width)
    return 0


def _save(planned: Grid, records: "Records", options: Options) -> None:
    from benchmarks.records.compact import save_records
    from benchmarks.report.selection import candidates, chosen_steps, rule

    frame, failures = records
    assert options.save_records is not None
    if not len(frame):
        raise UserError("--save-records: all runs failed, and there is no record to save")
    validator = rule(planned, options.how.validator(options.what.suite))
    chosen = chosen_steps(candidates(planned, frame), validator) if validator else {}
    save_records(frame, options.save_records, failures, chosen)


def _report(
    planned: Grid, records: "Records", sources: Sequence[Path], options: Options, select: str | None
) -> "Report":
    if options.correct is None:
        return options.table.report(planned, records, select)
    from benchmarks.records.correction import METRICS, with_corrections

    frame, failures = records
    found = with_corrections(frame, planned.specs, _stores(sources), options.correct)
    show = ",".join(part for part in (options.table.show, "target_class_mean_accuracy", *METRICS) if part)
    report = replace(options.table, show=show).report(planned, (found.records, failures), select)
    return replace(report, notes=[*report.notes, *found.notes])


def _save_outputs(planned: Grid, sources: Sequence[Path], path: Path) -> None:
    from benchmarks.records.candidates import save_candidates

    save_candidates(planned.specs, _stores(sources), path, _labels(path))


def _stores(sources: Sequence[Path]) -> list[Store]:
    from benchmarks.records.frame import is_compact

    return [Store(source) for source in sources if not is_compact(source)]


def _labels(path: Path) -> Path:
    """The file of labels beside a file of outputs."""
    return path.with_name(f"{path.stem}-labels.npz")


def _draw_diagram(report: "Report", path: Path, width: Width, *, ranked: bool) -> None:
    from benchmarks.report.comparison import mean_ranks
    from benchmarks.report.diagram import save_diagram

    if not ranked:
        raise UserError("--diagram: a paper's own settings are compared with that paper, and never ranked")
    found = [complete for complete in report.complete if complete.friedman]
    if not found:
        why = "; ".join(complete.why_no_friedman for complete in report.complete) or "no task has all its runs"
        raise UserError(f"--diagram: {why}")
    if len(found) > 1:
        raise UserError("--diagram: ranks are of one family; choose its tasks with --tasks")
    (complete,) = found
    assert complete.friedman
    save_diagram(complete.names, mean_ranks(complete.independent), complete.friedman, path, width)
