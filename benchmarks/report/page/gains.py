"""What each method gains over the baseline, and where it harms."""

from collections.abc import Iterator, Sequence
from typing import Any

import altair as alt

from benchmarks.core.objective import Objective
from benchmarks.plan.methods import BASELINE
from benchmarks.report.cells import Cell
from benchmarks.report.page import charts
from benchmarks.report.page.contents import Contents
from benchmarks.report.page.section import Chart, Section
from benchmarks.report.rows import entry_text
from benchmarks.report.statistics import ENOUGH
from benchmarks.report.table import Block


def section(contents: Contents) -> Section | None:
    """A forest plot for each family, and a map of all tasks."""
    block = contents.block
    if block is None:
        return None
    drawn = [
        chart
        for column, tasks in contents.columns().items()
        for chart in _of_family(contents, block, column, tasks)
    ]
    of = dict.fromkeys(
        f"points of target {each.name}" if each.is_share else each.gains_in for each in block.objectives.values()
    )
    lead = (
        f"Gains over {BASELINE} in {' or '.join(of)}, paired by seed. Bars are 95% intervals from "
        f"{ENOUGH} seeds on, else ranges. A triangle marks what a test shows to be better (up) or worse (down), "
        "after Holm's adjustment over the methods."
    )
    return Section("gains", f"Gains over {BASELINE}, and harm", lead, drawn) if drawn else None


def _of_family(contents: Contents, block: Block, column: str, tasks: Sequence[str]) -> Iterator[Chart]:
    names = [name for name, row in block.rows.items() if name not in block.references and row[column].gain]
    if not names:
        return
    own = {name: block.rows[name][column] for name in names}
    yield _forest(contents.report.shown(column), own, block.objectives[column])
    if len(tasks) > 1:
        yield _map(contents, block, names, tasks)


def _forest(column: str, cells: dict[str, Cell], objective: Objective) -> Chart:
    rows = [_row(name, cell, objective) for name, cell in cells.items()]
    order = [row["method"] for row in sorted(rows, key=lambda row: -row["gain"])]
    y = alt.Y("method:N", sort=order, title=None)
    tooltip = charts.tooltips("method:N", alt.Tooltip("text:N", title="gain"), "p:N", "n:Q")
    base = alt.Chart(charts.data(rows)).encode(y=y, tooltip=tooltip)
    zero = alt.Chart(charts.data([{"zero": 0}])).mark_rule(strokeDash=[4, 3]).encode(x=alt.X("zero:Q"))
    bars = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", title=f"{objective.gains_in} over {BASELINE}, {column}"), x2=alt.X2("high:Q")
    )
    points = base.mark_point(filled=True, size=110, opacity=1).encode(
        x=alt.X("gain:Q"), **charts.signs(row["shown"] for row in rows)
    )
    drawn = (zero + bars + points).properties(height=charts.ROW * len(rows))
    said = "; ".join(f"{row['method']} {row['text']}, {row['shown']}" for row in rows)
    return charts.chart(drawn, f"Gains over {BASELINE}, {column}, in {objective.gains_in}: {said}.")


def _row(name: str, cell: Cell, objective: Objective) -> dict[str, Any]:
    gain = cell.gain
    assert gain
    return {
        "method": name,
        "gain": charts.placed(gain.mean, objective),
        "low": charts.placed(gain.low, objective),
        "high": charts.placed(gain.high, objective),
        "n": gain.n,
        "text": entry_text(gain, *objective.gain_form),
        "p": "no test" if cell.p is None else f"{cell.p:.2g} (Holm)",
        "shown": charts.sign(name, cell),
    }


def _map(contents: Contents, block: Block, names: Sequence[str], tasks: Sequence[str]) -> Chart:
    objective = block.objectives[tasks[0]]
    rows = [
        {"task": contents.report.shown(task).partition("/")[2], **_row(name, cell, objective)}
        | {"sign": cell.mark}
        for name in names
        for task in tasks
        if (cell := block.rows[name][task]).gain
    ]
    widest = max(abs(row["gain"]) for row in rows)
    base = alt.Chart(charts.data(rows)).encode(
        x=alt.X("task:N", title=None, sort=None, axis=alt.Axis(labelAngle=-60)),
        y=alt.Y("method:N", title=None, sort=None),
        tooltip=charts.tooltips("method:N", "task:N", alt.Tooltip("text:N", title="gain"), "p:N", "shown:N"),
    )
    colour = alt.Color(
        "gain:Q",
        title=f"gain ({objective.gains_in})",
        scale=alt.Scale(domain=[-widest, 0, widest], range=[charts.VERMILION, "#f7f7f7", charts.BLUE]),
    )
    marks = base.mark_text(fontSize=13, fontWeight="bold", color="#111").encode(text=alt.Text("sign:N"))
    drawn = (base.mark_rect(stroke=charts.GRID).encode(color=colour) + marks).properties(
        height=charts.ROW * len(names)
    )
    family = contents.cells.shared_by(tasks[0])
    harmed = [f"{row['method']} on {row['task']}" for row in rows if row["shown"] == "worse"]
    said = f"shown to be worse: {', '.join(harmed)}" if harmed else "none is shown to be worse"
    return charts.chart(drawn, f"Gain of each method on each task of {family}; {said}.")
