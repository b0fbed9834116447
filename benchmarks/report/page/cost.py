"""What a headline costs in seconds and memory."""

from collections.abc import Iterator
from typing import Any

import altair as alt

from benchmarks.report.page import charts
from benchmarks.report.page.contents import COSTS, LAST, Contents
from benchmarks.report.page.section import Chart, Section
from benchmarks.report.table import Block


def section(contents: Contents) -> Section | None:
    block = contents.accuracies.get(LAST)
    if block is None:
        return None
    body = [
        chart
        for metric, costs in contents.costs.items()
        for column in contents.columns()
        for chart in _charts(contents, block, costs, COSTS[metric], column)
    ]
    lead = (
        "Training time and memory of one run, means over seeds, as they were on the machines of these runs: "
        "compare them only where all methods ran on the same one."
    )
    return Section("cost", "Cost", lead, body) if body else None


def _charts(contents: Contents, block: Block, costs: Block, title: str, column: str) -> Iterator[Chart]:
    objective, of = block.objectives[column], contents.report.shown(column)
    rows: list[dict[str, Any]] = [
        {
            "method": name,
            "cost": float(f"{cost.summary.mean:.4g}"),
            objective.name: charts.placed(cell.summary.mean, objective),
            "shown": charts.sign(name, cell),
        }
        for name, row in block.rows.items()
        if name not in block.references and name in costs.rows
        if (cell := row[column]).summary
        if (cost := costs.rows[name][column]).summary and cost.summary.mean > 0
    ]
    if not rows:
        return
    title_y = objective.in_unit(f"target {objective.name}, {of}")
    base = alt.Chart(charts.data(rows)).encode(
        x=alt.X("cost:Q", title=title, scale=alt.Scale(type="log", nice=False, padding=30)),
        y=alt.Y(f"{objective.name}:Q", title=title_y, scale=alt.Scale(zero=False, padding=15)),
        tooltip=charts.tooltips("method:N", alt.Tooltip("cost:Q", title=title), f"{objective.name}:Q"),
    )
    points = base.mark_point(filled=True, size=60, opacity=1).encode(**charts.signs(row["shown"] for row in rows))
    names = base.mark_text(align="left", dx=6, fontSize=10).encode(text=alt.Text("method:N"))
    drawn = (points + names).properties(height=280)
    yield charts.chart(drawn, f"{title} against target {objective.name}, {of}, a point for each method.")
