"""How long runs will take, and which of them a budget of time affords."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.commands.shared import values
from benchmarks.commands.shared.options import Group
from benchmarks.engines.budget import afforded
from benchmarks.plan.budget import in_units
from benchmarks.plan.cost import in_words
from benchmarks.plan.grid import Grid
from benchmarks.plan.spec import RunSpec
from benchmarks.records.budgets import place
from benchmarks.records.store import Store

QUICK = 2.0  # seconds for the first figure that a display shows
WORTH = 5_000  # steps: fewer are done before an estimate is worth its time


@dataclass(frozen=True)
class BudgetFlags:
    """How long a command may take."""

    budget: int | None

    @staticmethod
    def add_to(flags: Group) -> None:
        flags.add_argument(
            "--budget",
            type=values.duration,
            metavar="TIME",
            help="do what fits, as 90s, 20m or 2h: fewer methods, the last first, then configurations, then seeds",
        )

    def within(
        self, planned: Grid, to_do: Callable[[RunSpec], bool], store: Store, devices: Sequence[str]
    ) -> tuple[Grid, dict[str, float]]:
        """What the budget affords of a grid, by a list in the store; without a budget, all of it.

        Args:
            to_do: whether a run will be done: others, which have a record, take no time.

        Returns:
            The grid, and the seconds that each run will take as far as the list says, by id.

        Raises:
            UserError: the budget is too small for anything, or its list is damaged.
        """
        if self.budget is None:
            return planned, {}
        grid, found = afforded(planned, self.budget, to_do, store, devices)
        time = in_words([seconds for seconds in found.runs.values() if seconds], found.workers, devices[0])
        told = grid.budget or f"budget {in_units(self.budget)}: all runs fit"
        basis, path = f" ({found.basis})" * bool(found.basis), place(store, planned, self.budget)
        print(f"{told}; {time}{basis}; the list is {path}", file=sys.stderr)
        return grid, found.runs


def expected(todo: Sequence[RunSpec], store: Store, device: str) -> dict[str, float]:
    """Seconds of each run, by id, where records or a look of :data:`QUICK` tell; none elsewhere."""
    from benchmarks.records.clocks import recorded

    known = recorded(todo, store, device)
    if len(known.training) < len(known.counts) and sum(spec.protocol.steps for spec in todo) > WORTH:
        from benchmarks.training.estimate import estimate

        known = estimate(todo, known, device, QUICK, QUICK)
    return known.seconds(todo) if known.known else {}
