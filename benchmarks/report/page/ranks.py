"""Mean ranks over tasks, with critical differences where there are enough tasks for a test."""

from collections.abc import Sequence

import altair as alt
from markupsafe import Markup

from benchmarks.report.cells import Cells
from benchmarks.report.comparison import Friedman, mean_ranks
from benchmarks.report.listings import Complete
from benchmarks.report.page import charts
from benchmarks.report.page.contents import Contents
from benchmarks.report.page.section import Chart, Section
from benchmarks.report.page.templates import listing_table


def section(contents: Contents) -> Section | None:
    """A chart for each family of which some tasks have every run, and the tables of rankings and pairs."""
    kinds = ("ranks", "pairs")
    tables = [listing for listing in contents.report.listings if listing.kind in kinds]
    if not tables:
        return None
    body: list[Chart | Markup] = [
        _chart(contents.cells, complete) for complete in contents.report.complete if len(complete.tasks) > 1
    ]
    body += [listing_table(contents.report, listing) for listing in tables if listing.kind == "ranks"]
    body += [
        Markup("<details><summary>{}</summary>{}</details>").format(
            contents.report.shown(listing.title), listing_table(contents.report, listing)
        )
        for listing in tables
        if listing.kind == "pairs"
    ]
    lead = (
        "The rank of each method, mean over the tasks of which all runs exist; 1 is best. Ranks say how often a "
        "method is ahead, and not by how much."
    )
    return Section("ranks", "Ranks and pairs", lead, body)


def _chart(cells: Cells, complete: Complete) -> Chart:
    found = complete.friedman
    ranks = mean_ranks(complete.independent if found else complete.scores).tolist()
    rows = [{"method": name, "rank": round(rank, 3)} for name, rank in zip(complete.names, ranks, strict=True)]
    order = [row["method"] for row in sorted(rows, key=lambda row: row["rank"])]
    family = cells.shared_by(complete.tasks[0])
    y = alt.Y("method:N", sort=order, title=None)
    x = alt.X("rank:Q", title=f"mean rank, {family}", scale=alt.Scale(zero=False))
    points = alt.Chart(charts.data(rows)).mark_point(filled=True, size=70, color=charts.BLUE, opacity=1)
    drawn = points.encode(x=x, y=y, tooltip=charts.tooltips("method:N", "rank:Q"))
    if found:
        drawn = _cliques(found, complete.names, ranks, y) + drawn
    said = ", ".join(f"{row['method']} {row['rank']:.2f}" for row in sorted(rows, key=lambda row: row["rank"]))
    cliques = " Bars join methods closer than the critical difference." if found else ""
    return charts.chart(
        drawn.properties(height=charts.ROW * len(rows)), f"Mean ranks on {family}: {said}.{cliques}"
    )


def _cliques(found: Friedman, names: Sequence[str], ranks: Sequence[float], y: alt.Y) -> alt.Chart:
    """A bar at each clique's best method, from its rank to that of the worst that does not differ from it."""
    bars = [
        {"method": names[clique[0]], "low": ranks[clique[0]], "high": ranks[clique[-1]]}
        for clique in found.cliques
    ]
    return (
        alt.Chart(charts.data(bars))
        .mark_bar(size=6, opacity=0.35, color=charts.ORANGE)
        .encode(x=alt.X("low:Q"), x2=alt.X2("high:Q"), y=y)
    )
