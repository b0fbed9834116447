"""The compact form of records, to commit: a .csv with a line a run, nested values as JSON.

What many lines share is written out in the first of them, behind a key (``3f2a91c0={"steps":350}``); in the others
the key stands for it. So any reader of .csv reads a file, and lines can be added without changing others. A run's
spec is in several columns, with which its id is checked.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.core.escape import reason
from benchmarks.core.outfiles import writing
from benchmarks.core.reading import parse_json, read_bytes
from benchmarks.core.settings import UserError
from benchmarks.evaluation import HEADLINE, HEADLINES
from benchmarks.records.plausible import check_value, kind_of
from benchmarks.records.record import IMPOSSIBLE, check_spec

SPEC = ("data", "harness", "method", "params", "protocol", "seed", "task", "version")  # columns that make a spec
REQUIRED = ("run_id", *SPEC, "checkpoints")  # columns of every .csv
FAILURE = "failure"  # column: the error of a run that has no record
EXACT = ("data", "params", "protocol")  # columns that are JSON, to the last digit
NESTED = (*EXACT, "checkpoints", "confusion", "right")  # columns that are JSON
SHARED = ("versions", "test_units", *EXACT)  # columns whose long texts are written out once
APART = ("confusion", "checkpoints", "right", "test_units", "versions")  # read by us, not by pandas
OMITTED = ("predicted", "source_shares")  # columns of arrays, which only a store's outputs give
LONG = 40  # characters of a text that a key may stand for
KEY = re.compile("[0-9a-f]{8}")  # the start of the text's SHA-256
DEFINITION = re.compile(r'(?:^|,)(?:"([0-9a-f]{8})=((?:[^"]|"")*)"|([0-9a-f]{8})=([^",]*))(?=,|\r?$)')
# What a .csv means that is silent of a column.
EMPTY = {"warnings": "", "reverse_of": "", "test_units": "", "confusion": "[]", "right": "{}"}
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
LARGEST = 2**29  # bytes of a file


def save_records(
    records: pd.DataFrame,
    path: Path,
    failures: Mapping[str, str] | None = None,
    chosen: Mapping[str, int] | None = None,
) -> None:
    """One line a run; of a failed run, its id and error.

    Args:
        chosen: by run, a step whose ``right`` is kept beside the last step's.
    """
    spec = {name: [each[name] for each in records["spec"]] for name in SPEC}
    last = {name: records[name] for name in ("confusion", "checkpoints", "right")}
    columns = records.drop(columns=["spec", *last]).drop(columns=[*OMITTED], errors="ignore")
    columns = columns.assign(**spec, **last)
    columns["warnings"] = columns["warnings"].map(_one_line)
    steps = zip(records["checkpoints"], records["run_id"], strict=True)
    kept = [{str(rows[-1]["step"]), str((chosen or {}).get(run))} for rows, run in steps]
    columns["right"] = [
        {step: bits for step, bits in right.items() if step in own}
        for right, own in zip(records["right"], kept, strict=True)
    ]
    columns["checkpoints"] = columns["checkpoints"].map(_by_name)
    if not any(columns["right"]):  # records of older versions have none
        columns = columns.drop(columns=["right", "test_units"])
    for name in columns.columns.intersection(NESTED):
        columns[name] = columns[name].map(_json if name in EXACT else _rounded_json)
    for name in columns.columns.intersection(SHARED):
        columns[name] = _defined_once(columns[name])
    lines = columns.assign(**{FAILURE: ""} if failures else {})
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
    records = records.drop(columns=[name for name in SPEC if name not in ("task", "method", "seed")])
    for name in ("spec", *APART):
        records[name] = pd.Series([row[name] for row in content.records], records.index, dtype=object)
    return records


def load_failures(path: Path) -> dict[str, str]:
    """Errors by id of the failed runs in a file of :func:`save_records`."""
    return _read(path).failures if FAILURE in _lines(path)[1] else {}


@dataclass
class _Content:
    """What a file holds.

    Attributes:
        lines: the whole ones, the header first.
        records: of each that is one, what is not a plain cell.
    """

    lines: list[str]
    records: list[dict[str, Any]] = field(default_factory=list)
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
    known = {key: text for line in lines for key, text in _definitions(line)}
    content, seen, lost = _Content(lines[:1]), dict[str, int](), dict[str, list[int]]()
    for number, line in enumerate(lines[1:], 2):
        if not line.strip("\r"):
            continue
        try:
            row = dict(zip(header, _cells(line, len(header)), strict=True))
            keys = [row[name] for name in SHARED if KEY.fullmatch(row.get(name, ""))]
            if missing := [key for key in keys if key not in known]:
                lost.setdefault(missing[0], []).append(number)
                continue
            record = _checked({name: _written_out(name, text, known) for name, text in row.items()})
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
            content.records.append(record)
    for key, numbers in lost.items():
        which = f"line {numbers[0]}" + f" and {len(numbers) - 1} more" * (len(numbers) > 1)
        text = f"{str(path)!r}: {which}: the line that says what {key} stands for is damaged or lost; left out"
        content.problems.append(UserError(text))
    return content


def _definitions(line: str) -> Iterator[tuple[str, str]]:
    """What keys stand for by a line, which need not be whole otherwise."""
    for match in DEFINITION.finditer(line):
        quoted, text, key, plain = match.groups()
        text = plain if quoted is None else text.replace('""', '"')
        if _key(text) == (quoted or key):
            yield quoted or key, text


def _defined_once(texts: Iterable[str]) -> list[str]:
    """Each long text behind its key where it comes first, and then the key alone."""
    found, seen = [], set()
    for text in texts:
        key = _key(text)
        found.append(text if len(text) <= LONG else key if key in seen else f"{key}={text}")
        seen.add(key)
    return found


def _written_out(name: str, cell: str, known: Mapping[str, str]) -> str:
    key, _, _ = cell.partition("=")
    if name not in SHARED or not KEY.fullmatch(key):
        return cell
    if key not in known or cell not in (key, f"{key}={known[key]}"):
        raise ValueError(f"column {name!r}: its text is not that of its key")
    return known[key]


def _key(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:8]


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
    """The spec and nested values of a line; those of a failed run are none.

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
    if "checkpoints" not in row:
        return {}
    spec = {name: int(values[name]) if isinstance(values[name], float) else values[name] for name in SPEC}
    spec |= {"reverse_of": values["reverse_of"]} if values.get("reverse_of") else {}
    try:
        check_spec(spec, values["run_id"])
    except IMPOSSIBLE as error:
        raise ValueError(f"column 'run_id': other columns are not those of this run ({error})") from None
    for name, known in values["checkpoints"][-1].items():
        own = values.get(name, known)
        differ = own != known and own == own and known == known  # NaN stands for no score
        if name.endswith("accuracy") and differ:
            raise ValueError(f"column {name!r}: it is {own}, and {known} at the last checkpoint")
    if values.get("target_test_n") is not None and all(values.get(name) is None for name in HEADLINES):
        raise ValueError(f"column {HEADLINE!r}: it is empty")
    given = {"confusion": [], "right": {}, "test_units": "", "versions": ""} | values
    return {"spec": spec} | {name: given[name] for name in APART}


def _value(name: str, text: str) -> Any:
    """What a cell means; None: nothing."""
    if name in NESTED:
        value = parse_json(text or EMPTY.get(name, ""), nan=True)
        return _by_step(value) if name == "checkpoints" else value
    if kind_of(name) in ("text", "free", "units"):
        return text
    if not text and name not in SPEC:
        return None
    if not NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is no number")
    return float(text)


def _by_name(checkpoints: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """A list of values for each score, in place of a dict for each checkpoint: names are longer than numbers."""
    names = {name for scores in checkpoints for name in scores}
    return {name: [scores.get(name) for scores in checkpoints] for name in names}


def _by_step(scores: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """The inverse of :func:`_by_name`."""
    steps = zip(*scores.values(), strict=True)
    return [
        {name: value for name, value in zip(scores, values, strict=True) if value is not None} for values in steps
    ]


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _rounded_json(value: Any) -> str:
    """With numbers to 6 digits, as in the other columns."""

    def rounded(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: rounded(value) for key, value in item.items()}
        if isinstance(item, list):
            return [rounded(value) for value in item]
        return float(f"{item:.6g}") if isinstance(item, float) else item

    return _json(rounded(value))


def _one_line(text: str) -> str:
    return " ".join(text.split())
