"""What executes a grid: processes on this machine, or a Ray cluster."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from benchmarks.engines.events import Event
from benchmarks.plan.spec import RunSpec


class Engine(Protocol):
    """Anything that works through runs.

    Attributes:
        devices: of this machine, a device for each worker; none where workers are elsewhere.
    """

    devices: Sequence[str]

    def run(self, specs: Sequence[RunSpec]) -> Iterator[Event]:
        """Do all runs and tell what happens. Closing the generator ends the workers; what is finished stays."""
        ...
