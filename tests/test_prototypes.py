"""Methods that are not here yet, written in the contract, to show that it holds them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.core.registry import METHODS, MethodInfo
from methods.base import Batch, Loss, Method, Params, Stage, Update, View
from methods.networks.build import Build
from tests.conftest import same, spec_of, trained, trainer_of, weights


class MCD(Method):
    """Maximum classifier discrepancy (Saito et al., CVPR 2018): three steps on each batch."""

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.second = build.head(self.n_features, "second_head")

    def stages(self) -> Sequence[Stage]:
        updates = [
            Update(self.both_heads),
            Update(self.disagree, trains=("head.", "second.")),
            Update(self.agree, trains=("encoder.",), repeat=4),
        ]
        return [Stage("joint", updates)]

    def both_heads(self, batch: Batch, progress: Tensor) -> Loss:
        features = self.encoder(batch.source.x)
        return Loss(sum(F.cross_entropy(head(features), batch.source.y) for head in (self.head, self.second)))

    def discrepancy(self, x: Tensor) -> Tensor:
        features = self.encoder(x)
        return (self.head(features).softmax(1) - self.second(features).softmax(1)).abs().mean()

    def disagree(self, batch: Batch, progress: Tensor) -> Loss:
        task = self.both_heads(batch, progress).task
        return Loss(task, {"discrepancy": -self.discrepancy(batch.target.x)})

    def agree(self, batch: Batch, progress: Tensor) -> Loss:
        return Loss(None, {"discrepancy": self.discrepancy(batch.target.x)})


class WDGRL(Method):
    """Wasserstein distance (Shen et al., AAAI 2018): five critic steps on fresh batches, with a penalty."""

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.critic = build.discriminator(self.n_features, "critic")

    def stages(self) -> Sequence[Stage]:
        critic = Update(self.criticise, trains=("critic.",), repeat=5, batch="fresh")
        return [Stage("joint", [critic, Update(self.loss, trains=("encoder.", "head."))])]

    def criticise(self, batch: Batch, progress: Tensor) -> Loss:
        with torch.no_grad():
            source, target = self.encoder(batch.source.x), self.encoder(batch.target.x)
        mixed = torch.lerp(source, target, torch.rand(len(source), 1)).requires_grad_()
        (gradient,) = torch.autograd.grad(self.critic(mixed).sum(), mixed, create_graph=True)
        penalty = 10 * (gradient.norm(dim=1) - 1).square().mean()
        return Loss(
            None, {"distance": self.critic(target).mean() - self.critic(source).mean(), "penalty": penalty}
        )

    def alignment(self, source, target, progress):  # type: ignore[no-untyped-def]
        return {"distance": self.critic(source.features).mean() - self.critic(target.features).mean()}


class SHOT(Method):
    """Source hypothesis transfer (Liang et al., ICML 2020): the second stage never sees the source."""

    pseudo: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.register_buffer("pseudo", torch.zeros(1000, dtype=torch.int64))

    def stages(self) -> Sequence[Stage]:
        adapt = Update(self.adapt, trains=("encoder.",))
        return [
            Stage("source", [Update(self.loss)], sees="source"),
            Stage("adapt", [adapt], sees="target", finetune=True, each_epoch=self.label),
        ]

    def label(self, view: View) -> None:
        """Labels by the nearest of the classes' weighted feature centroids."""
        assert view.source is None
        features, logits = view.embed("target")
        centroids = F.normalize(logits.softmax(1).T @ features, dim=1)
        self.pseudo.copy_((F.normalize(features, dim=1) @ centroids.T).argmax(1))

    def adapt(self, batch: Batch, progress: Tensor) -> Loss:
        assert batch.source is None
        p = self.head(self.encoder(batch.target.x)).softmax(1)
        entropy = -(p * (p + 1e-6).log()).sum(1).mean()
        diversity = (p.mean(0) * (p.mean(0) + 1e-6).log()).sum()
        pseudo = F.nll_loss((p + 1e-6).log(), self.pseudo[batch.target.index])
        return Loss(None, {"information": entropy + diversity, "pseudo": 0.3 * pseudo})


class AdaBN(Method):
    """Batch statistics of the target (Li et al. 2017): a stage without steps after one with."""

    shift: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.register_buffer("shift", torch.zeros(self.n_features))

    def stages(self) -> Sequence[Stage]:
        source = Stage("source", [Update(self.loss)], sees="source")
        return [source, Stage("statistics", [], begin=self.statistics)]

    def statistics(self, view: View) -> None:
        self.shift.copy_(view.embed("source")[0].mean(0) - view.embed("target")[0].mean(0))


PROTOTYPES = [MCD, WDGRL, SHOT, AdaBN]


@pytest.fixture(params=PROTOTYPES, ids=lambda cls: cls.__name__)
def prototype(request: pytest.FixtureRequest) -> Iterator[str]:
    name = request.param.__name__.lower()
    METHODS.register(name, MethodInfo("prototype", 2026, "-", "-"))(request.param)
    yield name
    METHODS.remove(name)


def test_it_trains_to_the_last_checkpoint(prototype: str) -> None:
    trainer = trainer_of(spec_of(prototype, "toys/blobs"))
    before = weights(trainer)
    assert list(trainer.run())[-1] == 20
    assert not same(before, weights(trainer))


def test_it_resumes_to_the_same_bits(prototype: str) -> None:
    spec = spec_of(prototype, "toys/blobs", checkpoints=4)
    whole, interrupted, resumed = trained(spec), trainer_of(spec), trainer_of(spec)
    next(iter(interrupted.run()))
    resumed.load_state_dict(interrupted.state_dict())
    for _ in resumed.run():
        pass
    assert same(weights(whole), weights(resumed))


def test_a_source_free_stage_has_no_source_in_reach() -> None:
    METHODS.register("shot", MethodInfo("prototype", 2026, "-", "-"))(SHOT)
    try:
        spec = spec_of("shot", "toys/blobs")
        deprived = trainer_of(spec)
        for step in deprived.run():
            if step == deprived.ends[0]:
                del deprived.source
                deprived.source = None  # type: ignore[assignment]
        assert same(weights(trained(spec)), weights(deprived))
    finally:
        METHODS.remove("shot")


def test_each_epoch_is_each_pass_over_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 samples, 250 a step: steps 10 to 19 are halfway in one pass, and begin two others at 12 and 16."""
    METHODS.register("shot", MethodInfo("prototype", 2026, "-", "-"))(SHOT)
    try:
        trainer, begun = trainer_of(spec_of("shot", "toys/blobs", target_batch=250)), []
        adapt = trainer.stages[1]
        trainer.stages[1] = replace(adapt, each_epoch=lambda view: begun.append(trainer.progress.step))
        for _ in trainer.run():
            pass
        assert begun == [10, 12, 16]
    finally:
        METHODS.remove("shot")


@pytest.mark.parametrize(("cls", "number", "fresh"), [(WDGRL, 0, True), (MCD, 2, False)])
def test_an_update_repeats_on_fresh_batches_or_on_the_same(cls: type[Method], number: int, fresh: bool) -> None:
    name, seen = cls.__name__.lower(), []
    METHODS.register(name, MethodInfo("prototype", 2026, "-", "-"))(cls)
    try:
        trainer = trainer_of(spec_of(name, "toys/blobs"))
        (stage,) = trainer.stages
        update = stage.updates[number]

        def spy(batch: Batch, progress: Tensor) -> Loss:
            seen.append((*batch.source.index.tolist(), *batch.target.index.tolist()))
            return update.loss(batch, progress)

        stage.updates[number] = replace(update, loss=spy)  # type: ignore[index]
        trainer._enter(stage)
        trainer._step(stage, 0, 0, 20, False)
        assert len(seen) == update.repeat
        assert len(set(seen)) == (update.repeat if fresh else 1)
    finally:
        METHODS.remove(name)


def test_updates_train_what_they_say_and_count_their_passes() -> None:
    METHODS.register("mcd", MethodInfo("prototype", 2026, "-", "-"))(MCD)
    try:
        trainer = trained(spec_of("mcd", "toys/blobs"))
        assert trainer.progress.backward_passes == 20 * (1 + 1 + 4)
        trainer = trainer_of(spec_of("mcd", "toys/blobs"))
        trainer._enter(trainer.stages[0])
        batch, before = trainer.batches.at(0, trainer.stages[0].sees), weights(trainer, "encoder.")
        trainer._apply(trainer.method.disagree(batch, torch.tensor(0.0)).total, trainer._trained[1], 1.0)
        assert same(before, weights(trainer, "encoder."))
    finally:
        METHODS.remove("mcd")
