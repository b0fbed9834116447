"""The suite from Python: grids and models."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks import api
from benchmarks.commands.parser import main
from benchmarks.core.settings import UserError
from benchmarks.records.frame import load_records
from benchmarks.records.store import Store
from datasets.base import load_task
from tests.conftest import TINY, EngineHere, same, spec_of, trained, weights

ROOT = Path(__file__).parents[1]


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
