"""The runs that a budget affords, written in a store before they begin: later commands follow the list."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from pydantic import Field

from benchmarks.core import atomic
from benchmarks.core.escape import reason
from benchmarks.core.reading import parse_json, read_bytes
from benchmarks.core.settings import Settings, UserError
from benchmarks.plan.grid import Grid
from benchmarks.records.record import IMPOSSIBLE
from benchmarks.records.store import Store


class Listing(Settings):
    """What a budget affords of a grid, with the estimate that says so."""

    budget: int = Field(description="seconds")
    workers: int = Field(description="that the estimate is for")
    basis: str = Field(description="how far to trust it; empty: all kinds of run were timed")
    runs: dict[str, float] = Field(description="estimated seconds, by run id; 0 where nothing was to be done")
    left_out: dict[str, float] = Field(description="those of runs that are not done")


def place(store: Store, grid: Grid, budget: int) -> Path:
    """The file of a grid's list: its name tells the ids of all runs, and the budget."""
    text = json.dumps([sorted(spec.run_id for spec in grid.runs), budget])
    return store.root / "budgets" / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"


def listing(store: Store, grid: Grid, budget: int, make: Callable[[], Listing]) -> Listing:
    """The list that a store has, or else a new one, which is written. Of two commands, the first to write decides.

    Raises:
        UserError: it is damaged, or cannot be written.
    """
    path = place(store, grid, budget)
    if not path.exists():
        made = make()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_first(path, made.model_dump_json(indent=1) + "\n")
        except OSError as error:
            raise store.unwritable(error) from None
    return _read(path, grid)


def _read(path: Path, grid: Grid) -> Listing:
    try:
        found = Listing.parse(parse_json(read_bytes(path)), "it")
        if sorted([*found.runs, *found.left_out]) != sorted(spec.run_id for spec in grid.runs):
            raise ValueError("its runs are not those of the grid")
    except (OSError, UserError, *IMPOSSIBLE) as error:
        said = str(error) if isinstance(error, UserError) else reason(error)
        raise UserError(
            f"the budget's list of runs {str(path)!r} is damaged ({said}); delete it to have another made"
        ) from None
    return found
