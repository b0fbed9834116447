"""What every engine does: with a grid before its first run, and with one run."""

import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.core import atomic, machine
from benchmarks.core.registry import DATASETS
from benchmarks.core.settings import UserError
from benchmarks.plan.spec import RunSpec
from datasets import files
from datasets.base import resolve

BUSY_WAIT = 1.0  # seconds before a run that another process holds is looked at again

Files = dict[str, bytes]
Report = Callable[[Sequence[Mapping[str, float]]], None]
Execute = Callable[[RunSpec, Path, str, Report], None]

# A training frees and takes the same large blocks at each step. Giving them back to the system in between, in
# small pages, costs 5% of a step of DANN. glibc alone reads this, when a process starts.
ALLOCATOR = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=1073741824"
    ":glibc.malloc.trim_threshold=1073741824"
}


@dataclass(frozen=True)
class Failure:
    """Why a run failed: a line for people, and all of it."""

    error: str
    traceback: str


def require_files(specs: Iterable[RunSpec]) -> None:
    """End a grid whose data or weights are not on this machine before its first run, and not run by run.

    Raises:
        UserError: a file that is missing, truncated or another.
    """
    from methods.networks.backbones import require_weights  # here: it imports torch

    specs = list(specs)
    require_weights(spec.protocol.backbone for spec in specs)
    for task in map(resolve, sorted({spec.task for spec in specs})):
        for file in DATASETS.get(task.family)().files(task.task):
            files.checked(file)


def require_precision(specs: Iterable[RunSpec], devices: Iterable[str]) -> None:
    """End a grid before its first run if a device cannot compute in the precision of a run.

    Raises:
        UserError: see :func:`benchmarks.core.machine.require_precision`.
    """
    devices = set(devices)
    for precision in {spec.protocol.precision for spec in specs}:
        for device in devices:
            machine.require_precision(device, precision)


def attempt(
    execute: Execute,
    spec: RunSpec,
    folder: Path,
    device: str,
    report: Report,
    inputs: Callable[[], Files] = dict,
) -> Failure | None:
    """Do a run in a folder; returns what went wrong, if anything.

    Args:
        inputs: gives the files that the run starts from, by name.

    Raises:
        OSError: the disk is full, which is no fault of the run.
    """
    try:
        for name, content in inputs().items():
            with atomic.writing(folder / name) as file:
                file.write(content)
        execute(spec, folder, device, report)
    except Exception as error:
        if full := atomic.full_disk(error):
            raise full from None
        text = str(error) if isinstance(error, UserError | FloatingPointError) else _one_line(error)
        return Failure(text, traceback.format_exc())
    return None


def train(spec: RunSpec, folder: Path, device: str, report: Report, *, save_weights: bool = False) -> None:
    """Train and evaluate: what a run is, except in tests of engines."""
    import torch  # here: a worker that does something else need not wait for it

    from benchmarks.training.run import execute

    execute(spec, folder, torch.device(device), report, save_weights=save_weights)


def died(spec: RunSpec, times: int, how: str) -> Failure:
    """A run that took its worker with it each time."""
    text = f"it ended its worker process {times} times ({how})"
    text += f"; if for want of memory, {spec.protocol.smaller_batches()}"
    return Failure(text, text)


def _one_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
