"""What an engine tells while it works through a grid."""

from dataclasses import dataclass
from typing import Literal

from benchmarks.grid import RunSpec


@dataclass(frozen=True)
class Event:
    """``kind``: started; signals; finished; reused (another process did it); failed, with its ``error``."""

    kind: Literal["started", "signals", "finished", "reused", "failed"]
    spec: RunSpec
    signals: dict[str, float] | None = None
    error: str = ""
