"""Tables beside the cells: tests, rankings, validators, the terms of a bound, confusion."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.core.registry import DATASETS
from benchmarks.plan.methods import BASELINE
from benchmarks.report import selection
from benchmarks.report.cells import ACCURACY, Cells, summary_of
from benchmarks.report.comparison import (
    ENOUGH_TASKS,
    Friedman,
    Interval,
    all_pairs,
    friedman,
    interquartile_mean,
    mean_ranks,
    probability_of_improvement,
)
from benchmarks.report.statistics import Summary, holm, paired, paired_p, summarise
from datasets.base import resolve

JOINT = "joint"
PAGE = 30  # classes that a confusion matrix on a page may have
Entry = str | float | Summary | Interval | None


@dataclass(frozen=True)
class Listing:
    """A table with a row for each of ``rows``, its entries by column.

    Attributes:
        formats: how a column's numbers are written: (scale, format). Other entries are text.
    """

    title: str
    rows: list[dict[str, Entry]]
    formats: Mapping[str, tuple[float, str]]

    @property
    def columns(self) -> list[str]:
        return list(self.rows[0]) if self.rows else []


P = (1.0, ".2g")
POINTS, GAIN = (100.0, ".1f"), (100.0, "+.1f")


def gains(cells: Cells, metric: str, title: str) -> Listing:
    """A family of tests: each method's gain over the baseline, mean over tasks, Holm-adjusted over the methods."""
    baseline, _ = cells.task_means(metric, BASELINE)
    found: list[tuple[str, Summary, float | None]] = []
    for variant in cells.candidates:
        differences = paired(cells.task_means(metric, variant)[0], baseline)
        summary = summarise(list(differences))
        if variant != BASELINE and summary is not None:
            found.append((variant, summary, paired_p(differences)))
    adjusted = iter(holm([p for *_, p in found if p is not None]))
    rows: list[dict[str, Entry]] = [
        {"method": variant, "gain": summary, "p": p, "p (Holm)": None if p is None else next(adjusted)}
        for variant, summary, p in found
    ]
    return Listing(title, rows, {"gain": GAIN, "p": P, "p (Holm)": P})


def side_by_side(cells: Cells, validator: str) -> Listing:
    """The means over tasks of the last step, the choice, the oracle and a random candidate."""
    metrics = {
        "last step, defaults": ACCURACY,
        f"selected by {validator}": selection.SELECTED,
        "random candidate": selection.RANDOM,
        "oracle (saw target labels)": selection.ORACLE,
    }
    rows: list[dict[str, Entry]] = []
    for variant in cells.candidates:
        means = {
            name: summarise(list(cells.task_means(metric, variant)[0].values()))
            for name, metric in metrics.items()
        }
        rows.append({"method": variant, **means})
    title = "Choosing without target labels: target test accuracy (%), mean over tasks"
    return Listing(title, rows, dict.fromkeys(metrics, POINTS))


def validators(frame: pd.DataFrame) -> Listing:
    """What each validator loses against the oracle, and how its scores rank candidates."""
    regret = selection.regrets(frame)
    correlation = selection.rank_correlations(frame).reindex(regret.index)
    rows: list[dict[str, Entry]] = [
        {
            "chosen by": str(name),
            "regret": summarise(regret.loc[name].dropna().tolist()),
            "rank correlation": summarise(correlation.loc[name].dropna().tolist()),
        }
        for name in regret.mean(axis=1).sort_values().index
    ]
    title = (
        "Validators: regret against the oracle (points), rank correlation with accuracy, over methods and tasks"
    )
    return Listing(title, rows, {"regret": POINTS, "rank correlation": (1.0, ".2f")})


@dataclass(frozen=True)
class Complete:
    """The accuracies of the methods and tasks that have every seed: (methods, tasks, seeds)."""

    names: list[str]
    accuracy: np.ndarray

    @classmethod
    def of(cls, cells: Cells) -> "Complete | None":
        """None if no task has all methods in all seeds, or there is one method only."""
        by_task = {
            task: [cells.numbers(ACCURACY, variant, task) for variant in cells.candidates] for task in cells.tasks
        }
        complete = {
            t: of for t, of in by_task.items() if all(set(cells.seeds) <= numbers.keys() for numbers in of)
        }
        if not complete or len(cells.candidates) < 2:
            return None
        values = [[[numbers[seed] for seed in cells.seeds] for numbers in of] for of in complete.values()]
        return cls(cells.candidates, np.array(values).swapaxes(0, 1))

    @property
    def friedman(self) -> Friedman | None:
        return friedman(self.accuracy)


def statistics(complete: Complete) -> Iterator[Listing]:
    """Rankings and the all-pairs family, with what the numbers of seeds and tasks allow."""
    names, accuracy = complete.names, complete.accuracy
    baseline = accuracy[names.index(BASELINE)]
    rows: list[dict[str, Entry]] = [
        {
            "method": name,
            "mean rank": float(rank),
            "interquartile mean": interquartile_mean(own),
            f"P(better than {BASELINE})": None if name == BASELINE else probability_of_improvement(own, baseline),
        }
        for name, rank, own in zip(names, mean_ranks(accuracy), accuracy, strict=True)
    ]
    formats = {"mean rank": (1.0, ".2f"), "interquartile mean": POINTS, f"P(better than {BASELINE})": (1.0, ".2f")}
    yield Listing(
        f"Over {accuracy.shape[1]} tasks and {accuracy.shape[2]} seeds ({_ranking(complete)})", rows, formats
    )
    pairs: list[dict[str, Entry]] = [
        {
            "first": pair.first,
            "second": pair.second,
            "difference": pair.summary,
            "p": pair.p,
            "p (Holm)": pair.p_holm,
        }
        for pair in all_pairs(names, accuracy)
    ]
    title = "All pairs, a family of its own: mean over tasks, paired by seed (points)"
    yield Listing(title, pairs, {"difference": GAIN, "p": P, "p (Holm)": P})


def _ranking(complete: Complete) -> str:
    found = complete.friedman
    if found is None:
        return f"no Friedman test below {ENOUGH_TASKS} tasks and 3 methods"
    return f"Friedman p {found.p:.2g}; critical difference of mean ranks {found.critical_difference:.2f}"


def bound(cells: Cells) -> Listing:
    """Proxies of the terms of Ben-David's bound, side by side, never summed (Machine Learning 2010, theorem 2)."""
    rows: list[dict[str, Entry]] = []
    for task in cells.scored:
        joint = [_error(cells, split, JOINT, task) for split in ("source", "target")]
        rows += [
            {
                "task": task,
                "method": variant,
                "source error": _error(cells, "source", variant, task),
                "proxy A-distance": summary_of(cells.values("proxy_a_distance", variant, task).values()),
                "ideal joint: source": joint[0],
                "ideal joint: target": joint[1],
                "target error": _error(cells, "target", variant, task),
            }
            for variant in cells.candidates
        ]
    errors = ("source error", "ideal joint: source", "ideal joint: target", "target error")
    title = "Proxies of the terms of Ben-David's bound (errors in %): side by side, no sum means anything"
    return Listing(title, rows, {**dict.fromkeys(errors, POINTS), "proxy A-distance": (1.0, ".2f")})


def _error(cells: Cells, split: str, variant: str, task: str) -> Summary | None:
    values = cells.numbers(f"{split}_test_accuracy", variant, task).values()
    return summarise([1 - value for value in values])


def confusion(cells: Cells) -> Iterator[Listing]:
    """Where target test samples of each class go, in % of the class, all seeds together."""
    for task in cells.tasks:
        for variant in cells.variants:
            specs = cells.specs.get((variant, task), {}).values()
            rows = [cells.records[spec.run_id] for spec in specs if spec.run_id in cells.records]
            counts = [row["confusion"] for row in rows if row.get("confusion")]  # not all records have one
            if counts:
                yield _confusion(f"{variant} on {task}", np.sum(counts, axis=0), _class_names(task))


def _confusion(name: str, counts: np.ndarray, classes: Sequence[str]) -> Listing:
    sizes = counts.sum(axis=1)
    shares = counts / sizes[:, None].clip(min=1)
    if len(classes) > PAGE:
        return _most_confused(name, sizes, shares, classes)
    # A class may be called as one of our columns is.
    own = {"true class", "n"} & set(classes)
    columns = [f"class {label}" if own else label for label in classes]
    rows: list[dict[str, Entry]] = [
        {"true class": label, "n": int(total), **dict(zip(columns, map(float, row), strict=True))}
        for label, total, row in zip(classes, sizes, shares, strict=True)
    ]
    return Listing(
        f"Confusion (%; the diagonal is per-class accuracy): {name}",
        rows,
        {"n": (1.0, ".0f"), **dict.fromkeys(columns, (100.0, ".0f"))},
    )


def _most_confused(name: str, sizes: np.ndarray, shares: np.ndarray, classes: Sequence[str]) -> Listing:
    """Of a matrix that fits no page: each class's accuracy, and what it is most often taken for."""
    wrong = shares * (1 - np.eye(len(classes)))
    rows: list[dict[str, Entry]] = [
        {
            "true class": label,
            "n": int(total),
            "accuracy": float(row[number]),
            "most often taken for": classes[others.argmax()] if others.any() else "",
            "share": float(others.max()),
        }
        for number, (label, total, row, others) in enumerate(zip(classes, sizes, shares, wrong, strict=True))
    ]
    formats = {"n": (1.0, ".0f"), "accuracy": (100.0, ".0f"), "share": (100.0, ".0f")}
    return Listing(f"Confusion (%; of {len(classes)} classes, the largest): {name}", rows, formats)


def _class_names(task: str) -> list[str]:
    spec = resolve(task)
    return [str(name) for name in DATASETS.get(spec.family)().classes(spec.task)]


def long_form(listing: Listing) -> dict[str, Any]:
    """For JSON: intervals as objects."""
    return {"title": listing.title, "rows": [{k: _plain(v) for k, v in row.items()} for row in listing.rows]}


def _plain(entry: Entry) -> Any:
    return vars(entry) if isinstance(entry, Summary | Interval) else entry
