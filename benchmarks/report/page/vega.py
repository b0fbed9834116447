"""Parts of Vega-Lite specifications that several pictures share."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from benchmarks.report.page.charts import CONFIG
from benchmarks.report.page.section import Chart

# Petroff, "Accessible color sequences for data visualization", arXiv:2107.02270: for up to ten classes.
COLOURS = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
OF_DOMAINS = ("#717581", "#e76300")  # of source and target: not those of the first classes
SHAPES = (
    "circle",
    "cross",
    "triangle-up",
    "diamond",
    "square",
    "triangle-down",
)  # of domains: grey print has no colours
CHARACTER = 7  # pixels of a letter


def small(spec: Mapping[str, Any], alternative: str) -> Chart:
    """A chart of fixed width, of which a wide page has several in a row."""
    return Chart({"config": CONFIG, "description": alternative, **spec}, alternative)


def table(frame: pd.DataFrame) -> dict[str, Any]:
    """Data as CSV, a third of what JSON takes; text stays text, also where it looks like a number."""
    parse = {name: "number" if kind.kind in "if" else "string" for name, kind in frame.dtypes.items()}
    return {"values": frame.to_csv(index=False), "format": {"type": "csv", "parse": parse}}


def one_of(field: str, labels: Mapping[str, str], first: str) -> dict[str, Any]:
    """Rows of one value of a field, which a list below the chart chooses; its title says which."""
    bind = {"input": "select", "options": list(labels), "labels": list(labels.values()), "name": f"{field} "}
    return {
        "params": [{"name": field, "value": first, "bind": bind}],
        "transform": [{"filter": f"datum.{field} === {field}"}],
        "title": {"text": {"expr": field}},
    }


def legend(labels: Sequence[str], width: int) -> dict[str, Any]:
    """A legend below, in as many columns as are no wider than what is above it."""
    longest = max(map(len, labels), default=0)
    columns = max(1, width // (CHARACTER * longest + 25))
    return {"orient": "bottom", "columns": columns, "labelLimit": width, "title": None}


def domains(names: Sequence[str], width: int) -> dict[str, Any]:
    """Encodings of domains by colour and by shape, with one legend."""
    colours = OF_DOMAINS if len(names) == 2 else COLOURS
    common = {"field": "domain", "type": "nominal", "legend": legend(names, width)}
    return {
        "color": {**common, "scale": {"domain": list(names), "range": list(colours)}},
        "shape": {**common, "scale": {"domain": list(names), "range": list(SHAPES)}},
    }
