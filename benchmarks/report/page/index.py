"""The index of a site: a leaderboard for each family of tasks, suite by suite, and links to their pages."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from benchmarks import __version__
from benchmarks.core.objective import Objective
from benchmarks.core.outfiles import NAME
from benchmarks.report.cells import Cell
from benchmarks.report.page.contents import Contents
from benchmarks.report.page.templates import rendered, text_of
from benchmarks.report.rows import entry_text
from benchmarks.report.table import Block


@dataclass(frozen=True)
class Board:
    """A suite's methods on the tasks of a family, best first, references last.

    Attributes:
        headline, gain: what is above these columns.
        rows: of each: method, headline, gain over the baseline, and what a test says of it.
    """

    suite: str
    about: str
    headline: str
    gain: str
    rows: Sequence[tuple[str, str, str, str]]


def index(pages: Mapping[str, Contents]) -> Markup:
    """The HTML of the index; the page of a suite is beside it, as SUITE.html.

    A paper's own settings are linked and never ranked.
    """
    boards: dict[str, list[Board]] = {}
    for suite, contents in pages.items():
        if contents.block and contents.cells.grid.ranked:
            for column, tasks in contents.columns().items():
                family = tasks[0].partition("/")[0]
                boards.setdefault(family, []).append(_board(suite, contents, contents.block, column, tasks))
    suites = {
        suite: (len(contents.report.tasks), contents.report.protocol, contents.cells.grid.ranked)
        for suite, contents in pages.items()
    }
    return rendered(
        "index.html",
        program=NAME,
        version=__version__,
        boards=dict(sorted(boards.items())),
        suites=suites,
        style=text_of("style.css"),
    )


def _board(suite: str, contents: Contents, block: Block, column: str, tasks: Sequence[str]) -> Board:
    cells = {name: row.get(column, Cell(None)) for name, row in block.rows.items()}
    numbers = [cell.summary for cell in cells.values() if cell.summary]
    what = f"mean of {len(tasks)} tasks" if len(tasks) > 1 else contents.report.shown(column)
    covers = sorted({number.covers for number in numbers if number.interval == "t95"})
    interval = f"± is half a 95% interval over {', or '.join(covers)}" if covers else "brackets: range over seeds"
    about = f"{what}, {max((number.n for number in numbers), default=0)} seeds, {contents.headline}; {interval}"
    objective = block.objectives[column]
    rows = [*_rows(cells, block.references, objective)]
    return Board(suite, about, objective.in_unit(objective.name), f"gain ({objective.gains_in})", rows)


def _rows(
    cells: Mapping[str, Cell], references: frozenset[str], objective: Objective
) -> Iterator[tuple[str, str, str, str]]:
    known = {name: cell.summary for name, cell in cells.items() if cell.summary}
    for name in sorted(known, key=lambda name: (name in references, -objective.sign * known[name].mean)):
        gain = cells[name].gain
        label = f"{name} (reference)" if name in references else name
        number = entry_text(known[name], *objective.form)
        gained = entry_text(gain, *objective.gain_form).replace("-", "−") if gain else ""
        yield label, number, gained, cells[name].mark
