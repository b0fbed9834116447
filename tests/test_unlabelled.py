"""The user's target without labels, with some, and with more of them later: what is scored, and what stays."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.commands.parser import main
from benchmarks.core.settings import UserError
from benchmarks.evaluation import HEADLINE
from benchmarks.records.compact import save_records
from benchmarks.records.frame import load_records
from benchmarks.records.record import Record
from datasets import files, own
from datasets.base import load_task, resolve
from tests.conftest import EngineHere

Change = Callable[[np.ndarray], np.ndarray]
SOURCE, TARGET = 200, 120  # samples
STEPS = ["--set", "protocol.steps=20", "--set", "protocol.checkpoints=2"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A labelled source of two classes, a target without labels, and engines that work in this process."""
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr("benchmarks.engines.local.LocalEngine", EngineHere)
    monkeypatch.chdir(tmp_path)
    table("old", SOURCE, np.arange(SOURCE))
    table("new", TARGET, np.array([], int))
    return tmp_path


def table(
    name: str, size: int, labelled: np.ndarray, change: Callable[[np.ndarray], np.ndarray] = np.array
) -> None:
    """A domain as .csv and .npz, of which some samples are labelled: by their class, or as ``change`` says."""
    rng = np.random.default_rng(size)
    y = np.arange(size) % 2
    x = rng.normal(size=(size, 3)) + y[:, None] + (name == "new")
    known = np.isin(np.arange(size), labelled)
    texts = np.where(known, change(y).astype(str), "")
    pd.DataFrame(x, columns=["a", "b", "c"]).assign(label=texts).to_csv(f"{name}.csv", index=False)
    np.savez(f"{name}.npz", x=x, y=np.where(known, change(y), np.nan))


def run(*flags: str, methods: str = "source_only,coral", kind: str = ".csv", command: str = "run") -> int:
    paths = ["--source", f"old{kind}", "--target", f"new{kind}", "--store", "store"]
    return main([command, *paths, "--methods", methods, "--seeds", "2", *STEPS, *flags])


def records() -> pd.DataFrame:
    return load_records("store").sort_values("run_id").reset_index(drop=True)


def training_files() -> dict[str, bytes]:
    """All that runs have written but for what target labels make."""
    oracle = ("oracle.json", "oracle.npz", "digests.json")
    found = [path for path in Path("store").glob("*/*/*/**/*") if path.is_file() and path.name not in oracle]
    return {str(path): path.read_bytes() for path in found if "tables" not in path.parts}


@pytest.mark.parametrize("kind", [".csv", ".npz"])
def test_a_target_without_labels_is_run_and_shown_without_accuracy(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--select", "im", "--show", "statistics,validators,bound,confusion", kind=kind) == 0
    out = capsys.readouterr().out
    assert "Source test accuracy (%)" in out
    assert "Proxy A-distance" in out
    assert "Target" not in out
    assert "target error" not in out
    assert out.count("Not scored: no target sample of own/old-new-") == 1
    assert not [name for name in records() if name.startswith("target_")]
    for row in records().to_dict("records"):
        assert row["spec"]["protocol"]["scoring"] == "transductive"
        assert row["source_test_accuracy"] > 0.5
    for path in Path("store").glob("own_*/*/*/oracle.json"):
        assert json.loads(path.read_text()) == {
            "checkpoints": [{"step": 10}, {"step": 20}],
            "last": {},
            "right": {},
            "test_units": "",
        }


@pytest.mark.parametrize("form", ["text", "markdown", "latex", "csv", "json"])
def test_every_form_of_the_table_lacks_what_nobody_knows(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    capsys.readouterr()
    assert run("--format", form, command="table") == 0
    out = capsys.readouterr().out
    assert HEADLINE not in out
    assert "arget test accuracy" not in out
    assert "source_test_accuracy" in out or "Source test accuracy" in out


def test_records_without_an_oracle_come_back_from_a_csv(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    save_records(records(), Path("kept.csv"))
    again = load_records("kept.csv")
    assert set(again["run_id"]) == set(records()["run_id"])
    assert not [name for name in again if name.startswith("target_")]


def test_labels_that_come_later_score_what_was_trained(capsys: pytest.CaptureFixture[str]) -> None:
    """None, some, more, all, and others: the runs are the same, and only their scores are made again."""
    assert run() == 0
    before, runs = training_files(), list(records()["run_id"])
    seen = []
    for labelled, change in ((8, np.array), (30, np.array), (30, lambda y: 1 - y)):
        table("new", TARGET, np.arange(labelled), change)
        assert run() == 0
        said = capsys.readouterr()
        assert "4 runs have a record and are reused" in said.err
        assert "Target test accuracy (%)" in said.out
        assert f"{labelled}; " in said.out
        now = records()
        assert list(now["run_id"]) == runs
        assert now["target_test_n"].tolist() == [labelled] * 4
        seen.append(now[HEADLINE].to_numpy())
        assert training_files() == before
    assert not np.array_equal(seen[0], seen[1])
    np.testing.assert_allclose(seen[2], 1 - seen[1])
    for path in Path("store").glob("own_*/*/seed*"):
        Record(path).check("oracle.json")
        Record(path).check("oracle.npz")
    table("new", TARGET, np.array([], int))
    assert run(command="table") == 0
    assert HEADLINE not in records()


def test_a_rescoring_that_was_killed_is_done_again(capsys: pytest.CaptureFixture[str]) -> None:
    table("new", TARGET, np.arange(30))
    assert run() == 0
    expected = records()
    for path in Path("store").glob("own_*/*/*/oracle.json"):
        path.write_text("{}")
    assert run() == 0
    pd.testing.assert_frame_equal(records(), expected)


def test_scores_of_some_labels_are_of_these_samples_alone() -> None:
    """As if the target were those samples: the model's mean on them."""
    table("new", TARGET, np.arange(20, 50))
    assert run(methods="source_only") == 0
    for path in Path("store").glob("own_*/source_only/*"):
        outputs = np.load(path / "outputs/000020.npz")
        said, y = outputs["target_test.logits"].argmax(1), np.load(path / "oracle.npz")["target_test_y"]
        assert len(said) == len(y) == TARGET
        assert (y >= 0).tolist() == [20 <= i < 50 for i in range(TARGET)]
        expected = (said[20:50] == np.arange(20, 50) % 2).mean()
        oracle = json.loads((path / "oracle.json").read_text())
        assert oracle["checkpoints"][-1][HEADLINE] == expected
        assert oracle["last"]["target_test_n"] == oracle["last"]["target_train_n"] == 30


@pytest.mark.parametrize("kind", [".csv", ".npz"])
def test_the_name_of_a_task_says_nothing_of_its_targets_labels(kind: str, folder: Path) -> None:
    names = set()
    for labelled in (0, 10, TARGET):
        table("new", TARGET, np.arange(labelled))
        names.add(own.make_task(Path(f"old{kind}"), Path(f"new{kind}"), "label"))
    pd.read_csv("new.csv").drop(columns="label").to_csv("new.csv", index=False)
    np.savez("new.npz", x=np.load("new.npz")["x"])
    names.add(own.make_task(Path(f"old{kind}"), Path(f"new{kind}"), "label"))
    assert len(names) == 1
    table("old", SOURCE, np.arange(SOURCE), lambda y: 1 - y)
    assert own.make_task(Path(f"old{kind}"), Path(f"new{kind}"), "label") not in names


def test_the_name_of_a_folder_says_nothing_of_its_targets_labels(folder: Path) -> None:
    rng = np.random.default_rng(0)

    def image(path: str) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(256, size=(8, 8, 3), dtype=np.uint8)).save(path)

    for number in range(8):
        image(f"photos/{('cat', 'dog')[number % 2]}/{number}.png")
        image(f"sketches/{number}.png")
    name = own.make_task(Path("photos"), Path("sketches"), "label")
    assert resolve(name)
    before = load_task(name, transductive=True).train_view().target.x
    for number in range(4):
        Path(f"sketches/{('cat', 'dog')[number % 2]}").mkdir(exist_ok=True)
        Path(f"sketches/{number}.png").rename(f"sketches/{('cat', 'dog')[number % 2]}/{number}.png")
    assert own.make_task(Path("photos"), Path("sketches"), "label") == name
    task = load_task(name, transductive=True)
    assert np.array_equal(np.asarray(task.train_view().target.x), np.asarray(before))
    assert task.oracle().target_test_y.tolist() == [0, 1, 0, 1, -1, -1, -1, -1]


def test_references_need_labels_that_are_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    table("new", TARGET, np.arange(60))
    assert run(methods="source_only,target_only,joint,majority") == 0
    out = capsys.readouterr().out
    for method in ("target_only", "joint", "majority"):
        assert f"n/a: {method} on own/" in out
    assert "it trains on target labels, and not all samples of this target have one" in out


def test_a_reference_trained_on_other_labels_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    table("new", TARGET, np.arange(TARGET))
    assert run(methods="target_only") == 0
    table("new", TARGET, np.arange(TARGET), lambda y: 1 - y)
    assert run(methods="target_only") == 0
    assert "the target labels that it was trained on have changed; run it --fresh" in capsys.readouterr().err


def test_check_and_compare_say_that_they_need_labels(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a suite with published numbers, in which the user has a task of their own."""
    name = own.make_task(Path("old.csv"), Path("new.csv"), "label")
    protocol = 'backbone = "mlp?width=8"\nsteps = 20\nscoring = "transductive"'
    Path("har.toml").write_text(
        f'kind = "fair"\nseeds = 1\ndescription = ""\n[protocol]\n{protocol}\n[[task]]\nname = "{name}"\n'
    )
    flags = ["--suite", "har.toml", "--store", "store"]
    assert main(["run", *flags, "--methods", "source_only"]) == 0
    save_records(records(), Path("kept.csv"))
    capsys.readouterr()
    assert main(["check", "--baseline", "kept.csv", "--suite", "har.toml"]) == 2
    assert main(["compare", *flags]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    for command, error in zip(("check", "compare"), errors, strict=True):
        assert f"{command} needs target labels: no target sample of {name} has one" in error


def test_a_picture_of_accuracies_says_what_it_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    assert run("--figure", "a.png", command="table") == 2
    assert "no target sample has a label" in capsys.readouterr().err
    assert run("--diagram", "a.png", command="table") == 2
    assert capsys.readouterr().err.count("error: --diagram") == 1


def test_a_model_predicts_on_its_unlabelled_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--save-weights", methods="source_only") == 0
    record = next(Path("store").glob("own_*/source_only/*"))
    capsys.readouterr()
    assert main(["predict", str(record), "--input", "new.csv", "--out", "said.csv"]) == 0
    assert "accuracy" not in capsys.readouterr().out
    said = pd.read_csv("said.csv")["predicted"]
    table("new", TARGET, np.arange(30))
    assert main(["predict", str(record), "--input", "new.csv", "--out", "again.csv"]) == 0
    right = (said[:30] == np.arange(30) % 2).mean()
    assert f"accuracy {right:.1%} of 30 labelled samples" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("labelled", "message"),
    [
        (np.array([], int), "old.csv: the source has no labels; it has the columns"),
        (np.arange(SOURCE - 1), f"old.csv: line {SOURCE + 1}, column 'label': there is no label; every sample"),
    ],
)
def test_a_source_needs_all_its_labels(labelled: np.ndarray, message: str) -> None:
    table("old", SOURCE, labelled)
    with pytest.raises(UserError, match=message):
        own.make_task(Path("old.csv"), Path("new.csv"), "label")


def test_a_target_may_lack_a_class_and_may_not_have_another() -> None:
    table("new", TARGET, np.arange(0, TARGET, 2))
    assert set(load_task(own.make_task(Path("old.csv"), Path("new.csv"), "label")).oracle().target_test_y) == {
        0,
        -1,
    }
    table("new", TARGET, np.arange(3), lambda y: y + 1)
    with pytest.raises(UserError, match="the source has no class '2'"):
        own.make_task(Path("old.csv"), Path("new.csv"), "label")
