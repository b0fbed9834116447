"""Means of cells, and gains over another method, with what their intervals cover."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from benchmarks.core.registry import DATASETS
from benchmarks.report import selection
from benchmarks.report.cells import ACCURACY, Cells, Value, Values
from benchmarks.report.intervals import Outcomes, estimate
from benchmarks.report.statistics import ENOUGH, SEEDS, Summary, summarise
from datasets.base import resolve

ACCURACIES = (ACCURACY, selection.SELECTED)  # at a checkpoint whose outcomes a .csv keeps too
Runs = Sequence[Sequence[Value]]  # of a task: by side (a method, then its baseline), then seed


class Mean(NamedTuple):
    """A mean, the two-sided p of 0 (None below 5 seeds), and the runs behind it."""

    summary: Summary
    p: float | None
    runs: tuple[str, ...]


def mean(cells: Cells, metric: str, variant: str, tasks: Sequence[str], baseline: str = "") -> Mean | None:
    """The mean over tasks of one family, or its gain over a baseline, of the seeds that have all of them.

    A gain is the difference with the sign that makes more the better. Seeds are paired over tasks and methods. The
    interval is of these tasks, and does not say what others would give.
    """
    sides = (variant, baseline) if baseline else (variant,)
    values = [[cells.values(metric, side, task) for side in sides] for task in tasks]
    seeds = _shared_seeds(values)
    if not seeds:
        return None
    runs = {task: [[side[seed] for seed in seeds] for side in of] for task, of in zip(tasks, values, strict=True)}
    ids = tuple(value.run_id for sides in runs.values() for value in sides[0])
    signs = [cells.sign(metric, task) if baseline else 1 for task in tasks]
    gains = np.array([sign * _gains(each) for sign, each in zip(signs, runs.values(), strict=True)])
    by_seed = gains.mean(axis=0)
    if len(seeds) < ENOUGH:
        return Mean(_summary(by_seed), None, ids)
    parts = _parts(cells, runs, gains) if metric in ACCURACIES else _Parts()
    found = estimate(by_seed, parts.fixed, parts.drawn)
    low, high = found.mean - found.half_width, found.mean + found.half_width
    return Mean(Summary(found.mean, low, high, len(seeds), "t95", parts.covers), found.p, ids)


class _Parts(NamedTuple):
    """What :func:`estimate` takes beside the values of seeds, and its name."""

    fixed: Sequence[Sequence[Outcomes]] = ()
    drawn: np.ndarray | float = 0.0
    covers: str = SEEDS


def _shared_seeds(values: Sequence[Sequence[Values]]) -> list[int]:
    of_each = [set(by_seed) for sides in values for by_seed in sides]
    return sorted(set.intersection(*of_each)) if of_each else []


def _summary(values: np.ndarray) -> Summary:
    found = summarise(values.tolist())
    assert found is not None
    return found


def _gains(sides: Runs) -> np.ndarray:
    first, *others = ([value.number for value in side] for side in sides)
    return np.array(first) - np.sum(others, axis=0) if others else np.array(first)


def _parts(cells: Cells, runs: Mapping[str, Runs], gains: np.ndarray) -> _Parts:
    """Seeds alone, if a record does not know its outcomes or which test samples they are of.

    Tasks with the same target have the same test samples, so that their outcomes are added.
    """
    by_target: dict[tuple[str, bytes], list[Outcomes]] = {}
    drawn, covers = np.zeros(gains.shape[1]), set[str]()
    for (task, sides), own in zip(runs.items(), gains, strict=True):
        outcomes = _differences(cells, sides)
        if outcomes is None:
            return _Parts()
        if all(each.same_samples(outcomes[0]) for each in outcomes):
            parts = [replace(each, right=each.right / len(runs)) for each in outcomes]
            key = "+".join(_domains(task)[1]), outcomes[0].units.tobytes()
            by_target[key] = list(map(_sum, by_target[key], parts)) if key in by_target else parts
            covers.add("groups of test samples" if outcomes[0].grouped else "test samples")
        else:
            drawn += own / len(runs) * math.sqrt(_test_per_training_sample(cells, sides))
            covers.add("splits")
    fixed = list(by_target.values())
    if any(len(outcomes[0].units) < 2 for outcomes in fixed):  # the spread of one group is unknown
        return _Parts()
    return _Parts(fixed, drawn, _listed([SEEDS, *sorted(covers)]))


def _differences(cells: Cells, sides: Runs) -> list[Outcomes] | None:
    """By seed, the outcomes of the first side less those of the second, if there is one."""
    found = []
    for values in zip(*sides, strict=True):
        known = [each for value in values if (each := cells.outcomes(value))]
        if len(known) < len(values) or not all(each.same_samples(known[0]) for each in known):
            return None
        found.append(replace(known[0], right=known[0].right - sum(each.right for each in known[1:])))
    return found


def _sum(a: Outcomes, b: Outcomes) -> Outcomes:
    return replace(a, right=a.right + b.right)


def _test_per_training_sample(cells: Cells, sides: Runs) -> float:
    """Of the target, for the correction: a draw of test samples leaves the others for training.

    The source's samples are not counted. None of them is scored, and it is the overlap of test samples, a draw's
    share n_test / (n_test + n_train) of the target, that makes the accuracies of two draws alike.
    """
    row = cells.records[sides[0][0].run_id]
    return float(row["target_test_n"] / row["target_train_n"])


def _listed(parts: Sequence[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}"


def domains_of(task: str) -> set[str]:
    """Names of all domains of a task, within its family."""
    return {name for names in _domains(task) for name in names}


def _domains(task: str) -> tuple[list[str], list[str]]:
    spec = resolve(task)
    return DATASETS.get(spec.family)().domain_names(spec.task)
