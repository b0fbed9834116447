"""A report's tables as rows of words and written numbers, before any format has a say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchmarks.core.headline import Form
from benchmarks.report.cells import Cell
from benchmarks.report.comparison import Interval
from benchmarks.report.listings import Entry, Listing
from benchmarks.report.overview import SHORT, Column, Overview
from benchmarks.report.statistics import Summary
from benchmarks.report.table import Block, Report


@dataclass(frozen=True)
class Number:
    """A number as it is written.

    Attributes:
        interval: ``± 0.4`` or ``[79.5, 80.5]``; empty where there is none.
        best: whether it is the best of its column; ``second`` follows it.
        more: what is said after it: a mark, runs that are missing.
    """

    mean: str
    interval: str = ""
    best: bool = False
    second: bool = False
    more: str = ""

    def __str__(self) -> str:
        return f"{self.mean} {self.interval}".rstrip()


Row = Sequence[str | Number]


@dataclass(frozen=True)
class Table:
    """What every format writes in its way.

    Attributes:
        name: what ``--only`` and a label call it.
        across: what a column is (``task``) where rows and columns may change places; else empty.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Row]
    across: str = ""

    @property
    def numbers(self) -> list[Number]:
        return [cell for row in self.rows for cell in row if isinstance(cell, Number)]


def about(report: Report) -> str:
    """What all tables of a report are of; a family that all tasks share is said once, here."""
    tasks = f", tasks of {report.family.rstrip('/')}" if report.family else ""
    return f"{report.settings}, {report.protocol}{tasks}."


def tables(report: Report) -> Iterator[Table]:
    """Each table of a report, in the order in which they are read."""
    for block in report.blocks:
        headings = ["method", *map(report.heading, block.columns)]
        yield Table(block.name, block.title, headings, [*_rows(block)], across="task")
    for each in report.overviews:
        headings = ["method", *(column.heading for column in each.columns.values())]
        yield Table(each.name, each.title, headings, [*_known(each)])
    for listing in report.listings:
        yield Table(listing.name, report.shown(listing.title), listing.columns, [*_entries(report, listing)])


def _entries(report: Report, listing: Listing) -> Iterator[Row]:
    for row in listing.rows:
        entries = [
            entry_number(row[column], *listing.formats.get(column, (1.0, ""))) for column in listing.columns
        ]
        yield [report.shown(entry) if isinstance(entry, str) else entry for entry in entries]


def entry_number(entry: Entry, scale: float, digits: str) -> str | Number:
    if entry is None:
        return "-"
    if isinstance(entry, str):
        return entry
    if isinstance(entry, Summary):
        return number_text(entry, scale, digits)
    if isinstance(entry, Interval):
        value, low, high = (format(scale * number, digits) for number in (entry.value, entry.low, entry.high))
        return Number(value, f"[{low}, {high}]")
    return Number(format(scale * entry, digits))


def entry_text(value: Entry, scale: float, digits: str) -> str:
    return str(entry_number(value, scale, digits))


def _rows(block: Block) -> Iterator[Row]:
    """Methods, then references, then what is said of the columns."""
    for name in sorted(block.rows, key=lambda name: name in block.references):
        cells = [(block.rows[name].get(column, Cell(None)), block.form_of(column)) for column in block.columns]
        yield [_label(name, block.references), *(cell_text(cell, form) for cell, form in cells)]
    for name, notes in block.footer.items():
        yield [name, *(notes.get(column, "") for column in block.columns)]


def _known(overview: Overview) -> Iterator[Row]:
    for name, row in overview.rows.items():
        cells = ((row.get(metric, Cell(None)), column) for metric, column in overview.columns.items())
        yield [_label(name, overview.references), *(known_text(cell, column) for cell, column in cells)]


def known_text(cell: Cell, column: Column) -> str | Number:
    if cell.summary is None:
        return cell.missing or "-"
    number = number_text(cell.summary, column.scale, column.digits)
    more = [cell.note[:SHORT] + "…" * (len(cell.note) > SHORT), f"({cell.missing})" * bool(cell.missing)]
    return replace(number, interval=number.interval * column.interval, more=" ".join(filter(None, more)))


def _label(name: str, references: frozenset[str]) -> str:
    return f"{name} (reference)" if name in references else name


def cell_text(cell: Cell, form: Form) -> str | Number:
    if cell.summary is None:
        return cell.missing or "-"
    more = " ".join(filter(None, [cell.mark, f"({cell.missing})" * bool(cell.missing)]))
    return replace(number_text(cell.summary, *form), best=cell.best, second=cell.second, more=more)


def number_text(summary: Summary, scale: float, digits: str) -> Number:
    mean, low, high = (format(scale * value, digits) for value in (summary.mean, summary.low, summary.high))
    if summary.interval == "t95":
        return Number(mean, f"± {scale * (summary.high - summary.mean):{digits.removeprefix('+')}}")
    return Number(mean, f"[{low}, {high}]" * (summary.interval == "range"))
