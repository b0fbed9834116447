"""Where records live: one folder a run, whole under its final name, and the one reader of records.

A run works in ``.partial/<run_id>`` under a lock that ends with its process, and is renamed when complete. So a
folder under its final name is whole, an interrupted run goes on from its last state, and two commands on one
store share the work.
"""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.grid import RunSpec
from benchmarks.settings import UserError

STORE_VARIABLE = "BENCHMARKS_STORE"
WEIGHTS = "weights.safetensors"  # in the records of runs that were asked to keep them
FILES = ("spec.json", "provenance.json", "scores.json", "oracle.json", "cost.json")
REQUIRED = {"run_id", "task", "method", "seed", "spec", "checkpoints"}  # columns of every .csv, old or new
FAILURE = "failure"  # column of a .csv: the error of a run that has no record
NESTED = ("spec", "checkpoints", "confusion")  # columns of records that are JSON in a .csv
# What a .csv means that is silent of a column, as older ones are.
EMPTY = {"warnings": "", "reverse_of": "", "confusion": "[]"}


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

    def unwritable(self, error: OSError) -> UserError:
        """What to say of a store that cannot be written."""
        return UserError(
            f"store {str(self.root)!r}: {error.strerror}; make room or choose another with --store. "
            "Everything finished is kept, and the same command goes on from there"
        )

    def folder(self, spec: RunSpec) -> Path:
        """Where the record of a run is, or will be."""
        name = re.sub(r"[^\w.+=,-]+", "_", spec.task)
        return self.root / name / spec.method / f"seed{spec.seed}-{spec.run_id}"

    def code(self, spec: RunSpec) -> str:
        """The digest of the code that made a record; empty if that cannot be read."""
        try:
            return str(json.loads((self.folder(spec) / "provenance.json").read_text())["code"])
        except (OSError, ValueError, KeyError):
            return ""

    def predictions(self, spec: RunSpec) -> Path:
        """What the run that a reverse run judges says of the target."""
        return self.folder(replace(spec, reverse_of=None)) / "predictions.npz"

    def failure(self, spec: RunSpec) -> Path:
        """The file that keeps the traceback of a failed run."""
        folder = self.folder(spec)
        return folder.with_name(f"{folder.name}.failed.json")

    def finished(self, spec: RunSpec) -> bool:
        folder = self.folder(spec)
        return (folder / WEIGHTS).is_file() if self.weights else folder.is_dir()

    def failed(self, spec: RunSpec) -> str | None:
        """The error of a failed run, or None."""
        path = self.failure(spec)
        return json.loads(path.read_text())["error"] if path.exists() else None

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
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
        self.failure(spec).unlink(missing_ok=True)

    def _partial(self, spec: RunSpec) -> Path:
        return self.root / ".partial" / spec.run_id

    def write_failure(self, spec: RunSpec, error: str, traceback: str) -> None:
        shutil.rmtree(self._partial(spec), ignore_errors=True)
        path = self.failure(spec)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**spec.to_dict(), "error": error, "traceback": traceback}, indent=1) + "\n")

    def seeds(self) -> list[int]:
        """All seeds that any record has."""
        return sorted({int(path.name[4:].partition("-")[0]) for path in self.root.glob("*/*/seed*-*/")})

    def find(self, run: str) -> Path:
        """The record whose run id begins so, or which is a folder of that name.

        Raises:
            UserError: there is none, or more than one.
        """
        if (Path(run) / "spec.json").is_file():
            return Path(run)
        found = [path for path in self.record_folders() if run and path.name.rpartition("-")[2].startswith(run)]
        if len(found) == 1:
            return found[0]
        problem = f"{len(found)} records of the store {str(self.root)!r} begin so" if found else ""
        raise UserError(
            f"run {run!r}: {problem or f'no such record in the store {str(self.root)!r}'}; give a record's "
            "folder, or the first digits of its run id, as `run --dry-run` prints it, and its --store"
        )

    def record_folders(self) -> list[Path]:
        return sorted(path for path in self.root.glob("*/*/seed*-*") if path.is_dir())


def load_records(
    source: Path | Iterable[Path], broken: Callable[[UserError], object] | None = None
) -> pd.DataFrame:
    """Records as a frame, a row a run.

    Columns: run_id, task, method, seed, reverse_of (empty: an ordinary run), spec (a dict), code, the scores of
    the last step by name, ``checkpoints`` (a list of dicts, with the validators' scores) and cost. Scores from
    target labels are among them: reports may show those, and nothing else may use them.

    Args:
        source: a store's folder, a .csv file written by :func:`save_records`, or folders of single records.
        broken: told of each record that cannot be read, which is then left out.

    Raises:
        UserError: a file that is missing or not a record, where ``broken`` is not given.
    """
    if isinstance(source, Path) and source.suffix == ".csv":
        return _load_csv(source)
    rows = []
    for folder in Store(source).record_folders() if isinstance(source, Path) else source:
        try:
            rows.append(_load_folder(folder))
        except UserError as error:
            if broken is None:
                raise
            broken(error)
    return pd.DataFrame(rows)


def save_records(records: pd.DataFrame, path: Path, failures: Mapping[str, str] | None = None) -> None:
    """The compact form to commit: one line a run, nested values as JSON; of a failed run, its id and error."""
    nested = {name: records[name].map(_compact) for name in NESTED}
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = records.assign(**nested, **{FAILURE: ""} if failures else {})
    lines.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
    if failures:  # apart: beside empty cells, whole numbers would become fractions
        failed = pd.DataFrame({"run_id": failures.keys(), FAILURE: failures.values()})
        failed = failed.reindex(columns=lines.columns)
        failed.to_csv(path, mode="a", header=False, index=False, lineterminator="\n")


def load_failures(path: Path) -> dict[str, str]:
    """Errors by id of the failed runs in a .csv that :func:`save_records` wrote."""
    lines = pd.read_csv(path, dtype=str)
    failed = lines.dropna(subset=FAILURE) if FAILURE in lines else lines.iloc[:0]
    return dict(zip(failed["run_id"], failed.get(FAILURE, ()), strict=True))


def _compact(value: Any) -> str:
    """JSON with numbers to 6 digits, as in the other columns; what was asked for (the spec) stays exact."""

    def rounded(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: rounded(value) for key, value in item.items()}
        if isinstance(item, list):
            return [rounded(value) for value in item]
        return float(f"{item:.6g}") if isinstance(item, float) else item

    exact = isinstance(value, dict)
    return json.dumps(value if exact else rounded(value), sort_keys=True, separators=(",", ":"))


def read_part(folder: Path, name: str) -> Any:
    """One JSON file of a record.

    Raises:
        UserError: it is missing or broken.
    """
    try:
        with open(f"{folder}/{name}", "rb") as file:  # a Path for each of many thousand files takes its time
            return json.loads(file.read())
    except (OSError, ValueError) as error:
        raise UserError(
            f"the record {folder} has no readable {name} ({error}); delete that folder and run again"
        ) from None


def _load_folder(folder: Path) -> dict[str, Any]:
    parts = {name.removesuffix(".json"): read_part(folder, name) for name in FILES}
    try:
        return _row(parts, folder)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise UserError(
            f"the record {folder} is not complete ({type(error).__name__}: {error}); "
            "delete that folder and run again"
        ) from None


def _row(parts: dict[str, Any], folder: Path) -> dict[str, Any]:
    from benchmarks.evaluation.stored import validator_scores  # here: a worker's store need not wait for it

    spec, scores = parts["spec"], parts["scores"]
    rows = [scores["checkpoints"], parts["oracle"]["checkpoints"]]
    last = {key: value for row in rows for key, value in row[-1].items() if key != "step"}
    rows += [validator_scores(folder)] * ("reverse_of" not in spec)
    # Of parts that hold the same name, the first counts.
    checkpoints = [reduce(or_, reversed(same)) for same in zip(*rows, strict=True)]
    return {
        "run_id": spec.pop("run_id"),
        "task": spec["task"],
        "method": spec["method"],
        "seed": spec["seed"],
        "reverse_of": spec.get("reverse_of", ""),
        **last,
        **scores["last"],
        **scores["task"],
        **scores["cost"],
        **{"confusion": [], **parts["oracle"].get("last", {})},
        **parts["cost"],
        "code": parts["provenance"]["code"],
        "device": parts["provenance"]["device"],
        "versions": " ".join(f"{name} {text}" for name, text in parts["provenance"]["packages"].items()),
        "warnings": "; ".join(parts["provenance"]["warnings"]),
        "spec": spec,
        "checkpoints": checkpoints,
    }


def _load_csv(path: Path) -> pd.DataFrame:
    try:
        records = pd.read_csv(path, dtype={"run_id": str, "reverse_of": str, "code": str, "warnings": str})
        if missing := REQUIRED - set(records):
            raise ValueError(f"it has no column {', '.join(sorted(missing))}")
        if FAILURE in records:
            records = records[records[FAILURE].isna()].drop(columns=FAILURE).astype({"seed": int})
        for name, empty in EMPTY.items():
            records[name] = records.get(name, pd.Series(empty, records.index)).fillna(empty)
        for name in NESTED:
            records[name] = records[name].map(json.loads)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{str(path)!r} is not a file of records: {error}") from None
    return records
