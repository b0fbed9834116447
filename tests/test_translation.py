"""Methods that translate images: CycleGAN with a classifier, and CyCADA. The common tests have no images."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from benchmarks.core.facts import Facts
from benchmarks.core.protocol import Adam, Protocol
from benchmarks.core.registry import METHODS
from benchmarks.core.settings import UserError
from benchmarks.evaluation.outputs import read_arrays
from benchmarks.plan.grid import obstacle
from benchmarks.report.page.translations import translations
from benchmarks.training.loop import Trainer
from benchmarks.training.recorder import Recorder
from datasets.base import Samples, Task, facts_of_task, load_task
from tests.conftest import same, spec_of, trained, trainer_of, weights
from tests.test_page_pictures import cells_of, sheets, words

EACH = ("cyclegan", "cycada")
SIDE, END = 16, torch.tensor(1.0, dtype=torch.float64)


def task_of(labels: int = 0, dtype: type = np.uint8) -> Task:
    """Dark images and light ones, of two classes: the upper or the lower half is lit."""
    sides = []
    for light, seed in ((0, 0), (120, 1)):
        rng = np.random.default_rng(seed)
        y = np.arange(40) % 2
        x = rng.integers(0, 60, (40, 1, SIDE, SIDE)) + light
        x[y == 0, :, :8] += 60
        x[y == 1, :, 8:] += 60
        sides.append(Samples(x.astype(dtype), y))
    sides[1] = replace(sides[1], y=(sides[1].y + labels) % 2)
    return Task("mine/a-b", ("0", "1"), sides[:1], sides[1:])


def spec(method: str, seed: int = 0, **protocol: Any) -> Any:
    small = {"steps": 3, "source_batch": 8, "target_batch": 8}
    return spec_of(method, "digits/mnist5k-optdigits", seed, **small | protocol)


@cache
def whole(method: str) -> Trainer:
    return trained(spec(method), task_of())


def at(method: str, stage: int) -> tuple[Any, Any]:
    """A method in float64 at the start of a stage, and a batch."""
    trainer = trainer_of(spec(method, precision="float64", backbone="mlp?width=16"), task_of())
    for number in range(stage + 1):
        if trainer.stages[number].begin:
            trainer.stages[number].begin(trainer.data_of(trainer.stages[number]))
    return trainer.method.train(), trainer.batches.at(0)


@pytest.mark.parametrize("method", EACH)
def test_it_repeats_resumes_and_reads_no_target_label(method: str) -> None:
    done = whole(method)
    assert same(weights(done), weights(trained(spec(method), task_of(labels=1))))
    assert not same(weights(done), weights(trained(spec(method, seed=1), task_of())))
    interrupted, resumed = (trainer_of(spec(method), task_of()) for _ in range(2))
    next(iter(interrupted.run(also=[2])))
    resumed.load_state_dict(interrupted.state_dict())
    for _ in resumed.run():
        pass
    assert same(weights(done), weights(resumed))
    assert [end // 3 for end in done.ends] == [*range(1, len(done.stages) + 1)]


@pytest.mark.parametrize("method", EACH)
def test_it_uses_what_it_says_and_its_gan_has_its_own_rate_and_betas(method: str) -> None:
    trainer = trainer_of(spec(method, lr_gan=0.3, optimizer="adam?beta1_finetune=0.7"), task_of())
    used = {module.role for module in trainer.method.modules() if hasattr(module, "role")} | {"target"}
    used |= {"finetune" for stage in trainer.stages if stage.finetune}
    assert used == set(METHODS.info(method).uses)
    generators = {*trainer.method.to_target.parameters(), *trainer.method.target_judge.parameters()}
    for stage in trainer.stages:
        trainer._enter(stage)
        for group in trainer.optimizer.param_groups:
            of_gan = not generators.isdisjoint(group["params"])
            assert group["betas"] == ((0.5 if of_gan else 0.7 if stage.finetune else 0.9), 0.999)
            assert (group["lr"] == 0.3) == of_gan
    assert Adam(beta1_gan=0.1).betas("gan", finetunes=True) == (0.1, 0.999)


def test_generators_and_discriminators_learn_by_the_papers_losses() -> None:
    net, batch = at("cyclegan", 0)
    s, t = batch.source.x, batch.target.x
    st, ts = net.to_target(s), net.to_source(t)
    terms = net.generate(batch, END).terms
    passing = ((net.target_judge(st) - 1) ** 2).mean() + ((net.source_judge(ts) - 1) ** 2).mean()
    back = (net.to_source(st) - s).abs().mean() + (net.to_target(ts) - t).abs().mean()
    torch.testing.assert_close(terms, {"pass": passing, "cycle": 10 * back})
    judged = net.judge(batch, END).total
    wanted = sum(
        ((judge(real) - 1) ** 2).mean() / 2 + (judge(fake) ** 2).mean() / 2
        for judge, real, fake in ((net.target_judge, t, st), (net.source_judge, s, ts))
    )
    torch.testing.assert_close(judged, wanted)
    reached = torch.autograd.grad(judged, list(net.to_target.parameters()), allow_unused=True)
    assert all(gradient is None for gradient in reached)


def test_translated_images_keep_their_labels_and_leave_the_generator_alone() -> None:
    net, batch = at("cyclegan", 1)
    found = net.classify(replace(batch, target=None), END).total
    said = net.head(net.encoder(net.to_target(batch.source.x)))
    torch.testing.assert_close(found, F.cross_entropy(said, batch.source.y))
    assert torch.autograd.grad(found, [*net.to_target.parameters()], allow_unused=True)[0] is None
    torch.testing.assert_close(net.predict(batch.source.x, "source")[1], said)
    torch.testing.assert_close(net.predict(batch.target.x, "target")[1], net.head(net.encoder(batch.target.x)))


def test_cycadas_translations_keep_the_class_that_the_frozen_classifier_sees() -> None:
    net, batch = at("cycada", 1)
    s, t = batch.source.x, batch.target.x
    net.encoder.requires_grad_(False)
    said = lambda x: net.head(net.encoder(x))  # noqa: E731
    wanted = F.cross_entropy(said(net.to_target(s)), said(s).argmax(1)) + F.cross_entropy(
        said(net.to_source(t)), said(t).argmax(1)
    )
    torch.testing.assert_close(net.generate(batch, END).terms["semantic"], wanted)
    assert not any(parameter.requires_grad for parameter in net.source_model.parameters())


def test_cycadas_features_of_the_target_learn_to_pass_for_the_frozen_ones_of_translations() -> None:
    net, batch = at("cycada", 2)
    translated = net.to_target(batch.source.x)
    on_source, on_target = (net.discriminator(net.encoder(x)) for x in (translated, batch.target.x))
    wanted = F.softplus(-on_source).mean() + F.softplus(on_target).mean()
    torch.testing.assert_close(net.discriminate(batch, END).terms["domain"], wanted)
    torch.testing.assert_close(net.classify(batch, END).terms["fool"], F.softplus(-on_target).mean())


def test_cycadas_frozen_classifier_is_the_first_stages_to_the_bit() -> None:
    done = whole("cycada")
    base = trained(spec("source_only"), task_of())
    kept = [*done.method.source_model.state_dict().values()]
    wanted = [*base.method.encoder.state_dict().values(), *base.method.head.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(kept, wanted, strict=True))


@pytest.mark.parametrize("method", EACH)
def test_other_inputs_are_not_applicable(method: str) -> None:
    digits = facts_of_task("digits/mnist5k-optdigits")
    assert digits.input_shape == load_task("digits/mnist5k-optdigits").input_shape
    assert obstacle(method, digits, Protocol()) is None
    for shape in (None, (2,), (3, 28), (1, 8, 8), (3, 224, 224), (1, 30, 30)):
        facts = Facts(n_classes=2, input_shape=shape)
        assert "translates images of 16 to 64" in (obstacle(method, facts, Protocol()) or "")
    with pytest.raises(UserError, match="real numbers: give them as uint8"):
        trained(spec(method), task_of(dtype=np.float32))


@pytest.mark.parametrize("licence", [True, False])
def test_a_page_shows_samples_above_their_translations(
    licence: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not licence:
        monkeypatch.setattr("benchmarks.report.page.translations.may_show", lambda *_, **__: False)
    cells = cells_of("digits/mnist5k-optdigits", methods=["source_only", "cyclegan"])
    store = _Folders(tmp_path)
    assert translations(cells, [store]) is None
    trainer = whole("cyclegan")
    recorder = Recorder(spec("cyclegan"), task_of(), tmp_path)
    recorder._keep_translations(trainer)
    kept = read_arrays(tmp_path / "translations.npz")
    said = trainer.method.to_target(torch.from_numpy(kept["source"]) / 127.5 - 1)
    np.testing.assert_allclose(kept["translated"], ((said.detach() + 1) * 127.5).numpy(), atol=0.51)
    section = translations(cells, [store])
    assert section is not None
    assert ("Not shown" in words(section)) != licence
    for picture in sheets(section):
        pixels = np.asarray(picture)
        assert (pixels[:SIDE, :SIDE] == kept["source"][0, 0]).all()
        assert (pixels[SIDE + 2 :, :SIDE] == kept["translated"][0, 0]).all()


class _Folders:
    """A store whose only record is of CycleGAN."""

    def __init__(self, folder: Path) -> None:
        self.root = folder

    def folder(self, of: Any) -> Path:
        return self.root if of.method == "cyclegan" else self.root / "none"
