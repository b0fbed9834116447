"""Accuracy regression: new runs against a committed baseline, run by run."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.grid import BASELINE
from benchmarks.report.cells import ACCURACY
from benchmarks.report.statistics import paired

SMALLEST = 0.01  # one point of accuracy: smaller losses are never a regression
FAMILY_LEVEL = 0.01  # chance of any false alarm, over all cells
ORDER = {"worse": 0, "missing": 1, "dead": 2, "better": 3, "same": 4}


@dataclass(frozen=True)
class Finding:
    """What became of one cell. ``change`` and ``allowed`` are accuracies (0.01 is one point)."""

    method: str
    task: str
    verdict: Literal["worse", "missing", "dead", "better", "same"]
    change: float
    allowed: float

    @property
    def failed(self) -> bool:
        return self.verdict in ("worse", "missing", "dead")

    def __str__(self) -> str:
        what = {
            "worse": f"WORSE by {-self.change:.1%} (allowed {self.allowed:.1%})",
            "missing": "MISSING: a run of the baseline has no counterpart",
            "dead": f"DEAD: beat {BASELINE} in the baseline and no longer differs from it",
            "better": f"better by {self.change:.1%}",
            "same": f"same ({self.change:+.1%}, allowed -{self.allowed:.1%})",
        }[self.verdict]
        return f"{self.method} on {self.task}: {what}"


def compare(baseline: pd.DataFrame, now: pd.DataFrame) -> list[Finding]:
    """Findings for each cell of the baseline, failures first.

    A cell is *worse* if its mean paired difference is below -max(1 point, bound); the bound is a one-sided t
    bound, Bonferroni-corrected to 1% over all cells. It is *dead* if its
    gain over ``source_only`` exceeded its bound in the baseline and no longer does. Runs pair by seed.
    """
    before, after = _values(baseline), _values(now)
    cells = sorted(before)
    complete = [cell for cell in cells if before[cell].keys() <= after.get(cell, {}).keys()]
    differences = {cell: paired(after[cell], before[cell]) for cell in complete}
    allowed = _bounds(differences)
    earlier_gains, gains = _gains(before, complete), _gains(after, complete)
    needed = _bounds(earlier_gains)
    findings = []
    for cell in cells:
        method, task = cell
        if cell not in differences:
            findings.append(Finding(method, task, "missing", math.nan, math.nan))
            continue
        change = float(differences[cell].mean())
        verdict: Literal["worse", "dead", "better", "same"] = "same"
        if change < -allowed[cell]:
            verdict = "worse"
        elif cell in gains and earlier_gains[cell].mean() > needed[cell] >= abs(gains[cell].mean()):
            verdict = "dead"
        elif change > allowed[cell]:
            verdict = "better"
        findings.append(Finding(method, task, verdict, change, allowed[cell]))
    return sorted(findings, key=lambda finding: ORDER[finding.verdict])


def _values(records: pd.DataFrame) -> dict[tuple[str, str], dict[int, float]]:
    """Cell (method, task) to seed to accuracy."""
    cells: dict[tuple[str, str], dict[int, float]] = {}
    for row in records.itertuples():
        cells.setdefault((row.method, row.task), {})[row.seed] = getattr(row, ACCURACY)
    return cells


def _gains(
    values: dict[tuple[str, str], dict[int, float]], cells: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], np.ndarray]:
    return {
        (method, task): paired(values[method, task], values[BASELINE, task])
        for method, task in cells
        if method != BASELINE and (BASELINE, task) in values
    }


def _bounds(differences: dict[tuple[str, str], np.ndarray]) -> dict[tuple[str, str], float]:
    """How far below zero a cell's mean may lie by chance: at least one point.

    The spread of a cell is its own or, if larger, the cells' pooled by their median: a plain pool would let one
    broken method's spread excuse the next.
    """
    freedom = sum(len(values) - 1 for values in differences.values())
    if not freedom:
        return dict.fromkeys(differences, SMALLEST)
    own = {cell: float(values.std(ddof=1)) for cell, values in differences.items() if len(values) > 1}
    seeds = max(len(values) for values in differences.values())
    pooled = float(np.median(list(own.values()))) / math.sqrt(stats.chi2.median(seeds - 1) / (seeds - 1))
    t = stats.t.ppf(1 - FAMILY_LEVEL / len(differences), freedom)
    return {
        cell: max(SMALLEST, t * max(own.get(cell, 0.0), pooled) / math.sqrt(len(values)))
        for cell, values in differences.items()
    }
