"""The compact form of records, to commit: a .csv with a line a run, nested values as JSON."""

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.core.escape import reason
from benchmarks.core.outfiles import writing
from benchmarks.core.reading import parse_json, read_bytes
from benchmarks.core.settings import UserError
from benchmarks.evaluation import HEADLINE
from benchmarks.records.plausible import check_value, kind_of
from benchmarks.records.record import IMPOSSIBLE, check_spec

REQUIRED = ("run_id", "task", "method", "seed", "spec", "checkpoints")  # columns of every .csv, old or new
FAILURE = "failure"  # column: the error of a run that has no record
NESTED = ("spec", "checkpoints", "confusion")  # columns that are JSON
# What a .csv means that is silent of a column, as older ones are.
EMPTY = {"warnings": "", "reverse_of": "", "confusion": "[]"}
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
LARGEST = 2**29  # bytes of a file


def save_records(records: pd.DataFrame, path: Path, failures: Mapping[str, str] | None = None) -> None:
    """One line a run; of a failed run, its id and error."""
    nested = {name: records[name].map(_compact) for name in NESTED}
    records = records.assign(**nested, warnings=records["warnings"].map(_one_line))
    lines = records.assign(**{FAILURE: ""} if failures else {})
    text = lines.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    if failures:  # apart: beside empty cells, whole numbers would become fractions
        failed = pd.DataFrame({"run_id": failures.keys(), FAILURE: map(_one_line, failures.values())})
        text += failed.reindex(columns=lines.columns).to_csv(header=False, index=False, lineterminator="\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path) as file:
        file.write(text.encode())


def load_compact(path: Path, broken: Callable[[UserError], object] | None) -> pd.DataFrame:
    """The records of a file of :func:`save_records`, as :func:`frame.load_records` gives them."""
    content = _read(path)
    for problem in content.problems:
        if broken is None:
            raise problem
        broken(problem)
    texts = dict.fromkeys(("run_id", "reverse_of", "code", "warnings"), str)
    try:
        records = pd.read_csv(io.StringIO("\n".join(content.lines)), dtype=texts)
    except ValueError as error:
        raise UserError(f"{str(path)!r} is not a file of records: {error}") from None
    if FAILURE in records:
        records = records[records[FAILURE].isna()].drop(columns=FAILURE).astype({"seed": int})
    for name, empty in EMPTY.items():
        if name not in NESTED:
            records[name] = records.get(name, pd.Series(empty, records.index)).fillna(empty)
    for name in NESTED:
        records[name] = pd.Series([row[name] for row in content.nested], records.index, dtype=object)
    return records


def load_failures(path: Path) -> dict[str, str]:
    """Errors by id of the failed runs in a file of :func:`save_records`."""
    return _read(path).failures if FAILURE in _lines(path)[1] else {}


@dataclass
class _Content:
    """What a file holds: whole lines, the header first; nested values by column of each that is a record; and the
    rest."""

    lines: list[str]
    nested: list[dict[str, Any]] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    problems: list[UserError] = field(default_factory=list)


def _lines(path: Path) -> tuple[list[str], list[str]]:
    """The lines of a file, the first of them the header, and the names in it.

    Raises:
        UserError: it is no file of records at all.
    """
    try:
        lines = read_bytes(path, LARGEST).decode(errors="surrogateescape").removeprefix("\ufeff").split("\n")
        header = _cells(lines[0])
        if missing := [name for name in REQUIRED if name not in header]:
            raise ValueError(f"it has no column {', '.join(missing)}")
        if twice := [name for name in header if header.count(name) > 1]:
            raise ValueError(f"it has two columns {twice[0]!r}")
    except (OSError, ValueError) as error:
        raise UserError(f"{str(path)!r} is not a file of records: {reason(error)}") from None
    return lines, header


def _read(path: Path) -> _Content:
    lines, header = _lines(path)
    content, seen = _Content(lines[:1]), dict[str, int]()
    for number, line in enumerate(lines[1:], 2):
        if not line.strip("\r"):
            continue
        try:
            row = dict(zip(header, _cells(line, len(header)), strict=True))
            nested = _checked(row)
            if (first := seen.setdefault(row["run_id"], number)) != number:
                raise ValueError(f"column 'run_id': {row['run_id']} is in line {first} already")
        except ValueError as error:
            text = f"{str(path)!r}, line {number}, {error}; the line is left out"
            content.problems.append(UserError(text))
            continue
        content.lines.append(line)
        if row.get(FAILURE):
            content.failures[row["run_id"]] = row[FAILURE]
        else:
            content.nested.append(nested)
    return content


def _cells(line: str, count: int | None = None) -> list[str]:
    """The cells of one line: a run never takes two, so that a lost quotation mark costs one line."""
    if not line.isprintable() and any(0xD800 <= ord(letter) < 0xE000 for letter in line):
        raise ValueError("it is not in UTF-8")
    usual = csv.field_size_limit(LARGEST)  # checkpoints may be many
    try:
        (cells,) = csv.reader([line], strict=True)
    except (csv.Error, ValueError) as error:
        raise ValueError(f"it is no line of a .csv ({error})") from None
    finally:
        csv.field_size_limit(usual)
    if count and len(cells) != count:
        raise ValueError(f"it has {len(cells)} cells, and the header has {count}")
    return cells


def _checked(row: Mapping[str, str]) -> dict[str, Any]:
    """The nested values of a line; those of a failed run are none.

    Raises:
        ValueError: says what is wrong in which column.
    """
    if row.get(FAILURE):
        row = {"run_id": row["run_id"]}
    values = {}
    for name, text in row.items():
        try:
            values[name] = _value(name, text)
            check_value(name, values[name])
        except IMPOSSIBLE as error:
            raise ValueError(f"column {name!r}: {error}") from None
    if "spec" not in row:
        return {}
    spec = values["spec"]
    try:
        check_spec(spec, values["run_id"])
    except IMPOSSIBLE as error:
        raise ValueError(f"column 'spec': it is no spec of this run ({error})") from None
    for name in ("task", "method", "seed", "reverse_of"):
        if name in values and values[name] != (known := spec.get(name, "")):
            raise ValueError(f"column {name!r}: it is {values[name]!r}, and {known!r} by the spec")
    for name, known in values["checkpoints"][-1].items():
        own = values.get(name, known)
        differ = own != known and own == own and known == known  # NaN stands for no score
        if name.endswith("accuracy") and differ:
            raise ValueError(f"column {name!r}: it is {own}, and {known} at the last checkpoint")
    if values.get("target_test_n") is not None and values.get(HEADLINE) is None:
        raise ValueError(f"column {HEADLINE!r}: it is empty")
    return {name: values.get(name, []) for name in NESTED}


def _value(name: str, text: str) -> Any:
    """What a cell means; None: nothing."""
    if name in NESTED:
        return parse_json(text or EMPTY.get(name, ""), nan=True)
    if kind_of(name) in ("text", "free"):
        return text
    if not text and name != "seed":
        return None
    if not NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is no number")
    return float(text)


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


def _one_line(text: str) -> str:
    return " ".join(text.split())
