"""What every registered method must do; and each check, faced with the fault it guards against."""

import dataclasses
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from scipy import optimize
from sklearn.metrics.pairwise import rbf_kernel
from torch import Tensor, nn

from benchmarks.core.registry import METHODS
from benchmarks.training.loop import _any_begins
from datasets.base import Domains, Samples, Task
from datasets.base.dials import Dials
from datasets.toys import Toys
from methods import cdan as cdan_file
from methods import dann as dann_file
from methods.base import Batch, Embedded, Loss, MethodWarning, Stage, Update
from methods.kmm import kernel_mean_weights
from methods.networks import grl
from methods.networks.layers import Discriminator
from methods.reweighting import domain_odds, flattening
from methods.weighting import effective_size
from tests.conftest import (
    ADAPTING,
    CANDIDATES,
    CPU,
    REWEIGHTING,
    RUNNING,
    hidden_sizes,
    same,
    spec_of,
    suited,
    takes_steps,
    thorough_for_most,
    trained,
    trainer_of,
    weights,
)

SHIFTED = "toys/blobs"
ADVERSARIAL = [name for name in CANDIDATES if "adversary" in METHODS.info(name).uses]
WEIGHTING = [name for name in CANDIDATES if METHODS.info(name).family == "weighting"]


# 1. Target labels never reach training.


def relabel(samples: Samples, how: str) -> Samples:
    rng = np.random.default_rng(0)
    y = {
        "random": rng.integers(2, size=len(samples.y)),
        "zeros": np.zeros_like(samples.y),
        "other marginal": (rng.random(len(samples.y)) < 0.9).astype(np.int64),
        "none": np.full_like(samples.y, -1),
        "some": np.where(rng.random(len(samples.y)) < 0.3, samples.y, -1),
    }[how]
    return dataclasses.replace(samples, y=y)


def with_few_kept(applied: Callable[[Dials, Domains], Domains], how: str, *args: Any) -> Domains:
    """What dials make of domains, with other labels of all target samples but the few."""
    domains = applied(*args)
    (target,) = domains.targets
    assert target.few is not None
    y = np.where(target.few, target.y, relabel(target, how).y) if how else target.y
    return Domains(domains.sources, [dataclasses.replace(target, y=y)])


def with_target_labels(monkeypatch: pytest.MonkeyPatch, method: str, how: str) -> None:
    """Replace the target's labels where the reader returns them, before any split.

    Of a task that grants a few, after these are chosen, and not theirs.
    """
    if "few" in METHODS.info(method).needs:
        applied = Dials.applied
        monkeypatch.setattr(Dials, "applied", lambda *args: with_few_kept(applied, how, *args))
        return
    read = Toys.read

    def patched(self: Toys, task: str, options: Any) -> Domains:
        domains = read(self, task, options)
        (target,) = domains.targets
        # Without its own test samples, so that the split is drawn here too.
        return Domains(domains.sources, [dataclasses.replace(relabel(target, how) if how else target, test=None)])

    monkeypatch.setattr(Toys, "read", patched)


def weights_with_target_labels(method: str, how: str) -> dict[str, Tensor]:
    from datasets.base import forget_tasks

    with pytest.MonkeyPatch.context() as patch:
        with_target_labels(patch, method, how)
        forget_tasks()
        return weights(trained(spec_of(method)))


@cache
def honest_weights(method: str) -> dict[str, Tensor]:
    return weights_with_target_labels(method, "")


@pytest.mark.parametrize("method", CANDIDATES)
def test_random_target_labels_change_nothing(method: str) -> None:
    assert same(honest_weights(method), weights_with_target_labels(method, "random"))


@pytest.mark.parametrize("how", ["zeros", "other marginal", "none", "some"])
@pytest.mark.parametrize("method", thorough_for_most(CANDIDATES))
def test_target_labels_change_nothing(method: str, how: str) -> None:
    assert same(honest_weights(method), weights_with_target_labels(method, how))


def test_target_labels_change_nothing_of_early_stopping(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from benchmarks.training.run import execute
    from datasets.base import forget_tasks

    kept = []
    for how in ("", "random"):
        with monkeypatch.context() as patch:
            with_target_labels(patch, "dann", how)
            forget_tasks()
            folder = tmp_path / f"labels-{how}"
            folder.mkdir()
            spec = spec_of("dann", steps=84, stopping="source_val?patience=3", checkpoints=1)
            execute(spec, folder, CPU, save_weights=True)
        kept.append(
            [(folder / name).read_bytes() for name in ("scores.json", "weights.safetensors", "oracle.json")]
        )
    assert kept[0][:2] == kept[1][:2]
    assert kept[0][2] != kept[1][2], "the labels were not replaced: this shows nothing"


def test_a_stratified_target_split_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def stratified(samples: Samples, seed: int) -> np.ndarray:
        """30% of each class: what many suites do."""
        rank = np.zeros(len(samples.y), dtype=int)
        for label in np.unique(samples.y):
            rank[samples.y == label] = np.arange((samples.y == label).sum())
        return rank % 10 < 3

    monkeypatch.setattr("datasets.base.splits._test_mask", stratified)
    honest = weights_with_target_labels("dann", "")
    assert not same(honest, weights_with_target_labels("dann", "random"))


# 2. Off means off.


def off(method: str) -> dict[str, Any] | None:
    """Hyper-parameters that switch the alignment off, if a method has such."""
    fields = METHODS.get(method).settings.model_fields
    return {name: 0.0 for name in ("trade_off", "entropy") if name in fields} if "trade_off" in fields else None


def distance_to_source_only(method: str) -> float:
    """Largest difference of encoder and head to source_only with such a head after 20 steps, in float64."""
    trainer = trained(spec_of(method, SHIFTED, params=off(method), precision="float64"))
    mine = weights(trainer, "encoder.", "head.")
    task, head = suited(method, SHIFTED), hidden_sizes(trainer.method.head)
    baseline = spec_of("source_only", task, precision="float64", head_layers=head)
    base = weights(trained(baseline), "encoder.", "head.")
    return max(float((mine[key] - base[key]).abs().max()) for key in base)


@pytest.mark.parametrize("method", [name for name in ADAPTING if off(name) and name not in REWEIGHTING])
def test_off_means_off(method: str) -> None:
    assert distance_to_source_only(method) < 1e-8


def test_a_reversal_that_ignores_its_strength_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dann_file, "reverse", lambda x, strength: grl.reverse(x, torch.ones(())))
    assert distance_to_source_only("dann") > 1e-4


def choices(method: str) -> list[dict[str, Any]]:
    """A method's defaults, and each value that a hyper-parameter may have by name."""
    fields = METHODS.get(method).settings.model_fields.items()
    named = [(name, value) for name, field in fields for value in get_args(field.annotation)]
    return [{}, *({name: value} for name, value in named if isinstance(value, str))]


def stages_of(method: str, params: dict[str, Any]) -> list[Stage]:
    return trainer_of(spec_of(method, params=params)).stages


STAGED = [
    pytest.param(method, params, id="-".join([method, *params.values()]))
    for method in RUNNING
    for params in choices(method)
    if len(stages_of(method, params)) > 1
]


@pytest.mark.parametrize(("method", "params"), STAGED)
def test_a_first_stage_of_the_source_alone_ends_as_source_only_to_the_bit(
    method: str, params: dict[str, Any]
) -> None:
    staged = trainer_of(spec_of(method, SHIFTED, params=params))
    if not staged.stages[0].updates or staged.stages[0].sees != "source":
        pytest.skip("it has no such stage")
    assert next(iter(staged.run(also=[20]))) == staged.ends[0] == 20
    base = trained(spec_of("source_only", SHIFTED))  # on a task with a few target labels, it takes these too
    assert same(*(weights(trainer, "encoder.", "head.") for trainer in (staged, base)))


@pytest.mark.parametrize(("method", "params"), STAGED)
def test_a_stage_finetunes_what_it_starts_from_trained(method: str, params: dict[str, Any]) -> None:
    """What is fresh keeps its full learning rate."""
    trainer = trainer_of(spec_of(method, SHIFTED, params=params))
    fresh, began = weights(trainer), {}

    def noted(number: int, update: Update) -> Update:
        def loss(batch: Batch, progress: Tensor) -> Loss:
            began.setdefault(number, weights(trainer))
            return update.loss(batch, progress)

        return dataclasses.replace(update, loss=loss)

    for number, stage in enumerate(trainer.stages):
        updates = [noted(number, update) for update in stage.updates]
        trainer.stages[number] = dataclasses.replace(stage, updates=updates)
    for _ in trainer.run():
        pass
    for number, stage in enumerate(trainer.stages):
        if stage.finetune:
            prefixes = tuple(prefix for update in stage.updates for prefix in update.trains)
            names = [name for name, _ in trainer.method.named_parameters() if _any_begins(name, prefixes)]
            trained_before = {name for name in names if not torch.equal(began[number][name], fresh[name])}
            assert {name for name in names if _any_begins(name, stage.finetune)} == trained_before


def test_source_only_never_forwards_a_target_input() -> None:
    spec = spec_of("source_only", SHIFTED)
    trainer = trainer_of(spec)
    trainer.target = dataclasses.replace(trainer.target, x=torch.full_like(trainer.target.x, torch.nan))
    for _ in trainer.run():
        pass
    assert same(weights(trainer), weights(trained(spec)))


# 3. Gradients.


def first_loss(method: str) -> tuple[nn.Module, Loss]:
    """The first loss of the last stage, at full strength, before any step."""
    trainer = trainer_of(spec_of(method, SHIFTED))
    stage = trainer.stages[-1]
    trainer._enter(stage)
    if stage.begin:
        stage.begin(trainer.data_of(stage))
    batch = trainer.batches.at(0, stage.sees, views=stage.views)
    losses = [update.loss(batch, torch.tensor(1.0)) for update in stage.updates]
    return trainer.method, Loss(losses[0].task, {k: v for loss in losses for k, v in loss.terms.items()})


@pytest.mark.parametrize("method", CANDIDATES)
def test_gradients_reach_every_network_that_is_trained(method: str) -> None:
    if not takes_steps(method):
        pytest.skip("it has no networks")
    trainer = trainer_of(spec_of(method, SHIFTED))
    before = weights(trainer)
    for _ in trainer.run():
        pass
    after = weights(trainer)
    for name, network in trainer.method.named_children():
        moved = [key for key in before if key.startswith(f"{name}.") and not torch.equal(before[key], after[key])]
        if any(True for _ in network.parameters()):
            assert moved, f"{method} never trains its {name}"


def alignment_ratio(method: str) -> float:
    """Alignment over task gradient at the encoder, as the harness logs it at the last step.

    Of a method that learns from sure predictions alone, with those that are not sure.
    """
    waits = "threshold" in METHODS.get(method).settings.model_fields
    trainer = trained(spec_of(method, SHIFTED, params={"threshold": 0.0} if waits else None))
    return trainer.progress.curves[-1].get("gradient_ratio", float("nan"))


@pytest.mark.parametrize("method", ADAPTING)
def test_no_alignment_is_inert(method: str) -> None:
    if not takes_steps(method):
        pytest.skip("it is fitted without gradients")
    ratio = alignment_ratio(method)
    if np.isnan(ratio):
        pytest.skip("task and alignment are no terms of one loss")
    assert ratio > 1e-3


def test_an_inert_loss_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("methods.coral.coral", lambda source, target: 0.0 * source.sum())
    assert not alignment_ratio("coral") > 1e-3


def test_the_reversal_has_the_right_sign_and_scale() -> None:
    x = torch.ones(3, requires_grad=True)
    grl.reverse(x, torch.tensor(0.25)).sum().backward()
    assert torch.equal(x.grad, torch.full((3,), -0.25))


REVERSING = [name for name in ADVERSARIAL if "gamma" in METHODS.get(name).settings.model_fields]


@pytest.mark.parametrize("method", REVERSING)
def test_an_adversary_learns_at_full_weight_whatever_lambda(method: str) -> None:
    gradients = []
    for trade_off in (0.1, 10.0):
        trainer = trainer_of(spec_of(method, SHIFTED, params={"trade_off": trade_off}))
        loss = trainer.method.loss(trainer.batches.at(0, trainer.stages[0].sees), torch.tensor(0.5))
        adversaries = [net for net in trainer.method.modules() if getattr(net, "role", None) == "adversary"]
        parameters = [parameter for net in adversaries for parameter in net.parameters()]
        gradients.append(torch.autograd.grad(sum(loss.terms.values()), parameters))
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize("method", RUNNING)
def test_a_method_uses_what_it_says(method: str) -> None:
    """Networks by their roles, stages that finetune, and batches of the target."""
    trainer = trainer_of(spec_of(method))
    used = {module.role for module in trainer.method.modules() if hasattr(module, "role")}
    used |= {"finetune" for stage in trainer.stages if stage.finetune}
    used |= {"target" for stage in trainer.stages if stage.updates and stage.sees != "source"}
    used |= {"views" for stage in trainer.stages if stage.views != ("plain",)}
    assert used == set(METHODS.info(method).uses)


# 4. Discriminators.


def discriminator_spread(method: str) -> float:
    """How much a trained discriminator's logits differ between samples."""
    trainer = trained(spec_of(method, SHIFTED))
    discriminator = trainer.method.discriminator
    with torch.no_grad():
        first = next(layer for layer in discriminator.modules() if isinstance(layer, nn.Linear))
        features = torch.randn(64, first.in_features)
        return float(discriminator(features).std())


# A critic and a second head have no accuracy.
DISCRIMINATING = [name for name in ADVERSARIAL if hasattr(trainer_of(spec_of(name)).method, "discriminator")]


@pytest.mark.parametrize("method", DISCRIMINATING)
def test_discriminators_are_not_constant_and_their_accuracy_is_logged(method: str) -> None:
    assert discriminator_spread(method) > 1e-3
    curves = trained(spec_of(method, SHIFTED)).progress.curves
    logged = [each["domain_accuracy"] for each in curves if "domain_accuracy" in each]
    assert len(logged) == 20  # at each step of the stage that it is trained in
    assert all(0 <= accuracy <= 1 for accuracy in logged)


def test_a_softmax_over_one_unit_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Discriminator, "forward", lambda self, x: self.net(x).softmax(1).squeeze(1))
    assert not discriminator_spread("dann") > 1e-3


# 5. Conditioning.


def head_gradient_of_domain_loss() -> Tensor | None:
    method, loss = first_loss("cdan")
    (weight,) = torch.autograd.grad(loss.terms["domain"], [method.head[0].weight], allow_unused=True)
    return weight


def test_cdan_conditions_on_detached_probabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    assert head_gradient_of_domain_loss() is None
    seen = []
    forward = cdan_file.MultilinearMap.forward
    monkeypatch.setattr(
        cdan_file.MultilinearMap, "forward", lambda self, f, p: (seen.append(p), forward(self, f, p))[1]
    )
    first_loss("cdan")
    assert all(torch.allclose(p.sum(1), torch.ones(len(p))) and (p >= 0).all() for p in seen)


def test_conditioning_that_is_not_detached_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tensor, "detach", lambda self: self)
    assert head_gradient_of_domain_loss() is not None


def test_the_randomised_map_keeps_inner_products() -> None:
    """Its expectation is the multilinear map's: <T(f, p), T(f', p')> = <f, f'> <p, p'>."""
    build = trainer_of(spec_of("cdan", "toys/moons", backbone="mlp?width=4096"))
    multilinear = build.method.map
    assert multilinear.randomised
    f, p = torch.randn(2, 4096), torch.rand(2, 2)
    with torch.no_grad():
        mapped = multilinear(f, p)
    wanted = (f[0] @ f[0]) * (p[0] @ p[0])
    assert float(mapped[0] @ mapped[0] / wanted) == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize(("scaled", "own"), [("reversal", 1.0), ("loss", 0.3)])
def test_lambda_scales_the_reversed_gradient_and_if_asked_the_discriminators_own(scaled: str, own: float) -> None:
    features = torch.randn(2, 8, 16, generator=torch.Generator().manual_seed(0), requires_grad=True)

    def gradients(strength: float, scaled: str) -> tuple[Tensor, Tensor]:
        params = {"trade_off": strength, "gamma": 1e6, "scaled": scaled}
        method = trainer_of(spec_of("dann", params=params, backbone="mlp?width=16")).method
        source, target = (Embedded(None, side, torch.zeros(8, 2)) for side in features)
        loss = method.alignment(source, target, torch.tensor(1.0))["domain"]
        return torch.autograd.grad(loss, [features, method.discriminator.net[0].weight])

    full, weak = gradients(1.0, "reversal"), gradients(0.3, scaled)
    assert torch.allclose(weak[0], 0.3 * full[0])
    assert torch.allclose(weak[1], own * full[1])


def test_entropy_weights_favour_the_certain() -> None:
    method, _ = first_loss("cdan_e")
    weight = method.sample_weight(torch.tensor([[8.0, -8.0], [0.0, 0.0]]), torch.tensor(1.0))
    assert weight.tolist() == pytest.approx([2 / 1.75, 1.5 / 1.75], rel=1e-3)


@pytest.mark.parametrize(("gradient", "learns"), [("detached", False), ("reversed", True)])
def test_entropy_weights_teach_certainty_where_their_gradient_is_reversed(gradient: str, learns: bool) -> None:
    """The heavier a sample the larger the domain loss: descent would make it less certain, reversed more."""
    method = trainer_of(spec_of("cdan_e", params={"entropy_gradient": gradient})).method
    logits = torch.tensor([[0.5, 0.0], [0.0, 0.5]], requires_grad=True)
    source, target = (Embedded(None, torch.randn(2, method.n_features), logits) for _ in range(2))
    loss = method.alignment(source, target, torch.tensor(1.0))["domain"]
    (gradients,) = torch.autograd.grad(loss, [logits], allow_unused=True)
    assert (gradients is not None) == learns
    if gradients is not None:
        assert (gradients.diagonal() < 0).all()  # a step of descent raises the larger logit


def test_a_map_is_whole_up_to_the_largest() -> None:
    for largest, dimensions in ((32, 32), (31, cdan_file.RANDOM_MAP)):
        spec = spec_of("cdan", params={"largest_map": largest}, backbone="mlp?width=16")
        assert trainer_of(spec).method.map.out_features == dimensions


# Batch norm: what the two ways of forwarding do to it, and that frozen means frozen.


@pytest.mark.parametrize("forward", ["joint", "separate"])
def test_batch_norm_sees_the_domains_as_the_protocol_says(forward: str) -> None:
    """Joint: one update with the mixed mean. Separate: two, the target's last."""
    trainer = trainer_of(spec_of("dann", "toys/waves", backbone="cnn?width=8", forward=forward))
    batch = trainer.batches.at(0, trainer.stages[0].sees)
    assert batch.source is not None
    assert batch.target is not None
    convolution, norm = trainer.method.encoder[0], trainer.method.encoder[1]
    with torch.no_grad():
        means = [convolution(x).mean((0, 2, 3)) for x in (batch.source.x, batch.target.x)]
        trainer.method.embed(Batch(batch.source, batch.target))
    expected = 0.1 * (means[0] + means[1]) / 2 if forward == "joint" else 0.09 * means[0] + 0.1 * means[1]
    assert torch.allclose(norm.running_mean, expected, atol=1e-5)


@pytest.mark.parametrize("representation", ["features", "logits"])
def test_adda_freezes_the_source_network_and_adapts_what_the_discriminator_reads(representation: str) -> None:
    options = {"backbone": "cnn?width=8", "steps": 4, "source_batch": 8, "target_batch": 8}
    trainer = trainer_of(spec_of("adda", "toys/waves", params={"representation": representation}, **options))
    steps = trainer.run()
    next(steps)
    before = weights(trainer, "encoder."), weights(trainer, "head.")
    for _ in steps:
        pass
    after = weights(trainer)

    def kept(part: dict[str, torch.Tensor], prefix: str = "") -> bool:
        return same(part, {name: after[prefix + name] for name in part})

    encoder, head = before
    assert kept(encoder)
    assert kept(head)
    assert not kept(encoder, "target_")
    assert kept(head, "target_") == (representation == "features")


# Weights of the source.


def shifted_normals(shift: float, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(0, 1, (n, 2)), rng.normal(shift, 1, (n // 2, 2))


def test_importance_weights_follow_the_density_ratio() -> None:
    rng = np.random.default_rng(0)
    source, target = rng.normal(0, 1, (2000, 1)), rng.normal(1, 1, (1000, 1))
    odds = domain_odds(source, target, "logistic", seed=0) * 2  # n_s / n_t
    truth = np.exp(source[:, 0] - 0.5)
    assert np.corrcoef(np.log(odds), np.log(truth))[0, 1] > 0.99
    assert np.median(odds / truth) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("inputs", ["raw", "features"])
@pytest.mark.parametrize("method", WEIGHTING)
def test_weights_have_mean_one_and_are_of_the_source_alone(method: str, inputs: str) -> None:
    trainer = trained(spec_of(method, SHIFTED, params={"inputs": inputs}))
    assert float(trainer.method.weight.mean()) == pytest.approx(1, abs=1e-5)
    assert trainer.method.weight.std() > 0.1
    assert {stage.sees for stage in trainer.stages if stage.updates} == {"source"}
    size = trainer.progress.curves[-1]["effective_sample_size"]
    assert size == pytest.approx(float(effective_size(trainer.method.weight)))


@pytest.mark.parametrize("method", WEIGHTING)
@pytest.mark.parametrize(("shift", "told"), [(0.3, False), (8.0, True)])
def test_too_little_overlap_is_told(method: str, shift: float, told: bool) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer_of(spec_of(method)).method.weigh(*shifted_normals(shift), 0)
    assert any(issubclass(each.category, MethodWarning) for each in caught) == told


@pytest.mark.parametrize(("factor", "told"), [(1, False), (1e-3, True), (1e3, True)])
def test_a_density_ratio_whose_mean_is_not_one_is_told(
    monkeypatch: pytest.MonkeyPatch, factor: float, told: bool
) -> None:
    monkeypatch.setattr("methods.reweighting.domain_odds", lambda *args: factor * domain_odds(*args))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer = trained(spec_of("reweighting", "toys/covariate"))
    assert any("the mean of the density ratio" in str(each.message) for each in caught) == told
    logged = trainer.progress.curves[-1]
    assert (0.1 < logged["ratio_mean"] < 10) == (not told)
    assert logged["gamma"] == pytest.approx(float(trainer.method.gamma))


@pytest.mark.parametrize("least", [0.3, 0.5, 0.9, 1.0])
def test_weights_are_flattened_no_more_than_their_effective_size_asks(least: float) -> None:
    weight = np.exp(np.random.default_rng(0).normal(size=500) * 2)

    def size(power: float) -> float:
        return float(effective_size(torch.from_numpy(weight**power)))

    power = flattening(weight, least)
    assert size(power) == pytest.approx(least, abs=1e-6)
    assert size(power + 0.01) < least < size(power - 0.01) or least == 1.0
    assert flattening(weight**0.1, least * size(0.1)) == 1.0  # enough as they are


def test_the_ratio_is_relative_to_the_mean_of_both_domains() -> None:
    """Yamada et al., NIPS 2011, with α = 1/2: r / (r / 2 + 1 / 2), at most 2."""
    method = trainer_of(spec_of("reweighting", params={"effective": 1e-6})).method
    source, target = shifted_normals(1.0)
    ratio = 2 * domain_odds(source, target, "logistic", 0)
    np.testing.assert_allclose(method.weigh(source, target, 0), 2 * ratio / (ratio + 1))
    assert float(method.gamma) == 1.0
    assert float(method.ratio_mean) == pytest.approx(ratio.mean())


@pytest.mark.parametrize(("shift", "bound"), [(0.5, 1000.0), (2.0, 1000.0), (2.0, 3.0), (60.0, 1000.0)])
def test_kernel_mean_weights_are_those_of_another_solver(shift: float, bound: float) -> None:
    """At 60 the kernel's mean is 0 at the source, and the constraint of the sum binds."""
    n, width = 30, 1.5
    source, target = shifted_normals(shift, n)
    kernel, kappa = rbf_kernel(source, gamma=0.5 / width**2), rbf_kernel(source, target, gamma=0.5 / width**2)

    def objective(beta: np.ndarray) -> float:
        return float(beta @ kernel @ beta / 2 - n * kappa.mean(1) @ beta)

    sums = optimize.LinearConstraint(np.ones((1, n)), np.sqrt(n), 2 * n - np.sqrt(n))
    bounds, options = [(0, bound)] * n, {"maxiter": 1000, "ftol": 1e-12}
    gradient = {"jac": lambda beta: kernel @ beta - n * kappa.mean(1)}
    wanted = optimize.minimize(
        objective, np.ones(n), method="SLSQP", bounds=bounds, constraints=sums, options=options, **gradient
    ).x
    found = kernel_mean_weights(source, target, width, bound)
    assert found.min() >= 0
    assert found.max() <= bound
    assert np.sqrt(n) - 1e-6 <= found.sum() <= 2 * n - np.sqrt(n) + 1e-6
    assert objective(found) == pytest.approx(objective(wanted), rel=1e-4, abs=1e-6)
    assert np.abs(kernel @ (found - wanted)).max() < 1e-2 * n


@pytest.mark.parametrize("block", [2000, 100])
def test_kmm_brings_the_means_together_whole_or_in_blocks(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr("methods.kmm.BLOCK", block)
    source, target = shifted_normals(1.0, 450)
    weight = trainer_of(spec_of("kmm")).method.weigh(source, target, 0)
    before, after = (np.average(source, axis=0, weights=each) - target.mean(0) for each in (None, weight))
    assert np.linalg.norm(after) < 0.2 * np.linalg.norm(before)


def test_a_task_knows_its_target_labels_in_one_place() -> None:
    """Views of a task have no way to the target's labels."""
    samples = Samples(np.zeros((10, 2), np.float32), np.zeros(10, np.int64))
    task = Task("t", ("a",), [samples], [samples])
    assert not any("y" in field.name for field in dataclasses.fields(task.train_view()))
    assert {f.name for f in dataclasses.fields(task.evaluation_view())} == {
        "source_val",
        "source_test",
        "target_test_x",
    }
