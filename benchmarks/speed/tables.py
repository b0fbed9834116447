"""The tables that the `speed` command prints: DANN beside others, then a step of each method."""

import importlib.util
import platform
import sys
from collections.abc import Sequence
from typing import Literal

import torch
from tabulate import tabulate

from benchmarks.core.machine import computes_bfloat16
from benchmarks.core.settings import UserError
from benchmarks.plan.grid import plan
from benchmarks.records.provenance import machine
from benchmarks.speed.loops import TASK, task_of
from benchmarks.speed.measure import Contestant, Time, race, relay
from methods.networks.backbones import build_backbone

Format = Literal["text", "markdown"]
PEERS = {"skada": "skada", "pytorch_adapt": "pytorch-adapt"}  # a loop and module, and its name on the index
HEADERS = (
    *("workers", "threads", "ms a step", "ms in kernels", "ms in operators"),
    *("step / operators", "GFLOP a step", "efficiency"),
)


def print_times(
    devices: Sequence[str], backbone: str, methods: Sequence[str], form: Format, *, peers: bool
) -> None:
    """Measure and print.

    Args:
        devices: one for each run at a time.
        methods: timed besides DANN.
        peers: whether other libraries are timed too.

    Raises:
        UserError: an unknown backbone, or a library that is not installed.
    """
    build_backbone(backbone, task_of(backbone).input_shape)  # a wrong one ends here, in words
    device, workers = devices[0], len(devices)
    contestants = _side_by_side(device, workers, peers=peers)
    print(f"A training step on {machine(torch.device(device))}, PyTorch {torch.__version__}, ", end="")
    print(f"{platform.system()}: {backbone}, 64 + 64 samples, SGD; medians of rounds in turns\n")
    # A GPU's memory holds few of them at once, and its clocks are steady.
    groups = [contestants] if device == "cpu" else [[each] for each in contestants]
    times = [time for group in groups for time in race(group, device, backbone)]
    product = max(time.product * time.contestant.workers for time in times if time.contestant.threads == 1)
    limit = times[0].flops / product * 1e3
    row = ["(its arithmetic as one matrix product)", workers, 1, *[limit] * 3, 1.0, times[0].flops / 1e9, 1.0]
    _print("DANN", [*_rows(times), row], form)
    planned = plan("quick", methods, [TASK], [0], {"protocol": {"backbone": backbone}})
    unable = {cell.variant: cell.reason for cell in planned.not_applicable}
    for name, reason in unable.items():
        print(f"{name}: n/a: {reason}")
    each = [Contestant(name, "suite", {"method": name}, workers=workers) for name in methods if name not in unable]
    if each:
        _print("method", _rows(list(relay(each, device, backbone))), form)


def _side_by_side(device: str, workers: int, *, peers: bool) -> list[Contestant]:
    ours = "this suite"
    found = [Contestant(f"{ours}, a grid", "suite", workers=workers)] if workers > 1 else []
    found += [Contestant(f"{ours}, one run", "suite"), Contestant("the same by hand", "by_hand")]
    if device == "cpu" and computes_bfloat16():
        faster: dict[str, object] = {"precision": "bfloat16"}
        found.append(Contestant(f"{ours}, {_words(faster)}", "suite", faster, workers=workers))
    if device != "cpu":
        options: list[dict[str, object]] = [{"deterministic": False}, {"precision": "bfloat16"}, {"compile": True}]
        options.append({key: value for option in options for key, value in option.items()})
        found += [Contestant(f"{ours}, {_words(option)}", "suite", option) for option in options]
    if not peers:
        return found
    for module, package in PEERS.items():
        if importlib.util.find_spec(module) is None:
            raise UserError(
                f"--peers: {package} is not installed; pip install 'domain-adaptation-benchmarks[peers]'"
            )
        threads = {1, workers} if device == "cpu" else {1}
        found += [Contestant(package, module, threads=n) for n in sorted(threads)]
    return found


def _words(options: dict[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in options.items())


def _rows(times: Sequence[Time]) -> list[list[object]]:
    """Cells under :data:`HEADERS`."""
    return [
        [
            *(each.name, each.workers, each.threads, t.step * 1e3, t.kernels * 1e3, t.operators * 1e3),
            *(t.step / t.operators, t.flops / 1e9, t.efficiency),
        ]
        for t in times
        for each in [t.contestant]
    ]


def _print(title: str, rows: list[list[object]], form: Format) -> None:
    style = "github" if form == "markdown" else "simple"
    digits = ("", "", "", ".1f", ".1f", ".1f", ".2f", ".2f", ".2f")
    print(tabulate(rows, [title, *HEADERS], tablefmt=style, floatfmt=digits), end="\n\n")
    sys.stdout.flush()
