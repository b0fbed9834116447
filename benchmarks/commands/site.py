"""The `site` command: an index over all suites with records, and a page of each, for any web server."""

import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.commands.shared import values
from benchmarks.commands.shared.output import add_force_flag
from benchmarks.commands.shared.planning import HowFlags, WhatFlags
from benchmarks.core.escape import one_line, shown
from benchmarks.core.outfiles import prepare_output, writing
from benchmarks.core.settings import UserError
from benchmarks.plan.suite import suite_names

if TYPE_CHECKING:
    from benchmarks.report.page.contents import Contents

HELP = "write a folder of pages: an index over all suites with records; never trains"
EXAMPLES = (
    "site --out site",
    "site --records mine --out site",
)
INDEX = "index.html"


@dataclass(frozen=True)
class Options:
    out: Path
    records: Path | None
    force: bool


def add_flags(command: ArgumentParser) -> None:
    where = command.add_argument_group("where")
    folder = "a folder with SUITE.csv files of records; default: those that ship here"
    where.add_argument("--records", type=values.path, metavar="FOLDER", help=folder)
    written = command.add_argument_group("what is written")
    written.add_argument("--out", type=values.path, metavar="FOLDER", default=Path("site"), help="default site")
    add_force_flag(written)


def main(options: Options) -> int:
    """Returns 2 if a file of records was broken; the pages of the others are made."""
    from benchmarks.report.page.index import index

    sources = _sources(options.records)
    for name in (*sources, Path(INDEX).stem):
        prepare_output(options.out / f"{name}.html", sources.values(), force=options.force)
    pages, ok = {}, True
    for suite, path in sources.items():
        try:
            pages[suite] = _write(suite, path, options.out / f"{suite}.html")
        except UserError as error:
            ok = False
            print(f"error: suite {suite} is left out: {one_line(error)}", file=sys.stderr)
        else:
            print(f"page: {shown(options.out / suite)}.html", file=sys.stderr)
    if not pages:
        raise UserError("no suite has a record that fits it, so that there is nothing to show")
    with writing(options.out / INDEX) as file:
        file.write(index(pages).encode())
    print(f"site: {shown(options.out / INDEX)}", file=sys.stderr)
    return 0 if ok else 2


def _sources(folder: Path | None) -> Mapping[str, Path]:
    """Files of records by suite."""
    folder = folder or Path(str(files("results"))) / "records"
    found = {name: path for name in suite_names() if (path := folder / f"{name}.csv").is_file()}
    if not found:
        raise UserError(f"{shown(folder)} has no SUITE.csv; save records with `table --save-records`")
    return found


def _write(suite: str, records: Path, out: Path) -> "Contents":
    """The page of a suite, as `report` writes it."""
    from benchmarks.commands.shared.page import command_line, comparisons_of, write_page
    from benchmarks.commands.shared.reading import found_grid
    from benchmarks.report.page.confusion import confusion
    from benchmarks.report.page.contents import SHOWN
    from benchmarks.report.page.samples import samples

    what = WhatFlags(methods=None, suite=suite, tasks=None, source=None, target=None, label=None)
    how = HowFlags(seeds=None, set=[], steps_scale=None, search=None, grid=[], select=None)
    select = how.validator(suite)
    planned, found = found_grid([records], what, how, [], [])
    return write_page(
        out,
        planned,
        found,
        [],
        [*SHOWN, "validators"],
        select,
        lambda cells: [samples(cells), confusion(cells)],
        comparisons=comparisons_of(planned, found, select, judged=True),
        commands=[command_line("run", what, how), command_line("report", what, how, records=records, out=out)],
    )
