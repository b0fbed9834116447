"""The runs behind the numbers, as the page's script shows them: settings, scores at each checkpoint, warnings."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import altair as alt

from benchmarks.core.headline import Headline
from benchmarks.report.cells import Cell
from benchmarks.report.page import charts, curves
from benchmarks.report.page.contents import Contents
from benchmarks.report.page.section import Chart

MOST = 4000  # runs that a page holds
NUMBERS = 300_000  # of the curves of all runs together: about 2 MB
POINTS, FEWEST = 16, 5  # of a curve


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
    scores: dict[Headline, int] = {}
    variants = {spec.run_id: spec.variant for spec in contents.cells.grid.specs}
    points = _points(contents, places)
    runs = []
    for run in places:
        row = contents.cells.records[run]
        spec = {key: value for key, value in row.get("spec", {}).items() if key != "seed"}
        number = settings.setdefault(json.dumps(spec, sort_keys=True), len(settings))
        objective = contents.cells.objectives[row["task"]]
        steps = [_step(each, objective) for each in row["checkpoints"]]
        runs.append(
            {
                "id": run,
                "task": contents.report.shown(row["task"]),
                "method": variants.get(run, row["method"]),
                "seed": int(row["seed"]),
                "settings": number,
                "scores": scores.setdefault(objective, len(scores)),
                "device": _text(row.get("device")),
                "warnings": _text(row["warnings"]),
                "steps": steps,
                "last": ["–" if value is None else format(value, objective.form[1]) for value in steps[-1][1:]],
                "curves": curves.thinned(contents.curves.get(run, ()), points) if points else {},
            }
        )
    return {
        "runs": runs,
        "settings": [json.loads(text) for text in settings],
        "scores": [_names(objective) for objective in scores],
    }


def _names(objective: Headline) -> dict[str, str]:
    """What the dialog calls the scores of runs with one objective."""
    both = ", ".join(dict.fromkeys([objective.name, objective.on_source]))
    return {
        "both": objective.in_unit(both),
        "target": objective.in_unit(f"target {objective.name}"),
        "source": objective.in_unit(f"source {objective.on_source}"),
    }


def _points(contents: Contents, places: Mapping[str, int]) -> int:
    """How many points each curve of a run has, so that the page stays small; 0: it has no room for them."""
    signals = sum(len(contents.curves[run][0]) for run in places if contents.curves.get(run))
    points = min(POINTS, NUMBERS // (2 * max(signals, 1)))
    return points if points >= FEWEST else 0


def _text(value: Any) -> str:
    """What a record says, or nothing: where a .csv is silent, pandas has NaN."""
    return value if isinstance(value, str) else ""


def _step(scores: Mapping[str, Any], objective: Headline) -> list[Any]:
    """The number of a step, and the scores of target and source after it as they are printed."""
    names = (objective.headline, objective.source_score("val"))
    return [scores["step"], *(_printed(scores.get(name), objective) for name in names)]


def _printed(score: Any, objective: Headline) -> float | None:
    scale, digits = objective.form
    return float(format(scale * score, digits)) if isinstance(score, float) and score == score else None


def chart() -> Chart:
    """Curves of the runs of one cell, a colour for each seed; the script puts the data and their name in."""
    drawn = (
        alt.Chart(alt.NamedData(name="runs"))
        .mark_line(point=True)
        .encode(
            x=alt.X("step:Q"),
            y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)),
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
