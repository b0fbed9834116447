"""No output of a command replaces an input or a file that this program did not write."""

import os
from pathlib import Path

import pytest

from benchmarks.commands.parser import main
from benchmarks.core.outfiles import is_ours, writing

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "results" / "records" / "toys.csv"
TABLE = ["table", "--suite", "toys", "--tasks", "toys/moons", "--records", str(RECORDS)]
OUTPUTS = ["--figure=a.png", "--figure=a.svg", "--figure=a.PDF", "--save-records=a.csv"]


@pytest.mark.parametrize("flag", OUTPUTS)
def test_a_file_of_somebody_else_stays_and_one_of_ours_is_replaced(
    flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    option, name = flag.split("=")
    path = tmp_path / "folder" / name
    command = [*TABLE, option, str(path)]
    assert main(command) == 0
    first = path.read_bytes()
    assert main(command) == 0
    path.write_text("precious")
    assert main(command) == 2
    assert "was not written by this program" in capsys.readouterr().err
    assert path.read_text() == "precious"
    assert main([*command, "--force"]) == 0
    assert len(path.read_bytes()) == pytest.approx(len(first), abs=50)  # a date may be in it


def test_records_that_are_read_are_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "records.csv"
    mine.write_bytes(RECORDS.read_bytes())
    table = [*TABLE[:-1], str(mine), "--save-records"]
    assert main([*table, str(mine)]) == 2
    assert "is an input of this command" in capsys.readouterr().err
    assert mine.read_bytes() == RECORDS.read_bytes()


def test_a_junit_file_of_somebody_else_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "junit.xml"
    path.write_text("<precious/>")
    assert main(["check", "--baseline", "quick", "--tasks", "toys/moons", "--junit", str(path)]) == 2
    assert "was not written by this program" in capsys.readouterr().err
    assert path.read_text() == "<precious/>"


@pytest.mark.parametrize(
    "command",
    [
        ["predict", "1a2b", "--input", "new.npz", "--store", "store", "--out"],
        ["table", "--save-records"],
        ["report", "--out"],
        ["check", "--suite", "toys", "--update", "--baseline"],
        ["check", "--baseline", "quick", "--tasks", "toys/moons", "--junit"],
        ["advise", "--evaluate", "--save-record"],
    ],
    ids=lambda words: " ".join(words[:1] + words[-1:]),
)
def test_a_folder_that_takes_no_file_is_told_of_before_any_work(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store/toys_moons/dann/seed0-1a2b00000000").mkdir(parents=True)

    def trains(*_: object, **__: object) -> None:
        pytest.fail("it works before it knows that it cannot write")

    for work in ("benchmarks.engines.progress.follow", "benchmarks.advice.evidence.cases"):
        monkeypatch.setattr(work, trains)
    monkeypatch.setattr("benchmarks.commands.shared.reading.found_grid", trains)
    assert main([*command, "/proc/out.html" if command[0] == "report" else "/proc/out.csv"]) == 2
    assert "/proc/out" in (said := capsys.readouterr().err)
    assert "cannot be written" in said


def test_a_device_is_written_to_and_not_replaced() -> None:
    with writing(Path("/dev/null")) as out:
        out.write(b"nothing")
    assert Path("/dev/null").is_char_device()


def test_a_pipe_that_nobody_reads_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert main([*TABLE, "--figure", str(tmp_path / "pipe.png")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    "name", ["README.md", "pyproject.toml", "benchmarks/core/outfiles.py", "tests/test_outfiles.py"]
)
def test_a_file_that_names_this_program_is_not_therefore_ours(name: str) -> None:
    assert not is_ours(ROOT / name)


def test_a_junit_file_never_replaces_the_baseline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    baseline = tmp_path / "mine.csv"
    baseline.write_bytes((ROOT / "results" / "baselines" / "quick.csv").read_bytes())
    check = ["check", "--suite", "quick", "--tasks", "toys/moons", "--methods", "coral"]
    assert main([*check, "--baseline", str(baseline), "--junit", str(baseline)]) == 2
    assert "is an input of this command" in capsys.readouterr().err
