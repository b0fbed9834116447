"""Times, to be read as ratios within one session. No test asserts an absolute one.

``python -m pytest tests/speed --benchmark-enable -m ""`` prints them, of all methods.
"""

import json
import math
import os
import shutil
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.core.registry import METHODS
from benchmarks.engines.local import LocalEngine
from benchmarks.evaluation import scores
from benchmarks.evaluation.outputs import evaluation_inputs
from benchmarks.evaluation.proxy_a_distance import proxy_a_distance
from benchmarks.plan.grid import plan
from benchmarks.records.frame import load_records
from benchmarks.records.record import FILES, seal, write_json
from benchmarks.records.store import Store
from benchmarks.report.page.contents import SHOWN, contents_of
from benchmarks.report.page.page import page
from benchmarks.report.selection import choices
from benchmarks.report.table import build_report, cells_of
from benchmarks.speed import measure
from benchmarks.speed.tables import print_times
from benchmarks.training.recorder import model_outputs
from benchmarks.training.run import execute
from datasets.base import load_task
from datasets.files import images
from datasets.files.images import ImageFiles
from methods.losses.coral import coral
from methods.losses.mmd import mk_mmd
from tests.conftest import CANDIDATES, CPU, RUNNING, EngineHere, spec_of, thorough_for_most, trainer_of
from tests.fakes import pretend
from tests.test_report import records_of

DIGITS = {"backbone": "lenet", "discriminator_layers": "500,500", "steps": 400}


@pytest.mark.parametrize("method", thorough_for_most(CANDIDATES))
def test_step(benchmark: BenchmarkFixture, method: str) -> None:
    """A step of each method's last stage on digits; read each against source_only."""
    trainer = trainer_of(spec_of(method, "digits/mnist5k-optdigits", **DIGITS))
    stage = trainer.stages[-1]
    if not stage.updates:
        pytest.skip("it takes no steps")
    trainer._enter(stage)
    benchmark(trainer._step, stage, 0, 1, 2, False)


@pytest.mark.parametrize("method", METHODS.names())
def test_the_arithmetic_of_every_method_is_counted(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a loss takes gradients itself, of what enters a network."""
    images = {"backbone": "cnn", "source_batch": 4, "target_batch": 4}
    spec = spec_of(method) if method in RUNNING else spec_of(method, "digits/mnist5k-optdigits", **images)
    trainer = trainer_of(spec)
    monkeypatch.setattr("benchmarks.speed.loops.STEPS", 1)
    for stage in trainer.stages:
        if stage.begin:
            stage.begin(trainer.data_of(stage))
        if stage.updates:
            trainer._enter(stage)
            monkeypatch.setitem(measure._here, "loop", lambda _, at=stage: trainer._step(at, 0, 1, 2, False))
            try:
                assert measure._flops() > 0
            except RuntimeError as error:
                pytest.fail(str(error))


def test_arithmetic_is_that_of_products_forward_and_backward(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = torch.nn.Linear(30, 20), torch.randn(7, 30)
    monkeypatch.setattr("benchmarks.speed.loops.STEPS", 1)
    monkeypatch.setitem(measure._here, "loop", lambda _: layer(x).sum().backward())
    assert measure._flops() == 2 * (2 * 7 * 30 * 20)  # the gradient is that of the weight alone


def test_large_images_are_decoded_faster_than_by_a_dataloader(tmp_path: Path) -> None:
    """Files of 1000 by 1000 pixels, in seconds of processor time, beside a DataLoader of two workers.

    The ratio was 3.2 when this was written; the bound leaves room for other machines.
    """
    from PIL import Image
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    rng = np.random.default_rng(0)
    (tmp_path / "class").mkdir()
    for number in range(24):
        coarse = Image.fromarray(rng.integers(256, size=(60, 60, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((1000, 1000), Image.Resampling.BICUBIC))
        photo = (smooth + rng.normal(scale=4, size=smooth.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(photo).save(tmp_path / f"class/{number}.jpg", quality=90)
    usual = transforms.Compose(
        [
            transforms.Resize((256, 256)),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    folder = datasets.ImageFolder(tmp_path, usual)
    ours = ImageFiles(sorted((tmp_path / "class").iterdir()))

    def theirs() -> None:
        for _ in DataLoader(folder, batch_size=8, num_workers=2):
            pass

    def our_own() -> None:
        for start in range(0, len(ours), 8):
            torch.from_numpy(ours.decode(np.arange(start, start + 8))).float().div_(127.5).sub_(1)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(images, "CACHE_LIMIT", 0)
        our_own()
        seconds = [min(processor_seconds(load) for _ in range(3)) for load in (theirs, our_own)]
    assert seconds[0] > 2.5 * seconds[1]


def processor_seconds(work: Callable[[], None]) -> float:
    """Of this process and of those that it started and that have ended."""
    before = os.times()
    work()
    return sum(os.times()[:4]) - sum(before[:4])


@pytest.mark.parametrize("loss", [coral, mk_mmd], ids=lambda loss: loss.__name__)
@pytest.mark.parametrize("batch", [64, 256])
@pytest.mark.parametrize("size", [64, 512])
def test_loss(benchmark: BenchmarkFixture, loss: object, batch: int, size: int) -> None:
    source, target = torch.randn(batch, size, requires_grad=True), torch.randn(batch, size)
    benchmark(lambda: torch.autograd.grad(loss(source, target), source))  # type: ignore[operator]


@pytest.mark.parametrize(("loss", "in_batch", "in_size"), [(mk_mmd, 2, 1), (coral, 1, 2)], ids=["mk_mmd", "coral"])
def test_the_cost_of_a_loss_grows_as_its_formula_says(loss: object, in_batch: int, in_size: int) -> None:
    """MMD is O(batch² size), CORAL O(batch size²): exponents from one large case to one 4 times as large."""

    def cost(batch: int, size: int) -> float:
        source, target = torch.randn(batch, size, requires_grad=True), torch.randn(batch, size)
        return min(seconds(lambda: torch.autograd.grad(loss(source, target), source)) for _ in range(5))  # type: ignore[operator]

    torch.set_num_threads(1)
    batch, size = (256, 256)
    start = cost(batch, size)
    # Leaving the caches costs too; one power more would be seen.
    assert math.log(cost(4 * batch, size) / start, 4) < in_batch + 0.75
    assert math.log(cost(batch, 4 * size) / start, 4) < in_size + 0.75


def test_run(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """A whole small run: training, evaluation and record."""
    benchmark.pedantic(execute, (spec_of("dann", steps=200), tmp_path, CPU), rounds=1)


@pytest.mark.thorough  # as a test, it says no more than test_engine.py
@pytest.mark.parametrize("workers", [1, 2])
def test_grid(benchmark: BenchmarkFixture, tmp_path: Path, workers: int) -> None:
    """Four small runs; a worker's start is part of it."""
    specs = [spec_of("dann", seed=seed, steps=50) for seed in range(4)]
    engine = LocalEngine(Store(tmp_path), ["cpu"] * workers)
    benchmark.pedantic(lambda: list(engine.run(specs)), rounds=1)


def test_evaluation(benchmark: BenchmarkFixture) -> None:
    """One checkpoint of a digits run: outputs of all splits and their scores."""
    trainer = trainer_of(spec_of("dann", "digits/mnist5k-optdigits", **DIGITS))
    task = load_task("digits/mnist5k-optdigits")
    inputs = evaluation_inputs(task.train_view(), task.evaluation_view())
    benchmark.pedantic(lambda: scores.evaluate(model_outputs(trainer, inputs, last=False)), rounds=2)


def test_evaluation_is_a_small_part_of_a_run(tmp_path: Path) -> None:
    """On a toy, whose steps cost least beside it: 7% of the time. Validators at each checkpoint made it half."""
    execute(spec_of("dann", "toys/blobs", steps=350, checkpoints=5), tmp_path, CPU)
    cost = json.loads((tmp_path / "cost.json").read_text())
    assert cost["evaluation_seconds"] < 0.25 * (cost["training_seconds"] + cost["evaluation_seconds"])


def test_thousands_of_trivial_runs_cost_little_and_keep_no_memory(tmp_path: Path) -> None:
    """Overhead against the time that a bare write of as many files takes; memory against that of 1,000 runs."""
    specs = [replace(spec_of("source_only"), seed=seed) for seed in range(1500)]
    engine = LocalEngine(Store(tmp_path), ["cpu", "cpu"], execute=pretend)
    peaks, start = [], time.perf_counter()
    for number, _ in enumerate(engine.run(specs)):
        if number in (1000, 2999):  # two events a run
            peaks.append(int(Path("/proc/self/statm").read_text().split()[1]))
    a_run = (time.perf_counter() - start) / len(specs)
    assert peaks[1] < peaks[0] * 1.02
    bare = seconds(lambda: [bare_record(tmp_path / "bare" / str(n)) for n in range(300)]) / 300
    assert a_run / bare < 40


def test_reading_many_records_takes_little_more_than_their_files(tmp_path: Path) -> None:
    store, spec = Store(tmp_path), spec_of("source_only")
    list(EngineHere(store, ["cpu"]).run([spec]))
    specs = [replace(spec, seed=seed) for seed in range(1, 300)]
    folders = [store.folder(each) for each in specs]
    for each, folder in zip(specs, folders, strict=True):
        shutil.copytree(store.folder(spec), folder)
        write_json(folder / "spec.json", {**each.to_dict(), "run_id": each.run_id})
        seal(folder)
    bare = min(
        seconds(lambda: [json.loads((f / name).read_bytes()) for f in folders for name in FILES]) for _ in "123"
    )
    assert min(seconds(lambda: load_records(folders)) for _ in "123") / bare < 6


def bare_record(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text("{}")


def test_operators_hold_the_kernels_and_methods_that_cannot_run_are_not_timed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.speed.loops.STEPS", 2)
    measure._sit(measure.Contestant("ours", "suite", {"method": "source_only"}), "cpu", "lenet")
    kernels, operators = measure._inside()
    assert 0 < kernels < operators

    def race(contestants: Sequence[measure.Contestant], *_: object) -> list[measure.Time]:
        return [measure.Time(each, 0.003, 1e9, 1e12, 1.0, 0.001, 0.002) for each in contestants]

    monkeypatch.setattr("benchmarks.speed.tables.race", race)
    monkeypatch.setattr("benchmarks.speed.tables.relay", race)
    print_times(["cpu"], "lenet", ["swd", "tent"], "text", peers=False)
    printed = capsys.readouterr().out
    assert "tent: n/a: it needs batch normalisation" in printed
    (row,) = (line.split() for line in printed.splitlines() if line.startswith("swd"))
    assert row == ["swd", "1", "1", "3.0", "1.0", "2.0", "1.50", "1.00", "1.00"]


@pytest.mark.thorough  # 11 s: its processes import PyTorch anew
def test_who_is_timed_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """The profiler logs below Python, and other libraries warn."""
    seat = measure._Seat(measure.Contestant("ours", "suite", {"method": "source_only"}), "cpu", "lenet")
    with seat.pool:
        assert all(seconds > 0 for seconds in seat.ask(measure._inside).result())
        seat.ask(partial(warnings.warn, "as other libraries do", FutureWarning)).result()
    assert capfd.readouterr() == ("", "")


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
    batch = trainer.batches.at(0, stage.sees, views=stage.views)
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
            trainer._step(stage, step, 1, 2, False)

    pairs = [(seconds(bare), seconds(harness)) for _ in range(8)]
    assert min(h for _, h in pairs) / min(b for b, _ in pairs) < 1.5


def test_a_table_of_many_records_does_not_grow_quadratically(tmp_path: Path) -> None:
    def frame(seeds: int) -> tuple[object, pd.DataFrame]:
        grid = plan("toys", ["source_only", "coral"], seeds=range(seeds))
        step = {"step": 1, "source_accuracy": 1.0, "target_test_accuracy": 0.5}
        same = {"target_test_accuracy": 0.5, "warnings": "", "checkpoints": [step, {**step, "step": 2}]}
        rows = [{"run_id": s.run_id, "method": s.method, "task": s.task, **same} for s in grid.specs]
        return grid, pd.DataFrame(rows)

    small, large = frame(15), frame(120)
    times = [min(seconds(lambda part=part: build_report(*part, {})) for _ in range(3)) for part in (small, large)]
    assert times[1] / times[0] < 30


def test_choosing_costs_little_more_than_reading_the_candidates() -> None:
    """Of 2,000 groups of two: a choice within each by itself took 100 times as long."""
    rows = [
        {"variant": "dann", "task": f"task{n}", "seed": 0, "run_id": str(n), "step": step, "source_accuracy": 0.5}
        for n in range(2000)
        for step in (2, 1)
    ]
    frame = pd.DataFrame(rows).assign(target_test_accuracy=0.5, goodness=0.5, source_score=0.5)
    reading = min(seconds(lambda: frame.to_dict("records")) for _ in range(3))
    assert min(seconds(lambda: choices(frame, "source_accuracy")) for _ in range(3)) / reading < 25


def test_a_page_of_many_records_does_not_grow_quadratically() -> None:
    """From 150 to 1,200 records."""

    def written(seeds: int) -> str:
        grid = plan("toys", ["source_only", "coral"], seeds=range(seeds))
        records = records_of(grid, {"source_only": 0.6, "coral": 0.7})
        return page(contents_of(cells_of(grid, records, {}, SHOWN, None), SHOWN, None))

    written(2)  # imports, and the script that draws the charts
    small, large = (min(seconds(lambda n=n: written(n)) for _ in range(2)) for n in (15, 120))
    assert large / small < 20
