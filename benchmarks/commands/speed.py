"""The `speed` command: what a training step costs here, beside other libraries and what the machine could do."""

from argparse import ArgumentParser
from dataclasses import dataclass
from typing import Literal

from benchmarks.commands.shared.execution import DeviceFlags
from benchmarks.core.registry import METHODS
from benchmarks.plan.methods import method_names

HELP = "time training steps beside other libraries and the machine's limit"
EXAMPLES = (
    "speed --methods dann,coral",
    "speed --peers --format markdown",
    "speed --backbone resnet50 --device cuda",
)


@dataclass(frozen=True)
class Options:
    methods: str
    backbone: str
    peers: bool
    devices: DeviceFlags
    format: Literal["text", "markdown"]

    def __post_init__(self) -> None:
        method_names(self.methods)


def add_flags(command: ArgumentParser) -> None:
    what = command.add_argument_group("what to time")
    what.add_argument("--methods", default="core", help="methods to time besides DANN; default core")
    what.add_argument(
        "--backbone", default="lenet", help="lenet: on 28x28 digits (default); others on random 3x224x224 images"
    )
    what.add_argument("--peers", action="store_true", help="also time the libraries of the extra `peers`")
    DeviceFlags.add_to(command.add_argument_group("where"))
    shown = command.add_argument_group("how it is shown")
    shown.add_argument("--format", choices=("text", "markdown"), default="text")


def main(options: Options) -> int:
    from benchmarks.speed.tables import print_times

    workers = options.devices.workers()
    infos = {name: METHODS.info(name) for name in method_names(options.methods)}
    methods = [name for name, info in infos.items() if info.uses and not info.reference]  # those that take steps
    print_times(workers, options.backbone, methods, options.format, peers=options.peers)
    return 0
