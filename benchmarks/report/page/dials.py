"""Headlines against a dial: tasks that differ in the value of one dial alone, a line for each method."""

from collections.abc import Iterator
from typing import Any

import altair as alt
import pandas as pd
from markupsafe import Markup

from benchmarks.plan.methods import BASELINE
from benchmarks.report import dials, sweep
from benchmarks.report.cells import without_split
from benchmarks.report.page import charts
from benchmarks.report.page.contents import Contents
from benchmarks.report.page.section import Chart, Section
from benchmarks.report.page.templates import listing_table, rendered


def section(contents: Contents) -> Section | None:
    """For each task and dial, headlines, and how far predicted class shares are from the true ones."""
    cells = contents.cells
    found = cells.sweeps
    frames = {key: frame for key, by_value in found.items() if len(frame := sweep.lines(cells, by_value))}
    if not frames:
        return None
    methods = list(pd.concat(frames.values())["method"].unique())
    first = next((name for name in reversed(cells.candidates) if name in methods), methods[0])
    body: list[Chart | Markup] = [rendered("controls.html", controls={"method": (methods, first)})]
    for (task, dial), frame in frames.items():
        heading = cells.objectives[next(iter(found[task, dial].values()))].directed_heading
        body += _charts(frame, f"{heading}, {without_split(task, cells.tasks)}", dial, first)
    body += [
        Markup("<details><summary>{}</summary>{}</details>").format(
            listing.title, listing_table(contents.report, listing)
        )
        for listing in contents.report.listings
        if listing.kind == "sweep"
    ]
    lead = (
        f"Each line is a method, with a point for each value of the dial, the mean over seeds. {BASELINE} and the "
        "method chosen stand out, with their intervals; a tooltip has those of the others."
    )
    name = cells.name([of for by_value in found.values() for of in by_value.values()])
    return Section("dials", f"{name[0].upper()}{name[1:]} against a dial", lead, body)


def _charts(frame: pd.DataFrame, title: str, dial: str, method: str) -> Iterator[Chart]:
    yield _chart(frame, "mean", title, dial, method)
    if frame["off"].notna().any():
        off = "predicted class shares, points off the true ones, " + title.partition(", ")[2]
        yield _chart(frame.dropna(subset="off"), "off", off, dial, method)


def _chart(frame: pd.DataFrame, value: str, title: str, dial: str, method: str) -> Chart:
    at = dials.numbers(frame["value"])
    rows = frame.assign(at=frame["value"] if at is None else at).to_dict("records")
    if at is None:
        x = alt.X("at:O", title=dial, sort=None, axis=alt.Axis(labelAngle=0))
    else:
        # A linear axis would begin at 0; Vega warns where a logarithmic one is told not to.
        kind: dict[str, Any] = {"type": "log"} if dials.scale(at) == "log" else {"type": "linear", "zero": False}
        scale = alt.Scale(**kind, nice=False, padding=15)
        x = alt.X("at:Q", title=dial, scale=scale, axis=alt.Axis(values=sorted(set(at)), format="~g"))

    def one_of(chosen: object, usual: object) -> list[dict[str, object]]:
        tests = {"datum.method == method": chosen, f"datum.method == '{BASELINE}'": usual}
        return [{"test": test, "value": value} for test, value in tests.items()]

    colour = alt.ColorValue(charts.FAINT, condition=one_of(charts.BLUE, charts.ORANGE))
    limits = ("low:Q", "high:Q") if value == "mean" else ()
    shown = charts.tooltips("method:N", alt.Tooltip("at:N", title=dial), f"{value}:Q", *limits, "seeds:Q")
    base = alt.Chart(charts.data(rows)).encode(
        x=x, y=alt.Y(f"{value}:Q", title=None, scale=alt.Scale(zero=False)), color=colour, tooltip=shown
    )
    layers = [
        base.mark_line().encode(
            detail=alt.Detail("method:N"),
            opacity=alt.OpacityValue(0.4, condition=one_of(1, 1)),
            strokeWidth=alt.StrokeWidthValue(1, condition=one_of(3, 2)),
        ),
        base.mark_point(filled=True, size=50).encode(
            opacity=alt.OpacityValue(0.4, condition=one_of(1, 1)),
            shape=alt.ShapeValue("circle", condition=one_of("circle", "square")),
        ),
    ]
    if value == "mean":
        bars = base.transform_filter(f"datum.method == method || datum.method == '{BASELINE}'").mark_rule()
        layers.append(bars.encode(y=alt.Y("low:Q", title=None), y2=alt.Y2("high:Q")))
    drawn = charts.chart(
        alt.layer(*layers).properties(height=220, title=title), f"{title}, against {dial}, a line for each method."
    )
    return Chart({**drawn.spec, "params": [{"name": "method", "value": method}]}, drawn.alt)
