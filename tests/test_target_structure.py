"""Methods that read the target's structure, neighbours, clusters and pairs, and those with further outputs."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import Tensor
from torch.nn import functional as F

from benchmarks.training.loop import Trainer
from methods.atdoc import sharpened
from methods.base import Batch, Stage
from methods.can import clusters
from methods.cdac import alike, disagreement
from methods.losses.cdd import contrastive_discrepancy
from tests.conftest import spec_of, trainer_of, weights

END = torch.tensor(1.0, dtype=torch.float64)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def at(method: str, task: str = "toys/blobs", **params: Any) -> tuple[Trainer, Stage, Batch]:
    """A trainer in float64 before the first step of its last stage, that stage, and the step's batch."""
    trainer = trainer_of(spec_of(method, task, params=params or None, precision="float64"))
    stage = trainer.stages[-1]
    trainer._enter(stage)
    if stage.begin:
        stage.begin(trainer.data_of(stage))
    return trainer, stage, trainer.batches.at(0, stage.sees, views=stage.views)


def gradients(loss: Tensor, of: Any) -> Tensor:
    found = torch.autograd.grad(loss, list(of.parameters()), retain_graph=True)
    return torch.cat([gradient.flatten() for gradient in found])


def cross_entropy(p: Tensor, wanted: float) -> Tensor:
    return -(wanted * p.log() + (1 - wanted) * (1 - p).log())


# ATDOC.


def test_atdocs_labels_are_those_of_the_neighbours_that_are_remembered() -> None:
    trainer, _, batch = at("atdoc", neighbours=3, trade_off=0.5)
    net = trainer.method
    size = len(net.bank)
    net.bank.copy_(torch.from_numpy(normal(size, net.n_features)))
    net.scores.copy_(torch.from_numpy(normal(size, 2, seed=1)).exp())
    source, target, _ = net.embed(batch)
    found = net.alignment(source, target, END / 2)["pseudo"]
    bank, scores, features = net.bank.numpy(), net.scores.numpy(), target.features.detach().numpy()
    errors, sure = [], []
    for row, own in enumerate(target.samples.index.tolist()):
        order = [j for j in np.argsort(-bank @ features[row]).tolist() if j != own]
        mean = scores[order[:3]].mean(0)
        errors.append(-float(target.logits.detach().log_softmax(1)[row, mean.argmax()]))
        sure.append(mean.max())
    assert float(found.detach()) == pytest.approx(0.5 / 2 * np.average(errors, weights=sure))
    assert torch.equal(net.bank, torch.from_numpy(bank))  # it is read, and only written after the step


def test_atdoc_remembers_a_batch_after_its_step_each_row_in_its_place() -> None:
    trainer, stage, batch = at("atdoc")
    net, (update,) = trainer.method, stage.updates
    before = weights(trainer, "bank", "scores")
    update.loss(replace(batch, target=replace(batch.target, x=batch.target.x + 1)), END)
    assert update.after is not None
    update.after()
    index = batch.target.index
    features, logits = net.predict(batch.target.x + 1, "target")
    p = logits.detach().softmax(1)
    torch.testing.assert_close(net.bank[index], F.normalize(features).detach())
    torch.testing.assert_close(net.scores[index], p**2 / (p**2).mean(0))
    rest = torch.ones(len(net.bank), dtype=torch.bool).index_fill(0, index, False)
    assert all(torch.equal(getattr(net, name)[rest], values[rest]) for name, values in before.items())


def test_sharpened_predictions_weigh_all_classes_alike() -> None:
    logits = torch.from_numpy(normal(50, 3)) + torch.tensor([5.0, 0.0, -200.0])
    torch.testing.assert_close(sharpened(logits)[:, :2].mean(0), torch.ones(2, dtype=torch.float64))
    assert sharpened(logits.float()).isfinite().all()


# GVB.


def test_gvb_subtracts_bridges_and_rewards_that_they_vanish() -> None:
    trainer, _, batch = at("gvb", generator=0.7, discriminator=0.4)
    net = trainer.method
    source, target, _ = net.embed(batch)
    found = net.alignment(source, target, END)
    bridges = [net.head.bridge(side.features) for side in (source, target)]
    for side, bridge in zip((source, target), bridges, strict=True):
        torch.testing.assert_close(side.logits, net.head.own(side.features) - bridge)
    said = [net.discriminator(side.logits.softmax(1)) for side in (source, target)]
    domain = []
    for side, both, label in zip((source, target), said, (1, 0), strict=True):
        p = side.logits.softmax(1)
        weight = ((p * p.log()).sum(1)).exp()
        domain.append((weight / weight.sum()) @ cross_entropy((both[:, 0] - both[:, 1]).sigmoid(), label))
    torch.testing.assert_close(found["domain"], domain[0] + domain[1])
    torch.testing.assert_close(found["generator_bridge"], 0.7 * torch.cat(bridges).abs().mean())
    torch.testing.assert_close(found["discriminator_bridge"], 0.4 * torch.cat(said)[:, 1].abs().mean())
    assert torch.equal(net.predict(batch.target.x, "target")[1], target.logits)


@pytest.mark.parametrize("progress", [0.1, 1.0])
def test_gvbs_classifier_learns_the_opposite_of_its_discriminator_at_the_ramps_strength(progress: float) -> None:
    """The gradient of the weights is reversed too; the discriminator learns at its full rate."""
    trainer, _, batch = at("gvb", strength=0.5)
    net = trainer.method
    source, target, _ = net.embed(batch)
    found = net.alignment(source, target, END * progress)["domain"]
    plain = []
    for side, label in ((source, 1), (target, 0)):
        p, (output, bridge) = side.logits.softmax(1), net.discriminator(side.logits.softmax(1)).unbind(1)
        weight = (p * p.log()).sum(1).exp()
        plain.append((weight / weight.mean().detach() * cross_entropy((output - bridge).sigmoid(), label)).mean())
    wanted, strength = plain[0] + plain[1], 0.5 * np.tanh(5 * progress)
    for part in (net.encoder, net.head):
        torch.testing.assert_close(gradients(found, part), -strength * gradients(wanted, part))
    torch.testing.assert_close(gradients(found, net.discriminator), gradients(wanted, net.discriminator))
    assert float(net.signals["strength"]) == pytest.approx(strength)


# CAN.


def discrepancy(source: np.ndarray, target: np.ndarray, y: np.ndarray, z: np.ndarray) -> float:
    """As the authors' code: the MMD of every two classes' samples with a kernel of their own, class by class."""

    def mmd(a: np.ndarray, b: np.ndarray) -> float:
        n, both = len(a) + len(b), np.concatenate([a, b])
        squares = cdist(both, both, "sqeuclidean")
        width = squares.sum() / (n * (n - 1))
        kernel = sum(np.exp(-squares / (width * 2.0**power)) for power in range(-2, 3))
        own, other = slice(len(a)), slice(len(a), None)
        return kernel[own, own].mean() + kernel[other, other].mean() - 2 * kernel[own, other].mean()

    both = sorted({*y.tolist()} & {*z.tolist()})
    pairs = {(r, c): mmd(source[y == r], target[z == c]) for r in both for c in both}
    within = [value for (r, c), value in pairs.items() if r == c]
    between = [value for (r, c), value in pairs.items() if r != c]
    return np.mean(within) - np.mean(between)


def test_the_contrastive_discrepancy_is_that_of_classes_that_both_sides_have() -> None:
    source, target = normal(9, 4), normal(8, 4, seed=1) + 0.5
    y, z = np.array([0, 0, 0, 1, 1, 2, 2, 2, 3]), np.array([0, 0, 2, 2, 2, 3, 4, 5])  # 5: of no class
    of_source, of_target = (F.one_hot(torch.from_numpy(each), 6)[:, :-1].double() for each in (y, z))
    x = torch.from_numpy(source).requires_grad_()
    found = contrastive_discrepancy(x, torch.from_numpy(target), of_source, of_target)
    assert float(found.detach()) == pytest.approx(discrepancy(source, target, y, z))
    assert torch.autograd.grad(found, x)[0].isfinite().all()


@pytest.mark.parametrize("z", [[4, 4], [0, 4]])
def test_the_contrastive_discrepancy_of_too_few_classes_is_a_number(z: list[int]) -> None:
    x = torch.from_numpy(normal(3, 4)).requires_grad_()
    members = (F.one_hot(torch.tensor(each), 5)[:, :-1].double() for each in ([0, 0, 1], z))
    found = contrastive_discrepancy(x, torch.from_numpy(normal(2, 4, seed=1)), *members)
    assert (found > 0) == (0 in z)  # with one class there is nothing between classes
    assert torch.autograd.grad(found, x)[0].isfinite().all()


def test_clusters_move_from_the_sources_centres_to_the_targets() -> None:
    rng = np.random.default_rng(0)
    angle = rng.permutation(np.concatenate([rng.normal(at, 0.1, 60) for at in (0.7, 2.2)]))
    directions = torch.from_numpy(np.stack([np.cos(angle), np.sin(angle)], 1))
    start = torch.tensor([[5.0, 0.0], [0.017, 0.0985], [-1.0, -9.0]], dtype=torch.float64)  # 0, 1.4, -1.7
    distance, label = clusters(directions, start)
    own = (angle > 1.45).astype(int)
    assert (F.normalize(start) @ directions.T).argmax(0).tolist() != own.tolist()
    assert label.tolist() == own.tolist()
    centres = np.stack([directions.numpy()[own == each].mean(0) for each in (0, 1)])
    cosine = 1 - cdist(directions.numpy(), centres, "cosine")[np.arange(120), own]
    np.testing.assert_allclose(distance.numpy(), (1 - cosine) / 2, atol=1e-12)


def test_can_leaves_out_samples_far_from_their_centre_and_small_clusters() -> None:
    found = {}
    for params in (
        {"distance": 1.0, "least": 1},
        {"distance": 0.05, "least": 1},
        {"distance": 0.05, "least": 400},
    ):
        trainer, stage, _ = at("can", **params)
        net, data = trainer.method, trainer.data_of(stage)
        net.relabel(data)
        found[tuple(params.values())] = net.label.numpy().copy()
    source, target = (F.normalize(data.embed(side)[0]) for side in ("source", "target"))
    means = torch.stack([source[data.source.y == label].mean(0) for label in (0, 1)])
    distance, label = (each.numpy() for each in clusters(target, means))
    near = np.where(distance < 0.05, label, 2)
    large = [each for each in (0, 1) if (near == each).sum() >= 400]
    assert np.array_equal(found[1.0, 1], label)
    assert np.array_equal(found[0.05, 1], near)
    assert np.array_equal(found[0.05, 400], np.where(np.isin(near, large), near, 2))
    assert 0 < (near < 2).mean() < 1


def test_can_matches_features_and_predictions_of_the_clusters() -> None:
    trainer, _, batch = at("can", trade_off=0.6)
    net = trainer.method
    net.label.copy_(torch.arange(len(net.label)) % 3)  # 2: left out
    source, target, _ = net.embed(batch)
    found = net.alignment(source, target, END)["discrepancy"]
    y, z = source.samples.y.numpy(), target.samples.index.numpy() % 3
    layers = [(s.detach().numpy(), t.detach().numpy()) for s, t in (
        (source.features, target.features), (source.logits.softmax(1), target.logits.softmax(1))
    )]  # fmt: skip
    assert float(found.detach()) == pytest.approx(0.6 * sum(discrepancy(*layer, y, z) for layer in layers))


# CDAC.


def test_samples_are_similar_if_their_largest_features_are_the_same_in_any_order() -> None:
    features = torch.tensor([[9.0, 8, 1, 0], [3, 5, 1, 2], [0, 9, 8, 1]])
    assert alike(features, 2).int().tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert alike(features, 9).all()


def test_cdacs_head_opposes_the_clustering_and_views_are_where_the_paper_has_them() -> None:
    trainer, _, batch = at("cdac", clustering=0.5, consistency=7.0, threshold=0.6, top=3, temperature=0.5)
    net = trainer.method
    source, target, _ = net.embed(batch)
    found = net.alignment(source, target, END / 5)
    plain, weak, strong = (
        net.head(net.encoder(x)).softmax(1)
        for x in (target.samples.x, *(target.samples.views[view] for view in ("weak", "strong")))
    )
    largest = [{*row.tolist()} for row in target.features.topk(3).indices]
    n = len(largest)
    similar = torch.tensor([[a == b for b in largest] for a in largest]).double()
    agree = torch.einsum("ic,jc->ij", plain, weak)
    wanted = (similar * cross_entropy(agree, 1) + (1 - similar) * cross_entropy(agree, 0)).mean()
    torch.testing.assert_close(disagreement(agree, similar), wanted, rtol=1e-5, atol=1e-6)
    assert 0 < (similar - torch.eye(n)).mean() < 0.9
    for part, sign in ((net.head, -1), (net.encoder, 1)):
        mine, other = (gradients(each, part) for each in (found["clustering"], wanted))
        torch.testing.assert_close(mine, sign * 0.5 * other, rtol=1e-4, atol=1e-6)
    confidence, label = plain.detach().max(1)
    sure = confidence >= 0.6
    assert 0 < sure.double().mean() < 1
    pseudo = -(sure * strong.log()[torch.arange(n), label]).mean()
    torch.testing.assert_close(found["pseudo"], pseudo)
    torch.testing.assert_close(gradients(found["pseudo"], net.encoder), gradients(pseudo, net.encoder))
    rising = np.exp(-5 * (1 - 0.2 / 0.4) ** 2)
    torch.testing.assert_close(found["consistency"], 7 * rising * (weak - strong).square().mean())


# STA.


def test_stas_separator_learns_from_the_most_and_the_least_similar_and_moves_nothing_else() -> None:
    trainer, _, batch = at("sta", chosen=0.25)
    net = trainer.method
    loss = net.separate(batch, END)
    source, target, _ = net.embed(batch)
    p, y = net.one_vs_rest(source.features).sigmoid(), source.samples.y
    errors = sum(cross_entropy(p[:, c], 1) * (y == c) + cross_entropy(p[:, c], 0) * (y != c) for c in range(3))
    torch.testing.assert_close(loss.terms["one_vs_rest"], errors.mean())
    torch.testing.assert_close(loss.task, F.cross_entropy(source.logits, y))
    order = net.one_vs_rest(target.features).max(1).values.argsort()
    k = len(order) // 4
    known = net.separator(target.features).sigmoid()[:, 0]
    wanted = cross_entropy(known[order[-k:]], 1).mean() + cross_entropy(known[order[:k]], 0).mean()
    torch.testing.assert_close(loss.terms["separator"], wanted)
    others = [*net.encoder.parameters(), *net.one_vs_rest.parameters()]
    assert {*torch.autograd.grad(loss.terms["separator"], others, allow_unused=True)} == {None}


def test_sta_aligns_what_is_known_and_learns_that_the_rest_is_unknown() -> None:
    trainer, stage, batch = at("sta", strength=0.5, entropy=0.2, unknown=0.4, chosen=0.25, wait=0.5)
    net = trainer.method
    source, target, _ = net.embed(batch)
    early, found = (net.alignment(source, target, END * progress) for progress in (0.4, 0.5))
    assert early["unknown"] == 0
    known = net.separator(target.features)[:, 0].sigmoid().detach()
    weight = known / known.mean()
    on_source, on_target = (net.discriminator(side.features).sigmoid() for side in (source, target))
    domain = cross_entropy(on_source, 1).mean() + (weight * cross_entropy(on_target, 0)).mean()
    torch.testing.assert_close(found["domain"], domain)
    strength = 0.5 * np.tanh(2.5)
    torch.testing.assert_close(gradients(found["domain"], net.encoder), -strength * gradients(domain, net.encoder))
    p = target.logits.softmax(1)
    torch.testing.assert_close(found["entropy"], -0.2 * (weight * (p * p.log()).sum(1)).mean())
    least = known.argsort()[: len(known) // 4]
    torch.testing.assert_close(found["unknown"], -0.4 * p[least, 3].log().mean())
    (update,) = stage.updates
    assert not any(name.startswith(("separator", "one_vs_rest")) for name in update.trains)
