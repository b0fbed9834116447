"""A run's signals for TensorBoard, as they come. TensorBoard is an optional extra."""

import re
from pathlib import Path
from typing import Any

from benchmarks.core.settings import UserError
from benchmarks.engines.events import Event
from benchmarks.plan.spec import RunSpec


class Board:
    """One curve a run and signal, under ``folder``."""

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise UserError("--tensorboard needs the package tensorboard: pip install tensorboard") from None
        folder.mkdir(parents=True, exist_ok=True)  # one that cannot be is told of before the first run
        self.folder, self._new = folder, SummaryWriter
        self._writers: dict[str, Any] = {}

    def write(self, event: Event) -> None:
        """Add an event's signals; the run's file is closed when it is done."""
        run = event.spec.run_id
        if event.kind == "signals":
            if run not in self._writers:
                self._writers[run] = self._new(str(self.folder / _name(event.spec)))
            for signals in event.signals:
                for name, value in signals.items():
                    if name != "step":
                        self._writers[run].add_scalar(name, value, int(signals["step"]))
        elif event.kind in ("finished", "failed") and run in self._writers:
            self._writers.pop(run).close()


def _name(spec: RunSpec) -> str:
    text = f"{spec.task}/{spec.variant}/configuration{spec.configuration}-seed{spec.seed}"
    return re.sub(r"[^\w./+=,-]+", "_", text + "-reversed" * bool(spec.reverse_of))
