"""What a GPU must keep; skipped where there is none."""

from pathlib import Path

import pytest
import torch

from benchmarks.core.settings import UserError
from benchmarks.engines.local import LocalEngine
from benchmarks.records.frame import load_records
from benchmarks.records.store import Store
from benchmarks.training.build import facts_of, new_trainer
from benchmarks.training.loop import Trainer, prepare
from benchmarks.training.run import execute
from datasets.base import load_task
from tests.conftest import CANDIDATES, same, spec_of, trained, weights

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
DIGITS = {"backbone": "lenet", "steps": 12}
TASK = "digits/mnist5k-optdigits"


def on_gpu(method: str, task: str = TASK, **protocol: object) -> Trainer:
    """Trained to its last step on the first GPU."""
    spec, device = spec_of(method, task, **protocol), torch.device("cuda:0")
    prepare(device, spec.protocol)
    view = load_task(spec.task).train_view()
    trainer = new_trainer(spec, facts_of(view, load_task(spec.task).facts), view, device)
    for _ in trainer.run():
        pass
    return trainer


@pytest.mark.parametrize("method", CANDIDATES)
def test_runs_repeat_to_the_bit(method: str) -> None:
    assert same(weights(on_gpu(method, **DIGITS)), weights(on_gpu(method, **DIGITS)))


@pytest.mark.parametrize("method", CANDIDATES)
def test_a_gpu_does_what_a_cpu_does(method: str) -> None:
    """Without dropout, whose random numbers differ: only rounding is left between the two."""
    there, here = weights(on_gpu(method, "toys/moons", steps=5)), weights(trained(spec_of(method, steps=5)))
    torch.testing.assert_close({name: w.cpu() for name, w in there.items()}, here, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "options", [{"precision": "bfloat16"}, {"deterministic": False}, {"compile": True}], ids=str
)
def test_faster_modes_learn_the_same(options: dict[str, object]) -> None:
    plain, fast = (on_gpu("dann", "toys/blobs", **{"steps": 300, **more}) for more in ({}, options))
    x = torch.from_numpy(load_task("toys/blobs").train_view().target.x)
    agreement = (plain.outputs(x, "target")[1].argmax(1) == fast.outputs(x, "target")[1].argmax(1)).double().mean()
    assert agreement > 0.9


def test_two_runs_share_a_gpu(tmp_path: Path) -> None:
    specs = [spec_of("dann", TASK, seed=seed, **DIGITS) for seed in range(4)]
    alone, shared = Store(tmp_path / "1"), Store(tmp_path / "2")
    for store, devices in ((alone, ["cuda:0"]), (shared, ["cuda:0", "cuda:0"])):
        assert [e.kind for e in LocalEngine(store, devices).run(specs) if e.kind == "failed"] == []
    scores = [load_records(store.root).set_index("run_id")["target_test_accuracy"] for store in (alone, shared)]
    assert scores[0].sort_index().equals(scores[1].sort_index())


def test_too_little_memory_says_which_batch_to_try(tmp_path: Path) -> None:
    spec = spec_of("source_only", TASK, **DIGITS)
    torch.cuda.set_per_process_memory_fraction(1e-6)
    try:
        torch.cuda.empty_cache()
        with pytest.raises(UserError, match=r"--set protocol.source_batch=\d+"):
            execute(spec, tmp_path, torch.device("cuda:0"))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
