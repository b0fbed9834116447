"""The same grid on a Ray cluster: workers compute in folders of their own, and the driver alone writes records."""

import os
import shutil
import socket
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.core import atomic
from benchmarks.core.escape import reason
from benchmarks.core.settings import UserError, whole_number
from benchmarks.engines.events import Event
from benchmarks.engines.work import (
    ALLOCATOR,
    BUSY_WAIT,
    Execute,
    Failure,
    Files,
    attempt,
    died,
    require_files,
    train,
)
from benchmarks.plan.spec import RunSpec
from benchmarks.records.store import Busy, Store
from datasets import files


class RayEngine:
    """Runs as Ray tasks.

    A run whose worker or node dies is done again, up to ``retries`` times; then it has failed, and the rest go on.

    Args:
        address: of a cluster; None starts one on this machine and ends it.
        cpus, gpus: that one run takes; a part of a GPU lets several runs share it.
        fresh: do runs again that have a record.
        execute: what does a run, as in :class:`~benchmarks.engines.local.LocalEngine`.
    """

    def __init__(
        self,
        store: Store,
        address: str | None = None,
        *,
        cpus: float = 1,
        gpus: float = 0,
        retries: int = 1,
        fresh: bool = False,
        execute: Execute = train,
    ) -> None:
        self.store, self.address, self.cpus, self.gpus = store, address, cpus, gpus
        self.devices: Sequence[str] = ()
        self.retries, self.fresh, self.execute = retries, fresh, execute

    def run(self, specs: Sequence[RunSpec]) -> Iterator[Event]:
        """Do all runs and tell what happens. Closing the generator ends the workers; what is finished stays."""
        if not self.address:  # the nodes of a cluster have data of their own
            require_files(specs)
        self.ray = _connect(self.address)
        self.store.create()
        task = self.ray.remote(
            num_cpus=self.cpus,
            num_gpus=self.gpus,
            max_retries=self.retries,
            runtime_env={"env_vars": {**ALLOCATOR, **_data_directory()}},
        )(_work)
        waiting = deque(specs)
        self.running: dict[Any, tuple[RunSpec, Path, ExitStack]] = {}
        try:
            while waiting or self.running:
                # As many wait in the cluster as run in it: a worker is never idle, and locks are few.
                while waiting and len(self.running) < 2 * self._slots():
                    spec = waiting.popleft()
                    event = self._begin(spec, task)
                    if event is None:
                        waiting.append(spec)
                        break
                    yield event
                if not self.running:
                    time.sleep(BUSY_WAIT)
                    continue
                for reference in self.ray.wait(list(self.running), timeout=BUSY_WAIT)[0]:
                    yield self._end(reference)
        finally:
            self.ray.shutdown()
            for _, _, lock in self.running.values():
                lock.close()

    def _begin(self, spec: RunSpec, task: Any) -> Event | None:
        """Lock a run and hand it to the cluster; None if another process is at it."""
        lock = ExitStack()
        try:
            folder = lock.enter_context(self.store.locked(spec))
        except Busy:
            return None
        if self.store.finished(spec) and not self.fresh:
            lock.close()
            return Event("reused", spec)
        try:
            inputs = self.store.inputs(spec)
        except UserError as error:
            with lock:
                return self._write(spec, folder, Failure(str(error), str(error)))
        reference = task.remote(self.execute, spec, inputs, self._code(spec), self.gpus > 0)
        self.running[reference] = spec, folder, lock
        return Event("started", spec)

    def _end(self, reference: Any) -> Event:
        """Write the record of a run that has ended, or why there is none."""
        spec, folder, lock = self.running.pop(reference)
        with lock:
            try:
                result = self.ray.get(reference)
            except self.ray.exceptions.RayError as error:
                if full := atomic.full_disk(getattr(error, "cause", error)):
                    raise UserError(f"a node of the Ray cluster: {reason(full)}; make room there") from None
                result = died(spec, self.retries + 1, type(error).__name__)
            try:
                return self._write(spec, folder, result)
            except OSError as error:
                raise self.store.unwritable(error) from None

    def _write(self, spec: RunSpec, folder: Path, result: "Files | Failure") -> Event:
        if isinstance(result, Failure):
            self.store.write_failure(spec, result.error, result.traceback)
            return Event("failed", spec, error=result.error)
        shutil.rmtree(folder)  # whatever an interrupted local run has left
        for name, content in result.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic.writing(path) as file:
                file.write(content)
        self.store.publish(spec)
        return Event("finished", spec)

    def _slots(self) -> int:
        """Runs that fit into the cluster as it is now."""
        resources = self.ray.cluster_resources()
        fit = [resources.get("CPU", 0) // self.cpus] if self.cpus else []
        fit += [resources.get("GPU", 0) // self.gpus] if self.gpus else []
        if not min(fit, default=1):
            raise UserError(f"the Ray cluster has no room for a run of {self.cpus} CPUs and {self.gpus} GPUs")
        return int(min(fit, default=1))

    def _code(self, spec: RunSpec) -> str:
        """The digest that a worker's code must have too; none for what is no training."""
        if getattr(self.execute, "func", self.execute) is not train:  # a partial of it trains too
            return ""
        from benchmarks.records.provenance import spec_digest

        return spec_digest(spec)


def _data_directory() -> dict[str, str]:
    """Where nodes look for data sets: where the driver does."""
    return {name: value for name, value in os.environ.items() if name == files.VARIABLE}


def _work(execute: Execute, spec: RunSpec, inputs: Files, code: str, gpu: bool) -> Files | Failure:
    """On a worker: do a run in a folder of its own, and send back all that it left there."""
    if code:
        from benchmarks.records.provenance import spec_digest

        if (here := spec_digest(spec)) != code:
            text = f"node {os.uname().nodename} has other code ({here}) than the driver ({code}): install the same"
            return Failure(text, text)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        device = "cuda:0" if gpu else "cpu"
        failure = attempt(execute, spec, folder, device, lambda signals: None, lambda: inputs)
        files = (path for path in folder.rglob("*") if path.is_file())
        return failure or {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _connect(address: str | None) -> Any:
    """The module ``ray``, connected.

    Raises:
        UserError: it is not installed, or nothing answers at the address.
    """
    try:
        import ray
    except ImportError:
        raise UserError(
            "--engine ray needs Ray: pip install 'domain-adaptation-benchmarks[ray]', or use --engine local"
        ) from None
    if address:
        _check_that_one_answers(address)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address:
            ray.init(address, **quiet)
        else:
            ray.init("local", include_dashboard=False, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        hint = "a cluster that asks for a token needs RAY_AUTH_MODE=token here and that token in ~/.ray/auth_token"
        raise UserError(f"Ray: {str(error).splitlines()[0]} ({hint})") from None
    return ray


def _check_that_one_answers(address: str) -> None:
    """Ray itself would wait for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    if not (colon and host and whole_number(port)):
        raise UserError(f"--ray-address {address!r}: expected HOST:PORT, ray://HOST:PORT or auto")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise UserError(
            f"no Ray cluster answers at {address!r} ({error}); `ray start --head` begins one"
        ) from None
