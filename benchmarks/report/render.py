"""A report as text, Markdown, LaTeX, CSV or JSON."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
from tabulate import tabulate

from benchmarks.core import escape
from benchmarks.report import listings
from benchmarks.report.cells import Cell
from benchmarks.report.comparison import Interval
from benchmarks.report.listings import Entry, Listing
from benchmarks.report.options import Format
from benchmarks.report.overview import COLUMNS, SHORT, Column, Overview
from benchmarks.report.statistics import Summary
from benchmarks.report.table import Block, Report


@dataclass(frozen=True)
class Number:
    """A cell's number, whether it is the best of its column, and what is said after it."""

    text: str
    best: bool
    more: str


Row = Sequence[str | Number]


@dataclass(frozen=True)
class Markup:
    """How a format writes what it is given: cells and notes as they are read, the best number, headings."""

    cell: Callable[[str], str]
    note: Callable[[str], str]
    bold: Callable[[str], str]
    style: str = ""
    heading: str = ""


TEXT = Markup(escape.shown, escape.shown, lambda text: f"*{text}*", "simple")
MARKDOWN = Markup(escape.markdown, escape.markdown_note, lambda text: f"**{text}**", "github", "### ")
LATEX = Markup(escape.latex, escape.latex, lambda text: f"\\textbf{{{text}}}")


def render(report: Report, form: Format) -> str:
    """The report in a format, ending in a newline."""
    return _RENDERERS[form](report).rstrip("\n") + "\n"


def _plain(report: Report, markup: Markup) -> str:
    parts = [markup.note(_about(report))]
    for title, columns, rows in _tables(report):
        body = [[_written(cell, markup) for cell in row] for row in rows]
        # Text columns: tabulate must not read "95.0" as a number and reformat it.
        table = tabulate(body, [_written(name, markup) for name in columns], markup.style, disable_numparse=True)
        parts.append(f"{markup.heading}{markup.note(title)}\n\n{table}")
    notes = [f"- {markup.note(report.shown(note))}" for note in report.notes]
    return "\n\n".join([*parts, "\n".join(notes)])


def _tables(report: Report) -> Iterator[tuple[str, Row, Iterator[Row]]]:
    """Title, columns and rows of each table."""
    for block in report.blocks:
        yield block.title, _headers(report, block), _rows(block)
    for each in report.overviews:
        yield each.title, ["method", *(column.heading for column in COLUMNS.values())], _known(each)
    for listing in report.listings:
        yield report.shown(listing.title), listing.columns, _entries(report, listing)


def _written(cell: str | Number, markup: Markup) -> str:
    if isinstance(cell, str):
        return markup.cell(cell)
    text = markup.cell(cell.text)
    return (markup.bold(text) if cell.best else text) + markup.cell(cell.more)


def _about(report: Report) -> str:
    tasks = f", tasks of {report.family.rstrip('/')}" if report.family else ""
    return f"Suite {report.suite}, {report.protocol}{tasks}."


def _headers(report: Report, block: Block) -> list[str]:
    """Names of the columns; a family that all tasks share is said once, above."""
    return ["method", *map(report.heading, block.columns)]


def _entries(report: Report, listing: Listing) -> Iterator[Row]:
    for row in listing.rows:
        entries = [entry_text(row[column], *listing.formats.get(column, (1.0, ""))) for column in listing.columns]
        yield [report.shown(entry) for entry in entries]


def entry_text(entry: Entry, scale: float, digits: str) -> str:
    if entry is None:
        return "-"
    if isinstance(entry, str):
        return entry
    if isinstance(entry, Summary):
        return number_text(entry, scale, digits)
    if isinstance(entry, Interval):
        value, low, high = (format(scale * number, digits) for number in (entry.value, entry.low, entry.high))
        return f"{value} [{low}, {high}]"
    return format(scale * entry, digits)


def _rows(block: Block) -> Iterator[Row]:
    """Methods, then references, then what is said of the columns."""
    for name in sorted(block.rows, key=lambda name: name in block.references):
        cells = (block.rows[name].get(column, Cell(None)) for column in block.columns)
        yield [_label(name, block.references), *(cell_text(cell, block.scale) for cell in cells)]
    for name, notes in block.footer.items():
        yield [name, *(notes.get(column, "") for column in block.columns)]


def _known(overview: Overview) -> Iterator[Row]:
    for name, row in overview.rows.items():
        cells = ((row.get(metric, Cell(None)), column) for metric, column in COLUMNS.items())
        yield [_label(name, overview.references), *(known_text(cell, column) for cell, column in cells)]


def known_text(cell: Cell, column: Column) -> str | Number:
    if cell.summary is None:
        return cell.missing or "-"
    mean = format(column.scale * cell.summary.mean, column.digits)
    text = number_text(cell.summary, column.scale, column.digits) if column.interval else mean
    more = [cell.note[:SHORT] + "…" * (len(cell.note) > SHORT), f"({cell.missing})" * bool(cell.missing)]
    return Number(text, False, "".join(f" {part}" for part in more if part))


def _label(name: str, references: frozenset[str]) -> str:
    return f"{name} (reference)" if name in references else name


def cell_text(cell: Cell, scale: float) -> str | Number:
    if cell.summary is None:
        return cell.missing or "-"
    digits = ".1f" if scale == 100 else ".2f"
    more = f" {cell.mark}" * bool(cell.mark) + f" ({cell.missing})" * bool(cell.missing)
    return Number(number_text(cell.summary, scale, digits), cell.best, more)


def number_text(summary: Summary, scale: float, digits: str) -> str:
    mean, low, high = (format(scale * value, digits) for value in (summary.mean, summary.low, summary.high))
    if summary.interval == "t95":
        return f"{mean} ± {scale * (summary.high - summary.mean):{digits.removeprefix('+')}}"
    return f"{mean} [{low}, {high}]" if summary.interval == "range" else mean


def _latex(report: Report) -> str:
    """Tables with booktabs rules, each ready for \\input."""
    return "\n".join(_latex_table(report, *table) for table in _tables(report))


def _latex_table(report: Report, title: str, columns: Row, body: Iterable[Row]) -> str:
    lines = [" & ".join(_written(cell, LATEX) for cell in row) + r" \\" for row in [columns, *body]]
    notes = " ".join(LATEX.note(report.shown(note)) for note in report.notes)
    return "\n".join(
        [
            f"% {LATEX.note(_about(report))} Needs \\usepackage{{booktabs}}.",
            f"\\begin{{tabular}}{{l{'c' * (len(columns) - 1)}}}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            r"\end{tabular}",
            f"% {LATEX.note(title)}. {notes}",
            "",
        ]
    )


def long_form(report: Report) -> Iterator[dict[str, Any]]:
    """One object per (method, task, metric), with the ids of the runs behind it."""
    for block in report.blocks:
        for method, row in block.rows.items():
            for task, cell in row.items():
                yield _object(method, task, block.metric, cell, block.references)
    for overview in report.overviews:
        for method, row in overview.rows.items():
            for metric, cell in row.items():
                yield _object(method, overview.task, metric, cell, overview.references)


def _object(method: str, task: str, metric: str, cell: Cell, references: frozenset[str]) -> dict[str, Any]:
    summary = cell.summary
    return {
        "method": method,
        "task": task,
        "metric": metric,
        "mean": summary.mean if summary else None,
        "low": summary.low if summary else None,
        "high": summary.high if summary else None,
        "n": summary.n if summary else 0,
        "interval": summary.interval if summary else "none",
        "covers": summary.covers if summary else "",
        "mark": cell.mark,
        "reference": method in references,
        "missing": cell.missing,
        "note": cell.note,
        "runs": list(cell.runs),
    }


def _json(report: Report) -> str:
    more = [listings.long_form(listing) for listing in report.listings]
    return json.dumps({"cells": list(long_form(report)), "listings": more, "notes": report.notes}, indent=1)


def _csv(report: Report) -> str:
    frame = pd.DataFrame(long_form(report))
    texts = {name: frame[name].map(escape.spreadsheet) for name in ("method", "task", "metric", "missing", "note")}
    return frame.assign(**texts, runs=frame["runs"].map(" ".join)).to_csv(index=False, lineterminator="\n")


_RENDERERS: dict[Format, Callable[[Report], str]] = {
    "text": partial(_plain, markup=TEXT),
    "markdown": partial(_plain, markup=MARKDOWN),
    "latex": _latex,
    "csv": _csv,
    "json": _json,
}
