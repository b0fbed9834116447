"""One record: what its files hold, and whether that is still what the run wrote.

The last file that a run writes is ``digests.json``: the SHA-256 of each of the others. ``validators.json`` is not
among them, since later code makes it again from the outputs; it carries a digest of its own. Records of older
versions have no digests; their values are only checked for being possible.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from reprlib import repr as short
from typing import Any

from benchmarks.core import atomic
from benchmarks.core.escape import reason
from benchmarks.core.protocol import Protocol
from benchmarks.core.reading import digest_of, parse_json, read_bytes
from benchmarks.core.settings import UserError
from benchmarks.plan.spec import run_id_of
from benchmarks.records.plausible import check_row

WEIGHTS = "weights.safetensors"  # in the records of runs that were asked to keep them
TRANSLATIONS = "translations.npz"  # in those of methods that translate images: a few, beside what they were
FILES = ("spec.json", "provenance.json", "scores.json", "oracle.json", "cost.json")
DIGESTS, VALIDATORS = "digests.json", "validators.json"
LAYOUT = 2  # of a record's files, in its provenance; 2: with digests
OUTPUTS = re.compile(r"outputs/[0-9]{6,}\.npz")
NAME = re.compile(r"seed([0-9]{1,18})-([0-9a-f]{12})")  # of a record's folder
ADVICE = "delete that folder and run again"
KEYS = {"data", "harness", "method", "params", "protocol", "seed", "task", "version", "reverse_of"}  # of a spec
SETTINGS = frozenset(Protocol.model_fields)
IMPOSSIBLE = (KeyError, TypeError, AttributeError, IndexError, ValueError, RecursionError)


def seal(folder: Path) -> None:
    """Write the digests of a complete record, without which it is none."""
    for path in folder.rglob("*"):
        if atomic.is_aside(path):  # left by a process that was killed
            path.unlink()
    write_json(folder / DIGESTS, digests(folder))


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 by name of all files of a record that do not change later."""
    return {name: digest_of(folder / name) for name in files(folder)}


def files(folder: Path) -> list[str]:
    """Names of all that is in a record, but for what changes later and what is hidden."""
    names = [path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir()]
    changing = (DIGESTS, VALIDATORS)
    return sorted(str(name) for name in names if not name.name.startswith(".") and str(name) not in changing)


class Record:
    """A record's folder. What is read through it is what the run wrote.

    Raises:
        UserError: it is not a record, or one of a newer version. As every error here, it names the folder and the
            file, and says what to do.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.digests: dict[str, str] | None = None  # None: of an older version, which wrote none
        if os.path.lexists(f"{folder}/{DIGESTS}"):
            self.digests = self._parsed(DIGESTS, self._bytes(DIGESTS))
            if not isinstance(self.digests, dict):
                raise self.broken(f"{DIGESTS} is no list of digests")
        known = self.digests is not None or os.path.lexists(f"{folder}/provenance.json")
        self.provenance = self.json("provenance.json") if known else {}
        layout = self.provenance.get("layout", 1) if isinstance(self.provenance, dict) else 1
        if layout not in (1, LAYOUT):
            newer = f"the record {str(folder)!r} has layout {short(layout)}, and this version knows 1 to {LAYOUT}"
            raise UserError(f"{newer}; read it with the version that made it")
        if layout == LAYOUT and self.digests is None:
            raise self.broken(f"{DIGESTS} is missing")

    def json(self, name: str) -> Any:
        """What a JSON file holds."""
        content = self._bytes(name)
        self._compare(name, hashlib.sha256(content).hexdigest())
        return self._parsed(name, content)

    def check(self, name: str) -> Path:
        """The path of a file that is not read at once, and is what the run wrote."""
        try:
            self._compare(name, digest_of(self.folder / name))
        except (OSError, ValueError) as error:  # ValueError: what no file can be called
            raise self.unreadable(name, error) from None
        return self.folder / name

    def curves(self) -> list[dict[str, Any]]:
        """The signals of the training, in the order of their steps."""
        points = self.json("curves.json")
        if not isinstance(points, list) or not all(isinstance(point, dict) for point in points):
            raise self.broken("curves.json is not a list of signals")
        return points

    def outputs(self) -> list[str]:
        """Names of the files of outputs, in the order of their steps; with digests, those that the run wrote."""
        names = files(self.folder) if self.digests is None else list(self.digests)
        found = (name for name in names if OUTPUTS.fullmatch(name))
        return sorted(found, key=lambda name: (len(name), name))

    @cached_property
    def spec(self) -> dict[str, Any]:
        """What was asked for, as :meth:`RunSpec.to_dict` says it."""
        values = self.json("spec.json")
        try:
            run_id = values.pop("run_id")
            check_spec(values, run_id)
        except IMPOSSIBLE as error:
            raise self.broken(f"spec.json is no spec of a run ({said(error)})") from None
        name, seed = NAME.fullmatch(self.folder.name), values["seed"]
        if name and name.groups() != (str(seed), run_id):
            raise self.broken(f"its spec, of run {run_id} with seed {seed}, is not what its name says")
        return values

    def broken(self, problem: str) -> UserError:
        return UserError(f"the record {str(self.folder)!r} is broken: {problem}; {ADVICE}")

    def unreadable(self, name: str, error: Exception) -> UserError:
        return self.broken(f"{name} cannot be read ({reason(error)})")

    def _bytes(self, name: str) -> bytes:
        try:
            return read_bytes(f"{self.folder}/{name}")  # a Path for each of many thousand files takes its time
        except (OSError, ValueError) as error:
            raise self.unreadable(name, error) from None

    def _parsed(self, name: str, content: bytes) -> Any:
        try:
            return parse_json(content)
        except ValueError as error:
            raise self.unreadable(name, error) from None

    def _compare(self, name: str, digest: str) -> None:
        if self.digests is not None and self.digests.get(name) != digest:
            raise self.broken(f"{name} is not as the run wrote it")


def check_spec(spec: Mapping[str, Any], run_id: str) -> None:
    """Refuse what is no spec of that run.

    Raises:
        Any of ``IMPOSSIBLE``: it is none, or one of another version.
    """
    check_row({name: spec[name] for name in ("task", "method", "seed")})
    if odd := (spec.keys() | {"reverse_of"}) ^ KEYS:
        raise ValueError(f"{short(min(odd))} is lacking, or nothing that a run is asked")
    if unknown := [name for name in spec["protocol"] if name not in SETTINGS]:
        raise ValueError(f"its protocol has an unknown {short(unknown[0])}: another version made it")
    if run_id_of(spec) != run_id:
        raise ValueError(f"it is that of run {run_id_of(spec)}, and not of {short(run_id)}")


def read_part(folder: Path, name: str) -> Any:
    """One JSON file of a record.

    Raises:
        UserError: it is missing or broken.
    """
    return Record(folder).json(name)


def write_json(path: Path, value: Any) -> None:
    atomic.write_text(path, json.dumps(_plain(value), indent=1, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    """NaN is not JSON: a number that is none becomes null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def said(error: Exception) -> str:
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
