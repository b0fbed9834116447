"""The command `report`, and the page that `run` leaves: for own data without labels it opens with the advice."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.advice.advise import advised
from benchmarks.commands.parser import main, parser
from benchmarks.commands.shared.options import typed
from benchmarks.commands.shared.page import command_line
from benchmarks.plan.grid import plan
from benchmarks.records.store import Store
from benchmarks.report.page.templates import coded
from datasets import files, own
from tests.conftest import EngineHere

ROOT = Path(__file__).parents[1]
STEPS = ["--set", "protocol.steps=20", "--set", "protocol.checkpoints=2"]
OWN = ["--source", "old.csv", "--target", "new.csv", "--methods", "source_only,coral", "--seeds", "2", *STEPS]


@pytest.fixture(autouse=True)
def _own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two domains, the second without labels, and engines that work in this process."""
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr("benchmarks.engines.local.LocalEngine", EngineHere)
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    for name, shift in (("old", 0.0), ("new", 1.0)):
        x = rng.normal(size=(60, 3)) + 2 * y[:, None] + shift
        labels = y if name == "old" else [""] * 60
        pd.DataFrame(x, columns=["a", "b", "c"]).assign(label=labels).to_csv(f"{name}.csv", index=False)


def test_run_ends_with_a_page_that_opens_with_the_advice(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *OWN, "--store", "store"]) == 0
    found = re.findall("^report: (.*)$", capsys.readouterr().err, re.MULTILINE)
    (path,) = Path("store/reports").glob("own_old-new-*.html")
    assert found == [str(path)]
    html = path.read_text()
    task = own.make_task(Path("old.csv"), Path("new.csv"), "label")
    overrides = {"protocol": {"steps": 20, "checkpoints": 2}}
    grid = plan("quick", ["source_only", "coral"], [task], range(2), overrides)
    for paragraph in advised(grid, Store(Path("store"))).paragraphs:
        assert coded(paragraph) in html
    assert "What is known of" in html
    assert "Target test accuracy (%)" not in html
    capsys.readouterr()
    assert main(["report", *OWN, "--store", "store", "--out", "mine.html"]) == 0
    said = capsys.readouterr().err
    again = Path("mine.html").read_text()
    assert coded(advised(grid, Store(Path("store"))).paragraphs[0]) in again
    assert "Two maps of the features of source_only" in again
    hidden, shown = "What differs most between source of old-new", ["--show-samples", "--force"]
    assert hidden not in again
    assert main(["report", *OWN, "--store", "store", "--out", "mine.html", *shown]) == 0
    assert hidden in Path("mine.html").read_text()
    (makes,) = re.findall(
        "^warning: 4 records lack scores of validators, .*: python -m benchmarks (.*)$", said, re.M
    )
    assert main(shlex.split(makes)) == 0
    capsys.readouterr()
    assert main(["report", *OWN, "--store", "store", "--out", "mine.html", *shown]) == 0
    assert "lack scores" not in capsys.readouterr().err


def test_a_report_makes_no_score_and_shows_those_that_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    moons = ["--tasks", "toys/moons", "--methods", "source_only,coral", "--seeds", "2", *STEPS, "--store", "store"]
    assert main(["run", *moons]) == 0
    assert main(["report", *moons, "--out", "mine.html"]) == 0
    assert not list(Path("store").rglob("validators.json"))
    assert "<td>snd</td>" not in Path("mine.html").read_text()
    assert main(["table", *moons, "--show", "validators"]) == 0
    assert main(["report", *moons, "--out", "mine.html"]) == 0
    assert '<th scope="row">snd</th>' in Path("mine.html").read_text()


def test_the_command_of_a_page_has_every_flag_and_no_folder_of_a_machine() -> None:
    given = ["--tasks", "toys/moons", "--store", "/me/runs", "--data-dir", "/me/data", "--out", "/me/my page.html"]
    words = ["report", *given, "--maps", "tsne", "--show-samples", "--set", "dann.gamma=5"]
    flags = vars(parser().parse_args(words))
    options = typed(flags.pop("command").Options, flags)
    more = {name: value for name, value in vars(options).items() if name not in ("what", "how", "force")}
    line = command_line("report", options.what, options.how, **more)
    assert "/me" not in line
    folders = {"$BENCHMARKS_STORE": "/me/runs", "$BENCHMARKS_DATA": "/me/data", "my page.html": "/me/my page.html"}
    typed_again = [folders.get(word, word) for word in shlex.split(line)[3:]]
    assert vars(parser().parse_args(typed_again)) == vars(parser().parse_args(words))


def test_a_page_is_written_over_one_of_ours_and_no_other_file(capsys: pytest.CaptureFixture[str]) -> None:
    committed = str(ROOT / "results/records/toys.csv")
    grid = ["--suite", "toys", "--tasks", "toys/moons", "--methods", "source_only,dan"]
    report = ["report", *grid, "--records", committed, "--out", "mine.html"]
    assert main(report) == main(report) == 0
    Path("mine.html").write_text("<!doctype html><title>yours</title>")
    capsys.readouterr()
    assert main(report) == 2
    assert "was not written by this program" in capsys.readouterr().err
    assert Path("mine.html").read_text() == "<!doctype html><title>yours</title>"
    assert main([*report, "--force"]) == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--out", "report.pdf"], "error: --out: 'report.pdf' must end in .html"),
        (["--store", "nowhere"], "error: store 'nowhere' does not exist"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(
    flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--tasks", "toys/moons", *flags]) == 2
    assert capsys.readouterr().err.startswith(said)
