"""Which runs of a grid a budget of time affords."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from benchmarks.core.settings import UserError
from benchmarks.plan.cost import wall_time
from benchmarks.plan.grid import Grid
from benchmarks.plan.methods import BASELINE
from benchmarks.plan.spec import RunSpec

FEWEST_METHODS = 3  # beside the baseline, before configurations and seeds are cut: fewer are hardly a choice
FEWEST_SEEDS = 2  # before these methods are cut too: one seed does not tell a gain from luck
UNITS = {"h": 3600, "m": 60, "s": 1}


def affordable(grid: Grid, seconds: Mapping[str, float], budget: int, workers: int) -> list[RunSpec]:
    """The runs of a grid that fit a budget, a function of the arguments alone.

    A larger budget affords all that a smaller one does.

    Args:
        seconds: of each run, by id: an estimate, and 0 where nothing is to be done.
        budget: seconds that workers together may take.

    Raises:
        UserError: it is too small for the baseline with its first seed on every task.
    """
    kept: list[RunSpec] = []
    total = longest = 0.0
    for more in _in_order(grid):
        times = [seconds[spec.run_id] for spec in more]
        total, longest = total + sum(times), max([longest, *times])
        needed = wall_time(total, longest, workers)
        if needed > budget:
            if kept:
                break
            unit = 60 if needed > 60 else 1
            least = in_units(unit * math.ceil(needed / unit))
            raise UserError(
                f"--budget {in_units(budget)}: {BASELINE} alone, with one seed of each task, takes about {least}; "
                "give that at least, or fewer tasks or steps"
            )
        kept += more
    return kept


def _in_order(grid: Grid) -> list[list[RunSpec]]:
    """The runs that each step of a growing budget adds: with the methods, seeds and configurations before it."""
    methods = sorted(dict.fromkeys(spec.method for spec in grid.specs), key=lambda name: name != BASELINE)
    seeds = list(dict.fromkeys(spec.seed for spec in grid.specs))
    configurations = sorted({spec.configuration for spec in grid.specs})
    order: list[tuple[str, Any]] = [
        *(("method", name) for name in methods[1:2]),
        *(("seed", seed) for seed in seeds[1:FEWEST_SEEDS]),
        *(("method", name) for name in methods[2 : 1 + FEWEST_METHODS]),
        *(("seed", seed) for seed in seeds[FEWEST_SEEDS:]),
        *(("configuration", number) for number in configurations[1:]),
        *(("method", name) for name in methods[1 + FEWEST_METHODS :]),
    ]
    step = {part: number for number, part in enumerate(order, start=1)}  # what all have from the start is at 0
    added: list[list[RunSpec]] = [[] for _ in range(len(order) + 1)]
    for spec in grid.runs:
        parts = (("method", spec.method), ("seed", spec.seed), ("configuration", spec.configuration))
        added[max(step.get(part, 0) for part in parts)].append(spec)
    return added


def within(grid: Grid, runs: Iterable[str], budget: int) -> Grid:
    """The part of a grid that has these ids, which says what the budget left out."""
    chosen = set(runs)
    specs, reverse = ([spec for spec in part if spec.run_id in chosen] for part in (grid.specs, grid.reverse))
    return replace(grid, specs=specs, reverse=reverse, budget=_told(grid, specs, budget))


def _told(grid: Grid, kept: list[RunSpec], budget: int) -> str:
    if len(kept) == len(grid.specs):
        return ""
    parts, absent = [], []
    for name in ("method", "configuration", "seed"):
        before, after = (list(dict.fromkeys(getattr(spec, name) for spec in part)) for part in (grid.specs, kept))
        if len(before) > 1:
            parts.append(f"{len(after)}" + f" of {len(before)}" * (len(after) < len(before)) + f" {name}s")
        if name == "method":
            absent = [method for method in before if method not in after]
    return f"budget {in_units(budget)}: {', '.join(parts)}" + f": {', '.join(absent)} left out" * bool(absent)


def in_units(seconds: int) -> str:
    """``20m``, ``90s`` or ``2h``: the largest unit of which it is a whole number."""
    unit, size = next((unit, size) for unit, size in UNITS.items() if not seconds % size or size == 1)
    return f"{seconds // size}{unit}"
