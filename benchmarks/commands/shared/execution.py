"""Where runs are done: the flags that name devices and an engine, and that engine."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from benchmarks.commands.shared import values
from benchmarks.commands.shared.options import Group, refuse
from benchmarks.core.settings import UserError
from benchmarks.engines import Engine
from benchmarks.engines.devices import devices, parse_device
from benchmarks.records.store import Store
from datasets import files

EngineName = Literal["local", "ray"]


@dataclass(frozen=True)
class DeviceFlags:
    """What a machine lends, and to how many runs at a time."""

    jobs: int | None
    jobs_per_gpu: int
    device: str

    def __post_init__(self) -> None:
        parse_device(self.device)

    @staticmethod
    def add_to(flags: Group) -> None:
        most = values.at_most(values.MOST_JOBS)
        flags.add_argument("--jobs", type=most, help="runs at a time; default: one a core, or one a GPU")
        flags.add_argument(
            "--jobs-per-gpu", type=most, default=1, metavar="N", help="runs that share a GPU; default 1"
        )
        flags.add_argument("--device", default="auto", help="auto, cpu, cuda, or cuda:0,1; default auto")

    @property
    def given(self) -> dict[str, Any]:
        """By flag, whether it is set."""
        return {"jobs": self.jobs, "jobs_per_gpu": self.jobs_per_gpu > 1, "device": self.device != "auto"}

    def workers(self) -> list[str]:
        """A device for each."""
        return devices(self.device, self.jobs, self.jobs_per_gpu)


@dataclass(frozen=True)
class EngineFlags:
    """What does the runs, and what a cluster gives to each."""

    retries: int
    engine: EngineName
    ray_address: str | None
    cpus_per_run: float
    gpus_per_run: float

    def __post_init__(self) -> None:
        if self.engine == "local":
            for flag, default in (("ray_address", None), ("cpus_per_run", 1), ("gpus_per_run", 0)):
                if getattr(self, flag) != default:
                    raise UserError(f"--{flag.replace('_', '-')} needs --engine ray")

    @staticmethod
    def add_to(flags: Group) -> None:
        flags.add_argument(
            "--retries", type=values.retries, default=1, help="of a run whose worker dies; default 1"
        )
        flags.add_argument("--engine", choices=get_args(EngineName), default="local", help="default local")
        ray = "with --engine ray: "
        flags.add_argument(
            "--ray-address", metavar="ADDRESS", help=f"{ray}a cluster; default: one on this machine"
        )
        flags.add_argument("--cpus-per-run", type=values.per_run, default=1, metavar="N", help=f"{ray}default 1")
        flags.add_argument(
            "--gpus-per-run", type=values.per_run, default=0, metavar="N", help=f"{ray}such as 0.25; default 0"
        )

    def require_local(self, flags: Mapping[str, Any]) -> None:
        """Raise a UserError for flags about the devices of this machine, where a cluster does the runs."""
        if self.engine != "local":
            refuse(
                flags, f"--engine {self.engine} does runs on the devices of its cluster, and not of this machine"
            )

    def make(self, store: Store, where: DeviceFlags, *, fresh: bool = False, save_weights: bool = False) -> Engine:
        """The engine, which puts records into a store.

        Args:
            fresh: runs that have a record are done again.
            save_weights: trained weights are kept.
        """
        from benchmarks.engines.local import LocalEngine
        from benchmarks.engines.ray import RayEngine
        from benchmarks.engines.work import train

        execute = partial(train, save_weights=True) if save_weights else train
        if self.engine == "local":
            return LocalEngine(store, where.workers(), retries=self.retries, fresh=fresh, execute=execute)
        return RayEngine(
            store,
            self.ray_address,
            cpus=self.cpus_per_run,
            gpus=self.gpus_per_run,
            retries=self.retries,
            fresh=fresh,
            execute=execute,
        )


def add_data_flag(flags: Group) -> None:
    flags.add_argument("--data-dir", type=values.path, help=f"folder of data sets; default ${files.VARIABLE}")


def use_data_folder(folder: Path | None) -> None:
    """Readers look there, in this process and in those that train."""
    if folder:
        os.environ[files.VARIABLE] = str(folder.absolute())
