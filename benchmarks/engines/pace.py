"""How far a grid is, and how long it still takes, from its events. Only what is to do counts."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from benchmarks.engines.events import Event
from benchmarks.plan.cost import kind, samples, wall_time
from benchmarks.plan.spec import RunSpec

SHORTEST, SHARE = 10.0, 0.1  # seconds, and share of the expected time, for which the expected pace weighs


class Pace:
    """The time left: the work left, at the pace until now.

    Args:
        todo: all runs that will be done.
        seconds: expected of each on one worker, by id; empty: not known, and runs count by the samples that they
            train on.
        workers: that the runs are divided among.
        clock: gives seconds.
    """

    def __init__(
        self,
        todo: Sequence[RunSpec],
        seconds: Mapping[str, float] | None = None,
        workers: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.runs, self.ended = len(todo), 0
        self.steps, self.done_steps = sum(spec.protocol.steps for spec in todo), 0.0  # of one stage each
        self._work = {spec.run_id: seconds[spec.run_id] if seconds else 1.0 + samples(kind(spec)) for spec in todo}
        self._total, self._done = sum(self._work.values()), 0.0
        self._shares, self._reports = dict.fromkeys(self._work, 0.0), Counter[str]()
        longest = max(self._work.values(), default=0.0)
        expected = wall_time(self._total, longest, workers) if seconds else 0.0
        self._pace = self._total / expected if expected else 0.0  # work a second, by the estimate
        self._before = max(SHORTEST, SHARE * expected) if expected else 0.0
        self._clock, self._began = clock, clock()
        self._first: tuple[float, float] | None = None  # when work was heard of, and how much was done by then
        self._look()

    @property
    def elapsed(self) -> float:
        return self._clock() - self._began

    @property
    def share(self) -> float:
        """Of the work that is done."""
        return self._done / (self._total or 1.0)

    @property
    def left(self) -> float | None:
        """Seconds; None if nothing tells yet."""
        if self._left is None or self._first is None:
            return self._left
        return max(0.0, self._left - (self.elapsed - self._at))

    def hear(self, event: Event) -> None:
        """Take note of an event."""
        spec, run, share = event.spec, event.spec.run_id, 0.0
        if event.kind == "signals":
            self._reports[run] += 1
            share = min(1.0, self._reports[run] / min(spec.protocol.checkpoints, spec.protocol.steps))
        elif event.kind == "started":  # maybe again
            self._reports[run] = 0
        else:
            self.ended, share = self.ended + 1, 1.0
            if event.kind != "finished":  # done elsewhere, or failed: what was left of it says nothing of the pace
                self._total -= (1 - self._shares[run]) * self._work[run]
                self._work[run] = 0.0
        more = share - self._shares[run]
        self._shares[run] = share
        self._done += more * self._work[run]
        self.done_steps += more * spec.protocol.steps
        if self._first is None and event.kind != "started":
            self._first = self.elapsed, self._done
        self._look()

    def _look(self) -> None:
        """How much is left now, by the pace since work was first heard of: workers take time to start.

        The expected pace counts as if it had been held for a while before.
        """
        self._at = self.elapsed
        began, behind = self._first or (self._at, self._done)
        seconds = self._at - began + self._before
        done = self._done - behind + self._before * self._pace
        self._left = (self._total - self._done) * seconds / done if done else None
