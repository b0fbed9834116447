"""What all charts share: colours that colour-blind people tell apart, shapes beside them, and no fixed width.

Colours are those of Okabe and Ito. Ink and grid are the page's own (CSS custom properties), so that one chart is
read on light, on dark and on paper.

Channels are Altair's objects, ``alt.X("gain:Q")`` and not ``"gain:Q"``: it validates what it wraps, for half
of the time that a page takes.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import altair as alt

from benchmarks.core.objective import Objective
from benchmarks.plan.methods import BASELINE
from benchmarks.report.cells import Cell
from benchmarks.report.page.section import Chart

ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7",
)  # fmt: skip
OF_SEEDS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)
INK, FAINT, GRID = "var(--ink)", "var(--faint)", "var(--line)"
# What a test shows of a method beside the baseline, with the sign that the tables have for it.
SIGNS = {
    "better": ("#0072b2", "triangle-up"),
    "no difference shown": (FAINT, "circle"),
    "not tested": (FAINT, "diamond"),
    "worse": ("#d55e00", "triangle-down"),
    BASELINE: (ORANGE, "square"),
}
ROW = 20  # pixels: heights are numbers, as Vega-Lite warns of steps beside a width that fits
CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK, "titleColor": INK, "tickColor": FAINT, "domainColor": FAINT, "gridColor": GRID,
        "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 300,
        "titleLimit": 400,
    },
    "axisX": {"tickCount": 8},
    "legend": {"labelColor": INK, "titleColor": INK, "orient": "top", "labelFontSize": 12, "columns": 3,
        "labelLimit": 150},
    "text": {"color": INK, "fill": INK},
    "rule": {"color": INK},
    "title": {"color": INK, "fontSize": 13, "anchor": "start"},
}  # fmt: skip


def chart(drawn: Any, alternative: str) -> Chart:
    """A chart as wide as its place on the page."""
    whole = drawn.configure(**CONFIG).properties(width="container", description=alternative)
    return Chart(whole.to_dict(validate=False), alternative)


def tooltips(*fields: str | alt.Tooltip) -> list[alt.Tooltip]:
    return [alt.Tooltip(field) if isinstance(field, str) else field for field in fields]


def data(rows: Iterable[Mapping[str, Any]]) -> alt.InlineData:
    """Rows, without what is no number and so cannot be drawn."""
    return alt.InlineData(
        values=[{key: value for key, value in row.items() if not _is_nan(value)} for row in rows]
    )


def _is_nan(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def placed(value: float, objective: Objective) -> float:
    """A headline, or a difference of two, as a place on an axis: of a share in %, of others four digits."""
    return round(objective.scale * value, 2) if objective.is_share else float(f"{objective.scale * value:.4g}")


def sign(method: str, cell: Cell) -> str:
    if method == BASELINE:
        return BASELINE
    nothing = "not tested" if cell.p is None else "no difference shown"
    return {"▲": "better", "▼": "worse", "": nothing}[cell.mark]


def signs(found: Iterable[str]) -> dict[str, Any]:
    """Colour and shape by what a test shows; only what is there is in the legend."""
    known = set(found)
    names = [name for name in SIGNS if name in known]
    colours, shapes = ([SIGNS[name][part] for name in names] for part in (0, 1))
    legend = alt.Legend(title=None)
    return {
        "color": alt.Color("shown:N", scale=alt.Scale(domain=names, range=colours), legend=legend),
        "shape": alt.Shape("shown:N", scale=alt.Scale(domain=names, range=shapes), legend=legend),
    }
