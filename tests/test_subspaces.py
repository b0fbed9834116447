"""Shallow methods that map domains: what their papers' formulas and other libraries say."""

import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, linalg
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from benchmarks.training.loop import Trainer
from datasets.base import Samples, Task, load_task
from methods import ot as ot_file
from methods import tca as tca_file
from methods.base import NEVER, MethodWarning, Side
from methods.gfk import flow_factor
from methods.lda import discriminants
from methods.ot import class_plan
from methods.tca import transfer_components
from tests.conftest import spec_of, trained, trainer_of

MAPPED = ["subspace_alignment", "gfk", "tca", "jda", "ot"]
ALL = [*MAPPED, "linear_ot", "lda"]
SCALE = "toys/scale"
shapes = st.integers(1, 6).flatmap(lambda k: st.tuples(st.integers(k, 9), st.just(k), st.integers(0, 99)))


def said(trainer: Trainer, x: np.ndarray, side: Side = "target") -> tuple[np.ndarray, np.ndarray]:
    """Features and logits."""
    features, logits = trainer.outputs(torch.from_numpy(x), side)
    return features.numpy(), logits.numpy()


def task_of(source: np.ndarray, y: np.ndarray, target: np.ndarray, classes: int = 2) -> Task:
    """Samples to train on, with others of no account to validate and test on."""
    domains = []
    for x, labels in ((source, y), (target, np.zeros(len(target), np.int64))):
        others = np.random.default_rng(1).normal(size=(6, x.shape[1]))
        place = np.arange(len(x) + 6) - len(x)
        val = (place == 0) & (x is source)
        every = np.concatenate([x, others]).astype(np.float32)
        domains.append(Samples(every, np.concatenate([labels, labels[:6]]), (place >= 0) & ~val, val=val))
    return Task("mine/a-b", [str(number) for number in range(classes)], domains[:1], domains[1:])


# Subspaces.


def test_aligned_subspaces_are_those_of_scikit_learn() -> None:
    view = load_task(SCALE).train_view()
    trainer = trained(spec_of("subspace_alignment", SCALE, params={"dim": 3}))
    scaled = [StandardScaler().fit_transform(x.astype(np.float64)) for x in (view.source.x, view.target.x)]
    p_s, p_t = (PCA(3, svd_solver="full").fit(x).components_.T for x in scaled)
    source, target = scaled[0] @ p_s @ (p_s.T @ p_t), scaled[1] @ p_t
    wanted = KNeighborsClassifier(1).fit(source, view.source.y).predict(target)
    assert (said(trainer, view.target.x)[1].argmax(1) == wanted).mean() > 0.995
    for side, x, mapped in (("source", view.source.x, source), ("target", view.target.x, target)):
        found = said(trainer, x, side)[0]
        assert np.linalg.norm(found, axis=1) == pytest.approx(np.linalg.norm(mapped, axis=1), abs=1e-4)


def test_the_same_domain_is_aligned_with_itself() -> None:
    x = np.random.default_rng(0).normal(size=(90, 5)) * np.arange(1, 6)
    trainer = trained(spec_of("subspace_alignment", params={"dim": 5}), task_of(x, np.arange(90) % 2, 3 * x + 7))
    x = x.astype(np.float32)
    assert said(trainer, x, "source")[0] == pytest.approx(said(trainer, 3 * x + 7)[0], abs=1e-4)


def bases(d: int, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return tuple(np.linalg.qr(rng.normal(size=(d, k)))[0] for _ in "st")


@settings(max_examples=25)
@given(shapes)
def test_the_kernel_is_the_integral_along_the_geodesic(shape: tuple[int, int, int]) -> None:
    """The geodesic by the logarithm map, U tan(θ) Vᵀ = (I - P Pᵀ) Q (Pᵀ Q)⁻¹, integrated numerically."""
    p, q = bases(*shape)
    u, tangent, v = np.linalg.svd((q - p @ (p.T @ q)) @ np.linalg.inv(p.T @ q), full_matrices=False)
    theta = np.arctan(tangent)

    def outer(t: float) -> np.ndarray:
        phi = p @ v.T * np.cos(t * theta) + u * np.sin(t * theta)
        return phi @ phi.T

    wanted = integrate.quad_vec(outer, 0, 1)[0]
    factor = flow_factor(p, q)
    np.testing.assert_allclose(factor @ factor.T, wanted, atol=1e-7)


@pytest.mark.parametrize(("d", "k"), [(6, 2), (4, 4), (1, 1)])
def test_between_equal_subspaces_the_kernel_is_the_projection(d: int, k: int) -> None:
    p, _ = bases(d, k, 0)
    factor = flow_factor(p, -p)  # the same subspace, by another basis
    np.testing.assert_allclose(factor @ factor.T, p @ p.T, atol=1e-12)


def test_orthogonal_subspaces_have_a_kernel() -> None:
    factor = flow_factor(np.eye(4)[:, :2], np.eye(4)[:, 2:])
    np.testing.assert_allclose(np.diag(factor @ factor.T), 0.5, atol=1e-12)


def test_both_domains_are_mapped_by_the_kernel_of_their_axes() -> None:
    view = load_task(SCALE).train_view()
    trainer = trained(spec_of("gfk", SCALE, params={"dim": 2}))
    scaled = [StandardScaler().fit_transform(x.astype(np.float64)) for x in (view.source.x, view.target.x)]
    factor = flow_factor(*(PCA(2, svd_solver="full").fit(x).components_.T for x in scaled))
    for side, x, own in (("source", view.source.x, scaled[0]), ("target", view.target.x, scaled[1])):
        mapped = own @ factor
        np.testing.assert_allclose(said(trainer, x, side)[0] @ mapped[:5].T, mapped @ mapped[:5].T, atol=1e-3)


# Transfer components.


@settings(max_examples=20)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(0, 99), st.sampled_from([0.01, 0.1, 3.0]))
def test_transfer_components_are_the_leading_generalised_eigenvectors(
    n_s: int, n_t: int, seed: int, mu: float
) -> None:
    n, dim = n_s + n_t, 2
    kernel = rbf_kernel(np.random.default_rng(seed).normal(size=(n, 3)))
    e = np.concatenate([np.full(n_s, 1 / n_s), np.full(n_t, -1 / n_t)])[:, None]
    between, centre = kernel @ (e @ e.T) @ kernel + mu * np.eye(n), np.eye(n) - 1 / n
    values, vectors = linalg.eigh(kernel @ centre @ kernel, between, subset_by_index=[n - dim - 1, n - 1])
    wanted = vectors[:, :0:-1]
    found = transfer_components(kernel, n_s, dim, mu, seed=0)
    np.testing.assert_allclose(found.T @ between @ found, np.eye(dim), atol=1e-8)
    if np.diff(values).min() > 1e-3:  # else they may be mixed
        np.testing.assert_allclose(np.abs(np.sum(found * (between @ wanted), 0)), 1, atol=1e-6)


@pytest.mark.parametrize("kernel", ["linear", "gaussian"])
def test_new_samples_are_mapped_by_their_kernel_with_the_anchors(kernel: str) -> None:
    trainer, view = trained(spec_of("tca", SCALE, params={"kernel": kernel})), load_task(SCALE).train_view()
    anchors, x = np.concatenate([view.source.x, view.target.x]), view.target.x[:20] + 0.1
    sigma, found = float(trainer.method.sigma), said(trainer, x)[0]
    between = x @ anchors.T / sigma**2 if kernel == "linear" else rbf_kernel(x, anchors, gamma=0.5 / sigma**2)
    wanted = between @ trainer.method.components.numpy()
    np.testing.assert_allclose(found, wanted, atol=2e-3 * np.abs(wanted).max())


# Transport.


@settings(max_examples=10)
@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 99), st.sampled_from([0.0, 0.02, 0.3]))
def test_the_plan_is_that_of_pot(n: int, m: int, seed: int, classes: float) -> None:
    rng = np.random.default_rng(seed)
    source, target, y = rng.normal(size=(n, 2)), rng.normal(1, 1, (m, 2)), 3 * rng.integers(2, size=n)
    cost = ot.dist(source, target)
    uniform = np.full(n, 1 / n), np.full(m, 1 / m)
    wanted = ot.da.sinkhorn_lpl1_mm(
        uniform[0], y, uniform[1], cost / cost.max(), 0.3, classes, numInnerItermax=2000, stopInnerThr=1e-10
    )
    np.testing.assert_allclose(class_plan(source, y, target, 0.3, classes), wanted, atol=1e-4)


@pytest.mark.parametrize("entropy", [0.01, 1.0])
@pytest.mark.parametrize("classes", [1e-3, 1.0])
@pytest.mark.parametrize("sizes", [(1, 1), (1, 6), (40, 3), (30, 50)])
def test_a_plan_has_the_mass_of_every_sample(sizes: tuple[int, int], classes: float, entropy: float) -> None:
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(sizes[0], 4)), 100 * rng.standard_cauchy(size=(sizes[1], 4))
    plan = class_plan(source, np.arange(len(source)) % 3, target, entropy, classes)
    assert np.isfinite(plan).all()
    assert (plan.sum(1) > 0).all()


def test_a_target_sample_gets_mass_of_fewer_classes() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    source, target = (rng.normal(size=(60, 3)) + shift * np.eye(3)[y] for shift in (1.0, 1.5))

    def purity(classes: float) -> float:
        plan = class_plan(source, y, target, 0.1, classes)
        return float(np.stack([plan[y == label].sum(0) for label in range(3)]).max(0).sum())

    assert purity(0.1) > purity(0.0) + 0.1


def test_the_source_moves_to_barycentres_and_new_samples_with_the_nearest() -> None:
    rng = np.random.default_rng(0)
    source, target, y = 10 * rng.normal(size=(50, 2)), rng.normal(size=(60, 2)), np.arange(50) % 2
    trainer = trained(spec_of("ot"), task_of(source, y, target))
    source, target = source.astype(np.float32), target.astype(np.float32)
    plan = class_plan(source.astype(np.float64), y, target.astype(np.float64), 0.02, 0.1)
    moved = plan @ target / plan.sum(1, keepdims=True)
    np.testing.assert_allclose(said(trainer, source, "source")[0], moved, atol=1e-3)
    np.testing.assert_allclose(said(trainer, source + 1e-3, "source")[0], moved + 1e-3, atol=1e-3)
    assert np.array_equal(said(trainer, target)[0], target)


def test_linear_transport_is_that_of_pot_and_gives_the_source_the_moments_of_the_target() -> None:
    trainer, view = trained(spec_of("linear_ot", SCALE, params={"ridge": 1e-6})), load_task(SCALE).train_view()
    moved = said(trainer, view.source.x, "source")[0]
    source, target = (x.astype(np.float64) for x in (view.source.x, view.target.x))
    np.testing.assert_allclose(
        moved, ot.da.LinearTransport().fit(Xs=source, Xt=target).transform(source), atol=1e-3
    )
    np.testing.assert_allclose(moved.mean(0), target.mean(0), atol=1e-3)
    np.testing.assert_allclose(np.cov(moved.T), np.cov(target.T), atol=1e-3)
    assert np.array_equal(said(trainer, view.target.x)[0], view.target.x)


def test_linear_transport_only_shifts_what_it_does_not_match(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("methods.linear_ot.DIRECTIONS", 1)
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(80, 2)) * (1, 9), rng.normal(5, 1, (80, 2)) * (2, 30)
    trainer = trained(spec_of("linear_ot"), task_of(source, np.arange(80) % 2, target))
    source = source.astype(np.float32)
    moved = said(trainer, source, "source")[0]
    assert moved.std(0) / source.std(0) == pytest.approx([1, 30 / 9], rel=0.25)
    assert moved.mean(0) == pytest.approx(target.mean(0), rel=1e-3)


# Discriminants.


@pytest.mark.parametrize("size", [25, 200])
@pytest.mark.parametrize("classes", [2, 3])
def test_discriminants_are_those_of_scikit_learn(classes: int, size: int) -> None:
    rng = np.random.default_rng(0)
    y = np.minimum(np.arange(size) % 4, classes - 1)
    x = 3 + rng.normal(size=(size, 40)) @ rng.normal(size=(40, 40)) + 4 * np.eye(40)[y]
    within = x - np.stack([x[y == label].mean(0) for label in range(classes)])[y]
    shrinkage = ledoit_wolf_shrinkage(within, assume_centered=True)
    machine = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(x, y)
    weight, bias = discriminants(x, y, classes + 1)
    logits = x @ weight.T + bias
    assert (logits[:, classes] == NEVER).all()
    wanted = machine.predict_log_proba(x)
    np.testing.assert_allclose(
        logits[:, 1:classes] - logits[:, :1], wanted[:, 1:] - wanted[:, :1], rtol=1e-5, atol=1e-5
    )


# All.


def constant(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.full((40, 3), 2.0), np.arange(40) % 2, np.full((30, 3), 2.0)


def partly_constant(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    source, target = rng.normal(size=(40, 3)), rng.normal(size=(30, 3))
    source[:, 0], target[:, 1] = 0.1, 1e6
    return source, np.arange(40) % 2, target


def one_class(rng: np.random.Generator, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return scale * rng.normal(size=(40, 3)), np.ones(40, np.int64), scale * rng.normal(size=(30, 3))


SMALL, LARGE = (partial(one_class, scale=scale) for scale in (1e-9, 1e6))


def wide(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return rng.normal(size=(15, 90)), np.arange(15) % 2, rng.normal(size=(14, 90))


@pytest.mark.filterwarnings("ignore::methods.base.MethodWarning")
@pytest.mark.parametrize(
    "draw",
    [constant, partly_constant, one_class, SMALL, LARGE, wide],
)
@pytest.mark.parametrize("method", ALL)
def test_poor_data_end_in_finite_logits(method: str, draw: Callable) -> None:
    source, y, target = draw(np.random.default_rng(0))
    trainer = trained(spec_of(method), task_of(source, y, target, 3))
    for x, side in ((source, "source"), (target, "target")):
        logits = said(trainer, x.astype(np.float32), side)[1]
        assert np.isfinite(logits).all()
        assert set(logits.argmax(1)) <= set(y)


@pytest.mark.parametrize("method", MAPPED)
def test_the_nearest_source_sample_is_found_where_the_source_is_mapped(method: str) -> None:
    """Source samples are their own nearest neighbours, and the labels go with them."""
    trainer, source = trained(spec_of(method, SCALE)), load_task(SCALE).train_view().source
    assert (said(trainer, source.x, "source")[1].argmax(1) == source.y).mean() > 0.99


@pytest.mark.parametrize(("method", "file"), [("tca", tca_file), ("ot", ot_file)])
def test_a_large_domain_is_sampled_by_the_seed_and_that_is_told(
    method: str, file: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "ANCHORS", 50)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer = trained(spec_of(method, SCALE))
    told = [str(each.message) for each in caught if issubclass(each.category, MethodWarning)]
    source, target = load_task(SCALE).train_view().source.x, load_task(SCALE).train_view().target.x
    assert told == [
        f"{method}: fitted to 50 of the {side}'s {len(x)} samples, drawn at random: its cost is quadratic"
        for side, x in (("source", source), ("target", target))
    ]
    rows = {row.tobytes() for row in source}
    assert sum(row.tobytes() in rows for row in trainer.method.anchors.numpy()) == 50
    assert torch.equal(trainer.method.anchors, trained(spec_of(method, SCALE)).method.anchors)
    assert (said(trainer, source, "source")[1].argmax(1) == load_task(SCALE).train_view().source.y).mean() > 0.9


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("sizes", [(12, 11), (25, 70)])
def test_what_was_fitted_is_saved_and_loaded(method: str, sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    task = task_of(rng.normal(size=(sizes[0], 20)), np.arange(sizes[0]) % 2, rng.normal(size=(sizes[1], 20)))
    fitted, fresh = trained(spec_of(method), task).method, trainer_of(spec_of(method), task).method
    fresh.load_state_dict(fitted.state_dict())
    x = torch.from_numpy(task.train_view().target.x)
    for side in ("source", "target"):
        assert all(torch.equal(a, b) for a, b in zip(fitted.predict(x, side), fresh.predict(x, side), strict=True))
