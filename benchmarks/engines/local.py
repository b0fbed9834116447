"""Persistent worker processes on this machine, supervised one by one."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from types import ModuleType

from benchmarks.core.settings import UserError
from benchmarks.engines.events import Event
from benchmarks.engines.work import (
    ALLOCATOR,
    BUSY_WAIT,
    Execute,
    attempt,
    died,
    require_files,
    require_precision,
    train,
)
from benchmarks.plan.spec import RunSpec
from benchmarks.records.store import Busy, Store


class LocalEngine:
    """One worker process a device.

    A worker that dies costs its run one retry; a run that has none left has failed, and the rest go on.
    Workers end when their driver does.

    Args:
        devices: a device for each worker, such as ``["cpu", "cpu"]``.
        retries: how often a run is done again whose worker died.
        fresh: do runs again that have a record.
        execute: what does a run, given (spec, folder, device, report).
    """

    def __init__(
        self,
        store: Store,
        devices: Sequence[str],
        *,
        retries: int = 1,
        fresh: bool = False,
        execute: Execute = train,
    ) -> None:
        self.store, self.devices, self.retries, self.fresh, self.execute = store, devices, retries, fresh, execute

    def run(self, specs: Sequence[RunSpec]) -> Iterator[Event]:
        """Do all runs and tell what happens. Closing the generator ends the workers; what is finished stays.

        Raises:
            UserError: this machine has not the data of a run or not its precision, or the store cannot be written.
        """
        require_files(specs)
        require_precision(specs, self.devices)
        self.store.create()
        self.waiting, self.deaths = deque(specs), Counter[str]()
        self.workers = [self._hire(device) for device in self.devices[: len(specs)]]
        try:
            while self.waiting or any(worker.spec for worker in self.workers):
                for worker in self.workers:
                    if worker.spec is None and self.waiting:
                        yield Event("started", worker.begin(self.waiting.popleft()))
                busy = {worker.connection: worker for worker in self.workers if worker.spec}
                for connection in wait(list(busy)):
                    event = self._hear(busy[connection])  # type: ignore[index]
                    if event:
                        yield event
        finally:
            for worker in self.workers:
                worker.end()

    def _hire(self, device: str) -> "_Worker":
        return _Worker(device, self.store, self.fresh, self.execute)

    def _hear(self, worker: "_Worker") -> Event | None:
        """Act on a worker's message, or on its death."""
        spec = worker.spec
        assert spec is not None
        try:
            kind, value = worker.connection.recv()
        except (EOFError, OSError):
            return self._replace(worker, spec)
        if kind == "signals":
            return Event("signals", spec, signals=value)
        worker.spec = None
        if kind == "unwritable":
            raise UserError(value)
        if kind == "busy":
            self.waiting.append(spec)
            time.sleep(BUSY_WAIT)
            return None
        return Event(kind, spec, error=value)

    def _replace(self, worker: "_Worker", spec: RunSpec) -> Event | None:
        worker.end()
        self.workers[self.workers.index(worker)] = self._hire(worker.device)
        self.deaths[spec.run_id] += 1
        if self.deaths[spec.run_id] <= self.retries:
            self.waiting.appendleft(spec)
            return None
        failure = died(spec, self.retries + 1, f"exit code {worker.process.exitcode}")
        try:
            self.store.write_failure(spec, failure.error, failure.traceback)
        except OSError as error:
            raise self.store.unwritable(error) from None
        return Event("failed", spec, error=failure.error)


class _Worker:
    """A process that does one run at a time, and the driver's end of its line."""

    def __init__(self, device: str, store: Store, fresh: bool, execute: Execute) -> None:
        self.device = device
        self.spec: RunSpec | None = None
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, store, device, fresh, execute), daemon=True)
        os.environ.update({**ALLOCATOR, **os.environ})
        # Ctrl-C is for the driver, which ends its workers: a child inherits that it is ignored.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN) if _in_main_thread() else None
        with _without_main():
            self.process.start()
        if _in_main_thread():
            signal.signal(signal.SIGINT, before)
        theirs.close()

    def begin(self, spec: RunSpec) -> RunSpec:
        self.spec = spec
        with suppress(BrokenPipeError):  # it has died while it had nothing to do: its line says so next
            self.connection.send(spec)
        return spec

    def end(self) -> None:
        self.process.terminate()
        self.process.join()
        self.connection.close()


@contextmanager
def _without_main() -> Iterator[None]:
    """A new process imports the script that started it, which would run a grid of its own: hide it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _work(connection: Connection, store: Store, device: str, fresh: bool, execute: Execute) -> None:
    """A worker's life: receive a spec, do it, say how it went."""
    threading.Thread(target=_end_with_driver, daemon=True).start()
    while True:
        try:
            spec = connection.recv()
        except EOFError:
            return
        connection.send(_do(spec, connection, store, device, fresh, execute))


def _end_with_driver() -> None:
    driver = multiprocessing.parent_process()
    assert driver is not None
    driver.join()
    os._exit(1)


def _do(
    spec: RunSpec, connection: Connection, store: Store, device: str, fresh: bool, execute: Execute
) -> tuple[str, str]:
    try:
        with store.locked(spec) as folder:
            if store.finished(spec) and not fresh:
                return "reused", ""
            inputs = partial(store.inputs, spec)
            failure = attempt(
                execute, spec, folder, device, lambda signals: connection.send(("signals", signals)), inputs
            )
            if failure:
                store.write_failure(spec, failure.error, failure.traceback)
                return "failed", failure.error
            store.publish(spec)
            return "finished", ""
    except Busy:
        return "busy", ""
    except OSError as error:
        return "unwritable", str(store.unwritable(error))
