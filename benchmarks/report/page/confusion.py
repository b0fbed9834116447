"""Confusion matrices: what each class of the target is taken for, by the baseline and by a method."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from benchmarks.plan.methods import BASELINE
from benchmarks.report.cells import Cells, without_split
from benchmarks.report.page import vega
from benchmarks.report.page.section import Chart, Section
from datasets.base import class_names

NAMED = 30  # classes that an axis can name
SIDE, LABEL = 220, 80  # pixels of a matrix and of a class's name
NONE = "#440154"  # viridis at 0: cells without samples are not in the data


def confusion(cells: Cells) -> Section:
    """For each task, matrices of the baseline and of a method that the reader chooses, all seeds together."""
    body: list[Chart | Markup] = []
    for task in cells.scored:
        found = {variant: _counts(cells, variant, task) for variant in cells.variants}
        matrices = {variant: matrix for variant, matrix in found.items() if matrix is not None}
        if BASELINE in matrices:
            order = [BASELINE, *cells.best_first((name for name in matrices if name in cells.candidates), task)]
            order = list(dict.fromkeys([*order, *matrices]))
            ordered = {name: matrices[name] for name in order}
            body += _task(without_split(task, cells.tasks), ordered, class_names(task))
    lead = (
        "What target test samples of each class are taken for, summed over seeds. Rows are true classes and add "
        "up to 100%; the diagonal is each class's accuracy."
    )
    nothing = "Not drawn: no record has the confusion matrix of a target with labels."
    return Section("confusion", "Confusion", lead if body else nothing, body)


def _counts(cells: Cells, variant: str, task: str) -> np.ndarray | None:
    """(seeds, classes, classes) samples by true and predicted class; not all records have a matrix."""
    found = [row["confusion"] for row in cells.rows(variant, task).values() if row.get("confusion")]
    return np.array(found) if found else None


def _task(name: str, matrices: dict[str, np.ndarray], classes: Sequence[str]) -> list[Chart | Markup]:
    frame = pd.concat({variant: _long(each.sum(axis=0), classes) for variant, each in matrices.items()})
    frame = frame.rename_axis(["method", None]).reset_index("method")
    labels = {variant: f"{variant}, {_said(each)}" for variant, each in matrices.items()}
    others = {variant: label for variant, label in labels.items() if variant != BASELINE}
    parts: list[Chart | Markup] = [Markup("<h3>{}</h3>").format(name)]
    before = frame[frame["method"] == BASELINE]
    titled = _spec(before, classes) | {"title": {"text": labels[BASELINE]}}
    parts.append(vega.small(titled, _alt(name, BASELINE, matrices, classes)))
    if others:
        rest = frame[frame["method"] != BASELINE]
        spec = _spec(rest, classes) | vega.one_of("method", others, next(iter(others)))
        parts.append(vega.small(spec, " ".join(_alt(name, variant, matrices, classes) for variant in others)))
    return parts


def _said(counts: np.ndarray) -> str:
    seeds, total = len(counts), int(counts.sum())
    return f"{seeds} seed{'s' * (seeds > 1)}, n = {total:,}"


def _long(counts: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """A row for each cell that has samples: their number, and their share of the true class in %."""
    true, predicted = np.nonzero(counts)
    n = counts[true, predicted]
    share = (100 * n / counts.sum(axis=1)[true]).round(1)
    names = np.array(classes)
    return pd.DataFrame({"true": names[true], "predicted": names[predicted], "n": n, "share": share})


def _alt(name: str, variant: str, matrices: dict[str, np.ndarray], classes: Sequence[str]) -> str:
    """The most frequent mistake in words."""
    counts = matrices[variant].sum(axis=0)
    wrong = counts * (1 - np.eye(len(classes), dtype=int))
    true, predicted = np.unravel_index(wrong.argmax(), wrong.shape)
    share = 100 * counts[true, predicted] / max(1, counts[true].sum())
    most = f"most often {classes[true]} is taken for {classes[predicted]} ({share:.0f}% of it)"
    return f"{variant} on {name}: {most if wrong.any() else 'no mistake'}."


def _spec(frame: pd.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    axis = {"labelLimit": LABEL, "labels": len(classes) <= NAMED, "ticks": False, "grid": False}
    scale = {"type": "nominal", "scale": {"domain": list(classes)}, "axis": axis}
    return {
        "data": vega.table(frame),
        "width": SIDE,
        "height": SIDE,
        "view": {"fill": NONE},
        "mark": {"type": "rect"},
        "encoding": {
            "x": {"field": "predicted", "title": "predicted class", **scale},
            "y": {"field": "true", "title": "true class", **scale},
            "color": {
                "field": "share",
                "type": "quantitative",
                "scale": {"scheme": "viridis", "domain": [0, 100]},
                "legend": {"title": "% of the true class", "orient": "bottom", "gradientLength": SIDE},
            },
            "tooltip": [{"field": field} for field in ("true", "predicted", "share", "n")],
        },
    }
