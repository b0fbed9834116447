"""Records in a .csv: a broken line is named, with its column, and the others load."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.commands.parser import main
from benchmarks.core.settings import UserError
from benchmarks.records.compact import load_failures, save_records
from benchmarks.records.frame import load_records

COMMITTED = Path(__file__).parents[1] / "results" / "records" / "quick.csv"


@pytest.fixture
def lines() -> list[list[str]]:
    """The header and the first five runs of a committed file."""
    with COMMITTED.open(newline="") as file:
        return list(csv.reader(file))[:6]


def write(lines: list[list[str]], path: Path) -> Path:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    path.write_text(text.getvalue())
    return path


def nested(change: Callable[[Any], Any]) -> Callable[[str], str]:
    return lambda text: json.dumps(change(json.loads(text)))


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("run_id", lambda _: ""),
        ("run_id", lambda _: "0123456789ab"),
        ("run_id", lambda _: "x" * 12),
        ("task", lambda _: ""),
        ("task", lambda _: "toys/moons"),
        ("method", lambda _: "dann"),
        ("seed", lambda _: ""),
        ("seed", lambda _: "one"),
        ("seed", lambda _: "²"),
        ("seed", lambda _: "0.5"),
        ("seed", lambda _: "9" * 5000),
        ("target_test_accuracy", lambda _: "49.7"),
        ("target_test_accuracy", lambda _: "high"),
        ("target_test_accuracy", lambda _: "nan"),
        ("target_test_accuracy", lambda _: "1e999"),
        ("target_test_accuracy", lambda _: "0,5"),
        ("target_test_n", lambda _: "-3"),
        ("target_test_n", lambda _: "3.5"),
        ("training_seconds", lambda _: "-1"),
        ("spec", lambda _: ""),
        ("spec", lambda _: "{"),
        ("spec", lambda _: "[]"),
        ("spec", lambda _: "{}"),
        ("spec", nested(lambda spec: {**spec, "seed": 7})),
        ("spec", nested(lambda spec: {**spec, "protocol": {**spec["protocol"], "momentums": 1}})),
        ("spec", lambda text: text.replace('"seed"', '"task":"toys/moons","seed"')),
        ("checkpoints", lambda _: ""),
        ("checkpoints", lambda _: "[]"),
        ("checkpoints", lambda _: "{}"),
        ("checkpoints", lambda _: "[" * 100_000),
        ("checkpoints", lambda text: text.replace("NaN", "Infinity").replace("0.", "Infinity", 1)),
        ("checkpoints", nested(lambda rows: rows[::-1])),
        ("checkpoints", nested(lambda rows: [{**row, "source_val_accuracy": 49.7} for row in rows])),
        ("checkpoints", nested(lambda rows: [{**row, "entropy": "low"} for row in rows])),
        ("confusion", lambda _: "[[1, 2]]"),
        ("confusion", lambda _: "[[1, 2], [3, -4]]"),
    ],
)
def test_a_broken_cell_costs_its_line(
    lines: list[list[str]], tmp_path: Path, column: str, change: Callable[[str], str]
) -> None:
    whole = load_records(write(lines, tmp_path / "whole.csv"))
    at = lines[0].index(column)
    assert lines[3][at] != change(lines[3][at])
    lines[3][at] = change(lines[3][at])
    path = write(lines, tmp_path / "records.csv")
    told: list[UserError] = []
    loaded = load_records(path, broken=told.append)
    (said,) = map(str, told)
    assert f"{str(path)!r}, line 4, column " in said
    assert repr(column) in said or column in ("run_id", "task", "method", "seed")  # which the spec repeats
    assert "\n" not in said
    assert len(said) < 1000
    pd.testing.assert_frame_equal(loaded, whole.drop(index=2).reset_index(drop=True))
    with pytest.raises(UserError, match="line 4, column"):
        load_records(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("half a li", "it has 1 cells, and the header has"),
        ('"a quotation mark that nothing closes', "it is no line of a .csv"),
        ("\udcff,", "it is not in UTF-8"),
    ],
)
def test_what_is_no_line_is_named(lines: list[list[str]], tmp_path: Path, line: str, message: str) -> None:
    path = write(lines, tmp_path / "records.csv")
    text = path.read_text().splitlines()
    path.write_bytes("\n".join([*text[:2], line, *text[2:], ""]).encode(errors="surrogateescape"))
    told: list[UserError] = []
    assert len(load_records(path, broken=told.append)) == 5
    (said,) = map(str, told)
    assert "line 3, " in said
    assert message in said


def test_a_run_that_is_there_twice_counts_once(lines: list[list[str]], tmp_path: Path) -> None:
    path = write([*lines, lines[2]], tmp_path / "records.csv")
    told: list[UserError] = []
    assert load_records(path, broken=told.append)["run_id"].is_unique
    assert "line 7, column 'run_id': " in str(told[0])
    assert "is in line 3 already" in str(told[0])


def test_what_is_no_file_of_records_is_named(lines: list[list[str]], tmp_path: Path) -> None:
    path = tmp_path / "records.csv"
    for content, message in [
        (b"", "it has no column run_id"),
        (b"\xff\xfe", "not in UTF-8"),
        (b"a,b\n1,2\n", "it has no column run_id"),
        ((",".join([*lines[0], "seed"])).encode(), "it has two columns 'seed'"),
    ]:
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"is not a file of records: .*{message}"):
            load_records(path)
    path.unlink()
    for make in (path.mkdir, lambda: None):
        make()
        with pytest.raises(UserError, match="is not a file of records"):
            load_records(path)
        if path.exists():
            path.rmdir()


def test_errors_of_failed_runs_come_back_in_one_line(lines: list[list[str]], tmp_path: Path) -> None:
    records = load_records(write(lines, tmp_path / "records.csv"))
    save_records(records.assign(warnings="two\nlines"), tmp_path / "saved.csv", {"0123456789ab": "no\ngood"})
    assert load_failures(tmp_path / "saved.csv") == {"0123456789ab": "no good"}
    assert load_records(tmp_path / "saved.csv")["warnings"].tolist() == ["two lines"] * 5


@pytest.mark.parametrize("command", ["table", "compare"])
def test_a_command_names_a_broken_line_and_shows_the_rest(
    lines: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    lines[3][lines[0].index("target_test_accuracy")] = "49.7"
    path = write(lines, tmp_path / "records.csv")
    suite = "digits" if command == "compare" else "quick"
    assert main([command, "--suite", suite, "--records", str(path)]) == 0
    said = capsys.readouterr()
    assert "line 4, column 'target_test_accuracy': target_test_accuracy is 49.7" in said.err
    assert "Traceback" not in said.err
    assert "Target" in said.out


def test_as_many_checkpoints_as_a_protocol_allows_come_back(lines: list[list[str]], tmp_path: Path) -> None:
    place = lines[0].index("checkpoints")
    many = json.loads(lines[1][place])[-1:] * 1000
    lines[1][place] = json.dumps([{**scores, "step": step} for step, scores in enumerate(many, 1)])
    assert len(lines[1][place]) > 131_072  # what Python's csv module reads by itself
    assert len(load_records(write(lines, tmp_path / "many.csv"))["checkpoints"][0]) == 1000


@pytest.mark.parametrize(("name", "text"), [("target_test_accuracy", "0.999"), ("target_test_accuracy", "")])
def test_an_accuracy_that_its_checkpoints_contradict_costs_its_line(
    lines: list[list[str]], tmp_path: Path, name: str, text: str
) -> None:
    lines[1][lines[0].index(name)] = text
    problems: list[UserError] = []
    assert len(load_records(write(lines, tmp_path / "edited.csv"), broken=problems.append)) == 4
    assert f"line 2, column '{name}'" in str(problems[0])
