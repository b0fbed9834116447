"""Shallow baselines: what their papers' formulas say, on data where the answer is known."""

import resource
import warnings

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC

from benchmarks.core.registry import METHODS
from benchmarks.core.settings import UserError
from benchmarks.training.loop import Trainer
from datasets.base import Samples, Task, load_task
from methods.base import NEVER
from methods.coral_svm import covariance_power
from methods.svm import STRENGTHS, linear_svm
from tests.conftest import CANDIDATES, spec_of, trained, trainer_of

RNG = np.random.default_rng(0)


def predictions(trainer: Trainer, x: np.ndarray) -> np.ndarray:
    return trainer.outputs(torch.from_numpy(x), "target")[1].argmax(1).numpy()


@pytest.mark.parametrize("task", ["toys/moons", "toys/waves"])
def test_nearest_neighbours_are_those_of_scikit_learn(task: str) -> None:
    view = load_task(task).train_view()
    source, target = (x.reshape(len(x), -1) for x in (view.source.x, view.target.x))
    wanted = KNeighborsClassifier(1).fit(source, view.source.y).predict(target)
    assert (predictions(trained(spec_of("nearest_neighbour", task)), view.target.x) == wanted).mean() > 0.995


def test_images_are_scaled_alike_when_fitted_and_when_used() -> None:
    """The samples themselves are their own nearest neighbours only if both sides are scaled."""
    images = RNG.integers(256, size=(60, 1, 4, 4), dtype=np.uint8)
    domain = Samples(images, RNG.integers(3, size=60), test=np.arange(60) >= 40)
    task = Task("mine/a-b", ("0", "1", "2"), [domain], [domain])
    source = task.train_view().source
    assert (predictions(trained(spec_of("nearest_neighbour"), task), source.x) == source.y).all()


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("size", [30, 200])
@pytest.mark.parametrize("c", [None, 0.02])
def test_decision_values_are_those_of_scikit_learn(c: float | None, classes: int, size: int) -> None:
    """With the C given, or one of the ten; also where samples are fewer than dimensions."""
    y = np.arange(size) % classes
    x = RNG.normal(size=(size, 40)) + 2 * np.eye(40)[y]
    weight, bias = linear_svm(x, y, classes, c, seed=0)
    machines = [LinearSVC(loss="hinge", C=c, max_iter=10**5).fit(x, y) for c in ([c] if c else STRENGTHS)]
    values = [np.stack([-v, v], 1) if v.ndim == 1 else v for v in (m.decision_function(x) for m in machines)]
    assert min(np.abs(x @ weight.T + bias - v).max() for v in values) < 0.05


@pytest.mark.filterwarnings("ignore::methods.base.MethodWarning")
def test_what_the_svm_says_are_its_decision_values() -> None:
    """Two classes around 5 and 7: without its bias, or with its sign turned, a linear rule tells nothing."""
    y = RNG.integers(2, size=200)
    domain = Samples((5 + 2 * y[:, None] + RNG.normal(0, 0.2, (200, 1))).astype(np.float32), y)
    task = Task("mine/a-b", ("0", "1"), [domain], [domain])
    trainer, source = trained(spec_of("svm", params={"c": 1.0}), task), task.train_view().source
    assert (predictions(trainer, source.x) == source.y).mean() > 0.95
    machine = LinearSVC(loss="hinge", C=1.0, max_iter=10**5).fit(source.x, source.y)
    values = trainer.outputs(torch.from_numpy(source.x), "source")[1][:, 1].numpy()
    assert np.corrcoef(values, machine.decision_function(source.x))[0, 1] > 0.999


@pytest.mark.parametrize("present", [[2], [0, 2], [0, 1, 3]])
def test_a_class_without_samples_is_never_said(present: list[int]) -> None:
    y = np.array(present * 10)
    x = RNG.normal(size=(len(y), 5)) + y[:, None]
    weight, bias = linear_svm(x, y, 4, None, seed=0)
    logits = x @ weight.T + bias
    assert set(logits.argmax(1)) <= set(present)
    assert (np.delete(logits, present, axis=1) == NEVER).all()


def test_a_class_of_one_sample_does_not_stop_the_choice_of_c() -> None:
    x = RNG.normal(size=(3000, 2))
    weight, bias = linear_svm(x, np.arange(3000) // 2999, 2, None, seed=0)
    assert np.isfinite(weight).all()
    assert (bias != NEVER).all()


@pytest.mark.parametrize("size", [10, 100])
@pytest.mark.parametrize("power", [-0.5, 0.5])
def test_the_power_of_a_covariance(size: int, power: float) -> None:
    """Applied twice, (C + I)^1/2 is C + I, and (C + I)^-1/2 its inverse; also from the smaller of two matrices."""
    x = RNG.normal(size=(size, 20)) @ RNG.normal(size=(20, 20))
    axes, change = covariance_power(x, power)
    assert axes.shape == (min(size, 20), 20)
    root = np.eye(20) + axes.T * change @ axes
    wanted = np.cov(x.T) + np.eye(20)
    np.testing.assert_allclose(root @ root, wanted if power > 0 else np.linalg.inv(wanted), rtol=1e-6, atol=1e-6)


def two_domains(source: int, target: int, features: int, classes: int = 2) -> Task:
    """Domains of so many samples for training; a source has one more for validation, and each 4 for testing."""
    names = [str(number) for number in range(classes)]
    domains = []
    for size, validation in ((source, 1), (target, 0)):
        place = np.arange(size + validation + 4)
        x = RNG.normal(size=(len(place), features)).astype(np.float32)
        test, val = place >= size + validation, (place >= size) & (place < size + validation)
        domains.append(Samples(x, place % classes, test, val=val))
    return Task("mine/a-b", names, domains[:1], domains[1:])


@pytest.mark.parametrize("method", [name for name in CANDIDATES if METHODS.info(name).family == "shallow"])
def test_few_samples_of_many_features_take_no_square_of_them(method: str) -> None:
    """A matrix of 20,000 squared float32 would take 1.6 GB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    trainer = trained(spec_of(method), two_domains(60, 50, 20_000))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 800_000  # KB
    assert sum(tensor.numel() for tensor in trainer.method.state_dict().values()) < 200 * 20_000


@pytest.mark.parametrize("sizes", [(12, 9), (9, 30), (60, 70)])
def test_a_fitted_coral_is_saved_and_loaded_whatever_its_sizes(sizes: tuple[int, int]) -> None:
    task = two_domains(*sizes, 20)
    fitted, fresh = trained(spec_of("coral_svm"), task).method, trainer_of(spec_of("coral_svm"), task).method
    fresh.load_state_dict(fitted.state_dict())
    x = torch.from_numpy(task.train_view().source.x)
    assert all(
        torch.equal(a, b) for a, b in zip(fitted.predict(x, "source"), fresh.predict(x, "source"), strict=True)
    )


@pytest.mark.parametrize("method", [name for name in CANDIDATES if not METHODS.info(name).needs])
@pytest.mark.parametrize("sizes", [(1, 1), (1, 5), (2, 2), (5, 1), (4, 3)])
def test_a_handful_of_samples_is_a_result_or_one_clear_error(method: str, sizes: tuple[int, int]) -> None:
    task = two_domains(*sizes, 3)
    spec = spec_of(method, steps=2, source_batch=4, target_batch=4)
    if method == "reweighting" and min(sizes) < 2:  # it cross-fits a classifier
        with pytest.raises(UserError, match="needs 2 training samples of each domain"):
            trained(spec, task)
    else:
        x = torch.from_numpy(task.train_view().target.x)
        assert torch.isfinite(trained(spec, task).outputs(x, "target")[1]).all()


@pytest.mark.parametrize("counts", [[1, 1, 1, 1], [3, 1, 1], [3, 3, 1]])
def test_c_is_chosen_on_the_classes_that_have_a_sample_for_each_fold(counts: list[int]) -> None:
    y = np.repeat(np.arange(len(counts)), counts)
    x = RNG.normal(size=(len(y), 4)) + 5 * np.eye(4)[y]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        weight, bias = linear_svm(x, y, 4, None, seed=0)
    told = any("C is 1, as choosing it takes 3 source samples" in str(warning.message) for warning in caught)
    assert told == (counts.count(3) < 2)
    assert not any("fits failed" in str(warning.message) for warning in caught)
    assert np.isfinite(x @ weight.T + bias).all()


def test_the_nearest_sample_is_found_among_those_of_ten_thousand_classes() -> None:
    trainer = trained(spec_of("nearest_neighbour"), two_domains(10_000, 30, 2, classes=10_000))
    x = trainer.source.x[:3]
    assert (trainer.outputs(x, "target")[1].argmax(1) == trainer.source.y[:3]).all()


@pytest.mark.parametrize(("scale", "inert"), [(1.0, False), (0.01, True)])
def test_coral_says_when_inputs_are_too_small_for_it(scale: float, inert: bool) -> None:
    task = load_task("toys/scale")
    view = task.train_view()
    domains = [Samples(scale * x, np.arange(len(x)) % len(task.classes)) for x in (view.source.x, view.target.x)]
    small = Task("small", task.classes, domains[:1], domains[1:])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trained(spec_of("coral_svm"), small)
    assert any("does nothing" in str(warning.message) for warning in caught) == inert


def test_coral_gives_the_source_the_covariance_of_the_target_up_to_the_identity() -> None:
    """(C_s + I) turns into (C_t + I); the target stays."""
    trainer, view = trained(spec_of("coral_svm", "toys/scale")), load_task("toys/scale").train_view()
    features = [
        trainer.outputs(torch.from_numpy(x), side)[0].numpy()
        for x, side in (
            (np.concatenate([view.source.x, np.eye(6, dtype=np.float32)]), "source"),
            (view.target.x, "target"),
        )
    ]
    coloured, colour = np.split(features[0], [-6])
    assert np.array_equal(features[1], view.target.x)
    np.testing.assert_allclose(
        np.cov(coloured.T) + colour.T @ colour, np.cov(view.target.x.T) + np.eye(6), atol=1e-4
    )
