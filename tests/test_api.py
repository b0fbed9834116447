"""The suite from Python: grids and models."""

import os
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch

from benchmarks import api
from benchmarks.commands.parser import main
from benchmarks.core.settings import UserError
from benchmarks.plan.cost import Estimate, kind
from benchmarks.plan.spec import RunSpec
from benchmarks.records.frame import load_records
from benchmarks.records.store import Store
from datasets import files
from datasets.base import load_task
from tests.conftest import TINY, EngineHere, spec_of

ROOT = Path(__file__).parents[1]


def test_the_pages_lines_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its two commands, then its Python, which finds the records of the first; all with fewer steps and seeds."""
    for user in (
        "benchmarks.api.grid",
        "benchmarks.api.advice",
        "benchmarks.advice.deploy",
        "benchmarks.engines.local",
    ):
        monkeypatch.setattr(f"{user}.LocalEngine", EngineHere)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCHMARKS_STORE", raising=False)
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path))
    page = (ROOT / "benchmarks/api/README.md").read_text()
    run, predict = re.findall(r"^    python -m benchmarks (.*)$", page, re.MULTILINE)
    grid, *others = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    task = load_task("toys/moons")
    view, x = task.train_view(), task.evaluation_view().target_test_x
    few = {"overrides": {"protocol": {"steps": 20, "checkpoints": 1}}, "seeds": 1}
    for name in ("run_grid", "advise"):
        original = getattr(api, name)
        monkeypatch.setattr(
            api, name, partial(lambda function, *args, **given: function(*args, **given | few), original)
        )
    assert main([*run.split(), "--set", "protocol.steps=20", "--set", "protocol.checkpoints=1"]) == 0
    found: dict[str, Any] = {
        "Xs": view.source.x,
        "ys": np.array(["up", "down"])[view.source.y],
        "Xt": view.target.x,
    }
    with monkeypatch.context() as done:
        done.setattr("benchmarks.api.grid.LocalEngine.run", None)  # what is done is not done again
        exec(grid, found)
    assert found["records"]["method"].tolist() == ["source_only", "dann"]
    np.savez("new.npz", x=x)
    assert main(predict.replace("RUN", found["records"]["run_id"][1][:6]).split()) == 0
    said = pd.read_csv("predictions.csv")["predicted"]
    assert said.tolist() == found["model"](torch.from_numpy(x)).argmax(1).tolist()
    with sklearn.config_context():  # which a block may change
        for block in others:
            exec(block.replace("1000", "20"), found)
    assert set(found["predicted"]) == {"up", "down"}


def test_a_grid_returns_the_records_of_its_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.api.grid.LocalEngine", EngineHere)
    some: dict[str, Any] = {"overrides": {"protocol": TINY}, "store": tmp_path}
    records = api.run_grid(["source_only"], tasks=["toys/moons"], seeds=[3], **some)
    spec = spec_of("source_only", seed=3)
    assert records["run_id"].tolist() == [spec.run_id]
    assert records.to_json() == load_records([Store(tmp_path).folder(spec)]).to_json()
    with pytest.raises(UserError, match="no weights"):
        api.load_model(spec.run_id, store=tmp_path)
    with pytest.raises(UserError, match="did you mean 'dann'"):
        api.run_grid("dan_n", **some)


def own_data() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Source inputs and labels, target inputs and labels."""
    rng = np.random.default_rng(0)
    y, y_target = np.arange(60) % 2, np.arange(40) % 2
    return rng.normal(size=(60, 3)) + 2 * y[:, None], y, rng.normal(size=(40, 3)) + 2 * y_target[:, None], y_target


def as_kind(kind: str, x: np.ndarray, y: np.ndarray | None, path: Path) -> Any:
    """A domain in one of the ways in which it can be given."""
    frame = pd.DataFrame(x, columns=["a", "b", "c"])
    table = frame if y is None else frame.assign(kind=y)
    np.savez(path.with_suffix(".npz"), x=x, **({} if y is None else {"y": y}))
    table.to_csv(path.with_suffix(".csv"), index=False)
    ways: dict[str, Any] = {
        ".npz": str(path.with_suffix(".npz")),
        ".csv": path.with_suffix(".csv"),
        "arrays": x if y is None else (x, y),
        "lists": x.tolist() if y is None else (x.tolist(), y.tolist()),
        "tensors": torch.tensor(x) if y is None else (torch.tensor(x), torch.tensor(y)),
        "masked": (np.ma.array(x), np.ma.array(np.zeros(len(x), int), mask=True) if y is None else np.ma.array(y)),
        "DataFrame": table,
        "DataFrame and labels": frame if y is None else (frame, pd.Series(y)),
    }
    return ways[kind]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Arguments of tiny grids in folders of their own, without processes."""
    for user in (
        "benchmarks.api.grid",
        "benchmarks.api.advice",
        "benchmarks.advice.deploy",
        "benchmarks.engines.local",
    ):
        monkeypatch.setattr(f"{user}.LocalEngine", EngineHere)
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path / "cache"))
    return {"overrides": {"protocol": TINY}, "store": tmp_path / "store", "seeds": 1, "label": "kind"}


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize(
    ("kind", "like"),
    [
        (".npz", ".npz"),
        ("arrays", ".npz"),
        ("lists", ".npz"),
        ("tensors", ".npz"),
        ("masked", ".npz"),
        (".csv", ".csv"),
        ("DataFrame", ".csv"),
        ("DataFrame and labels", ".csv"),
    ],
)
def test_own_data_are_the_same_runs_however_they_are_given(
    kind: str, like: str, labelled: bool, here: dict[str, Any], tmp_path: Path
) -> None:
    x, y, x_target, y_target = own_data()
    labels = y_target if labelled else None
    runs = []
    for each in (kind, like):
        source, target = (tmp_path / name for name in ("source", "target"))
        given = {"source": as_kind(each, x, y, source), "target": as_kind(each, x_target, labels, target)}
        records = api.run_grid("source_only", **given, **here)
        assert ("target_test_accuracy" in records) == labelled
        runs += records["run_id"].tolist()
    assert len(runs) == 2
    assert runs[0] == runs[1]


def test_target_labels_score_and_train_nothing_again(
    here: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without labels, with some, and with others; all of them ask for a test split, and are another run."""
    x, y, x_target, y_target = own_data()
    names = np.array(["no", "yes"])
    some, wrong = (np.where(np.arange(40) < 30, names[of].astype(object), None) for of in (y_target, 1 - y_target))
    given = here | {"methods": "source_only", "source": (x, names[y])}
    first = api.run_grid(target=x_target, **given)
    assert "target_test_accuracy" not in first
    monkeypatch.setattr(EngineHere, "run", None)
    right, left = (api.run_grid(target=(x_target, labels), **given) for labels in (some, wrong))
    assert first["run_id"].item() == right["run_id"].item() == left["run_id"].item()
    assert right["target_test_accuracy"].item() == pytest.approx(1 - left["target_test_accuracy"].item())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": None}, "source and target: give both"),
        ({"source": own_data()[0]}, "source.npz: the source has no labels; add y"),
        ({"source": (own_data()[0], [0, 1])}, r"source.npz: y has shape \(2,\)"),
        ({"source": (own_data()[0] * np.nan, own_data()[1])}, r"source.npz: x\[0\] has NaN"),
        ({"source": (np.array([["a"], ["b"]]), [0, 1])}, "source: an array of <U1; it must be numbers"),
        ({"target": own_data()[2][:, :2]}, "have inputs of different kind or size"),
        (
            {"target": pd.DataFrame({"a": ["x"], "kind": [0]})},
            "target.csv: line 2, column 'a' is not a number: 'x'",
        ),
        ({"target": (pd.DataFrame({"kind": [0]}), [0])}, "target: the column 'kind' is in the DataFrame already"),
        ({"target": (pd.DataFrame({"a": [0]}), [0, 1])}, "target: 2 labels for 1 rows"),
        ({"target": "nowhere.npz"}, "nowhere.npz: no such file or folder"),
        ({"search": 0}, "search=0: it must be at least 1"),
        ({"select": "imm"}, "did you mean 'im'"),
    ],
)
def test_what_does_not_fit_is_one_clear_error(changes: dict[str, Any], message: str, here: dict[str, Any]) -> None:
    x, y, x_target, _ = own_data()
    with pytest.raises(UserError, match=message):
        api.run_grid("source_only", **{"source": (x, y), "target": x_target, **here, **changes})


def test_a_search_says_what_it_chooses(here: dict[str, Any]) -> None:
    records = api.run_grid("dann", tasks="toys/moons", search=2, select="im", **here)
    candidates = records[records["method"] == "dann"]
    scores = {
        (row.run_id, each["step"]): each["im"] for row in candidates.itertuples() for each in row.checkpoints
    }
    chosen = candidates[candidates["chosen_step"].notna()]
    assert (chosen["run_id"].item(), chosen["chosen_step"].item()) == max(scores, key=scores.__getitem__)
    assert len(scores) == 4
    reverse = api.run_grid("dann", tasks="toys/moons", select="reverse_validation", **here)
    assert reverse["reverse_of"].astype(bool).sum() == 2
    assert "chosen_step" not in api.run_grid("dann", tasks="toys/moons", **here)


def test_the_data_folder_is_that_of_one_call(
    here: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(files.VARIABLE, "elsewhere")
    with pytest.raises(UserError, match=re.escape(str(tmp_path / "data"))):
        api.run_grid("source_only", tasks="digits/mnist-usps", data_dir=tmp_path / "data", **here)
    assert os.environ[files.VARIABLE] == "elsewhere"


def test_progress_is_shown_where_it_is_asked_for(here: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    api.run_grid("source_only", tasks="toys/moons", **here)
    assert not capsys.readouterr().err
    api.run_grid("source_only", tasks="toys/blobs", progress=True, **here)
    assert "finished: toys/blobs source_only seed 0" in capsys.readouterr().err


def test_a_broken_record_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.api.grid.LocalEngine", EngineHere)
    some: dict[str, Any] = {"overrides": {"protocol": TINY}, "store": tmp_path, "tasks": ["toys/moons"]}
    api.run_grid(["source_only"], seeds=[3, 4], **some)
    folder = Store(tmp_path).folder(spec_of("source_only", seed=3))
    (folder / "oracle.json").write_text("{}")
    with pytest.warns(UserWarning, match=r"oracle.json is not as the run wrote it; delete that folder") as told:
        records = api.run_grid(["source_only"], seeds=[3, 4], **some)
    assert records["seed"].tolist() == [4]
    assert told[0].filename == __file__


def test_a_run_that_fails_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.api.grid.LocalEngine", EngineHere)
    broken = {"protocol": {**TINY, "lr_backbone": 1e30, "lr_new": 1e30}}
    with pytest.warns(UserWarning, match="failed: toys/moons source_only seed 0: the loss is"):
        records = api.run_grid("source_only", tasks="toys/moons", seeds=1, overrides=broken, store=tmp_path)
    assert not len(records)


def advice_on(x_target: Any, here: dict[str, Any], **changes: Any) -> api.Advice:
    x, y, _, _ = own_data()
    named = np.array(["no", "yes"])
    return api.advise((x, named[y]), x_target, **{**here, "methods": "coral", "seeds": 2, **changes})


def test_advice_is_the_commands(here: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same words, members and model, of the same runs, whichever asks first."""
    x, y, x_target, _ = own_data()
    source, target = (
        as_kind(".npz", *each, tmp_path / name) for each, name in (((x, y), "a"), ((x_target, None), "b"))
    )
    tiny = [flag for name, value in TINY.items() for flag in ("--set", f"protocol.{name}={value}")]
    asked = ["advise", "--source", source, "--target", target, "--methods", "coral", "--seeds", "2", *tiny]
    found = api.advise(source, target, **{**here, "methods": "coral", "seeds": 2, "label": "label"})
    assert main([*asked, "--store", str(here["store"]), "--out", str(tmp_path / "p.csv")]) == 0
    shown = capsys.readouterr()
    assert f"{found}\n" in shown.out
    assert "4 runs have a record and are reused" in shown.err
    assert "\n".join(found.diagnosis) in shown.out
    probability = pd.read_csv(tmp_path / "p.csv").filter(like="p(").to_numpy()
    assert found.model.predict_proba(x_target) == pytest.approx(probability, abs=1e-5)
    assert set(found.members["run"]) < set(found.records["run_id"])
    assert len(found.members) == 2


def test_a_budget_leaves_methods_out_and_is_followed_later(
    here: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def guess(specs: Sequence[RunSpec], known: Estimate, *_: Any) -> Estimate:
        known.training.update(dict.fromkeys(map(kind, specs), 20.0))
        return known

    monkeypatch.setattr("benchmarks.training.estimate.estimate", guess)
    asked = {**here, "methods": "coral,dann", "jobs": 1, "budget": 90}
    for _ in range(2):
        with pytest.warns(UserWarning, match="budget 90s: 2 of 3 methods, 2 seeds: dann left out"):
            found = advice_on(own_data()[2], asked, methods="coral,dann")
        assert set(found.records["method"]) == {"source_only", "coral"}
        monkeypatch.setattr("benchmarks.training.estimate.estimate", None)  # nothing is estimated again


def test_the_advised_model_takes_the_target_as_it_was_given(here: dict[str, Any]) -> None:
    x, y, x_target, _ = own_data()
    frame, target = (pd.DataFrame(each, columns=["a", "b", "c"]) for each in (x, x_target))
    model = api.advise(frame.assign(kind=y), target, **{**here, "methods": "source_only"}).model
    assert model.predict(target).tolist() == model.predict(x_target).tolist()
    assert set(model.predict(target)) == {"0", "1"}
    with pytest.raises(UserError, match="inputs have shape"):
        model.predict(x_target[:, :2])


def test_what_is_known_is_a_row_a_method_with_labels_and_without(here: dict[str, Any]) -> None:
    """And labels change nothing in it; nor do they change the advice."""
    _, _, x_target, y_target = own_data()
    some = np.where(np.arange(40) < 30, y_target.astype(object), None)
    without = advice_on(x_target, here)
    labelled = advice_on((x_target, np.where(pd.isna(some), some, np.array(["no", "yes"])[y_target])), here)
    assert str(without) == str(labelled)
    pd.testing.assert_frame_equal(without.known, labelled.known)
    known = without.known
    assert known.index.tolist() == ["(raw inputs)", "source_only", "coral"]
    assert known.loc["coral", ["source_change", "agreement_with_source_only", "im"]].notna().all()
    assert api.advise(task="toys/moons", methods="coral", **here).known.loc["coral", "im"] > 0


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"source": own_data()[:2]},
        {"task": "toys/moons,toys/blobs"},
        {"task": "toys/moons", "source": own_data()[:2], "target": own_data()[2]},
    ],
)
def test_advice_is_on_one_task(given: dict[str, Any], here: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"give both|advice is on one"):
        api.advise(**given, **here)
