"""The `report` command: a page of what the records say, to be opened in a browser; never trains."""

import sys
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path

from benchmarks.commands import warn
from benchmarks.commands.shared import values
from benchmarks.commands.shared.execution import add_data_flag, use_data_folder
from benchmarks.commands.shared.output import add_force_flag
from benchmarks.commands.shared.planning import HowFlags, WhatFlags
from benchmarks.commands.shared.records import add_records_flags, record_sources
from benchmarks.core.escape import shown
from benchmarks.core.outfiles import prepare_output
from benchmarks.core.settings import UserError
from benchmarks.evaluation.validators import VALIDATORS
from benchmarks.records.store import Store
from benchmarks.report.options import MAPS

HELP = "write a page with the answer, tables and charts; never trains"
EXAMPLES = (
    "report --suite quick --out quick.html",
    "report --suite amazon --records results/records/amazon.csv --out amazon.html",
)


@dataclass(frozen=True)
class Options:
    what: WhatFlags
    how: HowFlags
    records: Path | None
    store: Path | None
    data_dir: Path | None
    out: Path
    force: bool
    maps: str
    show_samples: bool

    def __post_init__(self) -> None:
        if self.out.suffix.lower() not in (".html", ".htm"):
            raise UserError(f"--out: {str(self.out)!r} must end in .html")


def add_flags(command: ArgumentParser) -> None:
    WhatFlags.add_to(command.add_argument_group("what to show"), default_methods="all found")
    HowFlags.add_to(command.add_argument_group("settings and choices"))
    where = command.add_argument_group("where")
    add_records_flags(where)
    add_data_flag(where)
    written = command.add_argument_group("what is written")
    written.add_argument(
        "--out", type=values.path, metavar="HTML", default=Path("report.html"), help="default report.html"
    )
    add_force_flag(written)
    pictures = command.add_argument_group("pictures")
    pictures.add_argument(
        "--maps", choices=MAPS, default="pca", help="how features become two dimensions; default pca"
    )
    pictures.add_argument(
        "--show-samples", action="store_true", help="put samples of your own data into the page; others see them"
    )


def main(options: Options) -> int:
    from benchmarks.commands.shared.page import command_line, comparisons_of, write_page
    from benchmarks.commands.shared.reading import found_grid, with_kept_scores
    from benchmarks.records.frame import is_compact
    from benchmarks.report.page.confusion import confusion
    from benchmarks.report.page.contents import SHOWN
    from benchmarks.report.page.maps import maps
    from benchmarks.report.page.samples import samples
    from benchmarks.report.page.translations import translations

    use_data_folder(options.data_dir)
    what, how = options.what, options.how
    # A .csv counts first: it holds its scores of validators, and a store beside it adds curves and maps.
    sources = sorted(record_sources(options.store, options.records), key=is_compact, reverse=True)
    tasks = what.all_tasks()
    prepare_output(options.out, [*sources, Path(what.suite)], force=options.force)
    planned, (found, failures) = found_grid(sources, what, how, tasks, [])
    select = how.validator(what.suite)
    stores = [Store(path) for path in sources if not is_compact(path)]
    frame, lacking = with_kept_scores(planned, found, stores, [*VALIDATORS])
    if lacking:
        makes = command_line("table", what, how, records=options.records, store=options.store, show="validators")
        warn(
            f"{lacking} records lack scores of validators, and the page leaves these out; this makes them: {makes}"
        )
    given = {name: value for name, value in vars(options).items() if name not in ("what", "how", "force")}
    write_page(
        options.out,
        planned,
        (frame, failures),
        stores,
        [*SHOWN, "validators"],
        select,
        lambda cells: [
            samples(cells, show_own=options.show_samples),
            translations(cells, stores, show_own=options.show_samples),
            maps(cells, stores, options.maps),
            confusion(cells),
        ],
        comparisons=[]
        if tasks
        else comparisons_of(planned, (frame, failures), select, judged=how.as_the_suite_says),
        commands=[
            command_line("run", what, how, data_dir=options.data_dir),
            command_line("report", what, how, **given),
        ],
    )
    print(f"report: {shown(options.out)}", file=sys.stderr)
    return 0
