"""Methods that match moments or transport samples: losses against other formulas, and what learns from them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats
from sklearn.metrics.pairwise import rbf_kernel
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from benchmarks.core.registry import METHODS
from benchmarks.plan.grid import plan
from benchmarks.training import weights as model_weights
from benchmarks.training.loop import Trainer
from benchmarks.training.model import load_model
from datasets.base import Samples, Task, load_task
from methods.adabn import has_batch_norm
from methods.base import Embedded, Labelled, Unlabelled
from methods.losses.cmd import central_moments
from methods.losses.homm import third_moments
from methods.losses.jmmd import joint_mmd
from methods.losses.lmmd import local_mmd
from methods.losses.transport import EPSILON, TAU, joint_cost, transport_plan
from methods.networks.backbones import backbone_names
from tests.conftest import same, spec_of, trained, trainer_of, weights

CLASSES = 4
END = torch.tensor(1.0, dtype=torch.float64)  # progress, at which every ramp is at its top
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=30)


class Drawn:
    """Features (n, d) and (m, d), labels (n,) and logits (n, 4) and (m, 4) of two domains, n and m unequal."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        n, m, d = 2 + rng.integers(6), 8 + rng.integers(4), 1 + rng.integers(5)
        self.x, self.y = rng.normal(size=(n, d)), rng.normal(rng.normal(), 2, size=(m, d))
        self.labels = rng.integers(CLASSES, size=n)
        self.of_x, self.of_y = rng.normal(size=(n, CLASSES)), rng.normal(size=(m, CLASSES))


def tensors(*values: np.ndarray) -> list[Tensor]:
    return [torch.from_numpy(each) for each in values]


# 1. Losses.


@few
@given(seeds)
def test_third_moments_match_the_tensors_themselves(seed: int) -> None:
    drawn = Drawn(seed)
    x, y = (side - side.mean(0) for side in (drawn.x, drawn.y))
    moments = [np.einsum("ni,nj,nk->ijk", side, side, side) / len(side) for side in (x, y)]
    wanted = np.square(moments[0] - moments[1]).mean()
    assert float(third_moments(*tensors(drawn.x, drawn.y))) == pytest.approx(wanted, rel=1e-9, abs=1e-12)


def cmd_in(low: float, high: float, x: np.ndarray, y: np.ndarray) -> float:
    """Definition 2, for activations in [low, high]."""
    width = high - low
    found = np.linalg.norm(x.mean(0) - y.mean(0)) / width
    return found + sum(np.linalg.norm(stats.moment(x, k) - stats.moment(y, k)) / width**k for k in range(2, 6))


@few
@given(seeds, st.floats(0.01, 100), st.floats(-10, 10))
def test_central_moments_match_scipy(seed: int, scale: float, shift: float) -> None:
    """On the interval of the batch, and within one of width 1 as the paper's sigmoids are."""
    drawn = Drawn(seed)
    x, y = scale * drawn.x + shift, scale * drawn.y + shift
    joined = np.concatenate([x, y])
    width = max(np.ptp(joined), 1.0)
    assert float(central_moments(*tensors(x, y))) == pytest.approx(cmd_in(0, width, x, y), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("constant", [True, False])
def test_central_moments_that_agree_have_gradients_that_are_numbers(constant: bool) -> None:
    x = torch.ones(6, 3) if constant else torch.randn(6, 3)
    x.requires_grad_()
    distance = central_moments(x, x.detach().clone())
    (gradient,) = torch.autograd.grad(distance, x)
    assert float(distance.detach()) == 0
    assert gradient.isfinite().all()


def kernel_sum(x: np.ndarray) -> np.ndarray:
    """Five Gaussians of bandwidths 1/4 ... 4 of the mean squared distance over distinct pairs."""
    distances = np.square(x[:, None] - x[None]).sum(2)
    mean = distances.sum() / (len(x) * (len(x) - 1))
    return sum(rbf_kernel(x, gamma=1 / (mean * width)) for width in (1 / 4, 1 / 2, 1, 2, 4))


@few
@given(seeds)
def test_joint_mmd_matches_products_of_scikit_learns_kernels(seed: int) -> None:
    drawn = Drawn(seed)
    p, q = special.softmax(drawn.of_x, axis=1), special.softmax(drawn.of_y, axis=1)
    kernel = kernel_sum(np.concatenate([drawn.x, drawn.y])) * rbf_kernel(np.concatenate([p, q]), gamma=1 / 1.68)
    n = len(p)
    within = [part[~np.eye(len(part), dtype=bool)].mean() for part in (kernel[:n, :n], kernel[n:, n:])]
    wanted = sum(within) - 2 * kernel[:n, n:].mean()
    assert float(joint_mmd(*tensors(drawn.x, drawn.y, p, q))) == pytest.approx(wanted, abs=1e-9)


@few
@given(seeds)
def test_local_mmd_is_the_mean_over_classes_of_distances_of_weighted_means(seed: int) -> None:
    """Of the classes that both sides have, with the diagonal, as in the authors' code."""
    drawn = Drawn(seed)
    q = special.softmax(3 * drawn.of_y, axis=1)
    kernel, n = kernel_sum(np.concatenate([drawn.x, drawn.y])), len(drawn.x)
    distances = []
    for each in sorted(set(drawn.labels) & set(q.argmax(1))):
        mine, theirs = (drawn.labels == each) / (drawn.labels == each).sum(), q[:, each] / q[:, each].sum()
        within = mine @ kernel[:n, :n] @ mine + theirs @ kernel[n:, n:] @ theirs
        distances.append(within - 2 * mine @ kernel[:n, n:] @ theirs)
    wanted = np.mean(distances) if distances else 0.0
    found = local_mmd(*tensors(drawn.x, drawn.y, drawn.labels, q))
    assert float(found) == pytest.approx(wanted, abs=1e-9)


def test_local_mmd_without_a_common_class_is_zero() -> None:
    x, labels = torch.randn(4, 2, requires_grad=True), torch.zeros(4, dtype=torch.int64)
    distance = local_mmd(x, torch.randn(4, 2), labels, torch.tensor([[0.0, 1.0]] * 4))
    assert float(distance.detach()) == 0
    assert not torch.autograd.grad(distance, x)[0].any()


@few
@given(seeds, st.floats(0, 10))
def test_the_joint_cost_of_each_pair_is_its_own(seed: int, alpha: float) -> None:
    drawn = Drawn(seed)
    log_p = special.log_softmax(drawn.of_y, axis=1)
    wanted = [
        [alpha * np.square(a - b).sum() - log_p[j, label] for j, b in enumerate(drawn.y)]
        for a, label in zip(drawn.x, drawn.labels, strict=True)
    ]
    found = joint_cost(*tensors(drawn.x, drawn.y, drawn.labels, drawn.of_y), alpha)
    np.testing.assert_allclose(found, wanted, atol=1e-9)


def costs(seed: int, n: int, m: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).exponential(3, size=(n, m))).requires_grad_()


@few
@given(seeds)
def test_the_exact_plan_is_the_cheapest_assignment(seed: int) -> None:
    cost = costs(seed, 9, 9)
    plan = transport_plan(cost, "exact")
    assert not plan.requires_grad
    rows, columns = optimize.linear_sum_assignment(cost.detach())
    wanted = np.zeros((9, 9))
    wanted[rows, columns] = 1 / 9
    np.testing.assert_allclose(plan, wanted, atol=1e-12)


def test_the_exact_plan_is_balanced_between_unequal_batches() -> None:
    cost = costs(0, 6, 10)
    plan = transport_plan(cost, "exact")
    np.testing.assert_allclose(plan.sum(1), np.full(6, 1 / 6))
    np.testing.assert_allclose(plan.sum(0), np.full(10, 1 / 10))
    linear = optimize.linprog(
        cost.detach().numpy().ravel(),
        A_eq=np.r_[np.kron(np.eye(6), np.ones(10)), np.kron(np.ones(6), np.eye(10))].reshape(16, 60),
        b_eq=np.r_[np.full(6, 1 / 6), np.full(10, 1 / 10)],
    )
    assert float((plan * cost).sum().detach()) == pytest.approx(linear.fun)


@pytest.mark.parametrize("n", [6, 10])
def test_other_plans_are_those_of_pot(n: int) -> None:
    cost = costs(0, n, 10)
    c = cost.detach().numpy()
    entropic, unbalanced = (transport_plan(cost, plan) for plan in ("entropic", "unbalanced"))  # type: ignore[arg-type]
    np.testing.assert_allclose(entropic, ot.sinkhorn([], [], c, EPSILON), rtol=1e-6)
    wanted = ot.unbalanced.sinkhorn_unbalanced([], [], c, EPSILON, TAU, stopThr=1e-12)
    np.testing.assert_allclose(unbalanced, wanted, rtol=1e-6)
    assert unbalanced.sum() < 0.95  # what is far is left behind


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("plan", ["exact", "entropic", "unbalanced"])
@pytest.mark.parametrize("scale", [0.0, 1e4])
def test_plans_of_extreme_costs_are_numbers(plan: Any, scale: float) -> None:
    found = transport_plan(scale * costs(0, 6, 10), plan)
    assert found.isfinite().all()
    assert found.min() >= 0


def test_the_exact_plan_costs_what_pot_says() -> None:
    cost = costs(1, 7, 12)
    paid = float((transport_plan(cost, "exact") * cost).sum().detach())
    assert paid == pytest.approx(float(ot.solve(cost.detach().numpy()).value))


# 2. Methods: what learns from them.


def sides(seed: int = 0) -> tuple[Embedded[Labelled], Embedded[Unlabelled]]:
    drawn = Drawn(seed)
    x, y, of_x, of_y = (each.requires_grad_() for each in tensors(drawn.x, drawn.y, drawn.of_x, drawn.of_y))
    (labels,) = tensors(drawn.labels)
    index, domain = torch.arange(len(x)), torch.zeros(len(x), dtype=torch.int64)
    other = torch.arange(len(y))
    return (
        Embedded(Labelled(x, labels, index, domain), x, of_x),
        Embedded(Unlabelled(y, other, torch.zeros_like(other)), y, of_y),
    )


def alignment(method: str, *both: Any, **params: Any) -> Tensor:
    (term,) = trainer_of(spec_of(method, params=params)).method.alignment(*both, END).values()
    return term


@pytest.mark.parametrize(
    ("method", "learning"),
    [
        ("homm", {"source.features", "target.features"}),
        ("cmd", {"source.features", "target.features"}),
        ("jan", {"source.features", "target.features", "source.logits", "target.logits"}),
        ("dsan", {"source.features", "target.features"}),  # the weights are constants
        ("deepjdot", {"source.features", "target.features", "target.logits"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_method_aligns_learns_and_nothing_else(method: str, learning: set[str]) -> None:
    source, target = sides()
    of = {
        "source.features": source.features,
        "target.features": target.features,
        "source.logits": source.logits,
        "target.logits": target.logits,
    }
    gradients = torch.autograd.grad(alignment(method, source, target), list(of.values()), allow_unused=True)
    moved = {name for name, each in zip(of, gradients, strict=True) if each is not None and each.any()}
    assert moved == learning


def test_losses_are_weighted_as_said() -> None:
    source, target = sides()
    x, y, labels = source.features, target.features, source.samples.y
    p, q = source.logits.softmax(1), target.logits.softmax(1)
    ramp = np.tanh(5)
    cost = joint_cost(x, y, labels, target.logits, 3.0)
    wanted = {
        "homm": 2 * third_moments(x.tanh(), y.tanh()),
        "cmd": 2 * ramp * central_moments(x, y),
        "jan": 2 * ramp * joint_mmd(x, y, p, q),
        "dsan": 2 * ramp * local_mmd(x, y, labels, q),
    }
    for method, value in wanted.items():
        torch.testing.assert_close(alignment(method, source, target, trade_off=2.0), value)
    for name in ("exact", "entropic", "unbalanced"):
        paid = 2 * (transport_plan(cost, name) * cost).sum()  # type: ignore[arg-type]
        torch.testing.assert_close(
            alignment("deepjdot", source, target, trade_off=2.0, alpha=3.0, plan=name), paid
        )


def test_deepjdot_moves_the_target_onto_the_source() -> None:
    task = load_task("toys/blobs")
    x, y = torch.from_numpy(task.evaluation_view().target_test_x), task.oracle().target_test_y
    adapted, baseline = (
        trained(spec_of(method, "toys/blobs", seed=1, steps=150)).outputs(x, "target")[1].argmax(1).numpy() == y
        for method in ("deepjdot", "source_only")
    )
    assert adapted.mean() > baseline.mean() + 0.3


# 3. Statistics of the target.

IMAGES = {
    "backbone": "dtn",  # with dropout before batch norm
    **{"steps": 4, "checkpoints": 1, "source_batch": 8, "target_batch": 8},
}


def images(mean: float, n: int) -> Samples:
    rng = np.random.default_rng(n)
    return Samples(rng.normal(mean, 1 + mean, (n, 3, 8, 8)).astype(np.float32), np.arange(n) % 2)


def task_of_images(*, flipped: bool = False) -> Task:
    """Two domains; with the target's labels flipped, if that is asked."""
    target = images(3, 160)
    return Task("mine/a-b", ("0", "1"), [images(0, 60)], [replace(target, y=1 - target.y) if flipped else target])


def adapted() -> Trainer:
    return trained(spec_of("adabn", "toys/waves", **IMAGES), task_of_images())


def test_target_labels_change_nothing_of_adabn() -> None:
    """The common test runs on a perceptron, for which it is not."""
    flipped = trained(spec_of("adabn", "toys/waves", **IMAGES), task_of_images(flipped=True))
    assert same(weights(adapted()), weights(flipped))


def leaving_norm(trainer: Trainer, number: int) -> tuple[Tensor, nn.Module]:
    """What leaves a batch norm over the target (n, channels), pixels being samples, and the layer."""
    encoder, seen = trainer.method.target_encoder, []
    layer = [module for module in encoder.modules() if isinstance(module, _BatchNorm)][number]
    layer.register_forward_hook(lambda module, x, y: seen.append(y))
    trainer.outputs(trainer.target.x, "target")
    (found,) = seen
    return found.movedim(1, -1).flatten(0, -2), layer


@pytest.mark.parametrize("number", [0, 1, 3])
def test_adabn_normalises_the_target_in_every_layer(number: int) -> None:
    """With what the layer gets once the layers before have the target's statistics, and without dropout."""
    left, layer = leaving_norm(adapted(), number)
    torch.testing.assert_close(left.mean(0), layer.bias, rtol=0, atol=0.05)
    torch.testing.assert_close(left.std(0), layer.weight.abs(), rtol=0.03, atol=0)


def test_adabns_source_is_predicted_as_source_only_does() -> None:
    trainer = adapted()
    baseline = trained(spec_of("source_only", "toys/waves", **IMAGES), task_of_images())
    x = trainer.source.x
    assert all(map(torch.equal, trainer.outputs(x, "source"), baseline.outputs(x, "source")))
    assert same(weights(trainer, "encoder.", "head."), weights(baseline))
    assert not torch.equal(trainer.outputs(x, "target")[1], baseline.outputs(x, "target")[1])
    net = trainer.method
    assert all(map(torch.equal, net.target_encoder.parameters(), net.encoder.parameters()))


@pytest.mark.parametrize("size", [1, 3])
def test_adabns_statistics_do_not_depend_on_where_batches_end(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first layer's means do not; and a last batch of one sample, which has no variance, is no error."""
    whole = adapted()
    monkeypatch.setattr("benchmarks.training.loop.EVALUATION_BATCH", len(whole.target.x) - size)
    means = [trainer.method.target_encoder[1].running_mean for trainer in (whole, adapted())]
    torch.testing.assert_close(*means, rtol=0, atol=1e-5 if size > 1 else 0.1)


def test_adabn_resumes_and_comes_back_from_its_record(tmp_path: Path) -> None:
    spec, task = spec_of("adabn", "toys/waves", **IMAGES), task_of_images()
    whole = trained(spec, task)
    stopped, resumed = trainer_of(spec, task), trainer_of(spec, task)
    next(iter(stopped.run(also=[2])))
    resumed.load_state_dict(stopped.state_dict())
    for _ in resumed.run():
        pass
    assert same(weights(whole), weights(resumed))
    model_weights.write(tmp_path, whole, spec, task)
    (tmp_path / "spec.json").write_text(json.dumps({**spec.to_dict(), "run_id": spec.run_id}))
    x = whole.target.x[:20]
    assert torch.equal(load_model(tmp_path)(x), whole.outputs(x, "target")[1])


def test_adabn_is_for_backbones_with_batch_norm() -> None:
    larger, of_packages = {"resnet50", "resnet101"}, {"efficientnet_lite0", "timm", "torchvision"}
    names = set(backbone_names()) - larger - of_packages
    assert {name for name in names if has_batch_norm(name)} == {"cnn", "cnn1d", "dtn", "resnet18"}
    assert has_batch_norm("resnet18?weights=/nowhere.pt")  # its run says what is wrong
    (unable,) = plan("quick", ["source_only", "adabn"], ["toys/moons"]).not_applicable
    assert unable.reason.startswith("it needs batch normalisation, which backbone 'mlp")


def test_adabn_draws_no_target_and_finetunes_nothing() -> None:
    source, statistics = adapted().stages
    assert (source.sees, source.updates[0].trains) == ("source", ("encoder.", "head."))
    assert (statistics.sees, statistics.updates) == ("target", [])
    assert METHODS.info("adabn").uses == ("backbone", "new")
