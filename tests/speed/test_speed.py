"""Times, to be read as ratios within one session. No test asserts an absolute one.

``python -m pytest tests/speed --benchmark-enable`` prints them.
"""

import time
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.evaluation.proxy_a_distance import proxy_a_distance
from benchmarks.grid import plan
from benchmarks.report.table import build_report
from methods.losses.coral import coral
from methods.losses.mmd import mk_mmd
from tests.conftest import CANDIDATES, spec_of, trainer_of

DIGITS = {"backbone": "lenet", "discriminator_layers": "500,500", "steps": 400}


@pytest.mark.parametrize("method", CANDIDATES)
def test_step(benchmark: BenchmarkFixture, method: str) -> None:
    """A step of each method's last stage on digits; read each against source_only."""
    trainer = trainer_of(spec_of(method, "digits/mnist5k-optdigits", **DIGITS))
    stage = trainer.stages[-1]
    trainer._enter(stage)
    benchmark(trainer._step, stage, 0, 0.5, False)


@pytest.mark.parametrize("loss", [coral, mk_mmd], ids=lambda loss: loss.__name__)
@pytest.mark.parametrize("batch", [64, 256])
@pytest.mark.parametrize("size", [64, 512])
def test_loss(benchmark: BenchmarkFixture, loss: object, batch: int, size: int) -> None:
    source, target = torch.randn(batch, size, requires_grad=True), torch.randn(batch, size)
    benchmark(lambda: torch.autograd.grad(loss(source, target), source))  # type: ignore[operator]


def test_proxy_a_distance(benchmark: BenchmarkFixture) -> None:
    x, y = torch.randn(500, 500).numpy(), torch.randn(500, 500).numpy() + 0.1
    benchmark.pedantic(proxy_a_distance, (x, y), rounds=2)


def test_plan(benchmark: BenchmarkFixture) -> None:
    """A grid of 10,000 runs."""
    methods = ["source_only", "dann", "dan", "coral"]
    grid = benchmark.pedantic(lambda: plan("quick", methods, seeds=range(500)), rounds=1)
    assert len(grid.specs) == 10_000


def seconds(work: object) -> float:
    start = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - start


def test_harness_adds_little_to_a_bare_loop() -> None:
    """A step of the harness against the same forward, backward and optimiser by hand, in turns."""
    trainer = trainer_of(spec_of("source_only", "digits/mnist5k-optdigits", **DIGITS))
    stage = trainer.stages[0]
    trainer._enter(stage)
    batch = trainer._batch(stage, 0, "")
    method, optimizer = trainer.method, trainer.optimizer
    assert batch.source is not None
    assert optimizer is not None

    def bare() -> None:
        for _ in range(5):
            method.train()
            logits = method.head(method.encoder(batch.source.x))  # type: ignore[union-attr]
            torch.nn.functional.cross_entropy(logits, batch.source.y).backward()  # type: ignore[union-attr]
            optimizer.step()
            optimizer.zero_grad()

    def harness() -> None:
        for step in range(5):
            trainer._step(stage, step, 0.5, False)

    pairs = [(seconds(bare), seconds(harness)) for _ in range(8)]
    assert min(h for _, h in pairs) / min(b for b, _ in pairs) < 1.5


def test_a_table_of_many_records_does_not_grow_quadratically(tmp_path: Path) -> None:
    import pandas as pd

    def frame(seeds: int) -> tuple[object, pd.DataFrame]:
        grid = plan("toys", ["source_only", "coral"], seeds=range(seeds))
        rows = [
            {"run_id": s.run_id, "method": s.method, "task": s.task, "target_test_accuracy": 0.5, "warnings": ""}
            for s in grid.specs
        ]
        return grid, pd.DataFrame(rows)

    small, large = frame(50), frame(400)
    times = [min(seconds(lambda part=part: build_report(*part, {})) for _ in range(3)) for part in (small, large)]
    assert times[1] / times[0] < 30
