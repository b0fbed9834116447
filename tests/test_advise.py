"""`advise` as a user runs it: on data of each kind, with and without labels, and what is made of its choice."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.advice import record
from benchmarks.commands.parser import main
from benchmarks.plan.cost import Estimate, kind
from benchmarks.plan.spec import RunSpec
from datasets import files
from tests.conftest import EngineHere

SOURCE, TARGET = 150, 90
TINY = ["--methods", "coral", "--seeds", "2", "--set", "protocol.steps=20", "--set", "protocol.checkpoints=2"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr("benchmarks.engines.local.LocalEngine", EngineHere)
    monkeypatch.setattr("benchmarks.advice.deploy.LocalEngine", EngineHere)
    monkeypatch.chdir(tmp_path)
    write("old", SOURCE, np.ones(SOURCE, bool))
    return tmp_path


def write(name: str, size: int, labelled: np.ndarray, noise: int | None = None, form: str = ".csv") -> None:
    """A domain of two classes, of which some samples have a label; with noise, any."""
    rng = np.random.default_rng(size)
    y = np.arange(size) % 2
    x = rng.normal(size=(size, 3)) + 2 * y[:, None] + (name == "new")
    said = y if noise is None else np.random.default_rng(noise).integers(2, size=size)
    if form == ".csv":
        texts = np.where(labelled, said.astype(str), "")
        pd.DataFrame(x, columns=["a", "b", "c"]).assign(label=texts).to_csv(f"{name}.csv", index=False)
    elif form == ".npz":
        np.savez(f"{name}.npz", x=x, y=np.where(labelled, said, np.nan))
    else:
        for i, (value, label) in enumerate(zip(y, said, strict=True)):
            place = Path(name, str(label)) if labelled[i] else Path(name)
            place.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 128, (8, 8, 3)) + 100 * value
            Image.fromarray(pixels.astype(np.uint8)).save(place / f"{i}.png")


def advise(*flags: str, form: str = ".csv") -> int:
    return main(["advise", "--source", f"old{form}", "--target", f"new{form}", "--store", "store", *TINY, *flags])


def advice() -> dict[str, object]:
    (path,) = Path("store/advice").glob("*.json")
    found: dict[str, object] = json.loads(path.read_text())
    return found


def test_a_target_without_labels_is_answered_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    write("new", TARGET, np.zeros(TARGET, bool))
    assert advise() == 0
    out = capsys.readouterr().out
    first = str(advice()["advice"][0])
    assert first.startswith(("Use ", "Keep source_only"))
    assert f"The target has {TARGET} samples." in out
    assert "Settings of suite quick, transductive, tasks of own." in out
    assert out.index("proxy A-distance of the raw inputs") < out.index(first)  # the data come before training
    known = record.load_record()
    assert f"On {record.advised(known).by_family.size} families" in out
    assert "This assumes that p(x|y) did not change" in out
    assert "Target" not in out.replace("Target own", "")


@pytest.mark.parametrize("form", [".csv", ".npz"])
def test_labels_change_no_advice(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """None, some, all, and noise: a target that gets labels later is no other target."""
    write("old", SOURCE, np.ones(SOURCE, bool), form=form)
    said = []
    for labelled, noise in ((0, None), (30, None), (30, 1), (TARGET - 1, 2)):
        write("new", TARGET, np.arange(TARGET) < labelled, noise, form)
        assert advise(form=form) == 0
        said.append(advice())
    assert all(each == said[0] for each in said)
    assert "4 runs have a record and are reused." in capsys.readouterr().err


@pytest.mark.parametrize("label", ["label", "diagnosis"])
def test_what_is_advised_is_kept_and_predicts(label: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where the target lacks the column of labels."""
    write("new", TARGET, np.zeros(TARGET, bool))
    pd.read_csv("old.csv").rename(columns={"label": label}).to_csv("old.csv", index=False)
    pd.read_csv("new.csv").drop(columns="label").to_csv("new.csv", index=False)
    assert advise("--label", label, "--out", "p.csv", "--to-label", "20") == 0
    with open("p.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == TARGET
    assert {row["predicted"] for row in rows} <= {"0", "1"}
    assert all(0 <= float(row["disagree"]) <= 0.5 for row in rows)
    assert main(["predict", "advised", "--input", "new.csv", "--out", "q.csv", "--store", "store"]) == 0
    assert Path("q.csv").exists()
    with open("p-random.csv", newline="") as file:
        wanted = list(csv.DictReader(file))
    assert len(wanted) == 20
    for row in wanted:
        row["label"] = str((int(row["sample"]) - 1) % 2)
    with open("filled.csv", "w", newline="") as file:
        lines = csv.DictWriter(file, wanted[0])
        lines.writeheader()
        lines.writerows(wanted)
    capsys.readouterr()
    assert advise("--label", label, "--out", "p.csv", "--labels", "filled.csv") == 0
    assert "On 20 random labels: " in capsys.readouterr().out
    assert advise("--label", label, "--out", "p.csv", "--labels", "filled.csv", "--choose-by", "labels") == 0
    assert "is chosen by 20 labels" in capsys.readouterr().out
    assert advise("--label", label, "--out", "p.csv", "--labels", "filled.csv") == 2  # in another command too
    assert "20 of its labels have chosen" in capsys.readouterr().err


def test_a_folder_of_unsorted_pictures_is_advised_within_a_budget_and_predicted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the methods that are asked for, one fits beside source_only."""

    def fake(specs: Sequence[RunSpec], known: Estimate, *_: object) -> Estimate:
        known.training.update(dict.fromkeys(map(kind, specs), 20.0))
        return known

    monkeypatch.setattr("benchmarks.training.estimate.estimate", fake)
    write("photos", 40, np.ones(40, bool), form="")
    write("phone", 24, np.zeros(24, bool), form="")
    asked = ["advise", "--source", "photos/", "--target", "phone/", "--methods", "coral,dann", *TINY[2:]]
    asked += ["--set", "protocol.backbone=linear", "--jobs", "1"]
    assert main([*asked, "--budget", "90s", "--out", "predictions.csv", "--store", "store"]) == 0
    printed = capsys.readouterr()
    assert "budget 90s: 2 of 3 methods, 2 seeds: dann left out" in printed.err
    assert printed.out.index("The source has 40 samples") < printed.out.index(str(advice()["advice"][0]))
    rows = pd.read_csv("predictions.csv")
    assert sorted(rows["sample"]) == sorted(f"{number}.png" for number in range(24))


@pytest.mark.parametrize(("text", "said"), [(None, "filled.csv"), ("a,b\n1,2\n", "line 1 is 'a,b', and must be")])
def test_labels_that_cannot_be_read_are_told_of_before_the_data(
    text: str | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here the target is missing too, which would be told of first otherwise."""
    if text is not None:
        Path("filled.csv").write_text(text)
    assert advise("--out", "p.csv", "--labels", "filled.csv") == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert "new.csv" not in err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "give the data on which advice is wanted"),
        (["--tasks", "toys/moons,toys/blobs"], "advice is on one task, and these are 2"),
        (["--tasks", "toys/moons", "--out", "p.csv"], "of your own target"),
        (["--tasks", "toys/moons", "--select", "im"], "a rule of its own"),
        (["--tasks", "toys/moons", "--save-record", "r.csv"], "needs --evaluate"),
        (["--source", "old.csv", "--target", "old.csv", "--to-label", "5"], "need --out"),
        (["--source", "old.csv", "--target", "new.csv", "--out", "old.csv"], "is an input of this command"),
        (["--source", "old.csv", "--target", "old.csv", "--choose-by", "labels"], "needs --labels"),
    ],
)
def test_flags_that_do_not_fit_are_one_line(
    flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write("new", TARGET, np.zeros(TARGET, bool))
    assert main(["advise", *flags]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
