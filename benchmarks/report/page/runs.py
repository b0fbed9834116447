"""The runs behind the numbers, as the page's script shows them: settings, scores at each checkpoint, warnings."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import altair as alt

from benchmarks.evaluation import HEADLINE
from benchmarks.report.cells import Cell
from benchmarks.report.page import charts
from benchmarks.report.page.contents import Contents
from benchmarks.report.page.section import Chart

MOST = 4000  # runs that a page holds
SOURCE = "source_val_accuracy"


def behind(contents: Contents) -> list[str]:
    """The runs behind the cells."""
    return list(
        dict.fromkeys(run for cell in _cells(contents) for run in cell.runs if run in contents.cells.records)
    )


def _cells(contents: Contents) -> Iterator[Cell]:
    tables = [block.rows for block in contents.accuracies.values()]
    tables += [overview.rows for overview in contents.report.overviews]
    yield from (cell for rows in tables for row in rows.values() for cell in row.values())


def listed(contents: Contents, places: Mapping[str, int]) -> dict[str, Any]:
    """What the script reads. Settings that runs share are there once."""
    settings: dict[str, int] = {}
    variants = {spec.run_id: spec.variant for spec in contents.cells.grid.specs}
    runs = []
    for run in places:
        row = contents.cells.records[run]
        spec = {key: value for key, value in row.get("spec", {}).items() if key != "seed"}
        number = settings.setdefault(json.dumps(spec, sort_keys=True), len(settings))
        runs.append(
            {
                "id": run,
                "task": contents.report.shown(row["task"]),
                "method": variants.get(run, row["method"]),
                "seed": int(row["seed"]),
                "settings": number,
                "device": _text(row.get("device")),
                "warnings": _text(row["warnings"]),
                "steps": [_step(scores) for scores in row["checkpoints"]],
            }
        )
    return {"runs": runs, "settings": [json.loads(text) for text in settings]}


def _text(value: Any) -> str:
    """What a record says, or nothing: where a .csv is silent, pandas has NaN."""
    return value if isinstance(value, str) else ""


def _step(scores: Mapping[str, Any]) -> list[Any]:
    return [scores["step"], *(_percent(scores.get(name)) for name in (HEADLINE, SOURCE))]


def _percent(share: Any) -> float | None:
    return round(100 * share, 1) if isinstance(share, float) and share == share else None


def chart() -> Chart:
    """Target and source accuracy of the runs of one cell over their checkpoints; the script puts the data in."""
    drawn = (
        alt.Chart(alt.NamedData(name="runs"))
        .mark_line(point=True)
        .encode(
            x=alt.X("step:Q"),
            y=alt.Y("accuracy:Q", title="accuracy (%)", scale=alt.Scale(zero=False)),
            color=alt.Color("of:N", title=None, scale=alt.Scale(range=[charts.BLUE, charts.ORANGE])),
            strokeDash=alt.StrokeDash("of:N", title=None),
            detail=alt.Detail("run:N"),
            tooltip=charts.tooltips("run:N", "seed:Q", "step:Q", "accuracy:Q", "of:N"),
        )
        .properties(height=180)
    )
    return charts.chart(drawn, "Accuracy of each run at its checkpoints, on the target and on the source.")
