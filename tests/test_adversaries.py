"""Adversaries that are no discriminators, or not alone: heads that disagree, a critic, steps of the inputs."""

from typing import Any

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax, softmax
from torch import Tensor
from torch.nn import functional as F

from benchmarks.training.loop import Trainer
from datasets.base import Samples, Task
from methods.base import Batch, Embedded, Stage
from methods.losses.discrepancy import discrepancy
from methods.losses.disparity import margin_disparity
from methods.losses.virtual_adversarial import soft_cross_entropy, worst_step
from methods.losses.wasserstein import between, distance, gradient_penalty
from tests.conftest import same, spec_of, trained, trainer_of, weights

SHIFTED = "toys/blobs"
END = torch.tensor(1.0, dtype=torch.float64)
logits = st.integers(2, 5).flatmap(lambda k: arrays(np.float64, (4, 6, k), elements=st.floats(-5, 5, width=32)))


def entered(method: str, params: dict[str, Any] | None = None, **protocol: Any) -> tuple[Trainer, Stage, Batch]:
    """A trainer in float64 before its first step, its only stage and that step's batch."""
    trainer = trainer_of(spec_of(method, SHIFTED, params=params, precision="float64", **protocol))
    (stage,) = trainer.stages
    trainer._enter(stage)
    return trainer, stage, trainer.batches.at(0)


def gradients(of: Tensor, parameters: Any) -> list[Tensor | None]:
    return list(torch.autograd.grad(of, list(parameters), retain_graph=True, allow_unused=True))


# Maximum classifier discrepancy.


@settings(max_examples=25)
@given(logits)
def test_the_discrepancy_is_the_mean_difference_of_probabilities(z: np.ndarray) -> None:
    wanted = np.abs(softmax(z[0], 1) - softmax(z[1], 1)).mean()
    assert float(discrepancy(*map(torch.tensor, z[:2]))) == pytest.approx(wanted, abs=1e-12)


def images(shift: float) -> Samples:
    rng = np.random.default_rng(int(shift))
    return Samples(rng.normal(shift, 1 + shift, (80, 3, 8, 8)).astype(np.float32), np.arange(80) % 2)


@pytest.mark.parametrize("forward", ["joint", "separate"])
def test_mcd_forwards_the_domains_as_the_protocol_says(forward: str) -> None:
    """Joint: one update of batch norm with the mixed mean. Separate: two, the target's last."""
    task = Task("mine/a-b", ("0", "1"), [images(0)], [images(3)])
    spec = spec_of("mcd", backbone="cnn?width=8", forward=forward, source_batch=8, target_batch=8)
    trainer = trainer_of(spec, task)
    batch = trainer.batches.at(0)
    assert batch.source is not None
    assert batch.target is not None
    convolution, norm = trainer.method.encoder[0], trainer.method.encoder[1]
    with torch.no_grad():
        source, target = (convolution(side.x).mean((0, 2, 3)) for side in (batch.source, batch.target))
        trainer.method.classify(batch, END)
    expected = 0.05 * (source + target) if forward == "joint" else 0.09 * source + 0.1 * target
    torch.testing.assert_close(norm.running_mean, expected, rtol=0, atol=1e-5)


def test_mcds_three_losses_are_those_of_the_paper() -> None:
    """Section 3.3: both heads' errors; the same minus the discrepancy on the target; that discrepancy."""
    trainer, stage, batch = entered("mcd")
    net = trainer.method
    assert batch.source is not None
    assert batch.target is not None
    heads, (source, target) = (net.head, net.second_head), (net.encoder(s.x) for s in (batch.source, batch.target))
    error = sum(F.cross_entropy(head(source), batch.source.y) for head in heads)
    apart = (heads[0](target).softmax(1) - heads[1](target).softmax(1)).abs().mean()
    assert apart > 1e-3  # the heads start apart
    found = torch.stack([update.loss(batch, END).total for update in stage.updates])
    torch.testing.assert_close(found, torch.stack([error, error - apart, apart]))


def test_updates_train_what_they_say_and_count_their_passes() -> None:
    """Everything; the heads; the encoder, as often as is asked."""
    assert trained(spec_of("mcd")).progress.backward_passes == 20 * (1 + 1 + 4)
    trainer, stage, batch = entered("mcd", {"generator_steps": 3})
    assert [(update.repeat, update.batch) for update in stage.updates] == [(1, "same"), (1, "same"), (3, "same")]
    moved = []
    for update, its in zip(stage.updates, trainer._trained, strict=True):
        before = weights(trainer)
        trainer._apply(update.loss(batch, END).total, its, 1.0)
        after = weights(trainer)
        moved.append({name.partition(".")[0] for name in before if not torch.equal(before[name], after[name])})
    assert moved == [{"encoder", "head", "second_head"}, {"head", "second_head"}, {"encoder"}]


def test_mcd_predicts_with_the_mean_of_its_heads() -> None:
    net = (trainer := trained(spec_of("mcd", SHIFTED))).method
    features, found = trainer.outputs(trainer.target.x, "target")
    torch.testing.assert_close(found, (net.head(features) + net.second_head(features)).detach() / 2)


# Margin disparity discrepancy.


@settings(max_examples=25)
@given(logits, st.floats(0, 8))
def test_the_margin_disparity_matches_numpy(z: np.ndarray, margin: float) -> None:
    source, target, own, other = z
    rows = np.arange(6)
    agree = -log_softmax(own, 1)[rows, source.argmax(1)].mean()
    differ = -np.log(1 - softmax(other, 1)[rows, target.argmax(1)]).mean()
    found = margin_disparity(*map(torch.tensor, z), margin)
    assert float(found) == pytest.approx(margin * agree + differ, rel=1e-9)


def test_the_margin_disparity_is_exact_and_has_gradients_where_the_adversary_is_certain() -> None:
    sure = torch.tensor([[90.0, 0.0, 0.0]], requires_grad=True)
    found = margin_disparity(sure, sure, sure.detach(), sure, 4.0)
    assert found.item() == pytest.approx(90 - np.log(2))
    assert gradients(found, [sure])[0].tolist() == [[1.0, -0.5, -0.5]]  # type: ignore[union-attr]


def test_mdds_heads_each_learn_from_their_own_loss() -> None:
    trainer, _, batch = entered("mdd")
    net, (term,) = trainer.method, trainer.method.loss(batch, END).terms.values()
    assert gradients(term, net.head.parameters()) == [None, None]
    assert all(gradient is not None for gradient in gradients(term, net.adversary.parameters()))
    x = trainer.target.x[:50]
    features, found = trainer.outputs(x, "target")
    assert torch.equal(found, net.head(features))


def test_what_mdds_encoder_learns_is_reversed() -> None:
    trainer, _, batch = entered("mdd", {"margin": 3.0, "trade_off": 0.5})
    net = trainer.method
    (term,) = net.loss(batch, END).terms.values()
    sides = net.embed(batch)[:2]
    own = [net.adversary(side.features) for side in sides]
    plain = margin_disparity(*(side.logits for side in sides), *own, 3.0)
    strength = 0.5 * np.tanh(10)  # γ = 20
    for found, wanted in zip(*(gradients(of, net.encoder.parameters()) for of in (term, plain)), strict=True):
        torch.testing.assert_close(found, -strength * wanted)  # type: ignore[operator]


def test_mdds_adversary_agrees_on_the_source_and_differs_on_the_target() -> None:
    """With an encoder that stands still, so that nothing becomes alike."""
    trainer = trained(spec_of("mdd", SHIFTED, steps=100, lr_backbone=1e-30, lr_adversary=0.02, lr_new=0.02))

    def agreement(x: Tensor) -> float:
        features, said = trainer.outputs(x, "target")
        return float((trainer.method.adversary(features).argmax(1) == said.argmax(1)).double().mean())

    assert agreement(trainer.source.x) > 0.95
    assert agreement(trainer.target.x) < 0.9


# The Wasserstein distance.


@settings(max_examples=25)
@given(arrays(np.float64, (5, 3), elements=st.floats(-3, 3, width=32)))
def test_the_penalty_is_of_each_points_own_slope(x: np.ndarray) -> None:
    """Of Σ a x² / 2 the slope is a x, and the penalty's gradient by a is that of (‖a x‖ - 1)²."""
    a = np.array([0.5, -1.0, 2.0])
    x = x + np.sign(x + 0.5)  # no slope of zero
    points, scale = torch.tensor(x, requires_grad=True), torch.tensor(a, requires_grad=True)
    found = gradient_penalty((scale * points.square()).sum(1) / 2, points)
    norms = np.linalg.norm(a * x, axis=1)
    assert found.item() == pytest.approx(((norms - 1) ** 2).mean())
    (gradient,) = gradients(found, [scale])
    np.testing.assert_allclose(gradient, (2 * (1 - 1 / norms)[:, None] * a * x**2).mean(0), atol=1e-9)


def test_points_between_two_sides_are_drawn_from_their_rows_lines() -> None:
    source, target = torch.zeros(4, 3, dtype=torch.float64), torch.randn(6, 3, dtype=torch.float64)
    for one, other in ((source, target), (target, source)):
        torch.manual_seed(0)
        points = between(one, other)
        share = points / target[:4]
        assert points.shape == (4, 3)
        torch.testing.assert_close(share, share[:, :1].expand(4, 3))
        assert len(share[:, 0].unique()) == 4
        assert ((share > 0) & (share < 1)).all()
        assert not torch.equal(between(one, other), points)
        torch.manual_seed(0)
        assert torch.equal(between(one, other), points)
    many = between(torch.zeros(4000, 1), torch.ones(4000, 1))
    assert np.quantile(many, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.03)


def test_the_critic_is_penalised_at_both_sides_and_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []

    def spy(values: Tensor, points: Tensor) -> Tensor:
        seen.append(points)
        return gradient_penalty(values, points)

    monkeypatch.setattr("methods.wdgrl.gradient_penalty", spy)
    trainer, _, batch = entered("wdgrl", source_batch=5, target_batch=7)
    net = trainer.method
    assert batch.source is not None
    assert batch.target is not None
    source, target = (net.encoder(side.x).detach() for side in (batch.source, batch.target))
    torch.manual_seed(0)
    loss = net.criticise(batch, END)
    torch.manual_seed(0)
    torch.testing.assert_close(seen[0].detach(), torch.cat([source, target, between(source, target)]))
    torch.testing.assert_close(loss.terms["critic"], net.critic(target).mean() - net.critic(source).mean())
    points = seen[0].detach().requires_grad_()
    torch.testing.assert_close(loss.terms["penalty"], 10 * gradient_penalty(net.critic(points), points))
    assert all(gradient is None for gradient in gradients(loss.total, net.encoder.parameters()))


def test_wdgrls_encoder_reduces_the_weighted_distance_that_the_critic_finds() -> None:
    net = entered("wdgrl", {"trade_off": 0.3})[0].method
    source, target = (Embedded(None, torch.randn(6, 16).double(), torch.zeros(6, 2)) for _ in "st")
    (found,) = net.alignment(source, target, END).values()
    wanted = 0.3 * (net.critic(source.features).mean() - net.critic(target.features).mean())
    torch.testing.assert_close(found, wanted)


def test_wdgrls_critic_takes_its_steps_on_the_batch_of_the_others() -> None:
    _, stage, _ = entered("wdgrl", {"critic_steps": 3})
    assert [(u.trains, u.repeat, u.batch) for u in stage.updates] == [
        (("critic.",), 3, "same"),
        (("encoder.", "head."), 1, "same"),
    ]


def test_wdgrl_draws_the_same_points_whether_or_not_it_was_interrupted() -> None:
    spec = spec_of("wdgrl", SHIFTED, steps=4)
    interrupted, resumed = trainer_of(spec), trainer_of(spec)
    next(iter(interrupted.run()))
    torch.rand(7)
    resumed.load_state_dict(interrupted.state_dict())
    for _ in resumed.run():
        pass
    assert same(weights(trained(spec)), weights(resumed))


def test_wdgrls_critic_estimates_the_distance_of_features_by_optimal_transport() -> None:
    """With an encoder that stands still; a critic of slope 1 finds no more than the distance."""
    spec = spec_of("wdgrl", SHIFTED, steps=40, lr_backbone=1e-30, lr_adversary=0.02)
    trainer = trained(spec)
    source, target = (trainer.outputs(x, "target")[0][:300] for x in (trainer.source.x, trainer.target.x))
    with torch.no_grad():
        found = float(distance(*trainer.method.critic.both(source, target)))
    exact = ot.emd2([], [], torch.cdist(source, target).double().numpy())
    assert found == pytest.approx(exact, rel=0.25)


def test_a_compiled_critic_is_penalised_too() -> None:
    losses = []
    for compiled in (False, True):
        trainer, _, batch = entered("wdgrl")
        critic = trainer.method.critic
        if compiled:
            critic.forward = torch.compile(critic.forward, backend="aot_eager")
        torch.manual_seed(0)
        losses.append(trainer.method.criticise(batch, END).total)
        try:
            gradients(losses[-1], critic.parameters())
        except RuntimeError as error:
            pytest.fail(str(error))
    torch.testing.assert_close(*losses)


# Virtual adversarial training.


@settings(max_examples=25)
@given(logits)
def test_the_soft_cross_entropy_matches_numpy(z: np.ndarray) -> None:
    wanted = -(softmax(z[1], 1) * log_softmax(z[0], 1)).sum(1).mean()
    assert float(soft_cross_entropy(*map(torch.tensor, z[:2]))) == pytest.approx(wanted)


def test_the_worst_step_of_a_line_is_across_it() -> None:
    """Of two classes whose logits are linear; from whatever direction, and each sample's of its own length."""
    weight = torch.tensor([[1.0, -2.0], [0.5, 1.0], [2.0, 0.0]], dtype=torch.float64)
    x = torch.randn(8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = worst_step(lambda x: x @ weight, x, x @ weight, 0.7)
    across = weight[:, 0] - weight[:, 1]
    torch.testing.assert_close((found @ across).abs(), (0.7 * across.norm()).expand(8), rtol=1e-3, atol=0)
    torch.testing.assert_close(found.norm(dim=1), torch.full((8,), 0.7, dtype=torch.float64))


def test_vada_weighs_its_terms_and_takes_predictions_for_given() -> None:
    weighed = {"domain": 0.2, "source_smooth": 0.3, "target": 0.4, "radius": 0.5}
    trainer, _, batch = entered("vada", weighed)
    net = trainer.method
    sides = net.embed(batch)[:2]
    torch.manual_seed(0)
    terms = net.alignment(*sides, END)
    torch.manual_seed(0)
    moved = [
        net.logits(side.samples.x + worst_step(net.logits, side.samples.x, side.logits, 0.5 * np.sqrt(2)))
        for side in sides
    ]
    rough = [soft_cross_entropy(there, side.logits.detach()) for there, side in zip(moved, sides, strict=True)]
    on_source, on_target = (net.discriminator(side.features) for side in sides)
    wanted = {
        "fool": 0.1 * (F.softplus(on_source).mean() + F.softplus(-on_target).mean()),
        "entropy": 0.4 * torch.distributions.Categorical(logits=sides[1].logits).entropy().mean(),
        "source_smooth": 0.3 * rough[0],
        "target_smooth": 0.4 * rough[1],
    }
    torch.testing.assert_close(terms, wanted)
    for name in terms:
        torch.testing.assert_close(*(gradients(each[name], net.encoder.parameters()) for each in (terms, wanted)))


def test_vadas_steps_leave_no_trace_in_the_averages_of_batch_norm() -> None:
    trainer = trainer_of(
        spec_of("vada", backbone="cnn?width=8"), Task("m/a-b", ("0", "1"), [images(0)], [images(3)])
    )
    x = trainer.target.x[:8]
    before = weights(trainer)
    assert trainer.method.roughness(x, trainer.method.logits(x)).requires_grad
    assert same(before, weights(trainer))
