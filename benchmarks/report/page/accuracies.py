"""The table: headlines at the last step, selected, and by the oracle; each cell leads to its runs."""

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from benchmarks.report.cells import Cell
from benchmarks.report.overview import Overview
from benchmarks.report.page.contents import Contents
from benchmarks.report.page.section import Section
from benchmarks.report.page.templates import coded, rendered
from benchmarks.report.rows import Number, cell_text, entry_text, known_text
from benchmarks.report.statistics import Summary
from benchmarks.report.table import Block

KINDS = {"t95": "95% interval, covers {}", "range": "range over seeds", "none": "no interval"}


def section(contents: Contents, places: Mapping[str, int], behind: int) -> Section:
    """Tables that can be sorted, one shown at a time.

    Args:
        places: of a run, where it is in the page's list of runs.
        behind: how many runs there are, also without a place.
    """
    tables = [
        {"name": name, "title": block.title, **_table(contents, block, places)}
        for name, block in contents.accuracies.items()
    ]
    tables += [
        {"name": contents.report.shown(each.task), "title": contents.report.shown(each.title)}
        | _overview(each, places)
        for each in contents.report.overviews
    ]
    lead = "Click a heading to sort by it, and a number to see the runs behind it."
    if contents.accuracies:
        higher = all(contents.cells.objectives[task].higher_is_better for task in contents.cells.scored)
        best = "largest" if higher else "best"
        lead += (
            f" ▲ and ▼: better and worse than source_only, where a test shows it. Bold: the {best} mean of a "
            "column, which is no claim. References saw target labels: they bound what is possible."
        )
    if len(places) < behind:
        lead += f" {len(places):,} of the {behind:,} runs are here, so that the page stays small."
    body = [rendered("accuracies.html", tables=tables)]
    legend = dict.fromkeys(text for each in contents.report.overviews for text in each.legend)
    body += [Markup("<p>{}</p>").format(coded(text)) for text in legend]
    return Section("table", "All methods on all tasks", lead, body)


def _table(contents: Contents, block: Block, places: Mapping[str, int]) -> dict[str, Any]:
    rows = sorted(block.rows, key=lambda name: name in block.references)
    return {
        "columns": [contents.report.heading(column) for column in block.columns],
        "groups": [
            [
                (name, [_cell(block, name, column, places) for column in block.columns])
                for name in rows
                if (name in block.references) == reference
            ]
            for reference in (False, True)
        ],
        "footer": [(name, [of.get(column, "") for column in block.columns]) for name, of in block.footer.items()],
    }


def _overview(overview: Overview, places: Mapping[str, int]) -> dict[str, Any]:
    shown = {
        name: [
            _written(
                known_text(row.get(metric, Cell(None)), column), row.get(metric, Cell(None)), column.scale, places
            )
            for metric, column in overview.columns.items()
        ]
        for name, row in overview.rows.items()
    }
    groups = [
        [item for item in shown.items() if (item[0] in overview.references) == group] for group in (False, True)
    ]
    return {"columns": [column.heading for column in overview.columns.values()], "groups": groups, "footer": []}


def _cell(block: Block, name: str, column: str, places: Mapping[str, int]) -> dict[str, Any]:
    cell, objective = block.rows[name].get(column, Cell(None)), block.objectives[column]
    gain = entry_text(cell.gain, *objective.gain_form) if cell.gain else ""
    return _written(cell_text(cell, objective.form), cell, objective.scale, places, gain)


def _written(
    text: str | Number, cell: Cell, scale: float, places: Mapping[str, int], gain: str = ""
) -> dict[str, Any]:
    """What the template needs of a cell; ``value`` is what rows are sorted by."""
    number, more = (text, "") if isinstance(text, str) else (str(text), f" {text.more}".rstrip())
    return {
        "text": number,
        "more": more,
        "best": cell.best,
        "value": f"{scale * cell.summary.mean:.4f}" if cell.summary else "",
        "about": ". ".join(_about(cell, cell.summary, gain)) if cell.summary else cell.missing,
        "runs": " ".join(str(places[run]) for run in cell.runs if run in places),
    }


def _about(cell: Cell, summary: Summary, gain: str) -> Iterator[str]:
    """What a tooltip says."""
    yield f"{summary.n} seed{'s' * (summary.n != 1)}, {KINDS[summary.interval].format(summary.covers)}"
    if len(cell.runs) != summary.n:
        yield f"{len(cell.runs)} runs"
    if gain:
        p = "" if cell.p is None else f", p = {cell.p:.2g} (Holm)"
        yield f"gain {gain}{p}"
    if cell.missing:
        yield cell.missing
    if cell.note:
        yield cell.note
