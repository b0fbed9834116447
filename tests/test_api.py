"""The suite from Python: grids, models, and methods as scikit-learn classifiers."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.utils.estimator_checks import parametrize_with_checks

from benchmarks import api
from benchmarks.commands.parser import main
from benchmarks.core.settings import UserError
from benchmarks.estimator import DomainAdapter
from benchmarks.records.frame import load_records
from benchmarks.records.store import Store
from datasets.base import load_task
from tests.conftest import TINY, EngineHere, same, spec_of, trained, weights

ROOT = Path(__file__).parents[1]
FEW = {"backbone": "mlp?width=16", "discriminator_layers": "8", "source_batch": 32, "target_batch": 32}
QUICK = {**FEW, "steps": 15, "lr_backbone": 0.05, "lr_new": 0.05}


def test_the_readmes_lines_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its two commands, then its Python, which finds the records of the first; all with fewer steps."""
    monkeypatch.setattr("benchmarks.engines.local.LocalEngine", EngineHere)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCHMARKS_STORE", raising=False)
    section = (ROOT / "README.md").read_text().partition("## From the answer to use")[2].partition("\n## ")[0]
    run, predict = re.findall(r"^    python -m benchmarks (.*)$", section, re.MULTILINE)
    grid, adapter = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    task = load_task("toys/moons")
    view, x = task.train_view(), task.evaluation_view().target_test_x
    assert main([*run.split(), "--set", "protocol.steps=20", "--set", "protocol.checkpoints=1"]) == 0
    found: dict[str, Any] = {}
    monkeypatch.setattr("benchmarks.api.LocalEngine.run", None)  # what is done is not done again
    exec(grid.replace("seeds=1", 'seeds=1, overrides={"protocol": {"steps": 20, "checkpoints": 1}}'), found)
    assert found["records"]["method"].tolist() == ["source_only", "dann"]
    np.savez("new.npz", x=x)
    assert main(predict.replace("RUN", found["records"]["run_id"][1][:6]).split()) == 0
    said = pd.read_csv("predictions.csv")["predicted"]
    assert said.tolist() == found["model"](torch.from_numpy(x)).argmax(1).tolist()
    arrays = {"Xs": view.source.x, "ys": np.array(["up", "down"])[view.source.y], "Xt": view.target.x}
    exec(adapter.replace("1000", "20"), arrays)
    assert set(arrays["predicted"]) == {"up", "down"}


def test_a_grid_returns_the_records_of_its_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.api.LocalEngine", EngineHere)
    some: dict[str, Any] = {"overrides": {"protocol": TINY}, "store": tmp_path}
    records = api.run_grid(["source_only"], tasks=["toys/moons"], seeds=[3], **some)
    spec = spec_of("source_only", seed=3)
    assert records["run_id"].tolist() == [spec.run_id]
    assert records.to_json() == load_records([Store(tmp_path).folder(spec)]).to_json()
    with pytest.raises(UserError, match="no weights"):
        api.load_model(spec.run_id, store=tmp_path)
    with pytest.raises(UserError, match="did you mean 'dann'"):
        api.run_grid("dan_n", **some)


def test_a_broken_record_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.api.LocalEngine", EngineHere)
    some: dict[str, Any] = {"overrides": {"protocol": TINY}, "store": tmp_path, "tasks": ["toys/moons"]}
    api.run_grid(["source_only"], seeds=[3, 4], **some)
    folder = Store(tmp_path).folder(spec_of("source_only", seed=3))
    (folder / "oracle.json").write_text("{}")
    with pytest.warns(UserWarning, match=r"oracle.json is not as the run wrote it; delete that folder") as told:
        records = api.run_grid(["source_only"], seeds=[3, 4], **some)
    assert records["seed"].tolist() == [4]
    assert told[0].filename == __file__


def test_a_run_that_fails_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.api.LocalEngine", EngineHere)
    broken = {"protocol": {**TINY, "lr_backbone": 1e30, "lr_new": 1e30}}
    with pytest.warns(UserWarning, match="failed: toys/moons source_only seed 0: the loss is"):
        records = api.run_grid("source_only", tasks="toys/moons", seeds=1, overrides=broken, store=tmp_path)
    assert not len(records)


@parametrize_with_checks([DomainAdapter(protocol=QUICK)])
def test_an_adapter_is_a_scikit_learn_classifier(estimator: DomainAdapter, check: Any) -> None:
    check(estimator)


def test_an_adapter_trains_as_the_harness_does() -> None:
    spec, view = spec_of("cdan", seed=3), load_task("toys/moons").train_view()
    adapter = DomainAdapter("cdan", protocol=TINY | {"backbone": spec.protocol.backbone}, seed=3)
    torch.set_num_threads(2)  # the protocol's is 1
    before = torch.get_num_threads(), torch.get_rng_state()
    adapter.fit(view.source.x, view.source.y, view.target.x)
    assert torch.get_num_threads() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    expected = weights(trained(spec))
    assert same(adapter.model_.method.state_dict(), expected)
    assert not same(adapter.fit(view.source.x, view.source.y).model_.method.state_dict(), expected)


def test_an_adapter_takes_images_and_any_labels() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(128, size=(60, 1, 16, 16), dtype=np.uint8), np.repeat(["cat", "dog"], 30)
    x[y == "dog"] += 100
    adapter = DomainAdapter("coral", {"trade_off": 0.1}, QUICK, seed=1).fit(x, y, x[::2])
    assert adapter.score(x, y) == 1
    assert adapter.model_(torch.from_numpy(x)).shape == (60, 2)
    with pytest.raises(ValueError, match="it was fitted on"):
        adapter.predict(x[:, :, :8])
    with pytest.raises(ValueError, match="Xt has samples of"):
        adapter.fit(x, y, x.astype(np.float32))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "dan2"}, "did you mean 'dan'"),
        ({"method": "target_only"}, "it would need target labels"),
        ({"params": {"gama": 1}}, "did you mean 'gamma'"),
        ({"protocol": {"step": 1}}, "did you mean 'steps'"),
    ],
)
def test_wrong_settings_of_an_adapter_are_one_clear_error(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        DomainAdapter(**settings).fit([[0.0], [1.0]], [0, 1])
