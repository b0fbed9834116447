"""Regression of headlines: new runs against a committed baseline, run by run."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.core.objective import Objective
from benchmarks.core.outfiles import NAME
from benchmarks.evaluation import HEADLINES
from benchmarks.plan.methods import BASELINE
from benchmarks.report.statistics import paired
from datasets.base import objective_of_task

FAMILY_LEVEL = 0.01  # chance of any false alarm, over all cells
ORDER = {"dead": 0, "worse": 1, "missing": 2, "better": 3, "same": 4}
ON_SOURCE = {objective.source_score("test") for objective in HEADLINES.values()}
SCORES = (*HEADLINES, *ON_SOURCE, "proxy_a_distance")  # two methods that share all of them are one
RATIO = "largest_gradient_ratio"

Cell = tuple[str, str]  # method and task


@dataclass(frozen=True)
class Finding:
    """What became of one cell.

    Attributes:
        change, allowed: gains (of a share, 0.01 is one point); NaN where runs are missing.
        reason: what a cell is dead by.
    """

    method: str
    task: str
    verdict: Literal["worse", "missing", "dead", "better", "same"]
    change: float = math.nan
    allowed: float = math.nan
    reason: str = ""

    @property
    def objective(self) -> Objective:
        return objective_of_task(self.task)

    @property
    def failed(self) -> bool:
        return self.verdict in ("worse", "missing", "dead")

    def __str__(self) -> str:
        of = self.objective
        scale, digits = of.form

        def number(value: float, sign: str = "") -> str:
            return format(scale * value, sign + digits)

        what = {
            "worse": f"WORSE by {number(-self.change)} {of.counted_in} (allowed {number(self.allowed)})",
            "missing": "MISSING: a run of the baseline has no counterpart",
            "dead": f"DEAD: {self.reason} ({number(self.change, '+')} {of.gains_in})",
            "better": f"better by {number(self.change)} {of.counted_in}",
            "same": f"same ({number(self.change, '+')} {of.gains_in}, allowed {number(-self.allowed)})",
        }[self.verdict]
        return f"{self.method} on {self.task}: {what}"


def compare(baseline: pd.DataFrame, now: pd.DataFrame) -> list[Finding]:
    """Findings for each cell of the baseline, failures first. Runs pair by seed.

    A cell is *worse* if its mean paired difference is below -max(1 point, bound); of a headline that is no
    share, 1% of it counts as a point. The bound is a one-sided t bound, Bonferroni-corrected to 1% over all cells.
    A cell is *dead* in three cases:

    - All its scores equal those of ``source_only`` in each seed, and in the baseline they did not.
    - Its alignment had no gradient at any checkpoint: joint batch normalisation lets a dead method differ.
    - Its gain over ``source_only`` exceeded its bound in the baseline, and is within it now.

    The first two count whatever the headline.

    Args:
        now: may have a column ``largest_gradient_ratio``: the alignment's gradient over the task's, the largest
            of a run's checkpoints; NaN where a method has no such terms.
    """
    before, after = _values(baseline), _values(now)
    cells = sorted(before)
    complete = [cell for cell in cells if before[cell].keys() <= after.get(cell, {}).keys()]
    differences = {cell: paired(after[cell], before[cell]) for cell in complete}
    least = {cell: _least(cell, values) for cell, values in before.items()}
    allowed = _bounds(differences, least)
    earlier_gains, gains = _gains(before, complete), _gains(after, complete)
    needed = _bounds(earlier_gains, least)
    inert = (_equal_to_baseline(now) - _equal_to_baseline(baseline), _without_gradient(now))
    findings = []
    for cell in cells:
        if cell not in differences:
            findings.append(Finding(*cell, "missing"))
            continue
        change, reason = float(differences[cell].mean()), ""
        verdict: Literal["worse", "dead", "better", "same"] = "same"
        if cell in inert[0]:
            verdict, reason = "dead", f"it equals {BASELINE} in every seed"
        elif cell in inert[1]:
            verdict, reason = "dead", "its alignment has no gradient at any checkpoint"
        elif change < -allowed[cell]:
            verdict = "worse"
        elif cell in gains and earlier_gains[cell].mean() > needed[cell] >= abs(gains[cell].mean()):
            verdict, reason = "dead", f"it beat {BASELINE} in the baseline and no longer differs from it"
        elif change > allowed[cell]:
            verdict = "better"
        findings.append(Finding(*cell, verdict, change, allowed[cell], reason))
    return sorted(findings, key=lambda finding: ORDER[finding.verdict])


def _equal_to_baseline(records: pd.DataFrame) -> set[Cell]:
    """Cells whose runs have the scores of ``source_only``, seed by seed, to the 6 digits that files keep."""
    scores = [name for name in records.select_dtypes("number") if name in SCORES]
    by_run = {
        (row["method"], row["task"], row["seed"]): tuple(f"{row[name]:.6g}" for name in scores)
        for row in records.to_dict("records")
    }
    same: dict[Cell, bool] = {}
    for (method, task, seed), own in by_run.items():
        if method != BASELINE:
            alike = own == by_run.get((BASELINE, task, seed))
            same[method, task] = same.get((method, task), True) and alike
    return {cell for cell, alike in same.items() if alike}


def _without_gradient(records: pd.DataFrame) -> set[Cell]:
    """Cells whose alignment had no gradient at any checkpoint of any run."""
    if RATIO not in records:
        return set()
    largest = records.groupby(["method", "task"])[RATIO].max()
    return {cell for cell, ratio in largest.items() if ratio == 0}


def as_json(findings: Sequence[Finding]) -> str:
    """The findings for a program; changes are in the unit of each cell."""
    cells = [_object(each) for each in findings]
    return json.dumps({"failed": sum(each.failed for each in findings), "cells": cells}, indent=1)


def _object(finding: Finding) -> dict[str, Any]:
    scale = finding.objective.scale
    numbers = {"change": finding.change, "allowed": finding.allowed}
    known = {name: None if math.isnan(value) else scale * value for name, value in numbers.items()}
    more = {"unit": finding.objective.gains_in, "failed": finding.failed, "text": str(finding)}
    return {**asdict(finding), **known, **more}


def as_junit(findings: Sequence[Finding]) -> bytes:
    """The findings as a JUnit file, a test case a cell, for the pages of a CI service."""
    failed = str(sum(each.failed for each in findings))
    suite = ElementTree.Element("testsuite", name=NAME, tests=str(len(findings)), failures=failed)
    for each in findings:
        case = ElementTree.SubElement(suite, "testcase", classname=each.task, name=each.method)
        if each.failed:
            ElementTree.SubElement(case, "failure", type=each.verdict, message=str(each))
        else:
            ElementTree.SubElement(case, "system-out").text = str(each)
    return ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)


def _values(records: pd.DataFrame) -> dict[Cell, dict[int, float]]:
    """Cell (method, task) to seed to the headline, with the sign that makes more the better."""
    cells: dict[Cell, dict[int, float]] = {}
    for row in records.to_dict("records"):
        objective = objective_of_task(row["task"])
        score = objective.sign * row[objective.headline]
        cells.setdefault((row["method"], row["task"]), {})[row["seed"]] = score
    return cells


def _least(cell: Cell, values: dict[int, float]) -> float:
    """A smaller change than this is never a regression."""
    return objective_of_task(cell[1]).least(float(np.mean([*values.values()])))


def _gains(values: dict[Cell, dict[int, float]], cells: Sequence[Cell]) -> dict[Cell, np.ndarray]:
    return {
        (method, task): paired(values[method, task], values[BASELINE, task])
        for method, task in cells
        if method != BASELINE and (BASELINE, task) in values
    }


def _bounds(differences: dict[Cell, np.ndarray], least: Mapping[Cell, float]) -> dict[Cell, float]:
    """How far below zero a cell's mean may lie by chance: at least what is worth a word.

    The spread of a cell is its own or, if larger, that of comparable cells pooled by their median: a plain pool
    would let one broken method's spread excuse the next, and a toy's says nothing of real data.
    """
    pools: dict[tuple[str, str], dict[Cell, np.ndarray]] = {}
    for (method, task), values in differences.items():
        pools.setdefault(_comparable(task), {})[method, task] = values
    spreads = [_bounds_within(cells, FAMILY_LEVEL / len(differences)) for cells in pools.values()]
    return {cell: max(least[cell], bound) for pool in spreads for cell, bound in pool.items()}


def _comparable(task: str) -> tuple[str, str]:
    """What a task's spread is pooled with: shares of a data set; another number has the unit of its own labels."""
    objective = objective_of_task(task)
    return objective.headline, task.partition("/")[0] if objective.is_share else task


def _bounds_within(differences: dict[Cell, np.ndarray], level: float) -> dict[Cell, float]:
    freedom = sum(len(values) - 1 for values in differences.values())
    if not freedom:
        return dict.fromkeys(differences, 0.0)
    own = {cell: float(values.std(ddof=1)) for cell, values in differences.items() if len(values) > 1}
    seeds = max(len(values) for values in differences.values())
    pooled = float(np.median(list(own.values()))) / math.sqrt(stats.chi2.median(seeds - 1) / (seeds - 1))
    t = stats.t.ppf(1 - level, freedom)
    return {
        cell: float(t * max(own.get(cell, 0.0), pooled) / math.sqrt(len(values)))
        for cell, values in differences.items()
    }
