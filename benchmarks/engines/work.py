"""What every engine does: with a grid before its first run, and with one run."""

import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.core import atomic
from benchmarks.core.registry import DATASETS
from benchmarks.core.settings import UserError
from benchmarks.engines.devices import computes_bfloat16
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
    """End a grid in bfloat16 before its first run if a device does not compute it.

    Raises:
        UserError: a run would take longer than in float32, for less exact numbers.
    """
    wanted = any(spec.protocol.precision == "bfloat16" for spec in specs)
    if wanted and "cpu" in devices and not computes_bfloat16():
        raise UserError(
            "protocol.precision=bfloat16: this CPU has no instructions for it (avx512_bf16, amx_bf16; ARM: bf16) "
            "and is faster in float32; leave the setting out"
        )


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

    require_precision([spec], [device])  # a node of a cluster may have another CPU than its driver
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
