"""How long a grid will take: a few steps of each of its cells, timed."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.grid import RunSpec
from benchmarks.run import execute
from benchmarks.store import load_records

STEPS = 8


def estimate_seconds(specs: Sequence[RunSpec], devices: Sequence[str]) -> float:
    """Seconds for all runs on these workers, from a short run of each (task, method)."""
    cells: dict[tuple[str, str], list[RunSpec]] = {}
    for spec in specs:
        cells.setdefault((spec.task, spec.variant), []).append(spec)
    total = 0.0
    for same in cells.values():
        total += len(same) * _one_run(same[0], torch.device(devices[0]))
    return total / len(devices)


def _one_run(spec: RunSpec, device: torch.device) -> float:
    """Steps scale with their number, evaluation with that of checkpoints; the rest is paid once."""
    steps, checkpoints = spec.protocol.steps, len(spec.protocol.checkpoint_steps())
    short = spec.protocol.replace({"steps": min(STEPS, steps), "checkpoints": 1}, "protocol")
    probe = replace(spec, protocol=short)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        execute(probe, Path(folder), device)
        whole = time.perf_counter() - start
        record = load_records([Path(folder)]).iloc[0]
    training, evaluation = record["training_seconds"], record["evaluation_seconds"]
    return training * steps / short.steps + evaluation * checkpoints + whole - training - evaluation
