"""A report as text for a terminal, folded to fit it, and as Markdown."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import fill

from rich.cells import cell_len
from tabulate import MIN_PADDING, tabulate

from benchmarks.core import escape
from benchmarks.report.rows import Number, Table, about, tables
from benchmarks.report.table import Report

GAP = 2  # characters between columns
BEST = "*Between asterisks*: the best mean of a task, or over tasks, which is no claim."

Grid = Sequence[Sequence[str]]
"""Cells as they are printed, the first row with the headings."""


@dataclass(frozen=True)
class Markup:
    """How a format writes what it is given: cells and notes as they are read, the best number."""

    cell: Callable[[str], str]
    note: Callable[[str], str]
    bold: str


TEXT = Markup(escape.shown, escape.shown, "*")
MARKDOWN = Markup(escape.markdown, escape.markdown_note, "**")


def markdown(report: Report) -> str:
    parts = [
        f"### {MARKDOWN.note(table.title)}\n\n{_drawn(_grid(table, MARKDOWN), 'github')}"
        for table in tables(report)
    ]
    notes = [f"- {MARKDOWN.note(report.shown(note))}" for note in report.notes]
    return "\n\n".join([MARKDOWN.note(about(report)), *parts, "\n".join(notes)])


def text(report: Report, window: int | None = None) -> str:
    """As a terminal shows it.

    Args:
        window: characters in a line; a table that is wider has its tasks as rows, or is folded into several with
            the same rows. None: lines are as long as they are.
    """

    def filled(line: str, indent: str = "") -> str:
        line = TEXT.note(line)
        return fill(line, window, subsequent_indent=indent, break_on_hyphens=False) if window else line

    found = [*tables(report)]
    parts = [filled(about(report))]
    for table in found:
        grids = _fitted(table, window) if window else [_grid(table, TEXT)]
        parts.append("\n\n".join([filled(table.title), *(_drawn(grid, "simple") for grid in grids)]))
    best = [BEST] * any(number.best for table in found for number in table.numbers)
    notes = [filled(f"- {report.shown(note)}", "  ") for note in [*report.notes, *best]]
    return "\n\n".join([*parts, "\n".join(notes)])


def _grid(table: Table, markup: Markup) -> Grid:
    return [[_written(cell, markup) for cell in row] for row in (table.columns, *table.rows)]


def _written(cell: str | Number, markup: Markup) -> str:
    if isinstance(cell, str):
        return markup.cell(cell)
    number = markup.cell(str(cell))
    number = f"{markup.bold}{number}{markup.bold}" if cell.best else number
    return f"{number} {markup.cell(cell.more)}".rstrip()


def _drawn(grid: Grid, style: str) -> str:
    # Text columns: tabulate must not read "95.0" as a number and reformat it.
    return tabulate(grid[1:], grid[0], style, disable_numparse=True)


def _fitted(table: Table, window: int) -> list[Grid]:
    """The table in one piece if it fits; else folded, with tasks as rows if they are more than the methods."""
    grid = _grid(table, TEXT)
    if _width(_widths(grid)) <= window:
        return [grid]
    if table.across and len(table.columns) > len(grid):
        (_, *methods), *tasks = zip(*grid, strict=True)
        return _folded([[table.across, *methods], *tasks], 1, window)
    return _folded(grid, _labels(table), window)


def _labels(table: Table) -> int:
    """How many columns say what a row is: those before the first that has a number."""
    numbers = (any(isinstance(cell, Number) for cell in column) for column in zip(*table.rows, strict=True))
    return next((place for place, has in enumerate(numbers) if has), 0) or 1


def _folded(grid: Grid, labels: int, window: int) -> list[Grid]:
    """Pieces that fit, each with the columns of labels; long headings and cells are broken first."""
    columns = list(zip(*grid, strict=True))
    numbers = max(max(map(cell_len, column[1:]), default=0) for column in columns[labels:])
    limits = [window // 3 if place < labels else min(numbers, window // 3) for place in range(len(columns))]
    grid = [[_broken(cell, limit) for cell, limit in zip(row, limits, strict=True)] for row in grid]
    widths = _widths(grid)
    pieces: list[list[int]] = [[]]
    for place in range(labels, len(widths)):
        if pieces[-1] and _width([widths[each] for each in (*range(labels), *pieces[-1], place)]) > window:
            pieces.append([])
        pieces[-1].append(place)
    return [[[row[each] for each in (*range(labels), *piece)] for row in grid] for piece in pieces]


def _broken(text: str, limit: int) -> str:
    """On lines of at most so many characters, as far as there are places to break: after a space, -, / or _."""
    lines = [""]
    for part in re.findall(r"[^ /_-]*[ /_-]|[^ /_-]+", text):
        if lines[-1] and cell_len(lines[-1] + part.rstrip()) > limit:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def _widths(grid: Grid) -> list[int]:
    """Of each column, in characters, as tabulate makes it: wider than its heading."""
    widest = [[max(map(cell_len, cell.split("\n"))) for cell in column] for column in zip(*grid, strict=True)]
    return [max([heading + MIN_PADDING, *cells]) for heading, *cells in widest]


def _width(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)
