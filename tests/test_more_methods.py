"""Methods that build on others: heads compared as distributions, added terms, teachers, scales of batch norms."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg
from scipy.special import log_softmax, softmax
from torch import Tensor
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from benchmarks.core.registry import METHODS
from benchmarks.plan.grid import plan
from benchmarks.training.loop import Trainer
from datasets.base import Samples, Task
from methods.base import Batch, Embedded, Labelled, Unlabelled
from methods.jda import contrasts, joint_axes
from methods.losses.certainty import class_confusion, entropy, nuclear_norm
from methods.losses.mmd import mk_mmd
from methods.losses.sliced import DIRECTIONS, sliced_discrepancy
from methods.losses.spectral import largest_singular_values
from methods.losses.virtual_adversarial import soft_cross_entropy
from tests.conftest import rows_of, same, spec_of, trained, trainer_of, weights

SHIFTED = "toys/blobs"
END = torch.tensor(1.0, dtype=torch.float64)
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=25)


def drawn(seed: int, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


def sides(classes: int = 2) -> tuple[Embedded[Labelled], Embedded[Unlabelled]]:
    """Features (8, 16) and (6, 16), and logits, of two domains, that take gradients."""
    x, y, of_x, of_y = (
        torch.tensor(each, requires_grad=True) for each in drawn(0, (8, 16), (6, 16), (8, classes), (6, classes))
    )
    index, other = torch.arange(8), torch.arange(6)
    source = Labelled(x, index % classes, index, torch.zeros_like(index))
    return Embedded(source, x, of_x), Embedded(Unlabelled(y, other, torch.zeros_like(other)), y, of_y)


def fresh(method: str, params: dict[str, Any] | None = None) -> Trainer:
    return trainer_of(spec_of(method, SHIFTED, params=params, precision="float64"))


def at_second_stage(
    method: str, task: Task | None = None, params: dict[str, Any] | None = None, **protocol: Any
) -> tuple[Trainer, Iterator[int]]:
    """A trainer that has done its first stage, and since then has no source at all; and the steps to come."""
    trainer = trainer_of(spec_of(method, "toys/waves" if task else SHIFTED, params=params, **protocol), task)
    steps = trainer.run(also=range(trainer.steps))
    assert next(step for step in steps if step == trainer.ends[0])
    trainer.source = None  # type: ignore[assignment]
    return trainer, steps


def moved(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name in after if not torch.equal(before[name], after[name])}


# Pseudo-labels.


@pytest.mark.parametrize(("progress", "weight"), [(0.05, 0), (0.1, 0), (0.35, 1.5), (0.6, 3), (0.9, 3)])
def test_pseudo_labels_weigh_more_as_training_goes_on(progress: float, weight: float) -> None:
    """The paper's weight is 0 until epoch 100, then rises in a line to 3 at epoch 600."""
    source, target = sides(3)
    (found,) = fresh("pseudo_labels").method.alignment(source, target, END * progress).values()
    log_p = log_softmax(target.logits.detach().numpy(), axis=1)
    assert float(found.detach()) == pytest.approx(-weight * log_p.max(1).mean())


# The sliced Wasserstein discrepancy.


@few
@given(seeds, st.integers(1, 9), st.integers(2, 6))
def test_the_sliced_discrepancy_is_that_of_pot(seed: int, n: int, classes: int) -> None:
    first, second = drawn(seed, (n, classes), (n, classes))
    torch.manual_seed(seed % 2**31)
    directions = F.normalize(torch.randn(classes, DIRECTIONS), dim=0).double().numpy()
    torch.manual_seed(seed % 2**31)
    found = sliced_discrepancy(torch.tensor(first), torch.tensor(second))
    p, q = softmax(first, axis=1), softmax(second, axis=1)
    wanted = ot.sliced_wasserstein_distance(p, q, projections=directions, p=2) ** 2
    assert float(found) == pytest.approx(wanted, rel=1e-6, abs=1e-12)


def test_swd_compares_its_heads_as_sets() -> None:
    first, second = map(torch.tensor, drawn(0, (7, 3), (7, 3)))
    found = []
    for order in (torch.arange(7), torch.randperm(7)):
        torch.manual_seed(0)
        found.append(sliced_discrepancy(first, second[order]))
    torch.testing.assert_close(*found)


def test_swds_three_losses_are_those_of_mcd_with_its_own_discrepancy() -> None:
    trainer = fresh("swd")
    net, batch = trainer.method, trainer.batches.at(0)
    classify, disagree, agree = trainer.stages[0].updates
    assert agree.repeat == 1
    logits = [head(net.encoder(batch.target.x)) for head in (net.head, net.second_head)]
    error = classify.loss(batch, END).total
    torch.manual_seed(0)
    apart = sliced_discrepancy(*logits)
    assert apart > 1e-6
    for update, wanted in ((disagree, error - apart), (agree, apart)):
        torch.manual_seed(0)
        torch.testing.assert_close(update.loss(batch, END).total, wanted)


# Terms added to adversarial methods.

ADDED = ("spectral", "nuclear_norm", "confusion")
HAVING = ["dann", "cdan", "cdan_e"]


@few
@given(seeds)
def test_the_spectral_penalty_matches_numpy(seed: int) -> None:
    source, target = drawn(seed, (5, 4), (9, 4))
    wanted = sum(np.linalg.svd(side, compute_uv=False)[0] ** 2 for side in (source, target))
    assert float(largest_singular_values(torch.tensor(source), torch.tensor(target))) == pytest.approx(wanted)


@pytest.mark.parametrize("method", HAVING)
def test_terms_of_weight_zero_are_not_there_and_no_part_of_an_id(method: str) -> None:
    """Runs from before they could be added are still those of the method, to the bit."""
    assert list(fresh(method).method.alignment(*sides(), END)) == ["domain"]
    plain = spec_of(method).run_id
    for name in ADDED:
        assert spec_of(method, params={name: 0.0}).run_id == plain
        assert spec_of(method, params={name: 0.5}).run_id != plain
        about = METHODS.get(method).settings.model_fields[name].json_schema_extra
        assert about["low"] is about["high"] is None  # a search does not draw it


@pytest.mark.parametrize("method", HAVING)
def test_added_terms_are_weighted_as_said(method: str) -> None:
    source, target = sides()
    net = fresh(method, {"spectral": 2.0, "nuclear_norm": 3.0, "confusion": 4.0}).method
    found = net.alignment(source, target, END)
    del found["domain"]
    wanted = {
        "spectral": 2 * largest_singular_values(source.features, target.features),
        "nuclear_norm": -3 * nuclear_norm(target.logits),
        "confusion": 4 * class_confusion(target.logits, 2.5),
    }
    torch.testing.assert_close(found, wanted)


# Joint distribution adaptation.


def joint_matrix(y: np.ndarray, said: np.ndarray) -> np.ndarray:
    """C M₀ + Σ M_c over the classes of both, entry by entry, over its Frobenius norm."""
    labels, n = np.concatenate([y, said]), len(y)
    of_source = np.arange(len(labels)) < n

    def mmd(source: np.ndarray, target: np.ndarray) -> np.ndarray:
        n_s, n_t = source.sum(), target.sum()
        inside = np.outer(source, source) / n_s**2 + np.outer(target, target) / n_t**2
        return inside - (np.outer(source, target) + np.outer(target, source)) / (n_s * n_t)

    matrix = len(set(y)) * mmd(1.0 * of_source, 1.0 * ~of_source)
    for label in set(y) & set(said):
        matrix += mmd(1.0 * (of_source & (labels == label)), 1.0 * (~of_source & (labels == label)))
    return matrix / np.linalg.norm(matrix)


@few
@given(seeds, st.integers(2, 9), st.integers(1, 9), st.booleans())
def test_contrasts_make_the_matrix_of_the_paper(seed: int, n: int, m: int, first: bool) -> None:
    rng = np.random.default_rng(seed)
    y, said = rng.integers(4, size=n), np.full(m, -1) if first else rng.integers(4, size=m)
    found = contrasts(y, said)
    np.testing.assert_allclose(found @ found.T, joint_matrix(y, said), atol=1e-12)


@few
@given(seeds, st.sampled_from([0.01, 1.0, 30.0]))
def test_joint_axes_are_the_leading_generalised_eigenvectors(seed: int, ridge: float) -> None:
    (x,) = drawn(seed, (14, 5))
    y, said = np.arange(8) % 3, np.arange(6) % 4
    between = x.T @ joint_matrix(y, said) @ x + ridge * np.eye(5)
    variance = x.T @ (np.eye(14) - 1 / 14) @ x
    values, vectors = linalg.eigh(variance, between)
    found = joint_axes(x, contrasts(y, said), 2, ridge, seed=0)
    np.testing.assert_allclose(found.T @ between @ found, np.eye(2), atol=1e-8)
    if np.diff(values)[-2:].min() > 1e-3:  # else they may be mixed
        np.testing.assert_allclose(np.abs(np.sum(found * (between @ vectors[:, :-3:-1]), 0)), 1, atol=1e-6)


def test_jda_gives_up_the_direction_in_which_classes_move_apart() -> None:
    """Their moves are opposite, so that the domains' means agree: only labels of the target can show it."""
    rng, y = np.random.default_rng(0), np.arange(300) % 3
    centres = 3 * np.eye(6)[:3]
    moves = 4 * np.outer([1, -1, 0], np.eye(6)[3])
    source, target = (rng.normal(size=(300, 6)) * 0.5 + each[y] for each in (centres, centres + moves))
    every = [Samples(x.astype(np.float32), y) for x in (source, target)]
    task = Task("mine/a-b", ("0", "1", "2"), every[:1], every[1:])
    shares = []
    for rounds in (1, 10):
        axes = trained(spec_of("jda", params={"rounds": rounds, "dim": 2, "ridge": 0.1}), task).method.axes
        shares.append(float(axes[3].square().sum() / axes.square().sum()))
    assert shares[0] > 0.2
    assert shares[1] < shares[0] / 4


# Tent.

IMAGES = {"backbone": "cnn?width=8", "steps": 6, "checkpoints": 1, "source_batch": 8, "target_batch": 8}


def images(mean: float, n: int) -> Samples:
    rng = np.random.default_rng(n)
    return Samples(rng.normal(mean, 1 + mean, (n, 3, 8, 8)).astype(np.float32), np.arange(n) % 2)


def task_of_images(*, flipped: bool = False) -> Task:
    target = images(3, 90)
    return Task("mine/a-b", ("0", "1"), [images(0, 60)], [replace(target, y=1 - target.y) if flipped else target])


def test_tent_learns_scales_and_shifts_alone_and_has_no_source() -> None:
    trainer, steps = at_second_stage("tent", task_of_images(), **IMAGES)
    before = weights(trainer, "encoder.", "head.")
    list(steps)
    norms = {name for name, each in trainer.method.named_modules() if isinstance(each, _BatchNorm)}
    learnt = {f"{name}.{what}" for name in norms for what in ("weight", "bias") if name.startswith("target_")}
    parameters = dict(trainer.method.named_parameters())
    adabn = trained(spec_of("adabn", "toys/waves", **IMAGES), task_of_images()).method
    start = dict(adabn.named_parameters())
    assert moved(start, parameters) == learnt
    assert same(weights(trainer, "encoder.", "head."), before)


def test_tent_begins_where_adabn_ends_and_becomes_surer() -> None:
    unsure = []
    for method in ("adabn", "tent"):
        longer = {**IMAGES, "steps": 30, "lr_backbone": 0.02, "lr_finetune": 1.0}
        spec = spec_of(method, "toys/waves", **longer)
        trainer = trained(spec, task_of_images())
        unsure.append(float(entropy(trainer.outputs(trainer.target.x, "target")[1]).mean()))
    assert unsure[1] < 0.9 * unsure[0]


def test_tent_resumes_to_the_same_bits_and_takes_no_target_label() -> None:
    spec = spec_of("tent", "toys/waves", **{**IMAGES, "checkpoints": 4})
    whole, stopped, resumed = (trainer_of(spec, task_of_images()) for _ in range(3))
    for step in stopped.run():
        if step > stopped.ends[0]:
            break
    resumed.load_state_dict(copy.deepcopy(stopped.state_dict()))
    for trainer in (whole, resumed):
        list(trainer.run())
    assert same(weights(whole), weights(resumed))
    assert same(weights(whole), weights(trained(spec, task_of_images(flipped=True))))


def test_tent_is_for_backbones_with_batch_norm() -> None:
    (unable,) = plan("quick", ["source_only", "tent"], ["toys/moons"]).not_applicable
    assert unable.reason.startswith("it needs batch normalisation, which backbone 'mlp")
    assert METHODS.info("tent").uses == ("backbone", "new", "target", "finetune")


# DIRT-T.


def test_dirt_ts_first_stage_is_vada_to_the_bit_and_its_second_has_no_source() -> None:
    trainer, steps = at_second_stage("dirt_t")
    between = weights(trainer)
    assert same(
        weights(trained(spec_of("vada", SHIFTED))),
        {k: v for k, v in between.items() if k not in {"taught", "age"}},
    )
    list(steps)
    assert {name.partition(".")[0] for name in moved(between, weights(trainer))} == {
        "encoder",
        "head",
        "taught",
        "age",
    }


@pytest.mark.parametrize(("interval", "teachers"), [(1, 5), (4, 5), (5, 3), (16, 2), (17, 1), (5000, 1)])
def test_dirt_ts_teacher_is_the_network_at_the_pass_over_the_target_that_is_due(
    interval: int, teachers: int
) -> None:
    trainer, steps = at_second_stage("dirt_t", params={"interval": interval}, target_batch=250)
    trainer._enter(trainer.stages[1])
    taught, renewed = weights(trainer, "taught")["taught"], 0
    said = trainer.outputs(trainer.target.x, "target")[1]
    for _ in steps:
        latest = weights(trainer, "taught")["taught"]
        if not torch.equal(latest, taught):
            torch.testing.assert_close(latest, said)
            taught, renewed = latest, renewed + 1
        said = trainer.outputs(trainer.target.x, "target")[1]
    assert renewed == teachers  # 20 steps of 250 of the 1,000 samples: passes begin after 0, 4, 8, 12 and 16


def test_dirt_t_weighs_its_terms_and_gives_each_sample_its_own_teaching() -> None:
    trainer = fresh("dirt_t", {"target": 0.2, "teacher": 0.3})
    net, batch = trainer.method, trainer.batches.at(0, "target")
    net.taught.copy_(torch.tensor(drawn(0, tuple(net.taught.shape))[0]))
    order = torch.randperm(len(batch.target.x))
    logits = net.head(net.encoder(batch.target.x))
    torch.manual_seed(0)
    found = net.refine(batch, END).terms
    torch.manual_seed(0)
    wanted = {
        "entropy": 0.2 * entropy(logits).mean(),
        "target_smooth": 0.2 * net.roughness(batch.target.x, logits),
        "teacher": 0.3 * soft_cross_entropy(logits, net.taught[batch.target.index]),
    }
    torch.testing.assert_close(found, wanted)
    shuffled = net.refine(Batch(None, rows_of(batch.target, order)), END).terms
    torch.testing.assert_close(shuffled["teacher"], found["teacher"])


# Methods for time series.


def test_codats_is_dann_with_a_deeper_head() -> None:
    mine = trained(spec_of("codats", SHIFTED))
    other = trained(spec_of("dann", SHIFTED, head_layers=(500, 500)))
    assert same(weights(mine), weights(other))


def test_advskms_kernel_enlarges_the_distance_that_the_encoder_reduces() -> None:
    trainer = fresh("advskm", {"trade_off": 0.3})
    net, batch = trainer.method, trainer.batches.at(0)
    source, target = (net.encoder(side.x) for side in (batch.source, batch.target))
    apart = mk_mmd(net.kernel(source), net.kernel(target))  # domains apart: each has its own batch statistics
    enlarge, learn = (update.loss(batch, END) for update in trainer.stages[0].updates)
    torch.testing.assert_close(enlarge.total, -apart)
    torch.testing.assert_close(learn.terms, {"mmd": 0.3 * apart})
    encoder, kernel = list(net.encoder.parameters()), list(net.kernel.parameters())
    assert not any(torch.autograd.grad(enlarge.total, encoder, allow_unused=True, retain_graph=True))
    for of, parameters in ((enlarge.total, kernel), (learn.terms["mmd"], encoder)):
        found = torch.autograd.grad(of, parameters)
        assert sum(float(gradient.norm()) for gradient in found) > 1e-6


def test_a_spectral_kernel_has_a_branch_of_cosines_beside_one_of_relus() -> None:
    said = fresh("advskm").method.kernel(torch.randn(50, 16, dtype=torch.float64))
    cosines, relus = said.split([64, 32], dim=1)
    assert (cosines.abs() <= 1).all()
    assert cosines.min() < 0
    assert (relus >= 0).all()
    assert (relus == 0).any()
