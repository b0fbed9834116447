"""The devices that runs are given to."""

import os

import torch

from benchmarks.core.settings import UserError, nearest, whole_number


def devices(text: str, jobs: int | None = None, jobs_per_gpu: int = 1) -> list[str]:
    """A device for each worker: ``auto``, ``cpu``, ``cuda`` or ``cuda:0,1`` as many times as there are jobs.

    Raises:
        UserError: a device that there is not.
    """
    if text == "auto":
        text = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, numbers = text.partition(":")
    if kind == "cpu" and not numbers:
        return ["cpu"] * (jobs or _cores())
    wanted = [whole_number(number) for number in numbers.split(",")] if numbers else []
    if kind != "cuda" or None in wanted:
        raise UserError(f"unknown device {nearest(text, ['auto', 'cpu', 'cuda', 'cuda:0,1'])}")
    count = torch.cuda.device_count()
    chosen = [number for number in wanted if number is not None] or list(range(count))
    if not chosen or max(chosen) >= count:
        raise UserError(f"device {text!r}: this machine has {count} CUDA devices; use --device cpu or auto")
    return [f"cuda:{chosen[i % len(chosen)]}" for i in range(jobs or len(chosen) * jobs_per_gpu)]


def _cores() -> int:
    """Cores that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
