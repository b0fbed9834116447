"""Accuracy regression: new runs against a committed baseline, run by run."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal
from xml.etree import ElementTree

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.core.outfiles import NAME
from benchmarks.plan.methods import BASELINE
from benchmarks.report.cells import ACCURACY
from benchmarks.report.statistics import paired

SMALLEST = 0.01  # one point of accuracy: smaller losses are never a regression
FAMILY_LEVEL = 0.01  # chance of any false alarm, over all cells
ORDER = {"dead": 0, "worse": 1, "missing": 2, "better": 3, "same": 4}
SCORES = (ACCURACY, "source_test_accuracy", "proxy_a_distance")  # two methods that share all of them are one
RATIO = "largest_gradient_ratio"

Cell = tuple[str, str]  # method and task


@dataclass(frozen=True)
class Finding:
    """What became of one cell.

    Attributes:
        change, allowed: differences of accuracies (0.01 is one point); NaN where runs are missing.
        reason: what a cell is dead by.
    """

    method: str
    task: str
    verdict: Literal["worse", "missing", "dead", "better", "same"]
    change: float = math.nan
    allowed: float = math.nan
    reason: str = ""

    @property
    def failed(self) -> bool:
        return self.verdict in ("worse", "missing", "dead")

    def __str__(self) -> str:
        change, allowed = 100 * self.change, 100 * self.allowed
        what = {
            "worse": f"WORSE by {-change:.1f} points (allowed {allowed:.1f})",
            "missing": "MISSING: a run of the baseline has no counterpart",
            "dead": f"DEAD: {self.reason} ({change:+.1f} points)",
            "better": f"better by {change:.1f} points",
            "same": f"same ({change:+.1f} points, allowed {-allowed:.1f})",
        }[self.verdict]
        return f"{self.method} on {self.task}: {what}"


def compare(baseline: pd.DataFrame, now: pd.DataFrame) -> list[Finding]:
    """Findings for each cell of the baseline, failures first. Runs pair by seed.

    A cell is *worse* if its mean paired difference is below -max(1 point, bound). The bound is a one-sided t
    bound, Bonferroni-corrected to 1% over all cells. A cell is *dead* in three cases:

    - All its scores equal those of ``source_only`` in each seed, and in the baseline they did not.
    - Its alignment had no gradient at any checkpoint: joint batch normalisation lets a dead method differ.
    - Its gain over ``source_only`` exceeded its bound in the baseline, and is within it now.

    The first two count whatever the accuracy.

    Args:
        now: may have a column ``largest_gradient_ratio``: the alignment's gradient over the task's, the largest
            of a run's checkpoints; NaN where a method has no such terms.
    """
    before, after = _values(baseline), _values(now)
    cells = sorted(before)
    complete = [cell for cell in cells if before[cell].keys() <= after.get(cell, {}).keys()]
    differences = {cell: paired(after[cell], before[cell]) for cell in complete}
    allowed = _bounds(differences)
    earlier_gains, gains = _gains(before, complete), _gains(after, complete)
    needed = _bounds(earlier_gains)
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
    scores = [name for name in SCORES if name in records]
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
    """The findings for a program; changes are in points."""
    rows = [{**asdict(each), "failed": each.failed, "text": str(each)} for each in findings]
    for row in rows:
        row |= {key: None if math.isnan(row[key]) else 100 * row[key] for key in ("change", "allowed")}
    return json.dumps({"failed": sum(each.failed for each in findings), "unit": "points", "cells": rows}, indent=1)


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
    """Cell (method, task) to seed to accuracy."""
    cells: dict[Cell, dict[int, float]] = {}
    for row in records.itertuples():
        cells.setdefault((row.method, row.task), {})[row.seed] = getattr(row, ACCURACY)
    return cells


def _gains(values: dict[Cell, dict[int, float]], cells: Sequence[Cell]) -> dict[Cell, np.ndarray]:
    return {
        (method, task): paired(values[method, task], values[BASELINE, task])
        for method, task in cells
        if method != BASELINE and (BASELINE, task) in values
    }


def _bounds(differences: dict[Cell, np.ndarray]) -> dict[Cell, float]:
    """How far below zero a cell's mean may lie by chance: at least one point.

    The spread of a cell is its own or, if larger, that of its data set's cells pooled by their median: a plain
    pool would let one broken method's spread excuse the next, and a toy's says nothing of real data.
    """
    by_family: dict[str, dict[Cell, np.ndarray]] = {}
    for (method, task), values in differences.items():
        by_family.setdefault(task.partition("/")[0], {})[method, task] = values
    return {
        cell: bound
        for cells in by_family.values()
        for cell, bound in _bounds_within(cells, FAMILY_LEVEL / len(differences)).items()
    }


def _bounds_within(differences: dict[Cell, np.ndarray], level: float) -> dict[Cell, float]:
    freedom = sum(len(values) - 1 for values in differences.values())
    if not freedom:
        return dict.fromkeys(differences, SMALLEST)
    own = {cell: float(values.std(ddof=1)) for cell, values in differences.items() if len(values) > 1}
    seeds = max(len(values) for values in differences.values())
    pooled = float(np.median(list(own.values()))) / math.sqrt(stats.chi2.median(seeds - 1) / (seeds - 1))
    t = stats.t.ppf(1 - level, freedom)
    return {
        cell: max(SMALLEST, t * max(own.get(cell, 0.0), pooled) / math.sqrt(len(values)))
        for cell, values in differences.items()
    }
