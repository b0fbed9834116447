"""The part of a grid that a budget of time affords, by an estimate that is made once and then followed."""

from collections.abc import Callable, Sequence
from functools import partial

from benchmarks.core.settings import UserError
from benchmarks.plan.budget import affordable, within
from benchmarks.plan.grid import Grid
from benchmarks.plan.spec import RunSpec
from benchmarks.records.budgets import Listing, listing
from benchmarks.records.store import Store

SHARE = 0.02  # of a budget that its estimate may take
LONGEST = 30.0  # seconds of an estimate
FIRST = 0.1  # of a budget, or LONGEST, until a first kind of run is timed: nothing is done without one


def afforded(
    planned: Grid, budget: int, to_do: Callable[[RunSpec], bool], store: Store, devices: Sequence[str]
) -> tuple[Grid, Listing]:
    """What fits into so many seconds, and the store's list that says so.

    Args:
        to_do: whether a run will be done: others, which have a record, take no time.

    Raises:
        UserError: the budget is too small for anything, or its list is damaged.
    """
    found = listing(store, planned, budget, partial(_listing, planned, budget, to_do, store, devices))
    return within(planned, found.runs, budget), found


def _listing(
    planned: Grid, budget: int, to_do: Callable[[RunSpec], bool], store: Store, devices: Sequence[str]
) -> Listing:
    """A new list, by an estimate made now."""
    from benchmarks.engines.work import require_files, require_precision
    from benchmarks.records.clocks import recorded
    from benchmarks.training.estimate import PATIENCE, estimate

    todo = [spec for spec in planned.runs if to_do(spec)]
    require_files(todo)
    require_precision(todo, devices)
    patience = min(LONGEST, max(PATIENCE, SHARE * budget))
    known = estimate(todo, recorded(todo, store, devices[0]), devices[0], patience, max(LONGEST, FIRST * budget))
    if todo and not known.known:
        raise UserError("--budget: no kind of run could be timed; do one run without it, and its record tells")
    seconds = dict.fromkeys((spec.run_id for spec in planned.runs), 0.0) | known.seconds(todo)
    chosen = {spec.run_id for spec in affordable(planned, seconds, budget, len(devices))}
    return Listing(
        budget=budget,
        workers=len(devices),
        basis=str(known),
        runs={run: value for run, value in seconds.items() if run in chosen},
        left_out={run: value for run, value in seconds.items() if run not in chosen},
    )
