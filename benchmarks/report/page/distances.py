"""Whether domains that are hard to tell apart go with accuracy, and the proxies of Ben-David's bound."""

from collections.abc import Iterator, Sequence
from typing import Any

import altair as alt
from markupsafe import Markup

from benchmarks.report.page import charts
from benchmarks.report.page.contents import LAST, Contents
from benchmarks.report.page.section import Chart, Section
from benchmarks.report.page.templates import listing_table
from benchmarks.report.table import Block

METRIC = "proxy_a_distance"


def section(contents: Contents) -> Section | None:
    block = contents.accuracies.get(LAST)
    distances = next((each for each in contents.report.blocks if each.metric == METRIC), None)
    if not block or not distances:
        return None
    body: list[Chart | Markup] = []
    for tasks in contents.cells.alike(contents.cells.scored).values():
        body += _charts(contents, block, distances, tasks)
    body += [
        Markup("<details><summary>{}</summary>{}</details>").format(
            listing.title, listing_table(contents.report, listing)
        )
        for listing in contents.report.listings
        if listing.kind == "bound"
    ]
    name = contents.cells.name(contents.cells.scored)
    plural = "Accuracies" if name == "accuracy" else "Scores"
    lead = (
        "Proxy A-distance says how well a linear classifier tells source from target features: 0 is alike, 2 is "
        f"told apart. It need not move with {name}. {plural} and distances are those of the last step."
    )
    return Section("distances", f"{name[0].upper()}{name[1:]} and distance between domains", lead, body)


def _charts(contents: Contents, block: Block, distances: Block, tasks: Sequence[str]) -> Iterator[Chart]:
    objective = block.objectives[tasks[0]]
    rows: list[dict[str, Any]] = [
        {
            "task": contents.report.shown(task).partition("/")[2],
            "method": name,
            "distance": round(distance.summary.mean, 3),
            objective.name: charts.placed(cell.summary.mean, objective),
            "shown": charts.sign(name, cell),
        }
        for name, row in distances.rows.items()
        for task in tasks
        if name in block.rows
        if (cell := block.rows[name][task]).summary and (distance := row[task]).summary
    ]
    if not rows:
        return
    family = tasks[0].partition("/")[0]
    title = objective.in_unit(f"target {objective.name}, {family}")
    drawn = (
        alt.Chart(charts.data(rows))
        .mark_point(filled=True, size=55, opacity=0.8)
        .encode(
            x=alt.X("distance:Q", title="proxy A-distance", scale=alt.Scale(zero=False, padding=10)),
            y=alt.Y(f"{objective.name}:Q", title=title, scale=alt.Scale(zero=False, padding=10)),
            tooltip=charts.tooltips("method:N", "task:N", "distance:Q", f"{objective.name}:Q", "shown:N"),
            **charts.signs(row["shown"] for row in rows),
        )
        .properties(height=300)
    )
    yield charts.chart(
        drawn, f"Target {objective.name} against proxy A-distance, a point for each method and task of {family}."
    )
