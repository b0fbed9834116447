"""Pairing, resuming and identity: what one seed promises."""

import contextlib
import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from benchmarks.core.protocol import Protocol
from benchmarks.core.randomness import BatchStream, key
from benchmarks.core.registry import METHODS
from benchmarks.core.settings import UserError
from benchmarks.plan.spec import RunSpec
from benchmarks.training.loop import Trainer
from benchmarks.training.run import execute, task_of
from benchmarks.training.signals import Signals
from datasets.base import Samples, Task, load_task
from methods.adda import ADDA
from methods.base import Batch, Loss, Sees, Stage
from tests.conftest import (
    ADAPTING,
    CANDIDATES,
    CPU,
    hidden_sizes,
    same,
    spec_of,
    suited,
    takes_steps,
    trained,
    trainer_of,
    weights,
)

DIGEST = hashlib.sha256().digest_size  # bytes before a saved state
INTERRUPTED = spec_of("dann", checkpoints=4)


@pytest.mark.parametrize("method", ADAPTING)
def test_methods_of_a_seed_start_alike_and_draw_alike(method: str) -> None:
    if not takes_steps(method):
        pytest.skip("it has no networks and draws no batches")
    head = hidden_sizes(trainer_of(spec_of(method)).method.head)
    base = trainer_of(spec_of("source_only", suited(method, "toys/moons"), head_layers=head))
    torch.manual_seed(1)  # nothing depends on what has drawn from PyTorch's generator before
    mine = trainer_of(spec_of(method))
    assert same(weights(mine, "encoder."), weights(base, "encoder."))
    heads = [weights(trainer, "head.") for trainer in (mine, base)]
    if len({tuple((name, *value.shape) for name, value in head.items()) for head in heads}) == 1:
        assert same(*heads)  # some have one of another kind
    batches = [
        trainer.batches.at(step, trainer.stages[0].sees).source for trainer in (mine, base) for step in (0, 30)
    ]
    assert torch.equal(batches[0].index, batches[2].index)
    assert torch.equal(batches[1].index, batches[3].index)


def test_an_initialisation_that_depends_on_what_was_built_before_would_be_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("methods.networks.build.Build.seeded", lambda self, name: contextlib.nullcontext())
    torch.manual_seed(0)
    mine, base = trainer_of(spec_of("adda")), trainer_of(spec_of("source_only"))
    assert not same(weights(mine, "encoder."), weights(base, "encoder."))


# What they find takes long, and is found anew in each training; others share their ways to use it. WDGRL's critic
# takes ten steps to each of the rest; test_adversaries.py interrupts it.
COSTLY = {"kmm", "ot", "tca", "wdgrl"}
EACH = [pytest.param(name, marks=[pytest.mark.thorough] * (name in COSTLY)) for name in CANDIDATES]


def random_spec(method: str, seed: int = 0) -> RunSpec:
    """Of a run in which the network draws too."""
    return spec_of(method, seed=seed, backbone="mlp?width=16&dropout=0.5", checkpoints=4)


@cache
def whole(method: str) -> Trainer:
    """One that was never interrupted."""
    return trained(random_spec(method))


@pytest.mark.parametrize("method", EACH)
def test_a_seed_repeats_to_the_bit_and_another_differs(method: str) -> None:
    assert same(weights(whole(method)), weights(trained(random_spec(method))))
    if not takes_steps(method):
        pytest.skip("it draws no batches: nothing in it need be random")
    assert not same(weights(whole(method)), weights(trained(random_spec(method, seed=1))))


@pytest.mark.parametrize("method", EACH)
def test_a_run_resumes_to_the_same_bits_from_every_checkpoint(tmp_path: Path, method: str) -> None:
    """Of methods that are not core, from one in the middle: it is one loop for all."""
    for stop in range(3) if METHODS.info(method).core else (1,):
        interrupted = trainer_of(random_spec(method))
        for number, _ in enumerate(interrupted.run()):
            if number == stop:
                break
        torch.save(interrupted.state_dict(), tmp_path / "state.pt")
        resumed = trainer_of(random_spec(method))
        resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
        for _ in resumed.run():
            pass
        assert same(weights(whole(method)), weights(resumed))
        assert resumed.progress == whole(method).progress


def test_a_resume_that_forgets_the_optimiser_would_be_noticed() -> None:
    spec = spec_of("dann", checkpoints=4)
    interrupted, resumed = trainer_of(spec), trainer_of(spec)
    next(iter(interrupted.run()))
    state = interrupted.state_dict()
    state["optimizer"]["state"] = {}
    resumed.load_state_dict(state)
    for _ in resumed.run():
        pass
    assert not same(weights(trained(spec)), weights(resumed))


class Stopped(Exception):
    pass


def saved_state(path: Path) -> dict[str, Any]:
    return torch.load(io.BytesIO(path.read_bytes()[DIGEST:]), weights_only=True)


def write_state(path: Path, state: Any) -> None:
    """As a run writes it, so that only what it holds can be wrong."""
    content = io.BytesIO()
    torch.save(state, content)
    path.write_bytes(hashlib.sha256(content.getbuffer()).digest() + content.getbuffer())


def test_an_interrupted_record_ends_as_the_undisturbed_one(tmp_path: Path) -> None:
    spec = spec_of("dann", checkpoints=4)
    folders = [tmp_path / "whole", tmp_path / "interrupted"]
    for folder in folders:
        folder.mkdir()
    execute(spec, folders[0], CPU)
    calls: list[list[Signals]] = []

    def stop_at_the_third(signals: list[Signals]) -> None:
        calls.append(signals)
        if len(calls) == 3:
            raise Stopped

    with pytest.raises(Stopped):
        execute(spec, folders[1], CPU, stop_at_the_third, save_every=0)
    kept = saved_state(folders[1] / "state.pt")["trainer"]["progress"]["step"]
    assert calls[1][-1]["step"] < kept < calls[2][-1]["step"]  # between two checkpoints
    execute(spec, folders[1], CPU, calls.append, save_every=0)
    # It went on, it did not begin again; and the signals that nobody was told of are told.
    assert calls[3][0]["step"] == calls[1][-1]["step"] + 1
    names = [path.relative_to(folders[0]) for path in folders[0].rglob("*") if path.is_file()]
    assert sorted(names) == sorted(
        path.relative_to(folders[1]) for path in folders[1].rglob("*") if path.is_file()
    )
    for name in names:
        if name.name not in ("provenance.json", "cost.json", "oracle.npz", "digests.json"):
            assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


def change_state(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        state = saved_state(folder / "state.pt")
        change(state)
        write_state(folder / "state.pt", state)

    return changed


def flip_bits(folder: Path) -> None:
    content = bytearray((folder / "state.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "state.pt").write_bytes(content)


def put_folder(folder: Path) -> None:
    (folder / "state.pt").unlink()
    (folder / "state.pt").mkdir()


def put_pipe(folder: Path) -> None:
    (folder / "state.pt").unlink()
    os.mkfifo(folder / "state.pt")


def truncate(folder: Path) -> None:
    os.truncate(folder / "state.pt", 1000)


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "empty": lambda folder: (folder / "state.pt").write_bytes(b""),
    "garbage": lambda folder: (folder / "state.pt").write_bytes(b"garbage" * 1000),
    "truncated": truncate,
    "flipped": flip_bits,
    "folder": put_folder,
    "pipe": put_pipe,
    "older": lambda folder: torch.save({"code": "x"}, folder / "state.pt"),
    "pickled": lambda folder: write_state(folder / "state.pt", Path("object")),
    "no dict": lambda folder: write_state(folder / "state.pt", [1]),
    "no keys": lambda folder: write_state(folder / "state.pt", {}),
    "another run": change_state(lambda state: state.update(run_id="0123456789ab")),
    "shapes": change_state(
        lambda state: state["trainer"]["method"].update(dict.fromkeys(state["trainer"]["method"], torch.ones(3)))
    ),
    "optimiser": change_state(lambda state: state["trainer"].update(optimizer={"state": {}})),
    "best": change_state(lambda state: state.pop("best")),
    "outputs": lambda folder: (folder / "outputs" / "000005.npz").write_bytes(b"PK"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_run_with_a_broken_state_starts_over(
    damage: str, undisturbed: Path, interrupted: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(interrupted, tmp_path / "run"))
    DAMAGE[damage](folder)
    told: list[float] = []
    execute(INTERRUPTED, folder, CPU, lambda signals: told.append(signals[0]["step"]))
    assert told[0] == 1
    assert contents(folder) == contents(undisturbed)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    execute(INTERRUPTED, folder, CPU)
    return folder


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run, left in the middle."""
    folder = tmp_path_factory.mktemp("interrupted")

    def stop(signals: list[Signals]) -> None:
        if signals[-1]["step"] > 10:
            raise Stopped

    with pytest.raises(Stopped):
        execute(INTERRUPTED, folder, CPU, stop, save_every=0)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """What a record holds but for clocks."""
    clocks = ("provenance.json", "cost.json", "oracle.npz", "digests.json")
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if path.name not in clocks}


@given(st.integers(1, 50), st.integers(2, 20), st.integers(0, 40))
def test_a_batch_stream_is_a_pure_function_and_uses_each_sample_once_an_epoch(
    size: int, batch: int, step: int
) -> None:
    stream = BatchStream(0, "batches/source", size, batch)
    drawn = np.concatenate([stream[i] for i in range(step + 1)])
    assert np.array_equal(BatchStream(0, "batches/source", size, batch)[step], drawn[step * batch :])
    for epoch in range(len(drawn) // size):
        assert sorted(drawn[epoch * size : (epoch + 1) * size]) == list(range(size))


def overlap(source: BatchStream, target: BatchStream) -> float:
    """Mean number of indices that a step's two batches share."""
    return float(np.mean([len(np.intersect1d(source[step], target[step])) for step in range(300)]))


def test_source_and_target_batches_overlap_at_chance() -> None:
    """MNIST-M's image i is MNIST's image i: pairs in step would be a hidden hint."""
    streams = [BatchStream(0, f"batches/{side}", 1000, 50) for side in ("source", "target")]
    assert overlap(*streams) == pytest.approx(50 * 50 / 1000, abs=0.5)


def test_a_trainers_batches_are_the_seeds_and_each_domains_own() -> None:
    """Of domains of one size, which one stream would give the same places."""
    source, target = (
        Samples(np.zeros((n, 2), np.float32), np.arange(n) % 2, test=np.arange(n) >= n - 100) for n in (200, 190)
    )
    task, drawn = Task("mine/a-b", ("0", "1"), [source], [target]), {}
    for seed in (0, 1):
        trainer = trainer_of(spec_of("dann", seed=seed), task)
        assert len(trainer.source.x) == len(trainer.target.x) == 90
        steps = [trainer.batches.at(step) for step in range(100)]
        for side in ("source", "target"):
            drawn[seed, side] = torch.cat([getattr(batch, side).index for batch in steps])
    streams = list(drawn.values())
    for i, stream in enumerate(streams):
        for other in streams[i + 1 :]:
            assert (stream == other).double().mean() < 0.03


@pytest.mark.parametrize("sees", ["both", "source", "target"])
def test_a_batch_holds_the_rows_that_its_index_names(sees: Sees) -> None:
    trainer = trainer_of(spec_of("dann"))
    for step in (0, 17):
        batch = trainer.batches.at(step, sees)
        for side, whole in ((batch.source, trainer.source), (batch.target, trainer.target)):
            for name, values in vars(side).items() if side else ():
                if name == "views":
                    assert values == {"plain": side.x}
                else:
                    assert torch.equal(values, getattr(whole, name)[side.index]), name


def test_another_seed_starts_from_other_weights() -> None:
    first, second = (weights(trainer_of(spec_of("adda", seed=seed))) for seed in (0, 1))
    assert not any(torch.equal(first[key], second[key]) for key in first if first[key].ndim > 1)


def test_one_stream_for_both_domains_would_be_noticed() -> None:
    stream = BatchStream(0, "batches", 1000, 50)
    assert overlap(stream, BatchStream(0, "batches", 1000, 50)) == 50


@given(st.integers(0, 2**31), st.text(max_size=10), st.text(max_size=10))
def test_streams_of_different_names_differ(seed: int, a: str, b: str) -> None:
    assert (key(seed, a) == key(seed, b)) == (a == b)


def test_a_loss_that_is_not_finite_ends_the_run_naming_the_step() -> None:
    trainer = trainer_of(spec_of("dann", lr_backbone=1e30, optimizer="sgd"))
    with pytest.raises(FloatingPointError, match=r"the loss is .* at step \d+ of 20"):
        list(trainer.run())


def learning_rates(trainer: Trainer) -> list[float]:
    return [group["lr"] for group in trainer.optimizer.param_groups] if trainer.optimizer else []


def trained_at(trainer: Trainer, network: str) -> float:
    """The learning rate of a network's parameters."""
    assert trainer.optimizer is not None
    own = {id(parameter) for parameter in getattr(trainer.method, network).parameters()}
    (rate,) = {
        group["lr"] for group in trainer.optimizer.param_groups if own & {id(each) for each in group["params"]}
    }
    return rate


def test_out_of_memory_says_which_batch_to_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of("source_only")
    monkeypatch.setattr("benchmarks.training.run.new_trainer", lambda *_: torch.empty(2**46))  # a matrix of 256 TB
    with pytest.raises(UserError, match=r"out of memory on cpu; try --set protocol.source_batch=32"):
        execute(spec, tmp_path, CPU)


@cache
def trained_on_blobs(**options: object) -> Trainer:
    return trained(spec_of("dann", "toys/blobs", steps=100, source_batch=32, target_batch=32, **options))


@pytest.mark.parametrize(
    "options",
    [
        {"precision": "bfloat16"},
        {"deterministic": False},
        pytest.param({"compile": True}, marks=pytest.mark.thorough),
    ],
    ids=str,
)
def test_faster_modes_learn_the_same(options: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"avx512_bf16": True})  # others imitate it
    if "compile" in options and not shutil.which("g++"):
        pytest.skip("torch.compile needs a C++ compiler")
    plain, fast = trained_on_blobs(), trained_on_blobs(**options)
    x = torch.from_numpy(load_task("toys/blobs").train_view().target.x)
    logits = [trainer.outputs(x, "target")[1] for trainer in (plain, fast)]
    assert logits[1].dtype == torch.float32
    assert (logits[0].argmax(1) == logits[1].argmax(1)).double().mean() > 0.95
    assert same(weights(plain), weights(fast)) == ("deterministic" in options)


def test_learning_rates_follow_roles_schedule_and_finetuning() -> None:
    spec = spec_of(
        "adda",
        params={"representation": "logits"},
        lr_backbone=1.0,
        lr_new=2.0,
        lr_adversary=3.0,
        lr_finetune=0.5,
        schedule="constant",
    )
    trainer = trainer_of(spec)
    rates = []
    for stage in trainer.stages:
        trainer._enter(stage)
        rates.append({name: trained_at(trainer, name) for name, _ in trainer.method.named_children()})
    own = {"encoder": 1.0, "head": 2.0, "discriminator": 3.0}
    assert rates == [
        {**own, "target_encoder": 1.0, "target_head": 2.0},
        {**own, "target_encoder": 0.5, "target_head": 1.0},
    ]
    decayed = trainer_of(spec_of("source_only", lr_backbone=1.0, lr_new=1.0, schedule="inverse"))
    for _ in decayed.run():
        pass
    assert learning_rates(decayed)[0] == pytest.approx((1 + 10 * 19 / 20) ** -0.75)


@pytest.mark.parametrize(("steps", "count", "at"), [(20, 2, [10, 20]), (7, 2, [4, 7]), (3, 10, [1, 2, 3])])
def test_checkpoints_are_evenly_spaced_and_the_last_is_the_last_step(
    steps: int, count: int, at: list[int]
) -> None:
    assert Protocol(steps=steps, checkpoints=count).checkpoint_steps(steps) == at


@pytest.mark.parametrize(("steps", "count", "at"), [(20, 2, [20, 40]), (20, 3, [13, 27, 40]), (3, 10, [2, 4, 6])])
def test_checkpoints_are_as_many_whatever_the_stages_and_evenly_spaced_over_all(
    tmp_path: Path, steps: int, count: int, at: list[int]
) -> None:
    execute(spec_of("adda", steps=steps, checkpoints=count), tmp_path, CPU)
    rows = json.loads((tmp_path / "scores.json").read_text())["checkpoints"]
    assert [row["step"] for row in rows] == at
    with np.load(tmp_path / f"outputs/{2 * steps:06d}.npz") as last:
        assert "target_test.features" in last


def test_a_stage_is_as_long_as_the_protocol_says_unless_it_has_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    def of_shares(self: ADDA) -> list[Stage]:
        return [replace(stage, share=share) for stage, share in zip(stages(self), (1, 0.3), strict=True)]

    assert trainer_of(spec_of("adda")).ends == [20, 40]
    stages = ADDA.stages
    monkeypatch.setattr(ADDA, "stages", of_shares)
    trainer = trained(spec_of("adda", schedule="constant"))
    assert trainer.ends == [20, 26]
    assert trainer.progress.backward_passes == 20 + 2 * 6


@pytest.mark.parametrize("method", [name for name in CANDIDATES if takes_steps(name) and name not in COSTLY])
def test_each_stage_starts_its_schedule_anew(method: str) -> None:
    """Learning rates, and what a method is told of its progress: 0 at the first step, and so in each stage."""
    trainer = trainer_of(spec_of(method, schedule="inverse", lr_backbone=1.0, lr_finetune=1.0))
    told: list[float] = []
    for stage in trainer.stages:
        if not stage.updates:
            continue
        first, *others = stage.updates

        def spy(batch: Batch, progress: Tensor, loss: Any = first.loss) -> Loss:
            told.append(float(progress))
            return loss(batch, progress)

        stage.updates[:] = [replace(first, loss=spy, repeat=1), *others]  # type: ignore[index]
    rates = [learning_rates(trainer)[0] for _ in trainer.run(also=range(trainer.steps))]
    progress = [step / 20 for step in range(20)] * sum(bool(stage.updates) for stage in trainer.stages)
    assert told == pytest.approx(progress)
    assert rates == pytest.approx([(1 + 10 * p) ** -0.75 for p in progress])


@pytest.mark.parametrize("decays", [True, False])
def test_the_schedule_may_leave_discriminators_out(decays: bool) -> None:
    trainer = trained(spec_of("dann", lr_adversary=1e-3, schedule=f"steps?factor=0.5&every=10&adversary={decays}"))
    encoder, head, discriminator = learning_rates(trainer)
    assert encoder == head == pytest.approx(0.5e-3)
    assert discriminator == pytest.approx(0.5e-3 if decays else 1e-3)


def after_steps(gradient: float, steps: int, **protocol: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Parameters before and after some steps in which every gradient is the same number."""
    trainer = trainer_of(spec_of("source_only", precision="float64", lr_backbone=0.1, lr_new=0.1, **protocol))
    trainer._enter(trainer.stages[0])
    before = weights(trainer)
    for _ in range(steps):
        (trained,) = trainer._trained
        trainer._apply(sum((torch.full_like(p, gradient) * p).sum() for p in trained), trained, 1.0)
    return before, weights(trainer)


@pytest.mark.parametrize(
    ("momentum", "moved"),
    # Sutskever et al. 2013: v_t = μ v_(t-1) + g, and a step of g + μ v_t; here g = 1 twice, and the rate 0.1.
    [(0.9, 0.1 * ((1 + 0.9) + (1 + 0.9 * 1.9))), (0.5, 0.1 * ((1 + 0.5) + (1 + 0.5 * 1.5))), (0.0, 0.2)],
    ids=["0.9", "0.5", "0"],
)
def test_two_steps_of_sgd_carry_nesterovs_momentum(momentum: float, moved: float) -> None:
    before, after = after_steps(1.0, 2, optimizer=f"sgd?momentum={momentum}", weight_decay=0)
    for name, values in before.items():
        torch.testing.assert_close(after[name], values - moved)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adagrad"])
def test_gradients_are_applied_whatever_their_layout_in_memory(optimizer: str) -> None:
    """Those of a transposed product or a plain sum are strided as their parameter is not."""
    found = []
    for strided in (False, True):
        trainer = trainer_of(spec_of("source_only", precision="float64", optimizer=optimizer))
        trainer._enter(trainer.stages[0])
        (trained,) = trainer._trained
        slopes = [
            torch.randn(p.shape[::-1], dtype=p.dtype, generator=torch.Generator().manual_seed(0)) for p in trained
        ]
        for _ in range(2):
            parts = [
                (p.mT * a).sum() + p.sum() if strided else (p * (a.mT.contiguous() + 1)).sum()
                for p, a in zip(trained, slopes, strict=True)
                if p.ndim == 2
            ]
            trainer._apply(torch.stack(parts).sum(), trained, 1.0)
        found.append(weights(trainer))
    for name, values in found[0].items():
        torch.testing.assert_close(found[1][name], values)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adagrad"])
def test_weight_decay_alone_pulls_every_parameter_to_zero(optimizer: str) -> None:
    for decay in (0.0, 0.01):
        before, after = after_steps(0.0, 1, optimizer=optimizer, weight_decay=decay)
        large = {name: values.abs() > 0.1 for name, values in before.items()}
        for name, values in before.items():
            shrunk = (after[name].abs() < values.abs())[large[name]]
            assert shrunk.all() if decay else torch.equal(after[name], values)
    before, after = after_steps(0.0, 1, optimizer="sgd?momentum=0", weight_decay=0.01)
    for name, values in before.items():
        torch.testing.assert_close(after[name], values * (1 - 0.1 * 0.01))  # rate times decay
    before, after = after_steps(0.0, 1, optimizer="adam", weight_decay=0.01)
    for name, values in before.items():  # Adam's first step is as long as the rate: the decay is of the gradient
        torch.testing.assert_close(after[name], values - 0.1 * values.sign(), rtol=0, atol=1e-3)


def test_dropout_is_drawn_anew_at_each_step_and_off_in_evaluation() -> None:
    trainer = trainer_of(spec_of("dann", backbone="mlp?width=16&dropout=0.5", lr_backbone=1e-30, lr_new=1e-30))
    (stage,), x = trainer.stages, trainer.target.x[:50]
    trainer._enter(stage)
    seen = []  # whether it is on, what comes in, what is kept of it
    (dropout,) = (module for module in trainer.method.modules() if isinstance(module, nn.Dropout))
    dropout.register_forward_hook(lambda net, x, y: seen.append((net.training, x[0] > 0, y > 0)))
    for step in range(3):
        trainer._step(stage, step, step, 3, False)
        outputs = [trainer.outputs(x, "target") for _ in range(2)]
        assert all(map(torch.equal, *outputs))
    training = [masks for learning, *masks in seen if learning]
    assert len(training) == 3  # evaluation in between has not switched it off
    for (came, kept), (came_next, kept_next) in pairwise(training):
        both = came & came_next
        assert (kept == kept_next)[both].double().mean() == pytest.approx(0.5, abs=0.1)


def test_images_of_bytes_reach_networks_between_minus_one_and_one() -> None:
    trainer = trainer_of(spec_of("dann", "digits/mnist5k-mnist5k_m", backbone="lenet"))
    batch = trainer.batches.at(0)
    assert batch.source is not None
    stored = trainer.source.x[batch.source.index]
    assert (stored.min(), stored.max()) == (0, 255)
    assert torch.allclose(batch.source.x, stored / 127.5 - 1, atol=1e-6)


def test_all_seeds_share_a_tasks_splits(tmp_path: Path) -> None:
    """What differs between seeds is the training, not what is measured on."""
    labels = []
    for seed in (0, 1):
        folder = tmp_path / str(seed)
        folder.mkdir()
        execute(spec_of("source_only", seed=seed, steps=1), folder, CPU)
        with np.load(next((folder / "outputs").iterdir())) as outputs, np.load(folder / "oracle.npz") as oracle:
            labels.append([outputs["source_train.y"], outputs["source_val.y"], oracle["target_test_y"]])
    for first, second in zip(*labels, strict=True):
        assert np.array_equal(first, second)


def test_adams_beta1_of_finetuning_is_that_of_the_second_stage_alone() -> None:
    trainer = trainer_of(spec_of("adda", optimizer="adam?beta1_finetune=0.5"))
    betas = []
    for stage in trainer.stages:
        trainer._enter(stage)
        assert trainer.optimizer is not None
        betas.append(trainer.optimizer.param_groups[0]["betas"])
    assert betas == [(0.9, 0.999), (0.5, 0.999)]


@pytest.mark.parametrize(("rule", "choice"), [("source_val", 0), ("source_val?ties=latest", -1)])
def test_the_model_kept_is_that_of_the_epoch_with_the_best_source_validation(
    tmp_path: Path, rule: str, choice: int
) -> None:
    options = {"steps": 84, "lr_backbone": 0.01, "backbone": "mlp?width=8"}
    scores = {}
    for stopping, checkpoints in (("last", 6), (rule, 1)):
        spec = spec_of("dann", stopping=stopping, checkpoints=checkpoints, **options)
        (tmp_path / stopping).mkdir()
        execute(spec, tmp_path / stopping, CPU)
        scores[stopping] = json.loads((tmp_path / stopping / "scores.json").read_text())
    epochs = scores["last"]["checkpoints"]
    highest = max(epoch["source_val_accuracy"] for epoch in epochs)
    equals = [epoch for epoch in epochs if epoch["source_val_accuracy"] == highest]
    best = equals[choice]
    assert 1 < len(equals) < len(epochs), "this shows nothing"
    assert scores[rule]["cost"]["kept_step"] == best["step"]
    (kept,) = scores[rule]["checkpoints"]
    assert {**kept, "step": best["step"]} == best


def test_patience_ends_a_training(tmp_path: Path) -> None:
    execute(spec_of("dann", steps=900, stopping="source_val?patience=2", checkpoints=1), tmp_path, CPU)
    cost = json.loads((tmp_path / "scores.json").read_text())["cost"]
    assert cost["kept_step"] <= cost["backward_passes"] < 900


HALVED = "steps?factor=0.5&every=50"


@pytest.mark.parametrize(
    ("schedule", "step", "rate"),
    [("constant", 70, 1.0), ("inverse", 70, 8**-0.75), (HALVED, 49, 1.0), (HALVED, 70, 0.5), (HALVED, 99, 0.5)],
)
def test_a_horizon_stretches_progress_and_decays_count_steps(schedule: str, step: int, rate: float) -> None:
    trainer = trainer_of(spec_of("dann", steps=100, horizon=100, schedule=schedule))
    (stage,) = trainer.stages
    trainer._enter(stage)
    trainer._step(stage, step, step, 100, False)
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(rate * trainer.protocol.lr_backbone)
    longer = trainer_of(spec_of("dann", steps=100, horizon=200, schedule="inverse"))
    longer._enter(longer.stages[0])
    longer._step(longer.stages[0], step, step, 100, False)
    halved = (1 + 10 * step / 200) ** -0.75
    assert longer.optimizer.param_groups[0]["lr"] == pytest.approx(halved * longer.protocol.lr_backbone)


def test_mean_subtraction_centres_each_channel_over_both_domains() -> None:
    trainer = trainer_of(
        spec_of("dann", "digits/mnist5k-mnist5k_m", backbone="lenet", normalisation="channel_mean")
    )
    images = torch.cat([trainer.source.x, trainer.target.x])
    received = trainer.method.encoder[0](trainer.batches.inputs(images))
    assert received.mean((0, 2, 3)).abs().max() < 1e-5
    assert torch.allclose(received - received[:1], (images - images[:1].float()) / 255, atol=1e-6)


def test_images_can_be_scaled_to_the_unit_interval() -> None:
    trainer = trainer_of(spec_of("dann", "digits/mnist5k-mnist5k_m", backbone="lenet", normalisation="unit"))
    images = trainer.source.x[:9]
    assert torch.allclose(trainer.method.encoder[0](trainer.batches.inputs(images)), images / 255, atol=1e-6)


@pytest.mark.parametrize("normalisation", ["unit", "channel_mean"])
def test_normalisation_of_what_is_no_image_is_refused(normalisation: str) -> None:
    with pytest.raises(UserError, match=f"normalisation={normalisation} is for images in an array of uint8"):
        trainer_of(spec_of("dann", "toys/moons", normalisation=normalisation))


@pytest.mark.parametrize(("initial", "bias"), [("glorot", 0.0), ("truncated_normal", 0.1)])
def test_initial_weights_reach_every_network_and_are_the_seeds(initial: str, bias: float) -> None:
    spec = spec_of("dann", "digits/mnist5k-mnist5k_m", backbone="lenet", initial_weights=initial)
    trainer = trainer_of(spec)
    layers = [layer for layer in trainer.method.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    assert {layer.out_channels if isinstance(layer, nn.Conv2d) else layer.out_features for layer in layers} == {
        *(20, 50, 500),  # the encoder
        10,  # the head
        *(16, 1),  # the discriminator
    }
    for layer in layers:
        fans = sum(nn.init._calculate_fan_in_and_fan_out(layer.weight))
        limit = 0.2 if initial == "truncated_normal" else (6 / fans) ** 0.5
        assert (layer.bias == bias).all()
        assert 0.5 * limit < layer.weight.abs().max() <= limit
    assert same(weights(trainer), weights(trainer_of(spec)))


def test_initial_weights_are_refused_where_a_backbone_brings_trained_ones() -> None:
    with pytest.raises(UserError, match="would undo the trained weights of backbone 'resnet18"):
        trainer_of(spec_of("dann", backbone="resnet18?weights=some.pt", initial_weights="glorot"))


def test_a_split_of_the_runs_seed_pairs_methods_references_and_reverse_runs(tmp_path: Path) -> None:
    """All runs of a seed have its draw, and runs of different seeds have not."""
    name = "toys/moons?split=seed"
    tested = {}
    for seed in (1, 2):
        view = load_task(f"toys/moons?split={seed}").evaluation_view()
        specs = [spec_of(method, name, seed) for method in ("source_only", "dann", "target_only")]
        for spec in specs:
            assert spec.task == name
            drawn = task_of(spec, tmp_path, CPU).evaluation_view()
            assert np.array_equal(drawn.source_val.x, view.source_val.x)
        trained_on = task_of(specs[0], tmp_path, CPU).train_view()
        np.savez(tmp_path / "predictions.npz", target_train=np.arange(len(trained_on.target.x)) % 2)
        back = task_of(specs[0].reversed(), tmp_path, CPU)
        assert np.array_equal(back.evaluation_view().target_test_x, view.source_val.x)
        tested[seed] = view.source_val.x
    assert not np.array_equal(tested[1], tested[2])
