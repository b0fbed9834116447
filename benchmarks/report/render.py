"""A report as text, Markdown, LaTeX, CSV or JSON."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from benchmarks.core import escape
from benchmarks.report import latex, listings, plain
from benchmarks.report.cells import Cell
from benchmarks.report.options import Format, Width
from benchmarks.report.table import Report


def render(report: Report, form: Format, *, width: Width = "page", window: int | None = None) -> str:
    """The report in a format, ending in a newline.

    Args:
        width: of LaTeX's tables, in a paper of two columns.
        window: columns of a terminal that text has to fit; None: lines are as long as they are.
    """
    renderers: dict[Format, Callable[[], str]] = {
        "text": lambda: plain.text(report, window),
        "markdown": lambda: plain.markdown(report),
        "latex": lambda: latex.latex(report, width),
        "csv": lambda: _csv(report),
        "json": lambda: _json(report),
    }
    return renderers[form]().rstrip("\n") + "\n"


def long_form(report: Report) -> Iterator[dict[str, Any]]:
    """One object per (method, task, metric), with the ids of the runs behind it."""
    for block in report.blocks:
        for method, row in block.rows.items():
            for task, cell in row.items():
                yield _object(method, task, block.metric_of(task), cell, block.references)
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
