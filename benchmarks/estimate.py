"""How long a grid will take: a few steps of each method on a task of each family, timed."""

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.grid import RunSpec
from benchmarks.protocol import Protocol
from benchmarks.run import execute, new_trainer
from datasets.base import load

WARM, TIMED = 4, 8  # steps


def estimate_seconds(specs: Sequence[RunSpec], devices: Sequence[str]) -> float:
    """Seconds for all runs on these workers.

    A family's tasks count as alike, as their steps are: to try each of Amazon's twelve would take minutes.
    """
    cells: dict[tuple[str, Protocol], dict[str, list[RunSpec]]] = {}
    for spec in specs:
        # A reverse run takes as long as the run that it judges.
        methods = cells.setdefault((spec.family, spec.protocol), {})
        methods.setdefault(spec.method, []).append(replace(spec, reverse_of=None))
    device, total = torch.device(devices[0]), 0.0
    for methods in cells.values():
        first = next(iter(methods.values()))[0]
        _evaluation_seconds(first, device)  # reads the data, which later runs of a worker have
        evaluation = _evaluation_seconds(first, device)
        for same in methods.values():
            total += len(same) * (evaluation + _training_seconds(same[0], device))
    return total / len(devices)


def _evaluation_seconds(spec: RunSpec, device: torch.device) -> float:
    """All that a run does besides training; methods are alike in it."""
    probe = _short(spec)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        execute(probe, Path(folder), device)
        whole = time.perf_counter() - start
        cost = json.loads((Path(folder) / "cost.json").read_text())
    further = len(spec.protocol.checkpoint_steps()) - 1
    return whole - cost["training_seconds"] + further * cost["evaluation_seconds"]


def _training_seconds(spec: RunSpec, device: torch.device) -> float:
    """What precedes the first step is paid once, a step as often as there are steps: never, for some methods."""
    probe = _short(spec)
    task = load(probe.task, transductive=probe.protocol.scoring == "transductive")
    trainer = new_trainer(probe, task, task.train_view(), device)
    start = time.perf_counter()
    marks = [time.perf_counter() - start for _ in trainer.run(also=[WARM])]
    return marks[0] + (marks[-1] - marks[0]) / TIMED * max(0, spec.protocol.steps - WARM)


def _short(spec: RunSpec) -> RunSpec:
    return replace(spec, protocol=spec.protocol.replace({"steps": WARM + TIMED, "checkpoints": 1}, "protocol"))
