"""The live display of a grid: runs done, the latest signals (none needs a target label), time left."""

import sys
from collections.abc import Iterable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from benchmarks.core.escape import shown
from benchmarks.engines.events import Event
from benchmarks.engines.tensorboard import Board


def follow(events: Iterable[Event], total: int, board: Board | None = None) -> list[Event]:
    """Show a grid's events as they come, a bar on a terminal and lines elsewhere; returns the failures."""
    console = Console(stderr=True, highlight=False)
    # What is long gives way: the other columns keep their widths.
    description = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    columns = (
        BarColumn(20),
        MofNCompleteColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.description}", markup=False, table_column=description),
    )
    failures = []
    with Progress(*columns, console=console, expand=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("starting workers", total=total)
        done = 0
        for event in events:
            if board:
                board.write(event)
            if event.kind == "signals":
                if event.signals:
                    bar.update(task, description=f"{event.spec}: {_signals(event.signals[-1])}")
                continue
            if event.kind == "started":
                bar.update(task, description=str(event.spec))
                continue
            done += 1
            bar.advance(task)
            if event.kind == "failed":
                failures.append(event)
                text = shown(f"failed: {event.spec}: {event.error}")
                console.print(text, style="red", markup=False, soft_wrap=True)
            elif not console.is_terminal:
                console.print(f"[{done}/{total}] {event.kind}: {event.spec}", markup=False, soft_wrap=True)
    return failures


def _signals(signals: dict[str, float]) -> str:
    names = sorted(signals.keys() - {"step"}, key=lambda name: (not name.endswith("accuracy"), name))
    parts = [f"{name.replace('_', ' ')} {signals[name]:.2f}" for name in names]
    return ", ".join([f"step {signals['step']:.0f}", *parts])
