"""The runs behind the numbers, as the page's script shows them: settings, scores at each checkpoint, warnings."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import altair as alt

from benchmarks.evaluation import HEADLINE
from benchmarks.report.cells import Cell
from benchmarks.report.page import charts, curves
from benchmarks.report.page.contents import Contents
from benchmarks.report.page.section import Chart

MOST = 4000  # runs that a page holds
NUMBERS = 300_000  # of the curves of all runs together: about 2 MB
POINTS, FEWEST = 16, 5  # of a curve
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
    points = _points(contents, places)
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
                "curves": curves.thinned(contents.curves.get(run, ()), points) if points else {},
            }
        )
    return {"runs": runs, "settings": [json.loads(text) for text in settings]}


def _points(contents: Contents, places: Mapping[str, int]) -> int:
    """How many points each curve of a run has, so that the page stays small; 0: it has no room for them."""
    signals = sum(len(contents.curves[run][0]) for run in places if contents.curves.get(run))
    points = min(POINTS, NUMBERS // (2 * max(signals, 1)))
    return points if points >= FEWEST else 0


def _text(value: Any) -> str:
    """What a record says, or nothing: where a .csv is silent, pandas has NaN."""
    return value if isinstance(value, str) else ""


def _step(scores: Mapping[str, Any]) -> list[Any]:
    return [scores["step"], *(_percent(scores.get(name)) for name in (HEADLINE, SOURCE))]


def _percent(share: Any) -> float | None:
    return round(100 * share, 1) if isinstance(share, float) and share == share else None


def chart() -> Chart:
    """Curves of the runs of one cell, a colour for each seed; the script puts the data and their name in."""
    drawn = (
        alt.Chart(alt.NamedData(name="runs"))
        .mark_line(point=True)
        .encode(
            x=alt.X("step:Q"),
            y=alt.Y("value:Q", title="accuracy (%)", scale=alt.Scale(zero=False)),
            color=alt.Color(
                "seed:N", scale=alt.Scale(range=[*charts.OF_SEEDS]), legend=alt.Legend(title="seed", columns=10)
            ),
            strokeDash=alt.StrokeDash("of:N", legend=alt.Legend(title=None, columns=2, labelLimit=300)),
            detail=alt.Detail("run:N"),
            tooltip=charts.tooltips("run:N", "task:N", "seed:Q", "step:Q", "value:Q", "of:N"),
        )
        .properties(height=180)
    )
    return charts.chart(drawn, "A curve of each run over the steps of its training.")
