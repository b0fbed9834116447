"""Methods for several sources, changed class shares, few labels, open and partial sets, and real numbers."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import linalg
from scipy.special import log_softmax, softmax
from torch import Tensor
from torch.nn import functional as F

from benchmarks.__main__ import main
from benchmarks.core.label_shift import Estimate
from benchmarks.evaluation.correction import corrected
from benchmarks.evaluation.outputs import Outputs
from benchmarks.plan.grid import plan
from benchmarks.records.correction import with_corrections
from benchmarks.records.frame import load_records
from benchmarks.records.store import Store
from benchmarks.training.loop import Trainer
from benchmarks.training.signals import gradient_ratio
from methods.base import Batch, Embedded, Unlabelled
from methods.losses.contrastive import contrastive
from methods.losses.moments import moment_distance
from methods.losses.regression import inverse_gram, subspace_distance
from tests.conftest import EngineHere, same, spec_of, suited, trained, trainer_of, weights

END = torch.tensor(1.0, dtype=torch.float64)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def at(method: str, task: str = "toys/blobs", **params: Any) -> tuple[Trainer, Batch]:
    """A trainer in float64 before its first step, and its first batch."""
    trainer = trainer_of(spec_of(method, task, params=params or None, precision="float64"))
    stage = trainer.stages[-1]
    trainer._enter(stage)
    return trainer, trainer.batches.at(0, stage.sees)


def gradients(loss: Tensor, of: Any) -> Tensor:
    found = torch.autograd.grad(loss, list(of.parameters()), retain_graph=True)
    return torch.cat([gradient.flatten() for gradient in found])


# Several sources.


def test_the_moment_distance_is_the_papers_and_leaves_out_absent_sources() -> None:
    x, domain = torch.from_numpy(normal(12, 3)), torch.tensor([0, 0, 0, 1, 1, 1, 1, 3, 3, 3, 3, 3])
    groups = [
        x[domain == number].numpy() for number in (0, 1, 3)
    ]  # 3 is the target; of source 2 there is no sample

    def apart(a: np.ndarray, b: np.ndarray) -> float:
        return sum(np.linalg.norm((a**k).mean(0) - (b**k).mean(0)) for k in (1, 2))

    wanted = np.mean([apart(group, groups[-1]) for group in groups[:-1]])
    wanted += np.mean([apart(a, b) for a, b in combinations(groups[:-1], 2)])
    found = moment_distance(x, F.one_hot(domain, 4).T.double())
    assert float(found) == pytest.approx(wanted)


def test_moments_do_not_drown_the_classes_of_digits_before_these_are_learnt() -> None:
    """Features agree soonest where they vanish: a gradient many times the task's ends at chance."""
    task = "digits/mnist5k+optdigits-mnist5k_m"
    trainer = trainer_of(plan("multi-source", ["m3sda"], [task], [0], {}).specs[-1])
    trainer._enter(trainer.stages[0])
    loss = trainer.method.loss(trainer.batches.at(0, "both"), END)
    assert 0 < gradient_ratio(loss, trainer.encoders) < 1


def test_mdans_gradient_is_that_of_the_soft_maximum_over_sources() -> None:
    """log Σ exp(γ (ε_i + μ d_i)) / γ; a discriminator's is divided by μ."""
    trainer, batch = at("mdan", mu=0.3, sharpness=5.0)
    net = trainer.method
    loss = net.loss(batch, END)
    source, target, _ = net.embed(batch)
    of_source = []
    for number, discriminator in enumerate(net.discriminators):
        own = source.samples.domain == number
        error = F.cross_entropy(source.logits[own], source.samples.y[own])
        s, t = discriminator(source.features[own]).sigmoid(), discriminator(target.features).sigmoid()
        of_source.append(error + 0.3 * (-s.log().mean() - (1 - t).log().mean()))
    wanted = torch.stack(of_source).mul(5).logsumexp(0) / 5
    assert len(of_source) == 2
    torch.testing.assert_close(gradients(loss.total, net.head), gradients(wanted, net.head))
    own = gradients(loss.total, net.discriminators)
    torch.testing.assert_close(own, gradients(wanted, net.discriminators) / 0.3)


def test_the_best_source_is_the_nearest_and_no_other_is_learnt_from() -> None:
    trainer = trained(spec_of("best_source"))
    share = (trainer.source.domain == 1).double().mean()
    torch.testing.assert_close(trainer.method.weight.double(), torch.stack([0 * share, 1 / share]))
    batch = trainer.batches.at(0, "source")
    assert torch.equal(trainer.method.source_weight(batch.source) > 0, batch.source.domain == 1)


@pytest.mark.parametrize("method", ["mdan", "m3sda", "best_source", "mme", "ccsa", "fine_tune", "osbp"])
def test_a_task_that_lacks_what_a_method_needs_is_not_applicable(method: str) -> None:
    planned = plan("quick", [method], ["toys/blobs", suited(method, "")])
    (missing,) = planned.not_applicable
    assert missing.task == "toys/blobs"
    assert {spec.task for spec in planned.specs} == {suited(method, "")}


# Changed class shares.


def test_iwdans_weights_are_the_ratio_of_shares_that_explains_what_was_predicted() -> None:
    """w = C^-1 mu with the joint C, where no share is negative; half of the old weights stays."""
    net = at("iwdan", "toys/corners")[0].method
    joint, prior = np.diag([0.5, 0.2, 0.1, 0.1]) + 0.1 / 16, np.array([0.525, 0.225, 0.125, 0.125])
    wanted = np.array([0.2, 1.0, 3.0, 2.3])
    net.prior.copy_(torch.from_numpy(prior))
    net.joint.copy_(torch.from_numpy(40 * joint))
    net.predicted.copy_(torch.from_numpy(30 * (joint @ wanted)))
    net.weigh(None)
    ratio = wanted / (wanted @ prior)
    np.testing.assert_allclose(net.weight.numpy(), 0.5 + 0.5 * ratio, rtol=1e-6)
    assert not net.joint.any()
    assert not net.predicted.any()


def test_iwdan_finds_the_class_that_the_target_has_more_of() -> None:
    """In toys/flipped, 15% of the source and 85% of the target are of the second class."""
    trainer = trained(spec_of("iwdan", "toys/flipped", steps=60, lr_backbone=0.05, lr_new=0.05))
    first, second = trainer.method.weight.tolist()
    assert second > 3 > 0.5 > first
    y = torch.tensor([0, 1])
    batch = replace(trainer.batches.at(0).source, y=y)
    wanted = trainer.method.weight / (2 * trainer.method.prior)
    torch.testing.assert_close(trainer.method.source_weight(batch), wanted)


def test_iwdan_adds_up_what_it_predicts_and_weighs_the_domain_loss_by_class() -> None:
    trainer, batch = at("iwdan", "toys/corners")
    net = trainer.method
    source, target, _ = net.embed(batch)
    y = source.samples.y
    net.weight.copy_(torch.arange(1.0, 5.0))
    for _ in range(2):
        found = net.alignment(source, target, END)["domain"]
    p, q = (net.discriminator(side.features).sigmoid() for side in (source, target))
    torch.testing.assert_close(found, -((y + 1) * p.log()).mean() - (1 - q).log().mean())
    for label in range(4):
        sums = source.logits[y == label].softmax(1).sum(0)
        torch.testing.assert_close(net.joint[:, label], 2 * sums)
    torch.testing.assert_close(net.predicted, 2 * target.logits.softmax(1).sum(0))


def outputs_of(shares: tuple[float, ...], n: int = 4000) -> tuple[Outputs, np.ndarray]:
    """Logits log p(y|x) of a source of equal shares, for both domains, and the target test labels."""
    rng, k = np.random.default_rng(0), len(shares)
    y, train, test = (rng.choice(k, n, p=p) for p in (np.ones(k) / k, shares, shares))
    logits = [
        log_softmax(2.0 * (rng.normal(size=(n, k)) + 2.0 * np.eye(k)[of]), axis=1) for of in (y, train, test)
    ]
    names = ("source_val.logits", "target_train.logits", "target_test.logits")
    return Outputs({**dict(zip(names, logits, strict=True)), "source_val.y": y}), test


@pytest.mark.parametrize("how", ["em", "bbse"])
def test_corrected_predictions_are_bayes_with_the_targets_shares(how: Estimate) -> None:
    shares = (0.7, 0.25, 0.05)
    outputs, y = outputs_of(shares)
    found = corrected(outputs, how)
    assert found is not None
    np.testing.assert_allclose(found.shares, shares, atol=0.03)
    assert 1 < found.condition < 3
    assert abs(found.surprise) < 0.01
    wanted = softmax(outputs["target_test.logits"], axis=1) * np.array(shares) * 3
    np.testing.assert_allclose(softmax(found.log_p, axis=1), wanted / wanted.sum(1, keepdims=True), atol=0.1)
    before, after = ((each.argmax(1) == y).mean() for each in (outputs["target_test.logits"], found.log_p))
    assert after > before + 0.02


def test_a_correction_says_that_samples_of_a_class_look_unalike() -> None:
    outputs, _ = outputs_of((0.5, 0.3, 0.2))
    changed = Outputs({**outputs.arrays, "target_train.logits": outputs["target_train.logits"] / 4})
    found = corrected(changed, "bbse")
    assert found is not None
    assert found.surprise < -0.1


def test_nothing_is_corrected_where_nothing_can_be_estimated() -> None:
    outputs, _ = outputs_of((0.5, 0.5), n=50)
    rows = np.tile([0.0, 1.0], (50, 1))
    odd: list[dict[str, np.ndarray]] = [
        {"target_test.logits": np.full((50, 2), np.nan)},
        {"source_val.y": np.zeros(50, int)},
        {"source_val.logits": rows, "target_train.logits": rows[:, ::-1]},
    ]
    assert [corrected(Outputs({**outputs.arrays, **each}), "bbse") for each in odd] == [None] * 3


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("benchmarks.engines.local.LocalEngine", EngineHere)
    for task in ("toys/flipped", "toys/corners?source_classes=0-2"):
        assert main([*FLIPPED, "--tasks", task, "--store", str(tmp_path / "store")]) == 0
    return tmp_path / "store"


FLIPPED = ["run", "--methods", "majority", "--seeds", "2", "--set", "protocol.steps=30", "--set"]
FLIPPED += ["protocol.checkpoints=1"]


def test_a_table_shows_corrected_scores_and_their_conditions(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = plan("quick", ["source_only"], ["toys/flipped"], [0, 1], {"protocol": {"steps": 30, "checkpoints": 1}})
    found, notes = with_corrections(load_records(store), grid.specs, [Store(store)], "em")
    for spec in grid.specs:
        record = Store(store).folder(spec)
        correction = corrected(Outputs.load(record / "outputs/000030.npz"), "em")
        y = np.load(record / "oracle.npz")["target_test_y"]
        assert correction is not None
        (row,) = found[found["run_id"] == spec.run_id].to_dict("records")
        assert row["corrected_accuracy"] == (correction.log_p.argmax(1) == y).mean()
        assert row["class_share_error"] == pytest.approx(abs(correction.shares[1] - y.mean()))
    table = ["table", "--store", str(store), "--seeds", "2"]
    table += [*FLIPPED[-4:], "--correct", "em", "--methods", "source_only"]
    capsys.readouterr()
    assert main([*table, "--tasks", "toys/flipped"]) == 0
    shown = capsys.readouterr().out
    for said in ("Corrected accuracy (%)", "Class share error", "It assumes that p(x|y) did not change", *notes):
        assert said in shown
    assert main([*table, "--tasks", "toys/corners?source_classes=0-2"]) == 2
    assert "is not about classes that the source has" in capsys.readouterr().err
    csv = str(store.parent / "records.csv")
    assert main([*table[:-4], "--methods", "source_only", "--tasks", "toys/flipped", "--save-records", csv]) == 0
    assert main([*table, "--tasks", "toys/flipped", "--records", csv, "--store", str(store / "none")]) == 2


# Classes that one domain lacks.


def test_pada_weighs_classes_by_what_the_target_is_predicted_to_have() -> None:
    task, gently = "toys/corners?target_classes=0-1", {"trade_off": 0.1}
    trainer = trained(spec_of("pada", task, params=gently, steps=60, lr_backbone=0.05, lr_new=0.05))
    weight = trainer.method.weight
    assert weight[:2].min() > 0.5 > 0.3 > weight[2:].max()
    share = trainer.outputs(trainer.target.x, "target")[1].softmax(1).mean(0)
    trainer.method.weigh(trainer.data_of(trainer.stages[0]))
    torch.testing.assert_close(weight, share / share.max())
    batch = trainer.batches.at(0)
    assert torch.equal(trainer.method.source_weight(batch.source), weight[batch.source.y])


def test_iwan_weighs_source_samples_by_how_little_they_seem_the_sources() -> None:
    trainer, batch = at("iwan", entropy=0.2)
    net = trainer.method
    source, target, _ = net.embed(batch)
    found = net.alignment(source, target, END)
    with torch.no_grad():
        p, first = (each(source.features).sigmoid() for each in (net.discriminator, net.weigher))
        q = net.discriminator(target.features).sigmoid()
        weight = (1 - first) / (1 - first).mean()
        probability = target.logits.softmax(1)
    torch.testing.assert_close(found["domain"], -(weight * p.log()).mean() - (1 - q).log().mean())
    torch.testing.assert_close(found["entropy"], -0.2 * (probability * probability.log()).sum(1).mean())
    reaches = torch.autograd.grad(found["weigher"], [source.features, target.features], allow_unused=True)
    assert reaches == (None, None)
    assert torch.autograd.grad(found["domain"], list(net.weigher.parameters()), allow_unused=True)[0] is None


@pytest.mark.parametrize("boundary", [0.5, 0.8])
def test_osbps_head_learns_the_boundary_and_its_encoder_the_opposite(boundary: float) -> None:
    trainer, batch = at("osbp", boundary=boundary)
    net = trainer.method
    source, target, _ = net.embed(batch)
    found = net.alignment(source, target, END)["unknown"]
    p = net.head(target.features).softmax(1)[:, -1]
    wanted = -(boundary * p.log() + (1 - boundary) * (1 - p).log()).mean()
    assert source.logits.shape[1] == net.n_classes + 1 == 4
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(gradients(found, net.head), gradients(wanted, net.head))
    torch.testing.assert_close(gradients(found, net.encoder), -gradients(wanted, net.encoder))


# Without the source.


def test_nrc_agrees_with_neighbours_and_most_with_mutual_ones() -> None:
    trainer, batch = at("nrc", neighbours=3, expanded=2, affinity=0.2)
    trainer.method.remember_all(trainer.data_of(trainer.stages[1]))
    terms = trainer.method.adapt(batch, END).terms
    bank, scores = trainer.method.bank.numpy(), trainer.method.scores.numpy()
    np.testing.assert_allclose(np.linalg.norm(bank, axis=1), 1)

    def near(i: int, k: int) -> list[int]:
        order = np.argsort(-bank @ bank[i], kind="stable")
        return [j for j in order.tolist() if j != i][:k]

    close, far = [], []
    for i in batch.target.index.tolist():
        pairs = [(near(j, 2), j) for j in near(i, 3)]
        close.append(sum((1 if i in own else 0.2) * scores[j] @ scores[i] for own, j in pairs))
        far.append(sum(0.2 * scores[m] @ scores[i] for own, _ in pairs for m in own))
    p = scores[batch.target.index.numpy()]
    wanted = {"neighbours": -np.mean(close), "expanded": -np.mean(far), "self": -(p**2).sum(1).mean()}
    wanted["diversity"] = (p.mean(0) * np.log(p.mean(0))).sum()
    assert {name: float(term.detach()) for name, term in terms.items()} == pytest.approx(wanted)


def test_nrc_bears_a_batch_that_is_surely_of_no_sample_of_a_class() -> None:
    """A probability too small for a number: its logarithm is none, but times it is 0."""
    trainer, batch = at("nrc")
    trainer.method.remember_all(trainer.data_of(trainer.stages[1]))
    with torch.no_grad():
        trainer.method.head[-1].bias[0] = 1e4
    loss = trainer.method.adapt(batch, END)
    assert float(loss.terms["diversity"].detach()) == pytest.approx(0)
    assert gradients(loss.total, trainer.method.encoder).isfinite().all()


# Few labels.


def test_mmes_head_raises_the_entropy_that_its_encoder_lowers() -> None:
    trainer, batch = at("mme", entropy=0.3, temperature=0.1)
    net = trainer.method
    source, target, _ = net.embed(batch)
    features = target.features / target.features.norm(dim=1, keepdim=True)
    torch.testing.assert_close(target.logits, features @ net.head.linear.weight.T / 0.1)
    p = target.logits.softmax(1)
    entropy = -(p * p.log()).sum(1).mean()
    found = net.alignment(source, target, END)["entropy"]
    torch.testing.assert_close(gradients(found, net.head), -0.3 * gradients(entropy, net.head))
    torch.testing.assert_close(gradients(found, net.encoder), 0.3 * gradients(entropy, net.encoder))


def test_the_contrastive_loss_is_that_of_all_pairs() -> None:
    source, target = 0.4 * normal(7, 3), 0.4 * normal(4, 3, seed=1)
    y, z = np.array([0, 0, 1, 1, 2, 2, 2]), np.array([0, 1, 2, 0])
    near, far = [], []
    for a, label in zip(source, y, strict=True):
        for b, other in zip(target, z, strict=True):
            d = np.linalg.norm(a - b)
            near += [d**2] if label == other else []
            far += [max(0, 1 - d) ** 2] if label != other else []
    wanted = np.mean(near) / 4 + 3 * np.mean(far) / 4
    found = contrastive(*map(torch.from_numpy, (source, target, y, z)))
    assert float(found) == pytest.approx(wanted)


def test_ccsa_weighs_its_terms_and_reads_no_unlabelled_sample() -> None:
    trainer, batch = at("ccsa", trade_off=0.4)
    source, _, few = trainer.method.embed(batch)
    loss = trainer.method.loss(replace(batch, target=replace(batch.target, x=batch.target.x * torch.nan)), END)
    errors = [F.cross_entropy(side.logits, side.samples.y) for side in (source, few)]
    torch.testing.assert_close(loss.task, 0.6 * (errors[0] + errors[1]))
    apart = contrastive(source.features, few.features, source.samples.y, few.samples.y)
    torch.testing.assert_close(loss.terms["contrastive"], 0.4 * apart)


def test_fine_tuning_starts_from_the_source_and_goes_on_with_the_few_alone() -> None:
    trainer = trainer_of(spec_of("fine_tune", lr_finetune=1.0, lr_new=0.05, lr_backbone=0.05))
    steps = trainer.run(also=[20])
    assert next(steps) == 20
    before = weights(trainer)
    baseline = trained(spec_of("source_only", "toys/blobs", lr_new=0.05, lr_backbone=0.05))
    assert same(weights(trainer, "encoder.", "head."), weights(baseline))
    trainer.target = trainer.batches.target = replace(trainer.target, x=trainer.target.x * torch.nan)
    assert trainer.data_of(trainer.stages[1]).source is None
    for _ in steps:
        pass
    assert not same(before, weights(trainer))
    said = trainer.outputs(trainer.few.x, "target")[1].argmax(1)
    assert torch.equal(said, trainer.few.y)


# Real numbers.


def test_the_subspace_distance_is_the_sum_of_sines_of_principal_angles() -> None:
    source, target = normal(5, 20), normal(5, 20, seed=1)
    angles = linalg.subspace_angles(source.T, target.T)
    found = subspace_distance(torch.from_numpy(source), torch.from_numpy(target), 0.0)
    assert float(found) == pytest.approx(np.sin(angles).sum())
    p, _, q = np.linalg.svd(np.linalg.svd(source.T)[0][:, :5].T @ np.linalg.svd(target.T)[0][:, :5])
    penalty = np.linalg.norm(np.abs(p) - np.abs(q.T))
    with_penalty = subspace_distance(torch.from_numpy(source), torch.from_numpy(target), 0.5)
    assert float(with_penalty - found) == pytest.approx(0.5 * penalty)


@pytest.mark.parametrize(
    "loss",
    [lambda s, t: subspace_distance(s, t, 0.1), lambda s, t: inverse_gram(s, t, 0.9, 1, 1)],
    ids=["subspace", "gram"],
)
@pytest.mark.parametrize("shape", [(40, 6), (5, 30)])
def test_features_that_are_never_active_leave_gradients_finite(
    loss: Callable[[Tensor, Tensor], Tensor], shape: tuple[int, int]
) -> None:
    """Columns of zeros make singular values that are all 0; in the first shape a batch spans the whole space."""
    source, target = (torch.from_numpy(normal(*shape, seed=seed)).clamp(min=0) for seed in (0, 1))
    for side in (source, target):
        side[:, 3:5] = 0
    source.requires_grad_()
    value = loss(source, target)
    (gradient,) = torch.autograd.grad(value, source)
    assert value > 0
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


def test_the_inverse_gram_distance_is_that_of_truncated_pseudo_inverses() -> None:
    source, target = 0.3 * normal(30, 6) * np.arange(1, 7), 0.2 * normal(25, 6, seed=1) * np.arange(1, 7)
    grams = [side.T @ side for side in (np.c_[np.ones(len(x)), x] for x in (source, target))]
    values = [np.linalg.svd(gram, compute_uv=False) for gram in grams]
    k = max((np.cumsum(each) / each.sum() <= 0.9).sum() - 1 for each in values)
    assert 1 < k < 5
    inverses = []
    for gram in grams:
        u, s, v = np.linalg.svd(gram)
        inverses.append(v[:k].T @ np.diag(1 / s[:k]) @ u[:, :k].T)
    cosines = [
        a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(*(i.T for i in inverses), strict=True)
    ]
    sides = torch.from_numpy(source), torch.from_numpy(target)
    assert float(inverse_gram(*sides, 0.9, 0.3, 0.0)) == pytest.approx(
        0.3 * np.mean(1 - np.array(cosines)), rel=1e-3
    )
    apart = np.linalg.norm(values[0][:k] - values[1][:k]) / k
    assert float(inverse_gram(*sides, 0.9, 0.0, 0.2)) == pytest.approx(0.2 * apart)


@pytest.mark.parametrize(("method", "term"), [("rsd", "subspace"), ("dare_gram", "gram")])
def test_methods_for_real_numbers_weigh_their_loss_of_features(method: str, term: str) -> None:
    params = {"trade_off": 0.5, "mismatch": 0.2} if method == "rsd" else {"angle": 0.5, "scale": 0.1, "kept": 0.8}
    net = at(method, **params)[0].method
    x, y = (torch.from_numpy(normal(8, 20, seed=seed)) for seed in (0, 1))
    samples = Unlabelled(x, torch.arange(8), torch.zeros(8))
    found = net.alignment(*(Embedded(samples, side, torch.zeros(8, 2)) for side in (x, y)), END)[term]
    wanted = 0.5 * subspace_distance(x, y, 0.2) if method == "rsd" else inverse_gram(x, y, 0.8, 0.5, 0.1)
    torch.testing.assert_close(found, wanted)
