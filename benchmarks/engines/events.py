"""What an engine tells while it works through a grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.plan.spec import RunSpec


@dataclass(frozen=True)
class Event:
    """``kind``: started; signals, those since the last; finished; reused (another process did it); failed, with
    its ``error``."""

    kind: Literal["started", "signals", "finished", "reused", "failed"]
    spec: RunSpec
    signals: Sequence[dict[str, float]] = ()
    error: str = ""
