"""How long a grid will take: a few steps of each method on a task of each family, timed for a few seconds."""

import json
import multiprocessing
import tempfile
import time
import warnings
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from benchmarks.core.settings import UserError
from benchmarks.plan.cost import Cell, Estimate, Kind, kind
from benchmarks.plan.spec import RunSpec
from benchmarks.training.build import facts_of, new_trainer
from benchmarks.training.frozen import task_for
from benchmarks.training.loop import prepare
from benchmarks.training.run import execute

WARM, TIMED = 4, 8  # steps
PATIENCE = 4.0  # seconds for all probes: a dry run is for people who wait
START = 10.0  # seconds for a process on a GPU to begin, and for a first kind to be timed: data are read for it


def estimate(
    specs: Sequence[RunSpec], known: Estimate, device: str, patience: float = PATIENCE, start: float = START
) -> Estimate:
    """Time the kinds of run of which nothing is known yet.

    It is done in a process of its own, which ends with our patience, or with its memory.

    Args:
        known: of these runs; what is found is added to it.
        patience: seconds for all kinds, and ``start``, if more, for the first.
    """
    first: dict[Kind, RunSpec] = {}
    for spec in specs:
        if kind(spec) not in known.training:
            # A reverse run takes as long as the run that it judges.
            first.setdefault(kind(spec), replace(spec, reverse_of=None))
    if not first:
        return known
    # A copy of this process need not import torch again; a GPU admits no copy.
    context = multiprocessing.get_context("fork" if device == "cpu" else "spawn")
    ours, theirs = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:  # ours: a process that is killed removes nothing
        arguments = (theirs, first, set(known.evaluation), device, Path(folder))
        process = context.Process(target=_probe, args=arguments, daemon=True)  # type: ignore[attr-defined]
        process.start()
        theirs.close()
        try:
            with suppress(EOFError):  # it has said all, or has died
                if ours.poll(start):
                    ours.recv()
                    begun, longest = time.monotonic(), max(start, patience)
                    while ours.poll(begun + (patience if known.known else longest) - time.monotonic()):
                        what, key, value = ours.recv()
                        getattr(known, what)[key] = value
        finally:
            process.kill()
            process.join()
    return known


def _probe(
    tell: Connection, first: Mapping[Kind, RunSpec], evaluated: Container[Cell], device: str, folder: Path
) -> None:
    """Tell of each kind's time as it is known: one kind of each cell before the others."""
    warnings.simplefilter("ignore")  # what a method doubts, the run itself will say
    tell.send("begun")
    leading: dict[Cell, Kind] = {}
    for key in first:
        leading.setdefault(key[0], key)
    where = torch.device(device)
    for key in dict.fromkeys([*leading.values(), *first]):
        try:
            tell.send(("training", key, _training_seconds(first[key], where)))
            if key in leading.values() and key[0] not in evaluated:
                tell.send(("evaluation", key[0], _evaluation_seconds(first[key], where, folder)))
        except (UserError, FloatingPointError, RuntimeError) as error:
            tell.send(("failed", key, str(error)))


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
    task = task_for(probe, device)
    view = task.train_view()
    trainer = new_trainer(probe, facts_of(view, task.facts), view, device)
    start = time.perf_counter()
    marks = [time.perf_counter() - start for _ in trainer.run(also=[WARM])]
    step = (marks[-1] - marks[0]) / (trainer.steps - WARM)
    stages = trainer.steps / probe.protocol.steps  # in all stages, how many times the protocol's steps
    return marks[0] + step * max(0.0, spec.protocol.steps * stages - WARM)


def _short(spec: RunSpec) -> RunSpec:
    return replace(spec, protocol=spec.protocol.replace({"steps": WARM + TIMED, "checkpoints": 1}, "protocol"))
