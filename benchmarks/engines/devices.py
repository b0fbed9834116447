"""The devices that runs are given to. Light: torch is imported only to look for them."""

from benchmarks.core.machine import cores
from benchmarks.core.settings import UserError, nearest, whole_number

DEVICES = ("auto", "cpu", "cuda", "cuda:0,1")  # as a user names them


def parse_device(text: str) -> tuple[str, list[int]]:
    """A device's kind, and the numbers of the GPUs asked for; none: all.

    Raises:
        UserError: nothing that a device is called.
    """
    kind, colon, numbers = text.partition(":")
    wanted = [whole_number(number) for number in numbers.split(",")] if numbers else []
    chosen = [number for number in wanted if number is not None]
    if kind not in DEVICES or (colon and kind != "cuda") or len(chosen) < len(wanted):
        raise UserError(f"unknown device {nearest(text, DEVICES)}")
    return kind, chosen


def devices(text: str, jobs: int | None = None, jobs_per_gpu: int = 1) -> list[str]:
    """A device for each worker: ``auto``, ``cpu``, ``cuda`` or ``cuda:0,1`` as many times as there are jobs.

    Raises:
        UserError: a device that this machine does not have.
    """
    import torch

    kind, wanted = parse_device(text)
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "cpu":
        return ["cpu"] * (jobs or cores())
    count = torch.cuda.device_count()
    chosen = wanted or list(range(count))
    if not chosen or max(chosen) >= count:
        raise UserError(f"device {text!r}: this machine has {count} CUDA devices; use --device cpu or auto")
    return [f"cuda:{chosen[i % len(chosen)]}" for i in range(jobs or len(chosen) * jobs_per_gpu)]
