"""Maps of features: source and target in two dimensions, before adaptation and after it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from benchmarks.core.objective import Objective
from benchmarks.core.randomness import generator
from benchmarks.core.settings import UserError
from benchmarks.evaluation.outputs import Outputs
from benchmarks.plan.methods import BASELINE
from benchmarks.records.record import Record
from benchmarks.records.rescoring import shown_labels
from benchmarks.records.store import Store
from benchmarks.report.cells import ACCURACY, Cells, without_split
from benchmarks.report.page import vega
from benchmarks.report.page.section import Chart, Section
from datasets.base import class_names

POINTS = 40_000  # of all maps together, which makes 1.5 MB of a page
FEWEST, MOST = 20, 200  # points of a domain on a map
SIDE, EXTENT = 165, 500  # pixels of a map; its largest coordinate, as a whole number
OTHER, UNKNOWN = "another class", "no label"
FIFTHS = ("lowest fifth", "second fifth", "middle fifth", "fourth fifth", "highest fifth")
DOMAINS = ("source", "target")


def pca(features: np.ndarray) -> np.ndarray:
    from sklearn.decomposition import PCA

    # The full decomposition is the same picture, and takes ten times as long.
    return np.asarray(PCA(2, svd_solver="randomized", random_state=0).fit_transform(features))


def tsne(features: np.ndarray) -> np.ndarray:
    from sklearn.manifold import TSNE

    near = min(30.0, len(features) / 4)  # scikit-learn's default, but for few samples
    return np.asarray(TSNE(2, perplexity=near, init="pca", random_state=0).fit_transform(features))


Projection = Callable[[np.ndarray], np.ndarray]  # of features (n, d) to places (n, 2)
PROJECTIONS: dict[str, Projection] = {"pca": pca, "tsne": tsne}
SAID = {
    "pca": "Each map shows the two principal components of a model's features",
    "tsne": "Each map is a t-SNE of a model's features, in which distances between groups mean little",
}


def maps(cells: Cells, stores: Sequence[Store], how: str = "pca") -> Section:
    """For each task, maps of the baseline and of a method that the reader chooses, of one seed.

    Args:
        stores: where outputs are; a .csv of records has none.
        how: one of ``PROJECTIONS``.
    """
    found = {task: folders for task in cells.tasks if (folders := _folders(cells, stores, task))}
    size = POINTS // (2 * max(1, sum(map(len, found.values()))))
    body: list[Chart | Markup] = []
    for task, folders in found.items():
        body += _task(cells, task, folders, PROJECTIONS[how], min(MOST, max(FEWEST, size)))
    lead = (
        f"{SAID[how]}, at test samples of source and target. Where domains lie apart, the features tell them "
        "apart; where they overlap, they may still differ in other dimensions."
    )
    nothing = "Not drawn: only a store has the features of a run, and none has those of these runs."
    return Section("maps", "Maps of features", lead if body else nothing, body)


def _folders(cells: Cells, stores: Sequence[Store], task: str) -> dict[str, Path]:
    """Where the records of the first seed are of which a store has the baseline, by method; not of references."""
    for seed in cells.seeds:
        found = {
            variant: store.folder(spec)
            for variant in cells.candidates
            if (spec := cells.specs.get((variant, task), {}).get(seed)) and spec.run_id in cells.records
            for store in stores[::-1]  # the first that has it comes last, and stays
            if store.finished(spec)
        }
        if BASELINE in found:
            return found
    return {}


def _task(
    cells: Cells, task: str, folders: Mapping[str, Path], project: Projection, size: int
) -> list[Chart | Markup]:
    """A heading, the baseline's maps and those of the others; a line for each that cannot be drawn."""
    name = without_split(task, cells.tasks)
    objective = cells.objectives[task]
    classes, frames, problems = class_names(task) if objective.of_classes else FIFTHS, {}, []
    for variant, folder in folders.items():
        try:
            frames[variant] = _points(Record(folder), project, size, classes, objective)
        except UserError as error:
            problems.append(f"{variant} on {name} is not drawn: {error}.")
    if BASELINE not in frames:
        return [Markup("<p>{}</p>").format(problem) for problem in problems]
    labels = {variant: _label(cells, variant, task) for variant in frames}
    points = pd.concat(frames, names=["method"]).reset_index("method")
    points["class"] = _few(points["class"])
    adapted = [variant for variant in frames if variant != BASELINE]
    before = _spec(points[points["method"] == BASELINE], classes) | {"title": {"text": BASELINE}}
    parts: list[Chart | Markup] = [
        _heading(name, task, points, cells),
        vega.small(before, _alt(BASELINE, name, labels)),
    ]
    if adapted:
        best = cells.best_first(adapted, task)[0]
        rest = points[points["method"] != BASELINE]
        choice = vega.one_of("method", {variant: labels[variant] for variant in adapted}, best)
        parts.append(vega.small(_spec(rest, classes) | choice, _alt("a chosen method", name, labels)))
    return [*parts, *(Markup("<p>{}</p>").format(problem) for problem in problems)]


def _points(
    record: Record, project: Projection, size: int, classes: Sequence[str], objective: Objective
) -> pd.DataFrame:
    """A row a sample: domain, class, and two coordinates as whole numbers.

    Raises:
        UserError: the record is broken, or has nothing that can be drawn.
    """
    outputs = Outputs.load(record.check(record.outputs()[-1]))
    try:
        features = [outputs[f"{domain}_test.features"] for domain in DOMAINS]
        y, logits = outputs["source_test.y"], outputs["target_test.logits"]
        labels = shown_labels(record)
    except KeyError as error:
        raise UserError(f"its record has no {error}; run it again") from None
    said = [y, logits.argmax(1) if objective.of_classes else logits[:, 0]]
    if objective.labelled(labels).any():
        said[1] = labels
    if not objective.of_classes:
        said = [_fifths(numbers, y) for numbers in said]
    rows = [_drawn(len(each), size) for each in features]
    kept = np.concatenate([each[row] for each, row in zip(features, rows, strict=True)]).astype(np.float64)
    if kept.shape[1] < 2 or not np.isfinite(kept).all():
        raise UserError("its features are not finite" if kept.shape[1] > 1 else "it has a single feature")
    numbers = np.concatenate([each[row] for each, row in zip(said, rows, strict=True)])
    places = project(kept)
    places *= EXTENT / max(np.abs(places).max(), 1e-9)
    names = np.array([*classes, UNKNOWN])  # -1 is the last
    x, y = places.round().astype(int).T
    domain = np.repeat(DOMAINS, [len(row) for row in rows])
    return pd.DataFrame({"domain": domain, "class": names[numbers], "x": x, "y": y})


def _fifths(numbers: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which of ``FIFTHS`` numbers (n,) are in, made of the source's labels (m,); -1 where one is not known."""
    found = np.digitize(numbers, np.quantile(y, (0.2, 0.4, 0.6, 0.8)))
    return np.where(np.isnan(numbers), -1, found)


def _drawn(n: int, size: int) -> np.ndarray:
    """Which of a domain's samples are on its maps: the same ones for all methods."""
    return generator(0, "report/maps").permutation(n)[:size]


def _few(names: pd.Series) -> pd.Series:
    """At most as many classes as there are colours, the largest, and the rest together."""
    largest = names[names != UNKNOWN].value_counts().index[: len(vega.COLOURS)]
    return names.where(names.isin([*largest, UNKNOWN]), OTHER)


def _label(cells: Cells, variant: str, task: str) -> str:
    """A method with what tables say of it, where they do."""
    headline, distance = (_mean(cells, metric, variant, task) for metric in (ACCURACY, "proxy_a_distance"))
    objective = cells.objectives[task]
    said = {
        f"{objective.name} {objective.printed(headline)}": headline,
        f"proxy A-distance {distance:.2f}": distance,
    }
    return ", ".join([variant, *(text for text, number in said.items() if not np.isnan(number))])


def _mean(cells: Cells, metric: str, variant: str, task: str) -> float:
    """Over seeds; NaN without any."""
    values = list(cells.numbers(metric, variant, task).values())
    return float(np.mean(values)) if values else np.nan


def _heading(name: str, task: str, points: pd.DataFrame, cells: Cells) -> Markup:
    sizes = points[points["method"] == BASELINE]["domain"].value_counts()
    what = "classes" if cells.objectives[task].of_classes else "numbers, in fifths of the source's,"
    colours = (
        "those that the model predicts, since no target sample has a label"
        if task in cells.unscored
        else "the true ones, opened by the oracle for this picture alone"
    )
    drawn = f"{sizes['source']} source and {sizes['target']} target samples, one seed"
    return Markup("<h3>{}</h3><p>{}. The target's {} are {}.</p>").format(name, drawn, what, colours)


def _alt(which: str, name: str, labels: Mapping[str, str]) -> str:
    said = labels.get(which, f"{which} ({'; '.join(label for v, label in labels.items() if v != BASELINE)})")
    return f"Two maps of the features of {said}, on {name}: one by domain, one by class."


def _spec(points: pd.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    """Two maps of the same points: by domain, and by class."""
    names = [name for name in classes if (points["class"] == name).any()]
    grey = [name for name in (OTHER, UNKNOWN) if (points["class"] == name).any()]
    colours = [*vega.COLOURS[: len(names)], *["#bbbbbb"] * len(grey)]
    by_domain = vega.domains(DOMAINS, SIDE)
    by_class = {
        "color": {
            "field": "class",
            "type": "nominal",
            "scale": {"domain": [*names, *grey], "range": colours},
            "legend": vega.legend([*names, *grey], SIDE),
        },
        "shape": {**by_domain["shape"], "legend": None},
    }
    axis = {"type": "quantitative", "axis": None, "scale": {"zero": False, "nice": False}}
    panels = [
        {
            "width": SIDE,
            "height": SIDE,
            "title": {"text": how, "fontWeight": "normal"},
            "mark": {"type": "point", "filled": True, "size": 25, "opacity": 0.75},
            "encoding": {
                "x": {"field": "x", **axis},
                "y": {"field": "y", **axis},
                **encoding,
                "tooltip": [{"field": field, "type": "nominal"} for field in ("domain", "class")],
            },
        }
        for how, encoding in (("by domain", by_domain), ("by class", by_class))
    ]
    return {
        "data": vega.table(points),
        "hconcat": panels,
        "spacing": 10,
        "resolve": {"scale": {"color": "independent", "shape": "independent"}},
    }
