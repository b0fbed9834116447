"""Contestants in processes of their own, asked for some steps in turns, so that a busy minute hits all alike."""

import math
import multiprocessing
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self, TypeVar

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.module_tracker import ModuleTracker

from benchmarks.engines.work import ALLOCATOR
from benchmarks.speed import loops

ROUNDS = 7
KERNELS = re.compile(r"^aten::(mkldnn_)?convolution|^aten::(mm|addmm|bmm|max_pool2d_with_indices)")
OPERATORS = re.compile(r"^aten::")
# The profiler logs each start, and that a GPU is absent, below Python; other libraries warn of one another.
QUIET = {"KINETO_LOG_LEVEL": "6", "PYTHONWARNINGS": "ignore"}

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Contestant:
    """A loop of :mod:`benchmarks.speed.loops`, its arguments, and how many processes run it side by side."""

    name: str
    loop: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 1
    workers: int = 1


@dataclass(frozen=True)
class Time:
    """Medians over rounds.

    Attributes:
        step: seconds a step; of several workers together, what they need for one.
        flops: of one step, counted by PyTorch.
        product: FLOP a second of a matrix product in the same process at the same time.
        efficiency: the step's FLOP a second of one worker, as a share of that product's.
        kernels: seconds of a step in convolutions, matrix products and poolings, which are PyTorch's and not a
            loop's: no loop that calls them can be faster. NaN on a GPU.
        operators: the same of all of PyTorch's operators, forward, backward and the optimiser's. What a step takes
            beyond them is the loop's own.
    """

    contestant: Contestant
    step: float
    flops: float
    product: float
    efficiency: float
    kernels: float
    operators: float


def race(contestants: Sequence[Contestant], device: str, backbone: str, rounds: int = ROUNDS) -> list[Time]:
    """Time all contestants, one after the other, in several rounds."""
    seats = [
        [_Seat(contestant, device, backbone) for _ in range(contestant.workers)] for contestant in contestants
    ]
    try:
        for seat in (seat for group in seats for seat in group):
            seat.started.result()
        return _times(contestants, seats, rounds)
    finally:
        for seat in (seat for group in seats for seat in group):
            seat.pool.shutdown()


def relay(contestants: Sequence[Contestant], device: str, backbone: str, rounds: int = ROUNDS) -> Iterator[Time]:
    """Time contestants one after the other in the same processes, as a grid's workers do their runs.

    Args:
        contestants: with equally many workers.
    """
    seats = [_Seat(contestants[0], device, backbone) for _ in range(contestants[0].workers)]
    try:
        for contestant in contestants:
            for ready in [seat.ask(partial(_sit, contestant, device, backbone)) for seat in seats]:
                ready.result()
            for warm in [seat.ask(_steps) for seat in seats]:
                warm.result()
            yield from _times([contestant], [seats], rounds)
    finally:
        for seat in seats:
            seat.pool.shutdown()


def _times(contestants: Sequence[Contestant], seats: Sequence[Sequence["_Seat"]], rounds: int) -> list[Time]:
    """Of contestants that sit in these seats, in turns."""
    laps = [[_lap(group) for group in seats] for _ in range(rounds)]
    flops = [group[0].ask(_flops).result() for group in seats]
    inside = [np.mean([f.result() for f in [seat.ask(_inside) for seat in group]], axis=0) for group in seats]
    results = []
    for number, contestant in enumerate(contestants):
        step, product = np.array([lap[number] for lap in laps]).T
        efficiency = float(np.median(flops[number] / step / product))
        each, workers = float(np.median(step)), contestant.workers
        own = (float(seconds) / workers for seconds in inside[number])
        results.append(
            Time(contestant, each / workers, flops[number], float(np.median(product)), efficiency, *own)
        )
    return results


def _lap(seats: Sequence["_Seat"]) -> tuple[float, float]:
    """Mean seconds a step and FLOP/s of a product, all workers at once."""
    steps = [future.result() for future in [seat.ask(_steps) for seat in seats]]
    products = [future.result() for future in [seat.ask(_product) for seat in seats]]
    return float(np.mean(steps)), float(np.mean(products))


class _Seat:
    """A process that holds one loop. Ours starts as a worker of a grid does; a peer's as its user would."""

    def __init__(self, contestant: Contestant, device: str, backbone: str) -> None:
        self.pool = ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), _sit, (contestant, device, backbone)
        )
        before = dict(os.environ)
        os.environ.update({**QUIET, **os.environ})
        if contestant.loop == "suite":
            os.environ.update({**ALLOCATOR, **os.environ})
        self.started = self.ask(_steps)
        os.environ.clear()
        os.environ.update(before)

    def ask(self, question: Callable[[], Answer]) -> "Future[Answer]":
        return self.pool.submit(question)


_here: dict[str, Any] = {}


def _sit(contestant: Contestant, device: str, backbone: str) -> None:
    _here.update(device=device, loop=getattr(loops, contestant.loop)(device, backbone, **contestant.arguments))
    torch.set_num_threads(contestant.threads)


def _steps() -> float:
    start = time.perf_counter()
    _here["loop"](loops.STEPS)
    _wait()
    return (time.perf_counter() - start) / loops.STEPS


class _NoModules(ModuleTracker):
    """Leaves no hooks in modules: those of PyTorch fail where a loss takes gradients of what enters a network."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        pass


def _flops() -> float:
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = _NoModules()
    with counter:
        _here["loop"](loops.STEPS)
    return counter.get_total_flops() / loops.STEPS


def _inside() -> tuple[float, float]:
    """Seconds of a step in kernels, and in all operators."""
    if _here["device"] != "cpu":
        return math.nan, math.nan
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        _here["loop"](loops.STEPS)
    times = {event.key: event.self_cpu_time_total / 1e6 / loops.STEPS for event in profiled.key_averages()}
    kernels, operators = (
        sum(time for name, time in times.items() if those.search(name)) for those in (KERNELS, OPERATORS)
    )
    return kernels, operators


def _product() -> float:
    """FLOP a second of the best of a few float32 products, large enough for the device."""
    size = 2048 if _here["device"] == "cpu" else 8192
    a = torch.randn(size, size, device=_here["device"])
    times = []
    for _ in range(3):
        start = time.perf_counter()
        a @ a
        _wait()
        times.append(time.perf_counter() - start)
    return 2 * size**3 / min(times)


def _wait() -> None:
    if _here["device"] != "cpu":
        torch.cuda.synchronize()
