"""A choice becomes a model: trained again to its step, kept, averaged; and what is broken or changed is named."""

import json
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import softmax

from benchmarks.advice import deploy as deploying
from benchmarks.advice.deploy import deploy, load_advised, predict_advised
from benchmarks.commands.parser import main
from benchmarks.core.registry import METHODS
from benchmarks.core.settings import UserError
from benchmarks.engines.events import Event
from benchmarks.engines.work import train
from benchmarks.evaluation.outputs import Outputs, capped
from benchmarks.plan.grid import plan
from benchmarks.plan.spec import RunSpec
from benchmarks.records.advised import ADVICE, alone, read_advice
from benchmarks.records.record import WEIGHTS, Record, seal
from benchmarks.records.store import Store
from benchmarks.training import again
from benchmarks.training.model import load_model
from datasets import own
from datasets.base import forget_tasks, load_task
from tests.conftest import CANDIDATES, CPU, TINY, EngineHere, takes_steps, thorough_for_most

CLASSES = ("a", "b", "c")
SAID = "Use the average of dann and svm.\n\nWhy: they rank first."


class Tiny:
    """Own data, and a store with the records of every method on them."""

    def __init__(self, folder: Path) -> None:
        self.source, self.target = folder / "old.csv", folder / "new.csv"
        for path, size in ((self.source, 80), (self.target, 60)):
            rng = np.random.default_rng(size)
            y = np.arange(size) % 3
            x = (rng.normal(size=(size, 2)) + 1.5 * y[:, None] + (path == self.target)) * [1, 1000]
            pd.DataFrame(x, columns=["u", "v"]).assign(kind=np.array(CLASSES)[y]).to_csv(path, index=False)
        self.task = own.make_task(self.source, self.target, "kind")
        self.store = Store(folder / "store")

    def runs(self, methods: Sequence[str], task: str = "", seeds: int = 1, **protocol: Any) -> list[RunSpec]:
        """Do the runs that have no record."""
        overrides = {"protocol": {**TINY, "steps": 8, "source_batch": 16, "target_batch": 16, **protocol}}
        names = list(dict.fromkeys(["source_only", *methods]))
        specs = plan("quick", names, [task or self.task], range(seeds), overrides).specs
        specs = [spec for spec in specs if spec.method in methods]
        for event in EngineHere(self.store, ["cpu"]).run([s for s in specs if not self.store.finished(s)]):
            assert event.kind == "finished", event.error
        return specs

    def steps(self, spec: RunSpec) -> list[int]:
        return [int(Path(name).stem) for name in Record(self.store.folder(spec)).outputs()]

    def outputs(self, spec: RunSpec, step: int) -> Path:
        return self.store.folder(spec) / "outputs" / f"{step:06d}.npz"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("own")
        patch.setenv("BENCHMARKS_CACHE", str(folder / "cache"))
        yield Tiny(folder)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploying, "LocalEngine", EngineHere)


@pytest.fixture(scope="module")
def pair(tiny: Tiny) -> list[tuple[RunSpec, int]]:
    """Two methods, two seeds with splits of their own, each at its first checkpoint."""
    specs = tiny.runs(["dann", "svm"], f"{tiny.task}?split=seed", seeds=2)
    return [(spec, tiny.steps(spec)[0]) for spec in specs]


@pytest.fixture
def advised(tiny: Tiny, pair: list[tuple[RunSpec, int]]) -> Path:
    return deploy(pair, tiny.store, "pair", SAID, tell=pytest.fail)


@pytest.mark.filterwarnings("ignore::methods.base.MethodWarning")
@pytest.mark.parametrize("method", thorough_for_most(name for name in CANDIDATES if not METHODS.info(name).needs))
def test_every_method_is_trained_again_to_the_bits_of_a_checkpoint(method: str, tiny: Tiny) -> None:
    (spec,) = tiny.runs([method])
    step, *later = tiny.steps(spec)
    folder = deploy([(spec, step)], tiny.store, method, SAID, tell=pytest.fail)
    (member,) = read_advice(folder).members
    assert (member.run_id, member.step, member.method) == (spec.run_id, step, method)
    torch.set_flush_denormal(True)  # as in training
    target = load_task(tiny.task).train_view().target.x
    said = load_model(folder / member.folder).logits(target[capped(len(target))])
    assert np.array_equal(said, Outputs.load(tiny.outputs(spec, step))["target_train.logits"])
    if later:
        assert not np.array_equal(said, Outputs.load(tiny.outputs(spec, later[-1]))["target_train.logits"])
    else:
        assert not takes_steps(method)


def test_the_last_step_of_an_early_stopped_run_is_the_model_that_it_kept(tiny: Tiny) -> None:
    (spec,) = tiny.runs(["dann"], stopping="source_val", lr_new=0.1, lr_backbone=0.1)
    step = tiny.steps(spec)[-1]
    kept = json.loads((tiny.store.folder(spec) / "scores.json").read_text())["cost"]["kept_step"]
    assert kept < step
    deploy([(spec, step)], tiny.store, "stopped", SAID, tell=pytest.fail)


def test_probabilities_are_averaged_sample_by_sample_and_class_by_class(tiny: Tiny, advised: Path) -> None:
    model, table = load_advised(advised, CPU), pd.read_csv(tiny.target)
    x = table[["u", "v"]].to_numpy()
    each = []
    for member in read_advice(advised).members:
        one = load_model(advised / member.folder)
        assert one.preprocessing is not None
        scaled = (x - one.preprocessing.mean) / one.preprocessing.deviation
        each.append(softmax(one.logits(scaled.astype(np.float32)), axis=1))
    assert len(each) == 4
    assert model.classes == CLASSES
    assert model.predict_proba(x) == pytest.approx(np.mean(each, axis=0), abs=1e-5)
    shuffled = np.random.default_rng(0).permutation(len(x))
    assert model.predict_proba(x[shuffled]) == pytest.approx(model.predict_proba(x)[shuffled], abs=1e-6)
    columns = table[["kind", "v", "u"]].iloc[shuffled]  # in any order
    columns.to_csv(tiny.target.with_name("shuffled.csv"), index=False)
    said = predict_advised(advised, tiny.target.with_name("shuffled.csv"), None, CPU)
    assert said.probability == pytest.approx(np.mean(each, axis=0)[shuffled], abs=1e-5)
    assert [said.classes[number] for number in said.truth] == columns["kind"].tolist()
    differ = [probability.argmax(1) != np.mean(each, axis=0).argmax(1) for probability in each]
    assert said.disagree is not None
    assert said.disagree == pytest.approx(np.mean(differ, axis=0)[shuffled])
    assert 0 < said.disagree.max() <= 0.75


def test_members_with_other_classes_are_never_averaged(tiny: Tiny, pair: list[tuple[RunSpec, int]]) -> None:
    (moons,) = tiny.runs(["nearest_neighbour"], "toys/moons")
    folder = deploy([pair[0], (moons, tiny.steps(moons)[0])], tiny.store, "mixed", SAID)
    with pytest.raises(UserError, match="its members have different classes"):
        load_advised(folder, CPU)


def test_predict_serves_the_latest_or_a_named_one(
    tiny: Tiny, pair: list[tuple[RunSpec, int]], advised: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    latest = deploy(pair[:1], tiny.store, "own/latest", "Keep dann.", tell=pytest.fail)
    out = tmp_path / "out.csv"
    for name, folder, said in [
        ("advised", latest, "Keep dann."),
        ("advised/pair", advised, SAID),
        ("advised/own/latest", latest, "Keep dann."),
        (str(advised), advised, SAID),
    ]:
        command = [
            "predict",
            name,
            "--input",
            str(tiny.target),
            "--out",
            str(out),
            "--store",
            str(tiny.store.root),
        ]
        assert main(command) == 0
        captured = capsys.readouterr()
        assert captured.err.startswith(f"{folder}: {said.splitlines()[0]}\n")
        assert captured.out.endswith("of 60 labelled samples\n")
        more = ["disagree"] if folder == advised else []
        table = pd.read_csv(out)
        assert list(table) == ["sample", "predicted", "probability", *more, "p(a)", "p(b)", "p(c)"]
    expected = predict_advised(advised, tiny.target, None, CPU)
    assert table["disagree"].tolist() == expected.disagree.tolist()
    assert table["p(b)"].to_numpy() == pytest.approx(expected.probability[:, 1], abs=1e-5)


def test_an_advised_model_that_does_not_exist_is_named(
    tiny: Tiny, advised: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    for name, store, message in [
        ("advised/pear", tiny.store.root, "has no advised model 'pear'; did you mean 'pair'?"),
        ("advised", tmp_path / "empty", "has no advised model; `advise` makes one"),
    ]:
        command = ["predict", name, "--input", "new.csv", "--out", str(tmp_path / "out.csv")]
        assert main([*command, "--store", str(store)]) == 2
        assert message in capsys.readouterr().err


def test_weights_that_a_run_kept_are_not_trained_again(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spec,) = tiny.runs(["dann"])
    store = Store(tmp_path / "kept", weights=True)
    for event in EngineHere(store, ["cpu"], execute=_train_keeping).run([spec]):
        assert event.kind == "finished", event.error
    monkeypatch.setattr(again, "new_trainer", _no_training)
    folder = deploy([(spec, tiny.steps(spec)[-1])], store, "kept", SAID, tell=pytest.fail)
    (member,) = read_advice(folder).members
    assert (folder / member.folder / WEIGHTS).read_bytes() == (store.folder(spec) / WEIGHTS).read_bytes()
    with pytest.raises(UserError, match=r"cannot be trained again to step 4: .*no training"):
        deploy([(spec, tiny.steps(spec)[0])], store, "first", SAID)


def _no_training(*_: object) -> None:
    raise ValueError("no training")


def _train_keeping(spec: RunSpec, folder: Path, device: str, report: Any) -> None:
    train(spec, folder, device, report, save_weights=True)


def test_other_bits_are_told_with_the_number_of_predictions_that_differ(
    tiny: Tiny, pair: list[tuple[RunSpec, int]]
) -> None:
    spec, step = pair[0]
    path = tiny.outputs(spec, step)
    before = Outputs.load(path)
    folder = deploy([pair[0]], tiny.store, "other", SAID, tell=pytest.fail)
    for change, count in [
        (lambda logits: np.roll(logits[:7], 1, axis=1), 7),
        (lambda logits: logits[:7] + 1e-6, 0),
    ]:
        logits = before["target_train.logits"].copy()
        logits[:7] = change(logits)
        Outputs({**before.arrays, "target_train.logits": logits}).save(path)
        seal(path.parents[1])
        told: list[str] = []
        deploy([pair[0]], tiny.store, "other", SAID, tell=told.append)
        assert len(told) == 1
        assert f"{spec} at step {step}, trained again, does not say to the bit" in told[0]
        assert f"{count} of {len(logits)} predictions differ on the target, and 0 of " in told[0]
        (member,) = read_advice(folder).members
        assert not member.agreement.exact
    deploy([pair[0]], tiny.store, "other", SAID, tell=told.append)
    assert told[-1] == told[0]  # also where nothing had to be trained
    before.save(path)
    seal(path.parents[1])
    deploy([pair[0]], tiny.store, "other", SAID, tell=pytest.fail)


def test_what_an_interrupted_call_has_finished_is_kept(tiny: Tiny, pair: list[tuple[RunSpec, int]]) -> None:
    def stop(events: Any, todo: Sequence[RunSpec]) -> Sequence[Event]:
        next(events)
        raise KeyboardInterrupt

    done: list[int] = []

    def count(events: Any, todo: Sequence[RunSpec]) -> Sequence[Event]:
        done.append(len(todo))
        return deploying.failures(events, todo)

    with pytest.raises(KeyboardInterrupt):
        deploy(pair, tiny.store, "interrupted", SAID, watch=stop)
    folder = tiny.store.root / "advised" / "interrupted"
    assert not (folder / ADVICE).exists()
    assert deploy(pair, tiny.store, "interrupted", SAID, watch=count) == folder
    assert done == [len(pair) - 1]
    deploy(pair, tiny.store, "interrupted", SAID, watch=count)
    assert done == [len(pair) - 1]
    deploy(pair[:1], tiny.store, "interrupted", SAID, watch=count)
    assert done == [len(pair) - 1]
    assert sorted(path.name for path in folder.iterdir() if path.name != ".partial") == [
        ADVICE,
        read_advice(folder).members[0].folder,
    ]


def test_two_calls_at_once_take_turns(tmp_path: Path) -> None:
    Store(tmp_path).create()
    inside, most = [], []

    def work() -> None:
        with alone(tmp_path):
            inside.append(0)
            most.append(len(inside))
            threading.Event().wait(0.02)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


def test_data_that_changed_or_are_gone_are_one_clear_message(
    tiny: Tiny, pair: list[tuple[RunSpec, int]], request: pytest.FixtureRequest
) -> None:
    text = tiny.target.read_text()
    request.addfinalizer(lambda: tiny.target.write_text(text))
    for change, message in [
        (
            lambda: tiny.target.write_text(text + "1,2,a\n"),
            "new.csv has changed; give --source and --target again",
        ),
        (tiny.target.unlink, "new.csv: no such file or folder"),
    ]:
        change()
        forget_tasks()
        with pytest.raises(UserError, match=f"cannot be trained again to step .*{message}"):
            deploy(pair, tiny.store, "changed", SAID)
    assert not (tiny.store.root / "advised" / "changed" / ADVICE).exists()


def test_a_step_without_checkpoint_is_named(tiny: Tiny, pair: list[tuple[RunSpec, int]]) -> None:
    with pytest.raises(UserError, match="has no checkpoint at step 3; it has 4, 8"):
        deploy([(pair[0][0], 3)], tiny.store, "none", SAID)


def test_a_broken_or_edited_member_is_one_clear_error(
    tiny: Tiny,
    pair: list[tuple[RunSpec, int]],
    advised: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second, *_ = (advised / member.folder for member in read_advice(advised).members)
    weights, advice = (first / WEIGHTS).read_bytes(), json.loads((advised / ADVICE).read_text())

    def swap() -> None:
        (second / WEIGHTS).write_bytes(weights)
        seal(second)

    for break_it, message in [
        (lambda: (first / WEIGHTS).write_bytes(weights[:-5]), "is not as it was kept"),
        ((first / WEIGHTS).unlink, "is not as it was kept"),
        ((first / "digests.json").unlink, "is not as it was kept"),
        (swap, "is not as it was kept"),
        (lambda: (advised / ADVICE).write_text("{"), "is no advice that can be read"),
        (lambda: (advised / ADVICE).write_text(json.dumps(advice | {"members": []})), "is no advice that can be"),
    ]:
        break_it()
        command = ["predict", str(advised), "--input", str(tiny.target), "--out", str(tmp_path / "out.csv")]
        assert main(command) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"error: {advised}")
        assert message in said
        assert said.endswith("run `advise` again\n")
        assert said.count("\n") == 1
        if break_it is swap:  # nothing else tells that it is another's
            shutil.rmtree(second)
        deploy(pair, tiny.store, "pair", SAID, tell=pytest.fail)  # which makes it whole again
        assert main(command) == 0
        capsys.readouterr()


def test_verify_reads_advised_models(tiny: Tiny, advised: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "verify", "--store", str(tiny.store.root)]) == 0
    whole = (advised / ADVICE).read_text()
    (advised / ADVICE).write_text("{")
    assert main(["store", "verify", "--store", str(tiny.store.root)]) == 1
    (advised / ADVICE).write_text(whole)
    assert f"broken: {advised / ADVICE} is no advice" in capsys.readouterr().out


def test_advised_models_are_no_records(tiny: Tiny, advised: Path) -> None:
    assert tiny.store.misplaced() == []
    assert not [path for path in tiny.store.record_folders() if advised in path.parents]
