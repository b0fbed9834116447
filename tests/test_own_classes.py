"""The user's own data whose domains differ in their classes: what is said decides, and not the target's labels."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.api import grid
from benchmarks.commands.parser import main
from benchmarks.core.settings import UserError
from benchmarks.estimator import DomainAdapter
from benchmarks.evaluation.outputs import Outputs
from benchmarks.plan.grid import plan
from benchmarks.records.record import read_part
from benchmarks.training.model import load_model
from benchmarks.training.predictions import predict
from benchmarks.training.run import execute
from datasets import files, own
from datasets.base import class_names, facts_of_task, load_task
from tests.conftest import CPU, TINY

NAMES = np.array(["cat", "dog", "fox", "wolf"])


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`old` has cat, dog and fox; `new` also has wolf; `fewer` has cat and dog alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path / "cache"))
    for number, (name, k) in enumerate({"old": 3, "new": 4, "fewer": 2}.items()):
        table(name, samples(number, k))


def samples(seed: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """120 points at k of the corners of a square, and the numbers of the corners."""
    rng = np.random.default_rng(seed)
    y = np.arange(120) % k
    corners = np.array([[3, 3], [-3, 3], [-3, -3], [3, -3]])
    return corners[y] + rng.normal(0, 0.5, (120, 2)), y


def table(name: str, of: tuple[np.ndarray, np.ndarray], labelled: Any = slice(None)) -> None:
    x, y = of
    labels = np.full(len(y), "", "U9")
    labels[labelled] = NAMES[y][labelled]
    np.savez(f"{name}.npz", x=x, y=labels)
    pd.DataFrame(x, columns=["a", "b"]).assign(label=labels).to_csv(f"{name}.csv", index=False)


def task_of(target: str, has: str, kind: str = ".csv") -> str:
    return own.make_task(Path(f"old{kind}"), Path(f"{target}{kind}"), "label", has=has)


@pytest.mark.parametrize("kind", [".csv", ".npz"])
@pytest.mark.parametrize(
    ("target", "has", "traits", "objective", "labels"),
    [
        ("new", "all:unknown", ("open",), "unknown", {0, 1, 2, 3}),
        ("new", "unknown:0-2", ("open",), "unknown", {0, 1, 2, 3}),
        ("fewer", "cat:dog", ("partial",), "partial", {0, 1}),
        ("fewer", "0-1:unknown", ("partial", "open"), "unknown", {0, 1}),
        ("fewer", "all", (), "classes", {0, 1}),
        ("fewer", "", (), "classes", {0, 1}),
    ],
)
def test_what_is_said_of_the_target_makes_the_task(
    kind: str, target: str, has: str, traits: tuple[str, ...], objective: str, labels: set[int]
) -> None:
    name = task_of(target, has, kind)
    facts, task = facts_of_task(name), load_task(name)
    assert facts.traits == task.traits == traits
    assert facts.objective == task.facts.objective == objective
    assert facts.n_classes == 3
    assert class_names(name) == ["cat", "dog", "fox", *["unknown"] * (objective == "unknown")]
    oracle = task.oracle()
    assert {*oracle.target_test_y.tolist(), *oracle.target_train_y.tolist()} == labels


def test_folders_of_images_may_have_classes_of_their_own() -> None:
    for name, classes in (("photos", NAMES[:2]), ("sketches", NAMES[1:])):
        for i, label in enumerate(classes):
            (Path(name) / label).mkdir(parents=True)
            for number in range(6):
                Image.new("RGB", (20, 20), (40 * number, 90 * i, len(name))).save(f"{name}/{label}/{number}.png")
    name = own.make_task(Path("photos"), Path("sketches"), "label", has="dog:unknown")
    assert load_task(name).traits == ("partial", "open")
    assert set(load_task(name).oracle().target_train_y.tolist()) == {1, 2}


@pytest.mark.parametrize("labelled", [slice(None), slice(0, 40), slice(0, 0)])
@pytest.mark.parametrize("has", ["all:unknown", "cat:dog:unknown", "cat:dog"])
def test_labels_of_the_target_decide_nothing(labelled: slice, has: str) -> None:
    """The name, which holds the digest, and the traits are the same with all labels, with some and with none."""
    table("fewer", samples(2, 2))
    name, traits = task_of("fewer", has), facts_of_task(task_of("fewer", has)).traits
    table("fewer", samples(2, 2), labelled)
    assert task_of("fewer", has) == name
    found = [trait for trait in facts_of_task(name).traits if trait != "unlabelled"]
    assert found == list(traits)


def test_what_is_said_is_a_part_of_the_name_and_the_usual_name_stays() -> None:
    names = [task_of("fewer", has) for has in ("", "cat:dog", "all:unknown", "cat:dog:unknown")]
    assert len(set(names)) == 4
    assert task_of("fewer", "all") == task_of("fewer", "cat:dog:fox") == names[0]
    assert task_of("fewer", "dog:cat") == names[1]


@pytest.mark.parametrize(
    ("target", "has", "message"),
    [
        (
            "new",
            "",
            r"no class 'wolf'.* the target alone, --target-classes all:unknown; .*leave the cell empty",
        ),
        ("new", "cat:dog", r"no class 'wolf'.* --target-classes cat:dog:unknown"),
        ("new", "cat:dog:unknown", r"it has the class 'fox'; name it in --target-classes"),
        ("fewer", "cat:fox", r"it has the class 'dog'; name it in --target-classes"),
        ("fewer", "cat:dgo", r"no class 'dgo'; did you mean 'dog'"),
        ("fewer", "unknown", "no class in common"),
    ],
)
def test_labels_that_contradict_are_one_line_that_says_the_flag(target: str, has: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        task_of(target, has)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [".csv", ".npz"])
@pytest.mark.parametrize("has", ["", "all:unknown", "cat:unknown"])
def test_no_class_of_the_source_is_called_as_all_others(kind: str, has: str) -> None:
    """A target class that the source lacks would be taken for the last of the source's."""
    for name, labels in (("old", ["cat", "unknown", "zebra"]), ("new", ["cat", "unknown", "wolf"])):
        x, y = samples(0, 3)
        np.savez(f"{name}.npz", x=x, y=np.array(labels)[y])
        pd.DataFrame(x, columns=["a", "b"]).assign(label=np.array(labels)[y]).to_csv(f"{name}.csv", index=False)
    with pytest.raises(UserError, match=f"old{kind}: .*'unknown' stands for .*; rename it in both domains"):
        task_of("new", has, kind)


@pytest.mark.parametrize("name", ["-1", "NA", "nan", "None", "NULL", "?"])
def test_a_class_that_looks_like_a_missing_label_is_told_of(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    files.tell.cache_clear()
    x, y = samples(0, 3)
    for path in ("old.csv", "new.csv"):
        named = np.array(["cat", "dog", name])[y]
        pd.DataFrame(x, columns=["a", "b"]).assign(label=named).to_csv(path, index=False)
    task_of("new", "")
    assert f"old.csv: '{name}' is a class, in the target too; where it stands" in capsys.readouterr().err


def test_labels_that_come_later_must_not_contradict_either() -> None:
    table("new", samples(1, 4), slice(0, 3))
    name = task_of("new", "")
    table("new", samples(1, 4))
    with pytest.raises(UserError, match="the source has no class 'wolf'"):
        load_task(name)


def test_dials_keep_within_what_a_side_has() -> None:
    name = task_of("new", "all:unknown")
    assert facts_of_task(f"{name}?source_classes=0-1").n_classes == 2
    assert facts_of_task(f"{name}?target_classes=cat:unknown").traits == ("partial", "open")
    with pytest.raises(UserError, match="leave out prior or --target-classes"):
        facts_of_task(f"{name}?prior=0.5")
    with pytest.raises(UserError, match="leave the source one class"):
        facts_of_task(f"{name}?source_classes=cat:unknown")


def test_the_command_scores_h_and_predict_says_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    what = ["--source", "old.csv", "--target", "new.csv", "--target-classes", "all:unknown"]
    assert main(["run", *what, "--methods", "osbp", "--dry-run"]) == 0
    assert "osbp" in capsys.readouterr().out
    for method, steps in (("osbp", 20), ("source_only", 200)):
        record = recorded(method, task_of("new", "all:unknown"), steps)
        scores = read_part(record, "oracle.json")["checkpoints"][-1]
        assert {"target_h_score", "target_os_star", "target_unknown_accuracy"} <= scores.keys()
        assert main(["predict", method, "--input", "new.csv", "--out", f"{method}.csv"]) == 0
        said = pd.read_csv(f"{method}.csv")
        assert set(said["predicted"]) <= {"cat", "dog", "fox", "unknown"}
        assert (said["probability"].isna() == (said["predicted"] == "unknown")).all()
        assert said.filter(like="p(").sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-4)
        right = (said["predicted"] == pd.read_csv("new.csv")["label"].replace("wolf", "unknown")).mean()
        assert f"accuracy {right:.1%} of 120 labelled samples" in capsys.readouterr().out
    assert (said["predicted"] == "unknown").any()  # by source_only, which has no output for it


def recorded(method: str, task: str, steps: int) -> Path:
    """The folder of a run's record, with weights."""
    settings = {**TINY, "steps": steps, "checkpoints": 1, "lr_backbone": 0.01, "lr_new": 0.01}
    grid = plan("quick", [method], [task], [0], {"protocol": settings})
    Path(method).mkdir()
    execute(grid.specs[0], Path(method), CPU, save_weights=True)
    return Path(method)


def test_models_with_and_without_an_output_for_unknown_average() -> None:
    task = task_of("new", "all:unknown")
    models = [load_model(recorded(method, task, 20)) for method in ("osbp", "source_only")]
    found = predict(models, Path("new.csv"), None)
    each = [predict([model], Path("new.csv"), None) for model in models]
    both = np.mean([one.said == 3 for one in each], axis=0) > 0.5
    assert np.array_equal(found.said == 3, both)
    assert found.probability == pytest.approx(np.mean([one.probability for one in each], axis=0))


def test_a_model_scores_what_its_record_scores() -> None:
    """The threshold that makes a sample unknown is kept with the weights."""
    task = task_of("new", "all:unknown")
    record = recorded("source_only", task, 200)
    model, oracle = load_model(record), load_task(task).oracle()
    logits = model.logits(load_task(task).evaluation_view().target_test_x)
    said = model.predicted(logits)
    outputs = Outputs.load(record / "outputs/000200.npz")
    threshold = outputs["source_val.logits"]
    assert np.array_equal(said, oracle.objective.predicted(outputs["target_test.logits"], threshold))
    right = (said == oracle.target_test_y).mean()
    scores = read_part(record, "oracle.json")["checkpoints"][-1]
    assert right == pytest.approx(scores["target_overall_accuracy"])


def test_python_takes_the_same() -> None:
    (old, _), (new, labels) = samples(0, 3), samples(1, 4)
    (task,) = grid.own_task((old, NAMES[samples(0, 3)[1]]), (new, NAMES[labels]), "label", "all:unknown")
    assert facts_of_task(task).objective == "unknown"


@pytest.mark.parametrize("method", ["osbp", "source_only"])
@pytest.mark.parametrize(("labels", "unknown"), [(np.arange(3), -1), (NAMES[:3], "unknown")])
def test_an_adapter_says_unknown(method: str, labels: np.ndarray, unknown: Any) -> None:
    (x, y), (target, truth) = samples(0, 3), samples(1, 4)
    protocol = {"steps": 200, "backbone": "mlp?width=16", "lr_backbone": 0.01, "lr_new": 0.01}
    adapter = DomainAdapter(method, protocol=protocol, unknown=unknown).fit(x, labels[y], X_target=target)
    said, p = adapter.predict(target), adapter.predict_proba(target)
    assert p.shape == (120, 3)
    assert p.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert set(said.tolist()) <= {*labels.tolist(), unknown}
    assert (said[truth == 3] == unknown).mean() > (said[truth < 3] == unknown).mean()


def test_an_adapter_says_no_class_of_unknown_samples() -> None:
    x, y = samples(0, 3)
    for labels, unknown in ((y, 1), (NAMES[y], "dog")):
        with pytest.raises(UserError, match=f"unknown={unknown!r} is a class of y"):
            DomainAdapter("dann", unknown=unknown).fit(x, labels)


def test_an_adapter_refuses_open_set_methods_where_nothing_is_unknown() -> None:
    (x, y), (target, _) = samples(0, 3), samples(1, 4)
    with pytest.raises(UserError, match="osbp: it needs what the task does not have: open"):
        DomainAdapter("osbp").fit(x, y, X_target=target)
