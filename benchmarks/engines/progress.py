"""What a grid shows while it runs: how far it is, time gone and left, and scores that need no target label."""

import sys
from collections.abc import Iterable

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from benchmarks.core.escape import shown
from benchmarks.core.settings import UserError
from benchmarks.engines.events import Event
from benchmarks.engines.pace import Pace
from benchmarks.engines.tensorboard import Board
from benchmarks.plan.spec import RunSpec
from benchmarks.records.record import IMPOSSIBLE, Record
from benchmarks.records.store import Store


def follow(events: Iterable[Event], pace: Pace, store: Store, board: Board | None = None) -> list[Event]:
    """Show a grid's events as they come, a bar on a terminal and lines elsewhere; returns the failures."""
    console = Console(stderr=True, highlight=False)
    # What is long gives way: the other columns keep their widths.
    description = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    columns = (
        BarColumn(10),
        _Clocks(pace),
        TextColumn("{task.description}", markup=False, table_column=description),
    )
    failures = []
    with Progress(*columns, console=console, expand=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("starting workers", total=1.0)
        for number, event in enumerate(events):
            if not number and not console.is_terminal:
                console.print(f"{pace.runs} runs, {pace.steps:,} steps: {_left(pace)}")
            if board:
                board.write(event)
            pace.hear(event)
            bar.update(task, completed=pace.share)
            if event.kind == "signals":
                if event.signals:
                    bar.update(task, description=f"{event.spec}: {_signals(event.signals[-1])}")
                continue
            if event.kind == "started":
                bar.update(task, description=str(event.spec))
                continue
            if event.kind == "failed":
                failures.append(event)
                text = shown(f"failed: {event.spec}: {event.error}")
                console.print(text, style="red", markup=False, soft_wrap=True)
            elif not console.is_terminal:
                scores = _scores(store, event.spec)
                text = f"[{pace.ended}/{pace.runs}] {event.kind}: {event.spec}{scores}; {_clocks(pace)}"
                console.print(text, markup=False, soft_wrap=True)
    return failures


class _Clocks(ProgressColumn):
    """Runs and steps, time gone and left: they go on between two events."""

    def __init__(self, pace: Pace) -> None:
        super().__init__(Column(no_wrap=True))
        self.pace = pace

    def render(self, task: Task) -> Text:
        pace = self.pace
        runs, steps = f"{pace.ended}/{pace.runs} runs", f"{pace.done_steps:,.0f}/{pace.steps:,} steps"
        return Text(f"{runs}, {steps}, {_clocks(pace)}")


def _clocks(pace: Pace) -> str:
    return f"{_time(pace.elapsed)} gone, {_left(pace)}"


def _left(pace: Pace) -> str:
    return "time left unknown" if pace.left is None else f"~{_time(pace.left)} left"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _scores(store: Store, spec: RunSpec) -> str:
    """What a record says of its last checkpoint, without target labels; nothing of one that cannot be read."""
    from benchmarks.evaluation.outputs import Outputs
    from benchmarks.evaluation.validators import score_outputs
    from datasets.base import objective_of_task

    try:
        record, objective = Record(store.folder(spec)), objective_of_task(spec.task)
        source = record.json("scores.json")["checkpoints"][-1][objective.source_score("test")]
        said = f": source {objective.on_source} {objective.printed(source)}"
        im = score_outputs(Outputs.load(record.check(record.outputs()[-1])), ["im"])["im"]
        return said + (f", im {im:.2f}" if objective.of_classes else "")
    except (UserError, *IMPOSSIBLE):
        return ""


def _signals(signals: dict[str, float]) -> str:
    names = sorted(signals.keys() - {"step"}, key=lambda name: (not name.endswith("accuracy"), name))
    parts = [f"{name.replace('_', ' ')} {signals[name]:.2f}" for name in names]
    return ", ".join([f"step {signals['step']:.0f}", *parts])
