"""Tables beside the cells: tests, rankings, validators, the terms of a bound, confusion."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.core.headline import Form
from benchmarks.core.objective import Objective
from benchmarks.plan.methods import BASELINE
from benchmarks.report import selection
from benchmarks.report.cells import ACCURACY, Cells, summary_of
from benchmarks.report.comparison import (
    ENOUGH_METHODS,
    ENOUGH_TASKS,
    Friedman,
    Interval,
    clusters,
    friedman,
    interquartile_mean,
    mean_ranks,
    probability_of_improvement,
)
from benchmarks.report.means import Mean, domains_of, mean
from benchmarks.report.statistics import Summary, holm, summarise
from datasets.base import class_names

JOINT = "joint"
PAGE = 30  # classes that a confusion matrix on a page may have
Entry = str | float | Summary | Interval | None


@dataclass(frozen=True)
class Listing:
    """A table with a row for each of ``rows``, its entries by column.

    Attributes:
        name: what asks for it and files call it; several of one kind begin alike (``gain-toys``, ``gain-digits``).
        formats: how a column's numbers are written. Other entries are text.
    """

    name: str
    title: str
    rows: list[dict[str, Entry]]
    formats: Mapping[str, Form]

    @property
    def kind(self) -> str:
        """What those of one kind begin with."""
        return self.name.partition("-")[0]

    @property
    def columns(self) -> list[str]:
        return list(self.rows[0]) if self.rows else []


P = (1.0, ".2g")
POINTS = (100.0, ".1f")


def gains(cells: Cells, metric: str, tasks: Sequence[str], how: str = "") -> Listing:
    """A family of tests: each method's gain over the baseline, mean over tasks, Holm-adjusted over the methods."""
    common = cells.common_tasks(metric, tasks)
    variants = [variant for variant in cells.candidates if variant != BASELINE]
    found = {variant: mean(cells, metric, variant, common, BASELINE) for variant in variants}
    objective = cells.objectives[tasks[0]]
    title = f"Gain over {BASELINE}, {_over(cells, tasks)}, paired by seed ({objective.gains_in}){how}"
    name = "gain" if metric == ACCURACY else f"{metric}-gain"
    known: dict[tuple[str, ...], Mean] = {(variant,): each for variant, each in found.items() if each}
    return _tests(f"{name}-{cells.shared_by(tasks[0])}", title, known, ["method"], ("gain", objective.gain_form))


def _tests(
    name: str,
    title: str,
    found: Mapping[tuple[str, ...], Mean],
    names: Sequence[str],
    difference: tuple[str, Form],
) -> Listing:
    """Differences with their p, Holm-adjusted over all of them.

    Args:
        difference: the column of these, and how they are written.
    """
    adjusted = holm([each.p for each in found.values()])
    column, form = difference
    rows: list[dict[str, Entry]] = [
        {**dict(zip(names, key, strict=True)), column: each.summary, "p": each.p, "p (Holm)": p}
        for (key, each), p in zip(found.items(), adjusted, strict=True)
    ]
    return Listing(name, title, rows, {column: form, "p": P, "p (Holm)": P})


def _over(cells: Cells, tasks: Sequence[str]) -> str:
    """What a number is of: one task, or a mean."""
    return f"on {tasks[0]}" if len(tasks) == 1 else f"mean over tasks of {cells.shared_by(tasks[0])}"


def choices_by(validator: str) -> dict[str, str]:
    """What holds each choice of a configuration and checkpoint, by its heading."""
    return {
        "last step, defaults": ACCURACY,
        f"selected by {validator}": selection.SELECTED,
        "random candidate": selection.RANDOM,
        "oracle (saw target labels)": selection.ORACLE,
    }


def side_by_side(cells: Cells, validator: str, tasks: Sequence[str]) -> Listing:
    """The means over tasks of the last step, the choice, the oracle and a random candidate."""
    metrics = choices_by(validator)
    rows: list[dict[str, Entry]] = []
    for variant in cells.candidates:
        found = {
            name: mean(cells, metric, variant, cells.common_tasks(metric, tasks))
            for name, metric in metrics.items()
        }
        rows.append({"method": variant, **{name: each and each.summary for name, each in found.items()}})
    heading = cells.heading(tasks)
    title = f"Choosing without target labels: {heading[0].lower()}{heading[1:]}, {_over(cells, tasks)}"
    form = cells.objectives[tasks[0]].form
    return Listing(f"choices-{cells.shared_by(tasks[0])}", title, rows, dict.fromkeys(metrics, form))


def validators(cells: Cells, frame: pd.DataFrame, tasks: Sequence[str]) -> Listing:
    """What each validator loses against the oracle, and how its scores rank candidates of these tasks."""
    objective = cells.objectives[tasks[0]]
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
        f"Validators: regret against the oracle ({objective.counted_in}), rank correlation with {objective.aim}, "
        f"mean over methods, {_over(cells, tasks)}"
    )
    formats = {"regret": objective.form, "rank correlation": (1.0, ".2f")}
    return Listing(f"validators-{cells.shared_by(tasks[0])}", title, rows, formats)


@dataclass(frozen=True)
class Complete:
    """The headlines of the methods and tasks of a family that have every seed.

    Attributes:
        headlines: (methods, tasks, seeds).
        objective: of all of them.
        clusters: for each task, the number of its cluster: tasks of one are not independent.
        domains: how many the tasks have.
    """

    tasks: Sequence[str]
    names: list[str]
    headlines: np.ndarray
    objective: Objective
    clusters: Sequence[int]
    domains: int

    @classmethod
    def by_family(cls, cells: Cells) -> list["Complete"]:
        """Of each family of which a task has all methods in all seeds; none if there is one method only."""
        found = []
        for tasks in cells.summed_up(cells.tasks).values() if len(cells.candidates) > 1 else ():
            by_task = {
                task: [cells.numbers(ACCURACY, variant, task) for variant in cells.candidates] for task in tasks
            }
            complete = {
                t: of for t, of in by_task.items() if all(set(cells.seeds) <= numbers.keys() for numbers in of)
            }
            if complete:
                values = [[[of[seed] for seed in cells.seeds] for of in each] for each in complete.values()]
                domains = [domains_of(task) for task in complete]
                headlines, objective = np.array(values).swapaxes(0, 1), cells.objectives[tasks[0]]
                count = len(set().union(*domains))
                own = cls(list(complete), cells.candidates, headlines, objective, clusters(domains), count)
                found.append(own)
        return found

    @property
    def scores(self) -> np.ndarray:
        """The headlines with the sign that makes more the better: (methods, tasks, seeds)."""
        return self.objective.sign * self.headlines

    @property
    def independent(self) -> np.ndarray:
        """Means of scores over the tasks of each cluster: (methods, clusters, seeds)."""
        each = np.array(self.clusters)
        return np.stack([self.scores[:, each == number].mean(axis=1) for number in np.unique(each)], axis=1)

    @property
    def friedman(self) -> Friedman | None:
        return friedman(self.independent)

    @property
    def why_no_friedman(self) -> str:
        """Why no test over tasks is made, in numbers."""
        if (count := self.independent.shape[1]) >= ENOUGH_TASKS:
            return f"Friedman's test takes {ENOUGH_METHODS} methods"
        where = f"{_counted(len(self.tasks), 'task')} of {_counted(self.domains, 'domain')}"
        found = f"{_counted(count, 'cluster')}, as tasks that share a domain are one"
        return f"{where} in {found}; Friedman's test takes {ENOUGH_TASKS}"


def statistics(cells: Cells, complete: Complete) -> Iterator[Listing]:
    """Rankings and the all-pairs family, with what the numbers of seeds and clusters allow."""
    names, scores, objective = complete.names, complete.scores, complete.objective
    own_clusters, baseline = complete.clusters, scores[names.index(BASELINE)]
    better = f"P(better than {BASELINE})"
    rows: list[dict[str, Entry]] = [
        {
            "method": name,
            "mean rank": float(rank),
            "interquartile mean": interquartile_mean(headlines, own_clusters, objective.limits),
            better: None if name == BASELINE else probability_of_improvement(own, baseline, own_clusters),
        }
        for name, rank, own, headlines in zip(names, mean_ranks(scores), scores, complete.headlines, strict=True)
    ]
    formats = {"mean rank": (1.0, ".2f"), "interquartile mean": objective.form, better: (1.0, ".2f")}
    family = cells.shared_by(complete.tasks[0])
    over = f"{_counted(len(complete.tasks), 'task')} of {family} and {_counted(scores.shape[2], 'seed')}"
    yield Listing(f"ranks-{family}", f"Over {over}; intervals cover seeds ({_ranking(complete)})", rows, formats)
    yield pairs(cells, complete.tasks, names)


def pairs(cells: Cells, tasks: Sequence[str], names: Sequence[str], metric: str = ACCURACY) -> Listing:
    """A family of tests: the differences of all pairs of these methods, Holm-adjusted over the pairs."""
    found = {pair: mean(cells, metric, pair[0], tasks, pair[1]) for pair in combinations(names, 2)}
    objective = cells.objectives[tasks[0]]
    title = f"All pairs, a family of its own: {_over(cells, tasks)}, paired by seed ({objective.gains_in})"
    known: dict[tuple[str, ...], Mean] = {pair: each for pair, each in found.items() if each}
    return _tests(
        f"pairs-{cells.shared_by(tasks[0])}",
        title,
        known,
        ["first", "second"],
        ("difference", objective.gain_form),
    )


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def _ranking(complete: Complete) -> str:
    found = complete.friedman
    if found is None:
        return f"no Friedman test: {complete.why_no_friedman}"
    return (
        f"over {found.tasks} clusters of tasks: Friedman p {found.p:.2g}; critical difference of mean ranks "
        f"{found.critical_difference:.2f}"
    )


def bound(cells: Cells) -> Listing:
    """Proxies of the terms of Ben-David's bound, side by side, never summed (Machine Learning 2010, theorem 2)."""
    rows: list[dict[str, Entry]] = []
    for task in (task for task in cells.scored if cells.objectives[task].of_classes):
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
    return Listing("bound", title, rows, {**dict.fromkeys(errors, POINTS), "proxy A-distance": (1.0, ".2f")})


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
                yield _confusion(f"{variant} on {task}", np.sum(counts, axis=0), class_names(task))


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
        f"confusion-{name}",
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
    return Listing(
        f"confusion-{name}", f"Confusion (%; of {len(classes)} classes, the largest): {name}", rows, formats
    )


def long_form(listing: Listing) -> dict[str, Any]:
    """For JSON: intervals as objects."""
    return {"title": listing.title, "rows": [{k: _plain(v) for k, v in row.items()} for row in listing.rows]}


def _plain(entry: Entry) -> Any:
    return vars(entry) if isinstance(entry, Summary | Interval) else entry
