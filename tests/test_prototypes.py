"""Methods that are not here yet, written in the contract: each is short, and does what its paper claims."""

import ast
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.core.facts import Facts
from benchmarks.core.registry import ADVERSARIAL, DATASETS, METHODS, DatasetInfo, MethodInfo, Trait
from benchmarks.core.settings import UserError
from benchmarks.plan.grid import NotApplicable, plan
from benchmarks.training.build import facts_of, new_trainer
from benchmarks.training.loop import Trainer, prepare
from datasets.base import DomainFamily, LabelledArrays, Samples, Task, TrainView, load_task
from methods.base import (
    Batch,
    Deep,
    Embedded,
    Labelled,
    Loss,
    Method,
    Params,
    Shallow,
    Side,
    Stage,
    StageData,
    Unlabelled,
    Update,
)
from methods.losses.adversarial import domain_loss, ramp
from methods.networks.build import Build
from methods.networks.grl import reverse
from tests.conftest import CPU, same, spec_of, weights

M = TypeVar("M", bound=type[Method])
Terms = dict[str, Tensor]
PROTOTYPES: dict[str, type[Method]] = {}
INFO: dict[str, MethodInfo] = {}


def prototype(needs: tuple[Trait, ...] = ()) -> Callable[[M], M]:
    """Register a class for the tests of this file, under its name in small letters."""

    def keep(cls: M) -> M:
        name = cls.__name__.lower()
        PROTOTYPES[name] = cls
        INFO[name] = MethodInfo("prototype", 2026, "-", "-", uses=(*ADVERSARIAL, "finetune"), needs=needs)
        return cls

    return keep


@prototype(needs=("several_sources",))
class Many(Deep):
    """Several sources, each with a discriminator of its own against the target (Zhao et al., NeurIPS 2018)."""

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        names = [f"discriminator{number}" for number in range(build.facts.n_sources)]
        self.discriminators = nn.ModuleList(build.discriminator(self.n_features, name) for name in names)

    def alignment(self, source: Embedded[Labelled], target: Embedded[Unlabelled], progress: Tensor) -> Terms:
        s, t = (reverse(side.features, ramp(progress, 10.0)) for side in (source, target))
        return {
            f"domain{number}": domain_loss(net(s[own]), net(t)) / len(self.discriminators)
            for number, net in enumerate(self.discriminators)
            if (own := source.samples.domain == number).any()
        }


@prototype()
class Weighed(Deep):
    """DANN whose source classes weigh as much as the target's predictions give them (Cao et al., ECCV 2018)."""

    share: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.discriminator = build.discriminator(self.n_features)
        self.register_buffer("share", torch.ones(build.facts.n_classes))

    def stages(self) -> Sequence[Stage]:
        return [Stage("joint", [Update(self.loss)], each_epoch=self.weigh)]

    def weigh(self, data: StageData) -> None:
        share = data.embed("target")[1].softmax(1).mean(0)
        self.share.copy_(share / share.max())

    def source_weight(self, source: Labelled) -> Tensor:
        return self.share[source.y]

    def alignment(self, source: Embedded[Labelled], target: Embedded[Unlabelled], progress: Tensor) -> Terms:
        s, t = (self.discriminator(reverse(side.features, ramp(progress, 10.0))) for side in (source, target))
        return {"domain": domain_loss(s, t, self.share[source.samples.y])}


@prototype(needs=("few",))
class Minimax(Deep):
    """Minimax entropy (Saito et al., ICCV 2019): a few target labels, and entropy against the head."""

    def loss(self, batch: Batch, progress: Tensor) -> Loss:
        source, target, few = self.features(batch.source.x, batch.target.x, batch.few.x)
        labelled = (source, batch.source.y), (few, batch.few.y)
        task = sum(F.cross_entropy(self.head(features), y) for features, y in labelled)
        p = self.head(reverse(target, torch.ones(()))).softmax(1)
        return Loss(task, {"entropy": 0.1 * (p * (p + 1e-6).log()).sum(1).mean()})


@prototype()
class Logistic(Shallow):
    """scikit-learn's logistic regression on the source's inputs."""

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.register_buffer("weight", torch.zeros(self.n_classes, self.n_features))

    def fit(self, data: StageData) -> None:
        x, y = data.embed("source")[0].numpy(), data.source.y.numpy()
        weight = LogisticRegression(fit_intercept=False).fit(x, y).coef_
        self.weight.copy_(torch.from_numpy(np.concatenate([-weight, weight]) / 2 if len(weight) == 1 else weight))

    def logits(self, features: Tensor) -> Tensor:
        return features @ self.weight.T


class Shifts(DomainFamily):
    """Three domains of two blobs each, one above the other: with two sources, a task of several."""

    name = "shifts"
    domains = ("a", "b", "c")

    def classes(self, task: str) -> tuple[str, ...]:
        return ("0", "1")

    def read_domain(self, domain: str) -> Samples:
        number = self.domains.index(domain)
        rng = np.random.default_rng(number)
        y = np.arange(200) % 2
        x = rng.normal(0, 0.5, (200, 2)) + np.c_[4 * y - 2, 4 * y - 2 + (0, 3, 5)[number]]
        return Samples(x.astype(np.float32), y)


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    for name, cls in PROTOTYPES.items():
        METHODS.register(name, INFO[name])(cls)
    DATASETS.register("shifts", DatasetInfo(version=1, summary="-", licence="-"))(Shifts)
    yield
    for name in PROTOTYPES:
        METHODS.remove(name)
    DATASETS.remove("shifts")


def few_labels(task: Task, each: int = 3) -> TrainView:
    """A task's view for training, with labels of so many target samples of each class granted by hand."""
    view, y = task.train_view(), task.oracle().target_train_y
    which = np.concatenate([np.flatnonzero(y == label)[:each] for label in np.unique(y)])
    return replace(view, few=LabelledArrays(view.target.x[which], y[which], np.zeros(len(which), np.int64)))


def start(method: str, task: str | Task | None = None, seed: int = 0, **protocol: Any) -> Trainer:
    """A trainer of a prototype, or of another method, on a task of the kind that it is for."""
    task = task or ("shifts/a+b-c" if method == "many" else "toys/blobs")
    name = task if isinstance(task, str) else "toys/blobs"
    spec = replace(
        spec_of("source_only" if method in PROTOTYPES else method, name, seed, **protocol), method=method
    )
    prepare(CPU, spec.protocol)
    task = load_task(task) if isinstance(task, str) else task
    view = few_labels(task) if method == "minimax" else task.train_view()
    return new_trainer(spec, facts_of(view, task.facts), view, CPU)


def run(trainer: Trainer) -> Trainer:
    for _ in trainer.run():
        pass
    return trainer


def accuracy(trainer: Trainer, task: Task, side: Side = "target") -> float:
    x = torch.from_numpy(task.evaluation_view().target_test_x)
    return float((trainer.outputs(x, side)[1].argmax(1).numpy() == task.oracle().target_test_y).mean())


# 1. The contract holds them.


@pytest.mark.parametrize("name", PROTOTYPES)
def test_its_methods_have_at_most_15_lines_in_all(name: str) -> None:
    """Without blank lines, docstrings and what `def` takes."""
    (cls,) = ast.parse(inspect.getsource(PROTOTYPES[name])).body
    lines = set()
    for function in ast.walk(cls):
        if isinstance(function, ast.FunctionDef):
            documented = ast.get_docstring(function) is not None
            for statement in function.body[documented:]:
                lines |= set(range(statement.lineno, statement.end_lineno + 1))
    assert 0 < len(lines) <= 15


@pytest.mark.parametrize("name", PROTOTYPES)
def test_it_trains_to_the_last_checkpoint(name: str) -> None:
    trainer = start(name)
    before = weights(trainer)
    assert list(trainer.run())[-1] == trainer.steps
    assert not same(before, weights(trainer))


@pytest.mark.parametrize("name", PROTOTYPES)
def test_it_resumes_to_the_same_bits(name: str) -> None:
    whole, interrupted, resumed = (start(name, checkpoints=4) for _ in range(3))
    next(iter(interrupted.run()))
    resumed.load_state_dict(interrupted.state_dict())
    assert same(weights(run(whole)), weights(run(resumed)))


@pytest.mark.parametrize(
    ("method", "task", "lacks"), [("many", "shifts/a-b", "several_sources"), ("minimax", "toys/blobs", "few")]
)
def test_a_task_that_lacks_what_a_method_needs_is_not_applicable(method: str, task: str, lacks: str) -> None:
    reason = f"it needs what the task does not have: {lacks}"
    planned = plan("quick", ["source_only", method], [task])
    assert planned.not_applicable == [NotApplicable(task, method, reason)]
    assert {spec.method for spec in planned.specs} == {"source_only"}


def test_a_task_of_several_sources_is_for_methods_that_need_them() -> None:
    assert not plan("quick", ["source_only", "many"], ["shifts/a+b-c"]).not_applicable


# 2. What each claims.


def images(shift: float) -> Samples:
    rng = np.random.default_rng(int(shift))
    return Samples(rng.normal(shift, 1 + shift, (80, 3, 8, 8)).astype(np.float32), np.arange(80) % 2)


def test_manys_discriminators_tell_each_its_own_source_from_the_target() -> None:
    """With an encoder that stands still, so that nothing becomes alike."""
    trainer = run(start("many", steps=150, lr_backbone=1e-30, lr_adversary=0.01))
    assert len(trainer.method.discriminators) == 2
    assert set(trainer.source.domain.tolist()) == {0, 1}
    source, target = (trainer.outputs(side.x, "target")[0] for side in (trainer.source, trainer.target))
    for number, net in enumerate(trainer.method.discriminators):
        own = trainer.source.domain == number
        assert (net(source[own]) > 0).double().mean() > 0.8
        assert (net(target) <= 0).double().mean() > 0.8


def test_weighed_lets_a_class_go_that_the_target_lacks() -> None:
    rng, y = np.random.default_rng(0), np.arange(300) % 3
    x = (rng.normal(0, 0.5, (300, 2)) + 4 * np.c_[y == 1, y == 2]).astype(np.float32)
    task = Task("mine/a-b", ("0", "1", "2"), [Samples(x, y)], [Samples(x[y < 2], y[y < 2])])
    trainer = run(start("weighed", task, steps=100, lr_backbone=0.01, lr_new=0.01))
    share = trainer.method.share
    assert share[:2].min() > 0.7
    assert share[2] < 0.1
    batch = trainer.batches.at(0)
    assert torch.equal(trainer.method.source_weight(batch.source), share[batch.source.y])


def test_shot_learns_from_the_target_alone_what_the_source_began() -> None:
    task = load_task("toys/blobs")
    adapted, baseline = (run(start(name, steps=200, lr_finetune=1.0)) for name in ("shot", "source_only"))
    assert len(adapted.method.label) == len(adapted.target.x)
    assert accuracy(adapted, task) > accuracy(baseline, task) + 0.05


def test_a_source_free_stage_has_no_source_in_reach() -> None:
    deprived = start("shot")
    for step in deprived.run():
        if step == deprived.ends[0]:
            deprived.source = None  # type: ignore[assignment]
    assert same(weights(run(start("shot"))), weights(deprived))
    assert deprived.data_of(deprived.stages[1]).source is None
    with pytest.raises(KeyError):
        deprived.data_of(deprived.stages[1]).inputs("source")


def test_granted_labels_come_with_batches_of_the_target() -> None:
    granted, without = start("minimax").batches, start("source_only").batches
    few = granted.at(0).few
    assert few is not None
    assert sorted(few.index.tolist()) == list(range(6))  # all, where a batch would hold more
    assert granted.at(0, sees="source").few is not None
    assert without.at(0).few is None
    assert torch.equal(granted.at(0).target.index, without.at(0).target.index)


def test_minimax_takes_the_few_labels_that_are_granted() -> None:
    task = load_task("toys/blobs")
    trainer, baseline = (
        run(start(name, seed=1, steps=100, lr_backbone=0.01, lr_new=0.01)) for name in ("minimax", "source_only")
    )
    assert accuracy(trainer, task) > accuracy(baseline, task) + 0.3


def test_a_fit_of_scikit_learn_is_a_method_without_networks() -> None:
    view = load_task("toys/moons").train_view()
    fitted = LogisticRegression(fit_intercept=False).fit(view.source.x, view.source.y)
    trainer = run(start("logistic", "toys/moons"))
    said = trainer.outputs(torch.from_numpy(view.target.x), "target")[1].softmax(1).numpy()
    assert not list(trainer.method.parameters())
    np.testing.assert_allclose(said, fitted.predict_proba(view.target.x), atol=1e-5)


# 3. Stages and updates.


def test_each_epoch_is_each_pass_over_the_target() -> None:
    """1,000 samples, 250 a step: steps 20 to 39 begin five passes, the first as the stage begins."""
    trainer, begun = start("shot", target_batch=250), []
    adapt = trainer.stages[1]
    trainer.stages[1] = replace(adapt, each_epoch=lambda data: begun.append(trainer.progress.step))
    run(trainer)
    assert begun == [20, 24, 28, 32, 36]


@pytest.mark.parametrize(("batch", "different"), [("fresh", 4), ("same", 1)])
def test_an_update_repeats_on_fresh_batches_or_on_the_same(
    batch: Literal["fresh", "same"], different: int
) -> None:
    trainer, seen = start("weighed"), []

    def spy(batch: Batch, progress: Tensor) -> Loss:
        seen.append((*batch.source.index.tolist(), *batch.target.index.tolist()))
        return trainer.method.loss(batch, progress)

    trainer.stages = [Stage("joint", [Update(spy, repeat=4, batch=batch)])]
    trainer._enter(trainer.stages[0])
    trainer._step(trainer.stages[0], 1, 1, 20, False)
    assert len(seen) == 4
    assert len(set(seen)) == different


def test_an_update_of_buffers_alone_takes_no_gradient() -> None:
    trainer, told = start("weighed"), []

    def count(batch: Batch, progress: Tensor) -> Loss:
        told.append(torch.is_grad_enabled())
        trainer.method.share.add_(1)
        return Loss(None)

    trainer.stages = [Stage("count", [Update(count, trains=())])]
    before = weights(trainer)
    run(trainer)
    assert told == [False] * 20
    assert torch.equal(trainer.method.share, before.pop("share") + 20)
    assert same(before, {name: value for name, value in weights(trainer).items() if name != "share"})
    assert trainer.progress.backward_passes == 0


# 4. Slips are one clear error.


class Slip(Deep):
    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        slip(self, build)


def slip(method: Slip, build: Build) -> None:
    """To be patched."""


def stages_of(*stages: Stage) -> Callable[[Slip, Build], None]:
    return lambda method, build: setattr(method, "stages", lambda: stages)


SLIPS: dict[str, Callable[[Slip, Build], object]] = {
    "network 'critic': unknown role 'advers'; did you mean 'adversary'": lambda method, build: build.network(
        lambda: nn.Linear(2, 1), "critic", "advers"
    ),
    "'bare.weight' outside of all networks": lambda method, build: setattr(method, "bare", nn.Linear(2, 1)),
    "unknown view 'stron'; did you mean 'strong'": stages_of(Stage("joint", [], views=("stron",))),
    "stage 'joint' finetunes 'encodr.'; no parameter's": stages_of(Stage("joint", [], finetune=("encodr.",))),
    "stage 'joint' trains 'hed.'; no parameter's": stages_of(
        Stage("joint", [Update(Deep.loss, trains=("hed.",))])
    ),
}


@pytest.mark.parametrize("message", SLIPS)
def test_a_slip_in_a_method_is_one_clear_error(message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "slip", SLIPS[message])
    METHODS.register("slip", INFO["weighed"])(Slip)
    try:
        with pytest.raises(UserError, match=message):
            run(start("slip"))
    finally:
        METHODS.remove("slip")


def test_facts_are_those_of_what_a_run_trains_on() -> None:
    view = load_task("shifts/a+b-c").train_view()
    found = facts_of(view, Facts(n_classes=2))
    assert (found.n_sources, found.n_targets, found.traits) == (2, 1, ("several_sources",))
    assert (found.input_shape, found.source_size) == ((2,), len(view.source.y))
    assert facts_of(few_labels(load_task("toys/blobs")), Facts(n_classes=2)).traits == ("few",)
