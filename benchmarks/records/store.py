"""Where records live: one folder a run, whole under its final name, and the one reader of records.

A run works in ``.partial/<run_id>`` under a lock that ends with its process, and is renamed when complete. So a
folder under its final name is whole, an interrupted run goes on from its last state, and two commands on one
store share the work.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.core import atomic
from benchmarks.core.escape import reason, shown
from benchmarks.core.reading import parse_json, read_bytes
from benchmarks.core.settings import UserError
from benchmarks.plan.spec import RunSpec
from benchmarks.records.record import FILES as FILES
from benchmarks.records.record import NAME, WEIGHTS, Record, write_json
from benchmarks.records.record import read_part as read_part

STORE_VARIABLE = "BENCHMARKS_STORE"
PREDICTIONS = "predictions.npz"
FAILED = ".failed.json"  # how the names of failure files end
ADVISED = "advised"  # the folder of a store's advised models, which are no records


class Busy(Exception):
    """Another process is at this run."""


class Store:
    """A folder of records. Reading one that does not exist finds none.

    Args:
        root: the folder; None: $BENCHMARKS_STORE, else ``runs``.
        weights: a run is finished only with its weights kept.
    """

    def __init__(self, root: Path | None, *, weights: bool = False) -> None:
        self.root = root or Path(os.environ.get(STORE_VARIABLE) or "runs")
        self.weights = weights

    def create(self) -> None:
        """Make the folder, or find out now that it cannot be written.

        Raises:
            UserError: it cannot.
        """
        try:
            (self.root / ".partial").mkdir(parents=True, exist_ok=True)
            (self.root / ".partial" / "writable").touch()
        except OSError as error:
            raise self.unwritable(error) from None

    def require(self) -> "Store":
        """This store, if it exists.

        Raises:
            UserError: it does not.
        """
        if not self.root.is_dir():
            what = "is no folder of records" if self.root.exists() else "does not exist"
            raise UserError(f"store {str(self.root)!r} {what}; `run` makes one, and --store names another")
        return self

    def unwritable(self, error: OSError) -> UserError:
        """What to say of a store that cannot be written, or of a full disk elsewhere."""
        path = str(error.filename or self.root)
        usual = error.errno in atomic.FULL and Path(path).is_relative_to(self.root)
        what = reason(error) if usual else f"{reason(error)}: {path!r}"
        return UserError(
            f"store {str(self.root)!r}: {what}; make room or choose another with --store. "
            "Everything finished is kept, and the same command goes on from there"
        )

    def folder(self, spec: RunSpec) -> Path:
        """Where the record of a run is, or will be."""
        return self.place(spec.task, spec.method, spec.seed, spec.run_id)

    def place(self, task: str, method: str, seed: int, run_id: str) -> Path:
        return self.root / file_name(task) / method / f"seed{seed}-{run_id}"

    def code(self, spec: RunSpec) -> str:
        """The digest of the code that made a record; empty if that cannot be read."""
        try:
            return str(parse_json(read_bytes(self.folder(spec) / "provenance.json"))["code"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def predictions(self, spec: RunSpec) -> Path:
        """What the run that a reverse run judges says of the target."""
        return self.folder(replace(spec, reverse_of=None)) / PREDICTIONS

    def inputs(self, spec: RunSpec) -> dict[str, bytes]:
        """Files of other records that a run starts from, by name.

        Raises:
            UserError: one is missing, or is not as its run wrote it.
        """
        if not spec.reverse_of:
            return {}
        path = Record(self.predictions(spec).parent).check(PREDICTIONS)
        return {PREDICTIONS: path.read_bytes()}

    def failure(self, spec: RunSpec) -> Path:
        """The file that keeps the traceback of a failed run."""
        folder = self.folder(spec)
        return folder.with_name(folder.name + FAILED)

    def finished(self, spec: RunSpec) -> bool:
        folder = self.folder(spec)
        return (folder / WEIGHTS).is_file() if self.weights else folder.is_dir()

    def failed(self, spec: RunSpec) -> str | None:
        """The error of a failed run, or None; of one whose file cannot be read, that."""
        path = self.failure(spec)
        if not os.path.lexists(path):
            return None
        try:
            error = parse_json(read_bytes(path))["error"]
            if not isinstance(error, str):
                raise ValueError("it does not say what failed")
            return shown(error)
        except (OSError, ValueError, KeyError, TypeError) as error:
            return f"why is not known, as {path.name} cannot be read ({_said(error)}); --retry does the run again"

    @contextmanager
    def locked(self, spec: RunSpec) -> Iterator[Path]:
        """The folder to work in, for one process at a time.

        Raises:
            Busy: another process holds it.
        """
        partial = self._partial(spec)
        path = partial.with_suffix(".lock")
        lock = os.open(path, os.O_CREAT | os.O_RDWR)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy from None
            partial.mkdir(exist_ok=True)
            try:
                yield partial
            finally:
                if self.finished(spec):  # by this process or, just before, by another
                    shutil.rmtree(partial, ignore_errors=True)
                    path.unlink(missing_ok=True)
        finally:
            os.close(lock)

    def publish(self, spec: RunSpec) -> None:
        """Make the complete folder of a locked run its record, in the place of an older one."""
        partial, final = self._partial(spec), self.folder(spec)
        final.parent.mkdir(parents=True, exist_ok=True)
        older = partial.with_suffix(".older")  # away in one step: a record that is half deleted would pass for one
        atomic.remove(older)
        if os.path.lexists(final):
            final.rename(older)
        partial.rename(final)
        atomic.remove(older)
        atomic.remove(self.failure(spec))

    def _partial(self, spec: RunSpec) -> Path:
        return self.root / ".partial" / spec.run_id

    def write_failure(self, spec: RunSpec, error: str, traceback: str) -> None:
        """Raises OSError if it cannot be written; then the run counts as not done."""
        atomic.remove(self._partial(spec))
        path = self.failure(spec)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            atomic.remove(path)
        write_json(path, {**spec.to_dict(), "error": error, "traceback": traceback})

    def seeds(self) -> list[int]:
        """All seeds that any record has."""
        folders = (path for path in self.record_folders() if (path / "spec.json").exists())
        return sorted({int(path.name[4:].partition("-")[0]) for path in folders})

    def find(self, run: str) -> Path:
        """The record whose run id begins so, or which is a folder of that name.

        Raises:
            UserError: there is none, or more than one.
        """
        if (Path(run) / "spec.json").is_file():
            return Path(run)
        folders = self.require().record_folders()
        found = [path for path in folders if run and path.name.rpartition("-")[2].startswith(run)]
        if len(found) == 1:
            return found[0]
        problem = f"{len(found)} records of the store {str(self.root)!r} begin so" if found else ""
        raise UserError(
            f"run {run!r}: {problem or f'no such record in the store {str(self.root)!r}'}; give a record's "
            "folder, or the first digits of its run id, as `run --dry-run` prints it, and its --store"
        )

    def record_folders(self) -> list[Path]:
        """Folders in the place and with the name of a record."""
        return [path for path in self._entries() if path.is_dir() and NAME.fullmatch(path.name)]

    def misplaced(self) -> list[UserError]:
        """What is not a record but seems to be meant as one: by its name, or by what is in it."""
        return [
            UserError(f"{str(path)!r} is not named as a record, and is left out; rename or remove it")
            for path in self._entries()
            if not NAME.fullmatch(path.name) and path.is_dir()
            if path.name.startswith("seed") or (path / "spec.json").exists()
        ]

    def _entries(self) -> list[Path]:
        return sorted(
            path
            for path in self.root.glob("*/*/*")
            if not (first := path.parts[len(self.root.parts)]).startswith(".") and first != ADVISED
        )


def file_name(text: str) -> str:
    """A task's name, or another, as the name of a folder."""
    return re.sub(r"[^\w.+=,-]+", "_", text)


def _said(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else reason(error)
