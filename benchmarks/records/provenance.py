"""What stands beside a run's identity: which code and packages made it."""

import ast
import hashlib
import platform
import subprocess
import time
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from benchmarks.core.registry import DATASETS, METHODS
from benchmarks.core.settings import parse_query
from benchmarks.plan.spec import RunSpec

OWN = ("methods", "datasets")
NO_NUMBER = {"embeddable", "classes_only"}  # arguments of what a page may show and where a method runs
FEW = 3  # records that are named, of many
PACKAGES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "pandas")
HARNESS = (
    "benchmarks.training.run",
    "benchmarks.training.recorder",
    "benchmarks.training.stopping",
    "benchmarks.training.build",
    "benchmarks.training.frozen",
    "benchmarks.training.loop",
    "benchmarks.training.signals",
    "benchmarks.training.batches",
    "benchmarks.core.objective",
    "benchmarks.core.protocol",
    "benchmarks.core.randomness",
    "benchmarks.evaluation.outputs",
    "benchmarks.evaluation.scores",
    "benchmarks.evaluation.proxy_a_distance",
    "benchmarks.evaluation.oracle",
    "benchmarks.evaluation.targets",
)


def provenance(spec: RunSpec, device: torch.device, started: float) -> dict[str, Any]:
    """All of it: code, packages, machine and times."""
    return {
        "code": spec_digest(spec),
        "packages": package_versions(),
        "python": platform.python_version(),
        "cpu": _cpu(),
        "device": machine(device) if device.type == "cuda" else "cpu",
        "host": platform.node(),
        "started": started,
        "finished": time.time(),
    }


def spec_digest(spec: RunSpec) -> str:
    """The code that a run would be done with now."""
    return code_digest(spec.method, spec.family, spec.to_dict()["protocol"].get("backbone", ""))


def made_by_other_code(codes: Mapping[str, str], specs: Iterable[RunSpec]) -> str:
    """Which records today's code did not make, in short; empty if it made all.

    Args:
        codes: the digest in each record, by run id; empty where it is not known.
    """
    known = [spec for spec in specs if codes.get(spec.run_id)]
    other = [f"{spec.run_id} ({spec})" for spec in known if codes[spec.run_id] != spec_digest(spec)]
    if not other:
        return ""
    named = ", ".join(other[:FEW]) + f" and {len(other) - FEW} more" * (len(other) > FEW)
    return f"{len(other)} of {len(known)} records were made by different code: {named}"


@cache
def code_digest(method: str, family: str, backbone: str) -> str:
    """12 hex digits over the files that decide a run's numbers: not those of other methods, data or backbones.

    They are the harness, and the files of the three, with all that these import of `methods` and `datasets`. What
    counts of a file is its syntax: a comment or a docstring changes no digest.

    Args:
        backbone: empty for a method without one.
    """
    used = [cls.__module__ for cls in (METHODS.get(method), DATASETS.get(family))]
    used += [f"methods.networks.backbones.{parse_query(backbone)[0]}"] * bool(backbone)
    names = _imported([*HARNESS, *used])
    digest = hashlib.sha256()
    for name in sorted(names):
        digest.update(f"{name}\0{_syntax(_file(name))}\0".encode())
    return digest.hexdigest()[:12]


@cache
def _syntax(file: Path) -> str:
    return syntax(_tree(file))


def syntax(tree: ast.AST) -> str:
    """A piece of code without positions, comments, docstrings and arguments that decide no number."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            node.keywords = [each for each in node.keywords if each.arg not in NO_NUMBER]
        body = getattr(node, "body", None)
        if isinstance(body, list):  # also a string below a field, which says what it is for
            node.body = [each for each in body if not _is_text(each)]  # type: ignore[attr-defined]
    return ast.dump(tree)


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    )


def _imported(names: Iterable[str]) -> set[str]:
    """Modules and, of `methods` and `datasets`, whatever they import, directly or not."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for node in ast.walk(_tree(_file(name))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in OWN:
                parts = [f"{node.module}.{alias.name}" for alias in node.names]
                waiting += [node.module, *(part for part in parts if _is_module(part))]
    return found


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is a module, and the name something in it
        return False


def _file(module: str) -> Path:
    return Path(str(import_module(module).__file__))


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
    folder = Path(__file__).parents[1]

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
