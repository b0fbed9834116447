"""The `compare` command: ours beside published numbers, from records that exist; never trains."""

import shlex
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from benchmarks.commands.shared import values
from benchmarks.commands.shared.output import show
from benchmarks.commands.shared.planning import HowFlags, planned_grid
from benchmarks.commands.shared.records import add_store_flag, record_sources
from benchmarks.evaluation.validators import needed
from benchmarks.plan.grid import Grid
from benchmarks.plan.suite import load_suite
from benchmarks.records.store import Store
from benchmarks.report.options import FORMATS, Format
from benchmarks.report.published import load_explanations, published_for

HELP = "our numbers beside published ones; never trains"
EXAMPLES = (
    "compare --suite amazon-jmlr",
    "compare --suite digits --records runs --format markdown",
)


@dataclass(frozen=True)
class Options:
    suite: str
    how: HowFlags
    records: Path | None
    store: Path | None
    format: Format

    def __post_init__(self) -> None:
        load_suite(self.suite)
        published_for(self.suite)


def add_flags(command: ArgumentParser) -> None:
    what = command.add_argument_group("what to compare")
    what.add_argument("--suite", type=values.file_name, required=True, help="a suite's name or .toml file")
    HowFlags.add_to(command.add_argument_group("settings and choices"))
    where = command.add_argument_group("where")
    records = "a store or a .csv of records; default: the suite's committed ones, else --store"
    where.add_argument("--records", type=values.path, metavar="PATH", help=records)
    add_store_flag(where)
    shown = command.add_argument_group("how it is shown")
    shown.add_argument("--format", choices=[form for form in FORMATS if form != "csv"], default="text")


def main(options: Options) -> int:
    from benchmarks.commands.shared.reading import grid_and_records
    from benchmarks.report import beside
    from benchmarks.report.cells import require_labels

    def plan(seeds: Sequence[int] | None) -> Grid:
        return planned_grid(options.suite, "all,references", [], seeds, options.how)

    sources, published = _sources(options), published_for(options.suite)
    print(f"records: {', '.join(map(str, sources)) or 'none'}", file=sys.stderr)
    suite, select = Path(options.suite).stem, options.how.validator(options.suite)
    planned, records = grid_and_records(sources, plan, options.how.seeds, needed(select))
    require_labels("compare", records[0])
    if not any(map(len, records)):
        methods = ",".join(sorted({row.ours for row in published if row.ours}))
        again = f"python -m benchmarks run --suite {shlex.quote(options.suite)} --methods {methods}"
        print(f"ours is empty, as no run of the suite has a record; to make it: {again}", file=sys.stderr)
    comparisons = beside.compare(
        published,
        beside.chosen_cells(planned, *records, select),
        suite,
        suite if options.how.as_the_suite_says else "",
        select,
        load_explanations(),
    )
    if options.format == "json":
        print(beside.as_json(suite, comparisons))
    else:
        show(beside.report_of(suite, comparisons), options.format)
    return 0


def _sources(options: Options) -> list[Path]:
    """Those of the flags; without any, the suite's committed records, else the usual store where there is one."""
    if options.records or options.store:
        return record_sources(options.store, options.records)
    committed = Path(str(files("results"))) / "records" / f"{Path(options.suite).stem}.csv"
    return [path for path in (committed, Store(None).root) if path.exists()][:1]
