"""What happened while it trained: losses, the discriminator, gradients and accuracies, means over seeds."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
from markupsafe import Markup

from benchmarks.report.page import charts
from benchmarks.report.page.contents import Contents
from benchmarks.report.page.section import Chart, Section
from benchmarks.report.page.templates import rendered

POINTS = 16  # of a line
MOST = 120_000  # points of all lines together: about 2 MB
TARGET, SOURCE = "target", "source"  # scores at checkpoints, of whatever is learnt: a .csv has them too
TITLES = {
    TARGET: "target score",
    "source_accuracy": "source accuracy in the batch (%)",
    SOURCE: "source score, validation",
    "task": "loss of the task",
    "domain": "loss of the domain classifier",
    "domain_accuracy": "discriminator's accuracy (%; chance 50)",
    "strength": "λ, the weight of alignment",
    "gradient_ratio": "gradient of alignment over the task's",
    "effective_sample_size": "effective sample size (share of source)",
}
Line = tuple[str, str, str]  # signal, task, method


def section(contents: Contents) -> Section | None:
    """A chart for each signal; controls choose the task and the method that stands out.

    A chart says for which tasks it has lines: of others it would be empty, and the page hides it.
    """
    lines = _lines(contents)
    if not lines:
        return None
    tasks, methods = (list(dict.fromkeys(line[place] for line in lines)) for place in (1, 2))
    # A shallow method takes no step.
    moving = {method for (_, _, method), (steps, _) in lines.items() if len(steps) > 1}
    first = next((name for name in reversed(contents.cells.candidates) if name in moving), methods[0])
    titles = _titles(contents)
    kept = dict(list(lines.items())[: MOST // POINTS])
    drawn = sorted({signal for signal, _, _ in kept}, key=lambda name: ([*TITLES, name].index(name), name))
    controls = rendered("controls.html", controls={"task": (tasks, tasks[0]), "method": (methods, first)})
    body: list[Chart | Markup] = [controls, *(_chart(signal, titles, kept, tasks[0], first) for signal in drawn)]
    lead = "Each line is the mean over the seeds of a method; the one chosen stands out, the others are faint."
    if TARGET in drawn:
        lead += " Only the first chart has target labels, and training saw none of them."
    if not contents.curves:
        lead += " These records have no more than scores at checkpoints; a store has every signal."
    if len(kept) < len(lines):
        lead += f" {len(kept):,} of {len(lines):,} lines are here, so that the page stays small."
    return Section("curves", "Training curves", lead, body)


def _titles(contents: Contents) -> dict[str, str]:
    """Of the charts whose tasks may have different headlines."""
    found: dict[str, dict[str, None]] = {TARGET: {}, SOURCE: {}}
    for each in contents.cells.objectives.values():
        how = "; ".join(filter(None, [each.unit, "for display alone"]))
        found[TARGET][f"target {each.name} ({how})"] = None
        found[SOURCE][each.in_unit(f"source {each.on_source}, validation")] = None
    return {signal: " or ".join(titles) for signal, titles in found.items()}


def _lines(contents: Contents) -> dict[Line, tuple[list[float], list[float]]]:
    """Steps and values of each line."""
    runs: dict[Line, list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
    for spec in contents.cells.grid.specs:
        row = contents.cells.records.get(spec.run_id)
        if row is None or spec.configuration:
            continue
        task = contents.report.shown(spec.task)
        objective = contents.cells.objectives[spec.task]
        scores = {objective.headline: TARGET, objective.source_score("val"): SOURCE}
        for name, (steps, values) in _signals(row["checkpoints"], [*scores]):
            runs[scores[name], task, spec.variant].append((steps, objective.scale * values))
        for signal, points in _signals(contents.curves.get(spec.run_id, ()), None):
            runs[signal, task, spec.variant].append(points)
    return {line: _mean(several) for line, several in runs.items()}


def _signals(
    points: Iterable[Mapping[str, Any]], names: Sequence[str] | None
) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Of one run: each signal with its steps and values; what is no number is left out."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for point in points:
        for name in point if names is None else names:
            value = point.get(name)
            if name != "step" and isinstance(value, int | float) and np.isfinite(value):
                found[name].append((point["step"], value))
    for name, pairs in found.items():
        steps, values = np.array(pairs, dtype=float).T
        yield name, (steps, values)


def _mean(runs: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[list[float], list[float]]:
    """The mean over runs at no more than ``POINTS`` steps that all have reached, between the readings of each."""
    first, last = max(steps[0] for steps, _ in runs), min(steps[-1] for steps, _ in runs)
    own = runs[0][0]
    at = own if len(own) <= POINTS else np.linspace(first, last, POINTS)
    means = np.mean([np.interp(at, steps, values) for steps, values in runs], axis=0)
    return _written(at, means)


def _written(steps: np.ndarray, values: np.ndarray) -> tuple[list[float], list[float]]:
    return [round(step) for step in steps.tolist()], [float(f"{value:.3g}") for value in values.tolist()]


def thinned(points: Iterable[Mapping[str, Any]], most: int) -> dict[str, tuple[list[float], list[float]]]:
    """The curves of one run by what a chart calls them: no more than so many steps and values of each."""
    found = {}
    for signal, (steps, values) in _signals(points, None):
        rows = np.unique(np.linspace(0, len(steps) - 1, most).round().astype(int))
        found[title_of(signal)] = _written(steps[rows], _scale(signal) * values[rows])
    return found


def title_of(signal: str) -> str:
    return TITLES.get(signal, signal.replace("_", " "))


def _scale(signal: str) -> float:
    """By which a signal's values are multiplied where they are drawn."""
    return 100.0 if "accuracy" in signal else 1.0


def _chart(signal: str, titles: Mapping[str, str], lines: Mapping[Line, Any], task: str, method: str) -> Chart:
    scale = _scale(signal)
    rows = [
        {
            "task": line[1],
            "method": line[2],
            "step": steps,
            "value": [scale * value for value in values],
        }
        for line, (steps, values) in lines.items()
        if line[0] == signal
    ]
    title = titles.get(signal) or title_of(signal)
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    colour = charts.VERMILION if signal == TARGET else charts.BLUE

    def standing_out(strong: object) -> Any:
        return [{"test": "datum.method == method", "value": strong}]

    drawn = (
        alt.Chart(charts.data(rows))
        .transform_filter("datum.task == task")
        .transform_flatten(["step", "value"])
        .mark_line(strokeDash=[6, 3] if signal == TARGET else [1, 0])
        .encode(
            x=alt.X("step:Q"),
            y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)),
            detail=alt.Detail("method:N"),
            tooltip=charts.tooltips("method:N", "step:Q", "value:Q"),
            color=alt.ColorValue(charts.FAINT, condition=standing_out(colour)),
            opacity=alt.OpacityValue(0.35, condition=standing_out(1)),
            strokeWidth=alt.StrokeWidthValue(1, condition=standing_out(3)),
        )
        .add_params(
            alt.param("task", value=task if task in tasks else tasks[0]), alt.param("method", value=method)
        )
        .properties(height=160, title=title, usermeta={"task": tasks})
    )
    return charts.chart(
        drawn, f"{title} over the steps of the training, a line for each method on the chosen task."
    )
