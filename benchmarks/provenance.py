"""What stands beside a run's identity: which code and packages made it."""

import hashlib
import inspect
import platform
import subprocess
import time
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.registry import DATASETS, METHODS

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "pandas")
HARNESS = (
    "benchmarks.run",
    "benchmarks.training",
    "benchmarks.signals",
    "benchmarks.randomness",
    "benchmarks.evaluation.outputs",
    "benchmarks.evaluation.scores",
    "benchmarks.evaluation.proxy_a_distance",
    "benchmarks.evaluation.oracle",
    "datasets.base",
)


def provenance(method: str, family: str, device: torch.device, started: float) -> dict[str, Any]:
    """All of it: code, packages, machine and times."""
    return {
        "code": code_digest(method, family),
        "packages": package_versions(),
        "python": platform.python_version(),
        "cpu": _cpu(),
        "device": machine(device) if device.type == "cuda" else "cpu",
        "host": platform.node(),
        "started": started,
        "finished": time.time(),
    }


@cache
def code_digest(method: str, family: str) -> str:
    """12 hex digits over the files that decide a run's numbers: not those of other methods or datasets."""
    paths = {Path(str(import_module(name).__file__)) for name in HARNESS}
    for cls in (METHODS.get(method), DATASETS.get(family)):
        for base in cls.__mro__:
            if base.__module__.split(".")[0] not in ("builtins", "torch", "abc", "pydantic"):
                paths.add(Path(inspect.getfile(base)))
    for package in ("methods.losses", "methods.networks"):
        paths |= set(Path(str(import_module(package).__file__)).parent.glob("*.py"))
    digest = hashlib.sha256()
    for path in sorted(paths, key=lambda path: (path.parent.name, path.name)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


@cache
def package_versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES} | {"git": _git_revision()}


def machine(device: torch.device) -> str:
    """The name of a GPU, or of this machine's processor."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu()


@cache
def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")


def _git_revision() -> str:
    """The checkout's revision, with + if it has changes; empty when installed from a wheel."""
    folder = Path(__file__).parent

    def git(*arguments: str) -> str:
        result = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False
        )
        return result.stdout.strip() if result.returncode == 0 else ""

    try:
        if not (folder.parent / ".git").exists():
            return ""
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except OSError:
        return ""
