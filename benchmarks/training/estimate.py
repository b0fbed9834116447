"""How long a grid will take: a few steps of each method on a task of each family, timed for a few seconds."""

import json
import multiprocessing
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from benchmarks.core.protocol import Protocol
from benchmarks.core.settings import UserError
from benchmarks.plan.spec import RunSpec
from benchmarks.training.build import facts_of, new_trainer
from benchmarks.training.loop import prepare
from benchmarks.training.run import execute
from datasets.base import load_task

WARM, TIMED = 4, 8  # steps
PATIENCE = 4.0  # seconds for all probes: a dry run is for people who wait
START = 10.0  # seconds for a process on a GPU to begin, and for a first kind to be timed: data are read for it

Cell = tuple[str, Protocol]  # a family and a protocol: its tasks count as alike, as their steps are
Kind = tuple[Cell, str]  # of run: a method in a cell


@dataclass
class Estimate:
    """What is known after :data:`PATIENCE`.

    Attributes:
        counts: runs of each kind.
        training, evaluation: measured seconds of a run's training, by kind, and of all else, by cell.
        failed: kinds whose first steps fail, with their errors.
    """

    counts: Mapping[Kind, int]
    training: dict[Kind, float] = field(default_factory=dict)
    evaluation: dict[Cell, float] = field(default_factory=dict)
    failed: dict[Kind, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float | None:
        """Of all runs, one after another. A kind that was not measured counts as the mean of those like it."""
        if not self.training:
            return None
        return sum(
            count * (self._training(kind) + self._evaluation(kind[0])) for kind, count in self.counts.items()
        )

    def _training(self, kind: Kind) -> float:
        if kind in self.training:
            return self.training[kind]
        alike = [seconds for (cell, _), seconds in self.training.items() if cell == kind[0]]
        return _mean(alike or list(self.training.values()))

    def _evaluation(self, cell: Cell) -> float:
        return self.evaluation.get(cell, _mean(list(self.evaluation.values())))

    def over(self, workers: int, device: str) -> str:
        """The time that so many workers take, in words, what it costs, and how far to trust it."""
        if not self.counts:
            return "no time"
        if self.seconds is None:
            return "time unknown: no kind of run could be timed in a few seconds"
        timed = len(self.training)
        rough = f" (rough: {timed} of {len(self.counts)} kinds of run were timed)" * (timed < len(self.counts))
        seconds, hours = self.seconds / workers, self.seconds / 3600
        unit = "core" if device == "cpu" else "GPU"
        return (
            f"about {f'{seconds:.0f} s' if seconds < 60 else f'{seconds / 60:.1f} min'} on {workers} {unit}"
            f"{'s' * (workers > 1)}: {hours:{'.1f' if hours >= 1 else '.1g'}} {unit}-hours{rough}"
        )


def estimate(specs: Sequence[RunSpec], device: str, patience: float = PATIENCE) -> Estimate:
    """Time kinds of runs in a process of their own, which ends with our patience, or with its memory."""
    counts = Counter(map(_kind, specs))
    # A reverse run takes as long as the run that it judges.
    first = {_kind(spec): replace(spec, reverse_of=None) for spec in reversed(list(specs))}
    found = Estimate(counts)
    # A copy of this process need not import torch again; a GPU admits no copy.
    context = multiprocessing.get_context("fork" if device == "cpu" else "spawn")
    ours, theirs = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:  # ours: a process that is killed removes nothing
        arguments = (theirs, first, device, Path(folder))
        process = context.Process(target=_probe, args=arguments, daemon=True)  # type: ignore[attr-defined]
        process.start()
        theirs.close()
        try:
            with suppress(EOFError):  # it has said all, or has died
                if ours.poll(START):
                    ours.recv()
                begun = time.monotonic()
                while ours.poll(begun + (patience if found.training else START) - time.monotonic()):
                    what, key, value = ours.recv()
                    getattr(found, what)[key] = value
        finally:
            process.kill()
            process.join()
    return found


def _kind(spec: RunSpec) -> Kind:
    return (spec.family, spec.protocol), spec.method


def _mean(seconds: Sequence[float]) -> float:
    return sum(seconds) / max(1, len(seconds))


def _probe(tell: Connection, first: Mapping[Kind, RunSpec], device: str, folder: Path) -> None:
    """Tell of each kind's time as it is known: one kind of each cell before the others."""
    tell.send("begun")
    leading: dict[Cell, Kind] = {}
    for kind in first:
        leading.setdefault(kind[0], kind)
    where = torch.device(device)
    for kind in [*leading.values(), *(kind for kind in first if kind not in leading.values())]:
        try:
            tell.send(("training", kind, _training_seconds(first[kind], where)))
            if kind in leading.values():
                tell.send(("evaluation", kind[0], _evaluation_seconds(first[kind], where, folder)))
        except (UserError, FloatingPointError, RuntimeError) as error:
            tell.send(("failed", kind, str(error)))


def _evaluation_seconds(spec: RunSpec, device: torch.device, folder: Path) -> float:
    """All that a run does besides training, once its data are read; methods are alike in it."""
    record = Path(tempfile.mkdtemp(dir=folder))
    start = time.perf_counter()
    execute(_short(spec), record, device)
    whole = time.perf_counter() - start
    cost = json.loads((record / "cost.json").read_text())
    further = len(spec.protocol.checkpoint_steps(spec.protocol.steps)) - 1
    return whole - cost["training_seconds"] + further * cost["evaluation_seconds"]


def _training_seconds(spec: RunSpec, device: torch.device) -> float:
    """What precedes the first step is paid once, a step as often as there are steps: never, for some methods."""
    probe = _short(spec)
    prepare(device, probe.protocol)
    transductive = probe.protocol.scoring == "transductive"
    task = load_task(probe.task, transductive=transductive, seed=probe.seed)
    view = task.train_view()
    trainer = new_trainer(probe, facts_of(view, len(task.classes)), view, device)
    start = time.perf_counter()
    marks = [time.perf_counter() - start for _ in trainer.run(also=[WARM])]
    step = (marks[-1] - marks[0]) / (trainer.steps - WARM)
    stages = trainer.steps / probe.protocol.steps  # in all stages, how many times the protocol's steps
    return marks[0] + step * max(0.0, spec.protocol.steps * stages - WARM)


def _short(spec: RunSpec) -> RunSpec:
    return replace(spec, protocol=spec.protocol.replace({"steps": WARM + TIMED, "checkpoints": 1}, "protocol"))
