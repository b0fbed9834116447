"""The user's target without labels, with some, and with more of them later: what is scored, and what stays."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.commands.parser import main
from benchmarks.commands.shared.output import table_name
from benchmarks.core.settings import UserError
from benchmarks.evaluation import HEADLINE
from benchmarks.plan.grid import Grid
from benchmarks.plan.spec import RunSpec
from benchmarks.records.compact import save_records
from benchmarks.records.frame import load_records
from benchmarks.records.record import Record
from benchmarks.report.selection import candidates, chosen_steps
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
    ours = {
        "--source": f"old{kind}",
        "--target": f"new{kind}",
        "--store": "store",
        "--methods": methods,
        "--seeds": "2",
    }
    asked = [word for flag, value in ours.items() if flag not in flags for word in (flag, value)]
    return main([command, *asked, *STEPS, *flags])


def records() -> pd.DataFrame:
    return load_records("store").sort_values("run_id").reset_index(drop=True)


ORACLE = ("oracle.json", "oracle.npz", "digests.json")  # what target labels make of a record
CLOCK = ("cost.json", "provenance.json")


def training_files(store: str = "store", without: Sequence[str] = ORACLE) -> dict[str, bytes]:
    """All that runs have written but for files of some names."""
    found = [path for path in Path(store).glob("*/*/*/**/*") if path.is_file() and path.name not in without]
    return {str(path.relative_to(store)): path.read_bytes() for path in found if "tables" not in path.parts}


@pytest.mark.parametrize("kind", [".csv", ".npz"])
def test_a_target_without_labels_is_run_and_shown_without_accuracy(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--select", "im", "--show", "statistics,validators,bound,confusion", kind=kind) == 0
    out = capsys.readouterr().out
    assert "Source test accuracy (%)" in out
    assert "What is known of own/old-new-" in out
    assert "proxy A-distance" in out
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


def test_every_form_of_the_table_lacks_what_nobody_knows(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    for form in ("text", "markdown", "latex", "csv", "json"):
        capsys.readouterr()
        assert run("--format", form, command="table") == 0
        out = capsys.readouterr().out
        assert HEADLINE not in out, form
        assert "arget test accuracy" not in out, form
        for known in ("im", "agreement", "seeds", "share", "distance", "warned"):
            assert known in out, form


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


def domain(name: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(size)
    y = np.arange(size) % 2
    return rng.normal(size=(size, 3)) + y[:, None] + (name == "new"), y


def npz(y_of: Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]) -> Callable[[str, np.ndarray], None]:
    """Writes a domain as .npz; ``y_of`` takes labels (n,) and which are known, and gives the arrays beside x."""

    def write(name: str, y: np.ndarray) -> None:
        np.savez(f"{name}.npz", x=domain(name, len(y))[0], **y_of(y, y >= 0))

    return write


def csv(name: str, y: np.ndarray) -> None:
    features = pd.DataFrame(domain(name, len(y))[0], columns=["a", "b", "c"])
    labels = {"label": np.where(y < 0, "", y.astype(str))} if (y >= 0).any() else {}
    features.assign(**labels).to_csv(f"{name}.csv", index=False)


def images(name: str, y: np.ndarray) -> None:
    """In their classes' folders, or beside them."""
    shutil.rmtree(name, ignore_errors=True)
    for number, (label, values) in enumerate(zip(y, domain(name, len(y))[0], strict=True)):
        path = Path(name, *[str(label)] * int(label >= 0), f"{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), tuple(np.clip(128 + 30 * values, 0, 255).astype(int).tolist())).save(path)


KINDS: dict[str, tuple[str, Callable[[str, np.ndarray], None]]] = {
    "no y, or NaN": (".npz", npz(lambda y, known: {"y": np.where(known, y, np.nan)} if known.any() else {})),
    "empty text": (".npz", npz(lambda y, known: {"y": np.where(known, y.astype(str), "")})),
    "-1": (".npz", npz(lambda y, known: {"y": y})),
    "mask": (".npz", npz(lambda y, known: {"y": np.where(known, y, 0), "y_mask": ~known})),
    "no column, or empty cells": (".csv", csv),
    "unsorted images": ("", images),
}
SMALL = 24  # samples of a domain


def some_labels(labelled: int) -> np.ndarray:
    return np.where(np.arange(SMALL) < labelled, domain("new", SMALL)[1], -1)


@pytest.mark.parametrize("labelled", [0, 10, SMALL])
@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_target_may_have_no_labels_some_or_all(kind: str, labelled: int) -> None:
    """And noise in the place of those labels changes nothing that is trained on."""
    ending, write = KINDS[kind]
    write("old", domain("old", SMALL)[1])
    y = some_labels(labelled)
    kept = []
    for labels in (y, np.where(y < 0, -1, 1 - y)):
        write("new", labels)
        name = own.make_task(Path(f"old{ending}"), Path(f"new{ending}"), "label")
        task = load_task(name, transductive=True)
        found = task.oracle().target_test_y
        assert sorted(found.tolist()) == sorted(labels.tolist())
        assert np.array_equal(found, labels) or kind == "unsorted images"  # in the order of their names
        assert own.Own().fully_labelled(name.removeprefix("own/")) == (labelled == SMALL)
        view = task.train_view()
        parts = (view.source.x, view.source.y, view.target.x, load_task(name).train_view().target.x)
        kept.append((name, *(np.asarray(part).tobytes() for part in parts)))
    assert kept[0] == kept[1]


@pytest.mark.parametrize("labelled", [10, SMALL])
def test_noise_for_target_labels_changes_no_choice_and_no_file_but_the_oracles(labelled: int) -> None:
    csv("old", domain("old", SMALL)[1])
    kept = []
    for store, flip in (("true", False), ("noise", True)):
        y = some_labels(labelled)
        csv("new", np.where(y < 0, -1, 1 - y) if flip else y)
        assert run("--select", "im", "--store", store, methods="source_only") == 0
        found = load_records(store, validators=["im"])
        specs = [RunSpec.from_dict(spec, "source_only") for spec in found["spec"]]
        grid = Grid(suite="quick", ranked=True, specs=specs, not_applicable=[])
        kept.append((training_files(store, [*ORACLE, *CLOCK]), chosen_steps(candidates(grid, found), "im"), found))
    (before, chosen, _), (after, again, _) = kept
    assert len(chosen) == 2
    assert chosen == again
    assert before == after
    accuracies = [found[HEADLINE].to_numpy() for *_, found in kept]
    np.testing.assert_allclose(accuracies[0], 1 - accuracies[1])


@pytest.mark.parametrize(("ending", "how"), [(".npz", "write NaN or '' in y"), (".csv", "leave the cell empty")])
def test_a_class_of_the_target_alone_is_one_line_that_says_how_to_leave_a_label_out(ending: str, how: str) -> None:
    table("new", TARGET, np.arange(3), lambda y: y + 1)
    with pytest.raises(UserError, match=f"the source has no class '2'; .* if it is no class, {how}"):
        own.make_task(Path(f"old{ending}"), Path(f"new{ending}"), "label")


def test_minus_one_is_a_class_where_the_source_has_it_and_that_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    files.tell.cache_clear()
    for name, size in (("old", SOURCE), ("new", TARGET)):
        np.savez(f"{name}.npz", x=domain(name, size)[0], y=2 * domain(name, size)[1] - 1)
    name = own.make_task(Path("old.npz"), Path("new.npz"), "label")
    assert own.Own().classes(name.removeprefix("own/")) == ("-1", "1")
    assert own.Own().fully_labelled(name.removeprefix("own/"))
    assert set(load_task(name).oracle().target_test_y) == {0, 1}
    assert "old.npz: '-1' is a class, in the target too" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"mask": np.zeros(SMALL, bool)},
            "it has an array mask; if it is True where a label is missing, call it y_mask",
        ),
        (
            {"y_mask": np.zeros(SMALL)},
            "y_mask is float64 of shape .*; it must be one bool for each of the 24 samples",
        ),
        (
            {"y_mask": np.zeros(3, bool)},
            "y_mask is bool of shape .*; it must be one bool for each of the 24 samples",
        ),
        ({"y": np.array([None] * SMALL)}, "save texts, or numbers; a missing label is '' or NaN"),
    ],
)
def test_a_mask_that_says_nothing_clear_is_one_line(arrays: dict[str, np.ndarray], message: str) -> None:
    x, y = domain("new", SMALL)
    np.savez("new.npz", **{"x": x, "y": y, **arrays})
    with pytest.raises(UserError, match=message):
        own.make_task(Path("old.npz"), Path("new.npz"), "label")


def test_own_data_have_five_seeds_and_a_table_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    """That of other data, or of other tasks, is not written over."""
    paths = ["--source", "old.csv", "--target", "new.csv", "--methods", "source_only", "--store", "store"]
    tiny = ["--set", "protocol.steps=1", "--set", "protocol.checkpoints=1"]
    assert main(["run", *paths, *tiny]) == 0
    assert len(records()) == 5
    table("new", TARGET + 1, np.array([], int))
    assert main(["run", *paths, *tiny, "--seeds", "1"]) == 0
    assert main(["run", *tiny, *paths[4:], "--tasks", "toys/moons?rotation=50,toys/blobs", "--seeds", "1"]) == 0
    names = sorted(path.name for path in Path("store/tables").iterdir())
    tasks = sorted(set(load_records("store")["task"]) - {"toys/blobs", "toys/moons?rotation=50"})
    stems = [*(task.replace("/", "_") for task in tasks), "toys_moons_rotation=50+toys_blobs"]
    assert names == sorted(f"{stem}{ending}" for stem in stems for ending in (".md", ".json"))
    assert all(stem.startswith("own_old-new-") for stem in stems[:2])


def test_a_tables_name_fits_a_file_and_tells_tasks_apart() -> None:
    many = [f"digits/mnist-usps?split={number}" for number in range(30)]
    names = {table_name("quick", many), table_name("quick", many[:-1])}
    assert len(names) == 2
    assert max(len(name.encode()) for name in names) < 200
    assert table_name("quick", []) == "quick"
    assert table_name("some/mine.toml", []) == "mine"


def overview_of(*flags: str, capsys: pytest.CaptureFixture[str]) -> dict[tuple[str, str], dict[str, Any]]:
    """Cells of the table by method and metric."""
    capsys.readouterr()
    flags = ("--source", "old.csv", "--target", "new.csv", "--methods", "source_only,coral", *STEPS, *flags)
    assert main(["table", *flags, "--format", "json"]) == 0
    cells = json.loads(capsys.readouterr().out)["cells"]
    return {(cell["method"], cell["metric"]): cell for cell in cells}


def test_without_labels_a_table_says_what_outputs_say(capsys: pytest.CaptureFixture[str]) -> None:
    """Agreement, shares, criteria and source accuracy beside the baseline, made here from the outputs."""
    assert run("--seeds", "5", "--set", "coral.trade_off=100") == 0
    found = overview_of("--store", "store", "--set", "coral.trade_off=100", capsys=capsys)
    said: dict[str, list[np.ndarray]] = {}
    source: dict[str, list[float]] = {}
    for name in ("source_only", "coral"):
        for path in sorted(Path("store").glob(f"own_*/{name}/*")):
            outputs = np.load(path / "outputs/000020.npz")
            said.setdefault(name, []).append(outputs["target_train.logits"].argmax(1))
            scores = json.loads((path / "scores.json").read_text())
            source.setdefault(name, []).append(scores["checkpoints"][-1]["source_test_accuracy"])
            share = (outputs["source_train.y"] == 0).mean()
    coral = "coral?trade_off=100"

    def mean(metric: str, method: str = coral) -> float:
        return float(found[method, metric]["mean"])

    own, baseline = (np.array(said[name]) for name in ("coral", "source_only"))
    assert mean("agreement_with_source_only") == pytest.approx((own == baseline).mean())
    assert found["source_only", "agreement_with_source_only"]["mean"] is None
    between = [(own[i] == own[j]).mean() for i in range(5) for j in range(i)]
    assert mean("agreement_between_seeds") == pytest.approx(np.mean(between))
    cell = found[coral, "share_difference"]
    assert abs(cell["mean"]) == pytest.approx(abs((own == 0).mean() - share))
    assert cell["note"] in ("0", "1")
    assert mean("source_change") == pytest.approx(np.mean(source["coral"]) - np.mean(source["source_only"]))
    assert found[coral, "source_change"]["interval"] == "t95"
    rows = load_records("store").query("method == 'coral'")
    assert mean("im") == pytest.approx(rows["im"].mean())
    assert mean("warned_runs") == (rows["warnings"] != "").sum() > 0
    assert found["(raw inputs)", "proxy_a_distance"]["mean"] > 0


@pytest.mark.parametrize("labelled", [0, TARGET])
def test_shares_of_all_classes_can_be_listed(labelled: int, capsys: pytest.CaptureFixture[str]) -> None:
    table("new", TARGET, np.arange(labelled))
    assert run() == 0
    capsys.readouterr()
    assert run("--show", "shares", "--format", "json", command="table") == 0
    found = json.loads(capsys.readouterr().out)["listings"]
    (listing,) = (each for each in found if each["title"].startswith("Shares of classes"))
    assert [row["class"] for row in listing["rows"]] == ["0", "1"]
    for column in ("source", "source_only", "coral"):
        assert sum(row[column] for row in listing["rows"]) == pytest.approx(1)


def test_without_outputs_the_columns_that_need_them_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--save-records", "kept.csv", command="table") == 2  # nothing yet
    assert run() == 0
    assert run("--save-records", "kept.csv", command="table") == 0
    found = overview_of("--records", "kept.csv", "--seeds", "2", capsys=capsys)
    for metric in ("agreement_with_source_only", "agreement_between_seeds", "share_difference"):
        assert found["coral", metric]["mean"] is None
        assert found["coral", metric]["missing"] == "no outputs"
    assert found["coral", "im"]["mean"] is not None
    assert found["coral", "source_change"]["mean"] is not None
