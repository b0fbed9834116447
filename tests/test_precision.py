"""bfloat16 on CPUs: refused in one line where it is imitated, a setting like any other where it is computed."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.commands.parser import main
from benchmarks.core.machine import BFLOAT16
from benchmarks.core.settings import UserError
from benchmarks.engines.work import require_precision, train
from benchmarks.estimator import DomainAdapter
from benchmarks.evaluation.outputs import Outputs
from benchmarks.records.frame import load_records
from benchmarks.records.store import Store
from tests.conftest import TINY, EngineHere, spec_of

HALF = spec_of("dann", precision="bfloat16")
OLD = {"architecture": "x86_64", "avx2": True, "avx512_f": True, "amx_tile": True, "amx_int8": True}
RUN = [
    "run",
    "--methods",
    "dann",
    "--tasks",
    "toys/moons",
    "--set",
    "protocol.precision=bfloat16",
    "--device",
    "cpu",
]


@pytest.fixture
def old_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: OLD)


@pytest.mark.usefixtures("old_cpu")
@pytest.mark.parametrize("flags", [[], ["--dry-run"], ["--budget", "1m"]], ids=str)
def test_a_grid_that_the_cpu_would_only_imitate_ends_before_its_first_run(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*RUN, *flags, "--store", str(tmp_path / "store")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: protocol.precision=bfloat16: this CPU has no instructions for it")
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.usefixtures("old_cpu")
def test_a_node_of_a_cluster_asks_its_own_cpu(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="this CPU has no instructions"):
        train(HALF, tmp_path, "cpu", lambda signals: None)


@pytest.mark.usefixtures("old_cpu")
def test_the_estimator_asks_too() -> None:
    adapter = DomainAdapter("dann", protocol={**TINY, "precision": "bfloat16"})
    with pytest.raises(UserError, match="this CPU has no instructions"):
        adapter.fit(np.eye(40), np.arange(40) % 2)


@pytest.mark.usefixtures("old_cpu")
def test_float32_and_gpus_ask_nothing_of_the_cpu() -> None:
    require_precision([spec_of("dann")], ["cpu"])
    require_precision([HALF], ["cuda:0", "cuda:1"])


@pytest.mark.parametrize("instructions", BFLOAT16)
def test_any_cpu_with_instructions_for_it_may(instructions: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {**OLD, instructions: True})
    require_precision([HALF], ["cpu"])


def test_it_is_another_run_than_in_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {**OLD, "avx512_bf16": True})
    exact, store = spec_of("dann"), Store(tmp_path)
    assert [event.kind for event in EngineHere(store, ["cpu"]).run([exact, HALF])] == ["finished"] * 2
    records = load_records(store.root).set_index("run_id")
    said = {run: spec["protocol"]["precision"] for run, spec in records["spec"].items()}
    assert said == {exact.run_id: "float32", HALF.run_id: "bfloat16"}
    logits = [
        Outputs.load(store.folder(spec) / "outputs/000020.npz")["target_test.logits"] for spec in (exact, HALF)
    ]
    assert np.allclose(*logits, atol=0.2)
    assert not np.array_equal(*logits)
