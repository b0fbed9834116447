"""Records in a .csv: a broken line is named, with its column, and the others load."""

import csv
import hashlib
import io
import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.commands.parser import main
from benchmarks.core.settings import UserError
from benchmarks.records.compact import SHARED, load_failures, save_records
from benchmarks.records.frame import load_records

COMMITTED = Path(__file__).parents[1] / "results" / "records" / "quick.csv"


@pytest.fixture
def lines() -> list[list[str]]:
    """The header and the first five runs of a committed file, with no key in them."""
    with COMMITTED.open(newline="") as file:
        header, *rows = list(csv.reader(file))[:6]
    known = {cell[:8]: cell[9:] for row in rows for cell in row if re.match("[0-9a-f]{8}=", cell)}
    texts = {name: header.index(name) for name in SHARED if name in header}
    for row in rows:
        for place in texts.values():
            row[place] = known.get(row[place][:8], row[place])
    return [header, *rows]


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
        ("protocol", lambda _: ""),
        ("protocol", lambda _: "{"),
        ("protocol", lambda _: "[]"),
        ("protocol", lambda _: "{}"),
        ("protocol", lambda text: f"0123abcd={text}"),
        ("protocol", nested(lambda protocol: {**protocol, "momentums": 1})),
        ("protocol", lambda text: text.replace('"steps"', '"threads":1,"steps"')),
        ("params", nested(lambda params: {**params, "gamma": 7})),
        ("data", nested(lambda data: {**data, "version": 2})),
        ("version", lambda _: "2"),
        ("version", lambda _: ""),
        ("harness", lambda _: "7"),
        ("checkpoints", lambda _: ""),
        ("checkpoints", lambda _: "[]"),
        ("checkpoints", lambda _: "{}"),
        ("checkpoints", lambda _: "[" * 100_000),
        ("checkpoints", lambda text: text.replace("NaN", "Infinity").replace("0.", "Infinity", 1)),
        ("checkpoints", nested(lambda scores: {name: values[::-1] for name, values in scores.items()})),
        ("checkpoints", nested(lambda scores: {**scores, "entropy": scores["entropy"][1:]})),
        ("checkpoints", nested(lambda scores: {**scores, "source_val_accuracy": [49.7] * len(scores["step"])})),
        ("checkpoints", nested(lambda scores: {**scores, "entropy": ["low"] * len(scores["step"])})),
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
    assert repr(column) in said or "column 'run_id': other columns are not those of this run" in said
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
    many = {name: values[-1:] * 2000 for name, values in json.loads(lines[1][place]).items()}
    lines[1][place] = json.dumps({**many, "step": list(range(1, 2001))})
    assert len(lines[1][place]) > 131_072  # what Python's csv module reads by itself
    assert len(load_records(write(lines, tmp_path / "many.csv"))["checkpoints"][0]) == 2000


@pytest.mark.parametrize(("name", "text"), [("target_test_accuracy", "0.999"), ("target_test_accuracy", "")])
def test_an_accuracy_that_its_checkpoints_contradict_costs_its_line(
    lines: list[list[str]], tmp_path: Path, name: str, text: str
) -> None:
    lines[1][lines[0].index(name)] = text
    problems: list[UserError] = []
    assert len(load_records(write(lines, tmp_path / "edited.csv"), broken=problems.append)) == 4
    assert f"line 2, column '{name}'" in str(problems[0])


@pytest.fixture
def saved(lines: list[list[str]], tmp_path: Path) -> Path:
    """Five records as the program saves them: what lines share is in the first that has it."""
    save_records(load_records(write(lines, tmp_path / "whole.csv")), tmp_path / "saved.csv")
    return tmp_path / "saved.csv"


def shared_text(path: Path, column: str) -> tuple[str, int]:
    """The key of the protocol that most lines have, and the number of the line that says what it stands for."""
    with path.open(newline="") as file:
        cells = [row[column] for row in csv.DictReader(file)]
    key = max({cell[:8] for cell in cells}, key=lambda key: sum(cell.startswith(key) for cell in cells))
    return key, next(number for number, cell in enumerate(cells, 2) if cell.startswith(f"{key}="))


def test_what_lines_share_is_written_once(saved: Path) -> None:
    key, number = shared_text(saved, "protocol")
    assert saved.read_text().count(f"{key}=") == 1
    assert saved.read_text().count(key) > 1
    frame = pd.read_csv(saved)  # without this package
    text = frame["protocol"][number - 2].removeprefix(f"{key}=")
    assert json.loads(text) == load_records(saved)["spec"][number - 2]["protocol"]
    assert hashlib.sha256(text.encode()).hexdigest().startswith(key)


def test_lines_are_added_without_changing_others(lines: list[list[str]], tmp_path: Path) -> None:
    records = load_records(write(lines, tmp_path / "whole.csv"))
    for count in (3, 5):
        save_records(records[:count], tmp_path / f"{count}.csv")
    fewer, more = ((tmp_path / f"{count}.csv").read_text().splitlines() for count in (3, 5))
    assert more[: len(fewer)] == fewer


def test_records_may_be_in_any_order(saved: Path) -> None:
    header, *lines = saved.read_text().splitlines()
    whole = load_records(saved)
    saved.write_text("\n".join([header, *lines[::-1]]) + "\n")
    pd.testing.assert_frame_equal(load_records(saved)[::-1].reset_index(drop=True), whole)


@pytest.mark.parametrize(
    "damage", [lambda line: line.replace(",0,", ",zero,", 1), lambda line: f'"{line}', lambda line: line[:-9]]
)
def test_a_damaged_line_loses_only_itself(saved: Path, damage: Callable[[str], str]) -> None:
    _, number = shared_text(saved, "protocol")
    lines = saved.read_text().splitlines()
    lines[number - 1] = damage(lines[number - 1])
    saved.write_text("\n".join(lines) + "\n")
    told: list[UserError] = []
    assert len(load_records(saved, broken=told.append)) == 4
    assert [f"line {number}, " in str(problem) for problem in told] == [True]


def test_a_lost_line_is_told_of_once_with_those_that_refer_to_it(saved: Path) -> None:
    _, number = shared_text(saved, "protocol")
    lines = saved.read_text().splitlines()
    stood_for = re.findall("([0-9a-f]{8})=", lines.pop(number - 1))
    saved.write_text("\n".join(lines) + "\n")
    told: list[UserError] = []
    loaded = load_records(saved, broken=told.append)
    assert len(loaded) < 4
    said = [
        re.findall("the line that says what ([0-9a-f]{8}) stands for is damaged or lost", str(e)) for e in told
    ]
    keys = list(itertools.chain(*said))
    assert len(keys) == len(told) == len(set(keys)) > 0
    assert set(keys) <= set(stood_for)


def test_a_changed_text_is_not_that_of_its_key(saved: Path) -> None:
    text = saved.read_text()
    assert text.count('""steps"":350') >= 1
    saved.write_text(text.replace('""steps"":350', '""steps"":351'))
    told: list[UserError] = []
    assert not len(load_records(saved, broken=told.append))
    assert "column 'protocol': its text is not that of its key" in str(told[0])
