"""Stand-ins for a training. Light to import: each worker that uses one starts with it.

None of them asks what a spec's method is, which would import torch: a spec that was planned here knows its run id.
"""

import json
import os
import signal
import time
from pathlib import Path

from benchmarks.plan.spec import RunSpec


def pretend(spec: RunSpec, folder: Path, device: str, report: object) -> None:
    """A stand-in for a training: leaves a mark for each time it is done."""
    with (folder.parent.parent / "done.txt").open("a") as log:
        log.write(spec.run_id + "\n")
    (folder / "spec.json").write_text(json.dumps({"run_id": spec.run_id}))


def die_at_seed_1(spec: RunSpec, folder: Path, device: str, report: object) -> None:
    if spec.seed == 1 and spec.method == "dann":
        os.kill(os.getpid(), signal.SIGKILL)
    pretend(spec, folder, device, report)


def die_once(spec: RunSpec, folder: Path, device: str, report: object) -> None:
    mark = folder.parent.parent / f"{spec.run_id}.died"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    pretend(spec, folder, device, report)


def fail(spec: RunSpec, folder: Path, device: str, report: object) -> None:
    if spec.method == "dann":
        raise ValueError("no good")
    pretend(spec, folder, device, report)


def fill_the_disk(spec: RunSpec, folder: Path, device: str, report: object) -> None:
    """Does the first run; then there is no room left."""
    if spec.seed == 1:
        Path("/dev/full").write_text("no room")
    pretend(spec, folder, device, report)


def fail_with_the_disk_full(spec: RunSpec, folder: Path, device: str, report: object) -> None:
    """A failure of the run itself; and by then there is no room for as much as a file of it."""
    ballast = folder.parent / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1024))
    except OSError:
        raise ValueError("no good") from None


def fill_the_disk_within_a_library(spec: RunSpec, folder: Path, device: str, report: object) -> None:
    try:
        Path("/dev/full").write_text("no room")
    except OSError:
        raise RuntimeError("unexpected pos 64 vs 0") from None


def work_slowly(spec: RunSpec, folder: Path, device: str, report: object) -> None:
    """0.2 s, in which a record is begun, half done and done; its numbers are a function of the spec alone."""
    for name in ("spec.json", "scores.json"):
        (folder / name).write_text('{"half": ')
        time.sleep(0.1)
        (folder / name).write_text(json.dumps({"run_id": spec.run_id, "score": int(spec.run_id, 16) / 2**48}))
