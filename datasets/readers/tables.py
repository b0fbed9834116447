"""A ``.csv`` of numbers or texts with a column of labels: read strictly; what is wrong is said with its line."""

import codecs
import csv
import re
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.core.escape import quoted, reason, shown
from benchmarks.core.settings import UserError, nearest
from datasets import files
from datasets.readers.text import plain

BOOLEANS = {"true": 1.0, "false": 0.0}  # of any case
WORD = re.compile(r"\w\w")  # what counts as one where texts become numbers
UNNAMED = "Unnamed: "  # what pandas calls a column that has no name


BYTES_A_NUMBER = 4  # of memory for a byte of a table at most: `1,` becomes a number of 64 bits


@dataclass(frozen=True)
class Table:
    """A table's features (n, columns) float64 or texts (n,), labels (n,) as they are written, and rows' lines."""

    x: np.ndarray
    columns: tuple[str, ...]
    labels: list[str] | None
    lines: array


def read_table(path: Path, label: str, text: str = "") -> Table:
    """The rows of a table; the column ``label`` may be missing.

    Args:
        text: the column of texts, if the table is of those; others than the labels are then left out.

    Raises:
        UserError: it is no such table; the line, the column and the cell are named.
    """
    if BYTES_A_NUMBER * (size := path.stat().st_size) > files.memory():
        limit = files.memory() / BYTES_A_NUMBER / 1e9
        raise UserError(f"{shown(path)} has {size / 1e9:,.1f} GB, and this machine reads {limit:,.1f}; split it")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            try:
                return (
                    _read_texts(path, reader, plain(label), plain(text))
                    if text
                    else _read(path, reader, plain(label))
                )
            except csv.Error as error:
                line = f"line {reader.line_num}: {reason(error)}"
                raise UserError(f"{shown(path)}: it is no .csv that can be read ({line})") from None
    except UnicodeDecodeError:
        raise UserError(f"{shown(path)}: {_encoding(path)}") from None


def _read(path: Path, reader: Any, label: str) -> Table:
    header = next(_rows(reader), (0, []))[1]
    names = _names(path, header)
    place = names.index(label) if label in names else None
    columns = tuple(name for name in names if name != label)
    if not columns:
        raise UserError(f"{shown(path)}: it has no column besides {quoted(label)}")
    numbers, lines, labels = array("d"), array("q"), []
    for line, row in _rows(reader):
        _check_row(path, line, row, names)
        if place is not None:
            labels.append(row.pop(place))
        try:
            numbers.extend(map(_number, row))
        except ValueError:
            column, cell = next((c, cell) for c, cell in zip(columns, row, strict=True) if not _is_number(cell))
            raise UserError(f"{shown(path)}: {_bad_cell(line, column, cell, place is None)}") from None
        lines.append(line)
    x = np.frombuffer(numbers).reshape(len(lines), len(columns)) if lines else np.empty((0, len(columns)))
    return Table(x, columns, None if place is None else labels, lines)


def _read_texts(path: Path, reader: Any, label: str, text: str) -> Table:
    names = _names(path, next(_rows(reader), (0, []))[1])
    if text not in names:
        raise UserError(f"{shown(path)}: no column {nearest(text, names)}; --text names that of the texts")
    if text == label:
        raise UserError(f"--text and --label: both name the column {quoted(text)}")
    labelled, column = label in names, names.index(text)
    texts, labels, lines = [], [], array("q")
    for line, row in _rows(reader):
        _check_row(path, line, row, names)
        if not WORD.search(row[column]):
            raise UserError(
                f"{shown(path)}: line {line}, column {quoted(text)} has no word of two letters or more "
                f"({quoted(row[column])}); fix it or leave the row out"
            )
        texts.append(row[column])
        labels += [row[names.index(label)]] if labelled else []
        lines.append(line)
    if texts and all(map(_is_number, texts)):
        raise UserError(f"{shown(path)}: column {quoted(text)} has numbers alone, and --text names one of texts")
    return Table(np.array(texts, object), (), labels if labelled else None, lines)


def _check_row(path: Path, line: int, row: list[str], names: list[str]) -> None:
    """Raise a UserError unless a row has a cell for each column."""
    if len(row) != len(names):
        raise UserError(
            f"{shown(path)}: line {line} has {len(row)} cells, and the header has {len(names)}; "
            "a cell that holds a comma must be in double quotes"
        )


def _rows(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line that each begins in; empty lines are none."""
    line = reader.line_num + 1
    for row in reader:
        if row:
            yield line, row
        line = reader.line_num + 1


def _names(path: Path, header: list[str]) -> list[str]:
    """The names of the columns, each once."""
    if not header:
        raise UserError(f"{shown(path)}: it is no .csv that can be read (it is empty)")
    if "\0" in "".join(header):
        raise UserError(f"{shown(path)}: it has zero bytes, as UTF-16 has; save it as UTF-8")
    if len(header) == 1 and (other := next((mark for mark in ";\t|" if mark in header[0]), "")):
        raise UserError(f"{shown(path)}: its cells are separated by {other!r}; save it with commas")
    names = [plain(name) for name in header]
    for number, name in enumerate(names, 1):
        if not name or name.startswith(UNNAMED):
            raise UserError(
                f"{shown(path)}: a column has no name (number {number}); "
                "leave it out if it holds row numbers, or name it"
            )
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        where = " and ".join(str(number) for number, one in enumerate(names, 1) if one == name)
        what = "twice" if times == 2 else f"{times} times"
        raise UserError(f"{shown(path)}: the column {quoted(name)} is there {what} (columns {where}); leave one")
    return names


def _number(cell: str) -> float:
    """A finite number, or a boolean as 1 and 0; Python's own 1_000 is none."""
    try:
        value = float(cell)
    except ValueError:
        value = BOOLEANS.get(cell.strip().lower(), float("nan"))
    if not isfinite(value) or "_" in cell:
        raise ValueError
    return value


def _is_number(cell: str) -> bool:
    try:
        _number(cell)
    except ValueError:
        return False
    return True


def _bad_cell(line: int, column: str, cell: str, unlabelled: bool) -> str:
    if not cell.strip() or cell.strip().lower().lstrip("+-") in ("nan", "inf", "infinity", "na", "n/a", "null"):
        return (
            f"line {line}, column {quoted(column)} has NaN, infinity or nothing ({quoted(cell)}); fix it or leave "
            "the row out"
        )
    hint = f"; if it is the label, say --label {shown(column)}" if unlabelled else ""
    if "," in cell:
        hint = "; write numbers with a decimal point, and without separators of thousands"
    return (
        f"line {line}, column {quoted(column)} is not a number: {quoted(cell)}; fix it, or encode or leave out "
        f"the column{hint}"
    )


def _encoding(path: Path) -> str:
    """What to do with a table that is not UTF-8."""
    with path.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "it is UTF-16 (Excel's 'Unicode text'); save it as UTF-8 (Excel's 'CSV UTF-8')"
        file.seek(0)
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return (
                    f"line {number} has the byte 0x{line[error.start]:02x}, which is not UTF-8 (Latin-1 or "
                    "Windows-1252?); save it as UTF-8, such as by `iconv -f WINDOWS-1252 -t UTF-8`"
                )
    return "it is not UTF-8; save it as UTF-8"
