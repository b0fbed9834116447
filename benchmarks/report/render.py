"""A report as text, Markdown, LaTeX, CSV or JSON."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
from tabulate import tabulate

from benchmarks.report import listings
from benchmarks.report.cells import Cell
from benchmarks.report.comparison import Interval
from benchmarks.report.listings import Entry, Listing
from benchmarks.report.statistics import Summary
from benchmarks.report.table import Block, Report

Bold = Callable[[str], str]


def render(report: Report, form: str) -> str:
    """The report in one of :data:`FORMATS`, ending in a newline."""
    return FORMATS[form](report).rstrip("\n") + "\n"


def _text(report: Report) -> str:
    return _plain(report, "simple", "", lambda text: f"*{text}*")


def _markdown(report: Report) -> str:
    return _plain(report, "github", "### ", lambda text: f"**{text}**")


def _plain(report: Report, style: str, heading: str, bold: Bold) -> str:
    parts = [_about(report)]
    for block in report.blocks:
        # Text columns: tabulate must not read "95.0" as a number and reformat it.
        body = tabulate(_rows(block, bold), _headers(report, block), style, disable_numparse=True)
        parts.append(f"{heading}{block.title}\n\n{body}")
    for listing in report.listings:
        body = tabulate(_entries(listing), listing.columns, style, disable_numparse=True)
        parts.append(f"{heading}{listing.title}\n\n{body}")
    notes = [f"- {note}" for note in report.notes]
    return "\n\n".join([*parts, "\n".join(notes)])


def _about(report: Report) -> str:
    tasks = f", tasks of {report.family.rstrip('/')}" if report.family else ""
    return f"Suite {report.suite}, {report.protocol}{tasks}."


def _headers(report: Report, block: Block) -> list[str]:
    """Names of the columns; a family that all tasks share is said once, above."""
    return ["method", *(column.removeprefix(report.family) for column in block.columns)]


def _entries(listing: Listing) -> list[list[str]]:
    return [
        [_entry(row[column], *listing.formats.get(column, (1.0, ""))) for column in listing.columns]
        for row in listing.rows
    ]


def _entry(entry: Entry, scale: float, digits: str) -> str:
    if entry is None:
        return "-"
    if isinstance(entry, str):
        return entry
    if isinstance(entry, Summary):
        return _number(entry, scale, digits)
    if isinstance(entry, Interval):
        value, low, high = (format(scale * number, digits) for number in (entry.value, entry.low, entry.high))
        return f"{value} [{low}, {high}]"
    return format(scale * entry, digits)


def _rows(block: Block, bold: Bold) -> list[list[str]]:
    """Rows of text: methods, then references."""
    order = sorted(block.rows, key=lambda name: name in block.references)
    return [
        [f"{name} (reference)" if name in block.references else name]
        + [_cell(block.rows[name].get(column, Cell(None)), block.scale, bold) for column in block.columns]
        for name in order
    ] + [[name, *(notes.get(column, "") for column in block.columns)] for name, notes in block.footer.items()]


def _cell(cell: Cell, scale: float, bold: Bold) -> str:
    if cell.summary is None:
        return cell.missing or "-"
    digits = ".1f" if scale == 100 else ".2f"
    text = _number(cell.summary, scale, digits)
    text = bold(text) if cell.best else text
    return text + " ▼" * cell.hurts + f" ({cell.missing})" * bool(cell.missing)


def _number(summary: Summary, scale: float, digits: str) -> str:
    mean, low, high = (format(scale * value, digits) for value in (summary.mean, summary.low, summary.high))
    if summary.interval == "t95":
        return f"{mean} ± {scale * (summary.high - summary.mean):{digits.removeprefix('+')}}"
    return f"{mean} [{low}, {high}]" if summary.interval == "range" else mean


def _latex(report: Report) -> str:
    """Tables with booktabs rules, each ready for \\input."""
    tables = []
    for block in report.blocks:
        body = _rows(block, lambda text: f"\\textbf{{{text}}}")
        tables.append(_latex_table(report, block.title, _headers(report, block), body))
    tables += [_latex_table(report, each.title, each.columns, _entries(each)) for each in report.listings]
    return "\n".join(tables)


def _latex_table(report: Report, title: str, columns: list[str], body: list[list[str]]) -> str:
    rows = [[_escape(text) for text in row] for row in body]
    lines = [" & ".join(row) + r" \\" for row in [[*map(_escape, columns)], *rows]]
    notes = " ".join(_escape(note) for note in report.notes)
    return "\n".join(
        [
            f"% {_about(report)} Needs \\usepackage{{booktabs}}.",
            f"\\begin{{tabular}}{{l{'c' * (len(columns) - 1)}}}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            r"\end{tabular}",
            f"% {_escape(title)}. {notes}",
            "",
        ]
    )


def _escape(text: str) -> str:
    for character in "_%&#":
        text = text.replace(character, f"\\{character}")
    return text.replace("±", r"$\pm$").replace("▼", r"$\downarrow$")


def long_form(report: Report) -> Iterator[dict[str, Any]]:
    """One object per (method, task, metric), with the ids of the runs behind it."""
    for block in report.blocks:
        for method, row in block.rows.items():
            for task, cell in row.items():
                summary = cell.summary
                yield {
                    "method": method,
                    "task": task,
                    "metric": block.metric,
                    "mean": summary.mean if summary else None,
                    "low": summary.low if summary else None,
                    "high": summary.high if summary else None,
                    "n": summary.n if summary else 0,
                    "interval": summary.interval if summary else "none",
                    "reference": method in block.references,
                    "missing": cell.missing,
                    "runs": list(cell.runs),
                }


def _json(report: Report) -> str:
    more = [listings.long_form(listing) for listing in report.listings]
    return json.dumps({"cells": list(long_form(report)), "listings": more, "notes": report.notes}, indent=1)


def _csv(report: Report) -> str:
    frame = pd.DataFrame(long_form(report))
    return frame.assign(runs=frame["runs"].map(" ".join)).to_csv(index=False, lineterminator="\n")


FORMATS: dict[str, Callable[[Report], str]] = {
    "text": _text,
    "markdown": _markdown,
    "latex": _latex,
    "csv": _csv,
    "json": _json,
}
