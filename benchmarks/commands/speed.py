"""The `speed` command: what a training step costs here, beside other libraries and what the machine could do."""

import argparse
import importlib.util
import platform
import sys
from collections.abc import Sequence

import torch
from tabulate import tabulate

from benchmarks.commands.common import devices_of
from benchmarks.core.registry import METHODS
from benchmarks.core.settings import UserError
from benchmarks.plan.methods import method_names
from benchmarks.records.provenance import machine
from benchmarks.speed.loops import task_of
from benchmarks.speed.measure import Contestant, Time, race
from methods.networks.backbones import build_backbone

PEERS = {"skada": "skada", "pytorch_adapt": "pytorch-adapt"}  # a loop and module, and its name on the index
HEADERS = ("workers", "threads", "ms a step", "ms in kernels", "GFLOP a step", "efficiency")


def main(options: argparse.Namespace) -> int:
    devices = devices_of(options)
    build_backbone(options.backbone, task_of(options.backbone).input_shape)  # a wrong one ends here, in words
    device, workers = devices[0], len(devices)
    print(f"A training step on {machine(torch.device(device))}, PyTorch {torch.__version__}, ", end="")
    print(f"{platform.system()}: {options.backbone}, 64 + 64 samples, SGD; medians of rounds in turns\n")
    contestants = _side_by_side(device, workers, peers=options.peers)
    # A GPU's memory holds few of them at once, and its clocks are steady.
    groups = [contestants] if device == "cpu" else [[each] for each in contestants]
    times = [time for group in groups for time in race(group, device, options.backbone)]
    product = max(time.product * time.contestant.workers for time in times if time.contestant.threads == 1)
    limit = times[0].flops / product * 1e3
    row = ["(its arithmetic as one matrix product)", workers, 1, limit, limit, times[0].flops / 1e9, 1.0]
    _print("DANN", [*_rows(times), row], options.format)
    names = [name for name in method_names(options.methods) if not METHODS.info(name).reference]
    each = [Contestant(name, "suite", {"method": name}, workers=workers) for name in names]
    _print("method", [row for one in each for row in _rows(race([one], device, options.backbone))], options.format)
    return 0


def _side_by_side(device: str, workers: int, *, peers: bool) -> list[Contestant]:
    ours = "this suite"
    found = [Contestant(f"{ours}, a grid", "suite", workers=workers)] if workers > 1 else []
    found += [Contestant(f"{ours}, one run", "suite"), Contestant("the same by hand", "by_hand")]
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
        [each.name, each.workers, each.threads, t.step * 1e3, t.kernels * 1e3, t.flops / 1e9, t.efficiency]
        for t in times
        for each in [t.contestant]
    ]


def _print(title: str, rows: list[list[object]], form: str) -> None:
    style = "github" if form == "markdown" else "simple"
    digits = ("", "", "", ".1f", ".1f", ".2f", ".2f")
    print(tabulate(rows, [title, *HEADERS], tablefmt=style, floatfmt=digits), end="\n\n")
    sys.stdout.flush()
