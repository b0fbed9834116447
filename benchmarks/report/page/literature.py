"""Published numbers beside ours, by protocol."""

import altair as alt
from markupsafe import Markup

from benchmarks.report.beside import report_of
from benchmarks.report.page import charts
from benchmarks.report.page.contents import Contents
from benchmarks.report.page.section import Chart, Section
from benchmarks.report.page.templates import coded, listing_table
from benchmarks.report.published import Comparison


def section(contents: Contents) -> Section | None:
    """A chart of what is judged, the table of all, and where the numbers are from."""
    apart = not any(each.planned for each in contents.comparisons)
    if not contents.comparisons or not (apart or any(each.ours for each in contents.comparisons)):
        return None
    report = report_of(contents.report.suite, contents.comparisons)
    judged = [each for each in contents.comparisons if each.judged]
    inside = sum(each.verdict == "inside" for each in judged)
    lead = (
        f"{inside} of {len(judged)} published numbers of this protocol are met within the limit."
        if judged
        else "No published number is of a task of this suite; those shown are of other data."
        if apart
        else "No published number is of this protocol and choice; those shown were made in other ways."
    )
    by_unit: dict[str, list[Comparison]] = {}
    for each in judged:
        by_unit.setdefault(each.published.read_as.unit, []).append(each)
    body: list[Chart | Markup] = [_chart(of_unit) for of_unit in by_unit.values()]
    body += [
        Markup("<details><summary>All {} published numbers</summary>{}</details>").format(
            len(contents.comparisons), listing_table(report, listing)
        )
        for listing in report.listings
    ]
    notes = Markup("").join(Markup("<li>{}</li>").format(coded(note)) for note in report.notes)
    body.append(Markup("<ul>{}</ul>").format(notes))
    return Section("published", "Published numbers beside ours", lead, body)


def _chart(judged: list[Comparison]) -> Chart:
    rows = [
        {
            "row": f"{each.published.ours} {each.published.task.partition('/')[2] or each.published.task}",
            "value": float(f"{number:.4g}"),
            "of": of,
            "from": each.published.citation[:60],
        }
        for each in judged
        if each.ours
        for of, number in (("ours", each.ours.mean), ("published", each.published.accuracy))
    ]
    colours = alt.Scale(domain=["ours", "published"], range=[charts.BLUE, charts.ORANGE])
    shapes = alt.Scale(domain=["ours", "published"], range=["circle", "diamond"])
    names = dict.fromkeys(each.published.read_as.name for each in judged)
    what = "score" if judged[0].published.read_as.is_share else " or ".join(names)
    drawn = (
        alt.Chart(charts.data(rows))
        .mark_point(filled=True, size=70, opacity=1)
        .encode(
            x=alt.X(
                "value:Q", title=judged[0].published.read_as.in_unit(f"target {what}"), scale=alt.Scale(zero=False)
            ),
            y=alt.Y("row:N", title=None, sort=None),
            color=alt.Color("of:N", title=None, scale=colours),
            shape=alt.Shape("of:N", title=None, scale=shapes),
            tooltip=charts.tooltips("row:N", "of:N", "value:Q", "from:N"),
        )
        .properties(height=charts.ROW * len(rows) // 2)
    )
    outside = [each for each in judged if each.verdict != "inside"]
    said = ", ".join(f"{each.published.ours} on {each.published.task}" for each in outside[:10]) or "none"
    return charts.chart(
        drawn, f"Ours and published accuracies, in rows of one method and task; outside the limit: {said}."
    )
