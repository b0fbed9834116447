"""Methods as scikit-learn classifiers: alone, in pipelines and in searches."""

import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from benchmarks.core.settings import UserError
from benchmarks.estimator import DomainAdapter
from datasets import files, own
from datasets.base import Samples, load_task, split
from tests.conftest import TINY, same, spec_of, trained, weights

FEW = {"backbone": "mlp?width=16", "discriminator_layers": "8", "source_batch": 32, "target_batch": 32}
QUICK = {**FEW, "steps": 15, "lr_backbone": 0.05, "lr_new": 0.05}
UNITS = {"backbone": "mlp?width=32", "discriminator_layers": "32", "steps": 300}


def domains() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Two moons and their labels, and the same turned by 30 degrees; x is in units a hundred times those of y."""
    rng = np.random.default_rng(0)

    def moons() -> tuple[np.ndarray, np.ndarray]:
        y, angle = np.arange(300) % 2, rng.uniform(0, np.pi, 300)
        x = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        x[y == 1] = [1, 0.5] - x[y == 1]
        return x + rng.normal(scale=0.1, size=x.shape), y

    (x, y), (x_target, y_target) = moons(), moons()
    c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)
    units, zero = np.array([10, 0.1]), np.array([5, 0.1])
    return x * units + zero, y, x_target @ np.array([[c, s], [-s, c]]) * units + zero, y_target


@pytest.fixture
def routing() -> Iterator[None]:
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@parametrize_with_checks([DomainAdapter(protocol=QUICK)])
def test_an_adapter_is_a_scikit_learn_classifier(estimator: DomainAdapter, check: Any) -> None:
    check(estimator)


def test_an_adapter_trains_as_the_harness_does() -> None:
    spec, view = spec_of("cdan", seed=3), load_task("toys/moons").train_view()
    protocol = TINY | {"backbone": spec.protocol.backbone}
    adapter = DomainAdapter("cdan", protocol=protocol, seed=3, standardise=False)
    torch.set_num_threads(2)  # the protocol's is 1
    before = torch.get_num_threads(), torch.get_rng_state()
    adapter.fit(view.source.x, view.source.y, view.target.x)
    assert torch.get_num_threads() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    expected = weights(trained(spec))
    assert same(adapter.model_.method.state_dict(), expected)
    assert not same(adapter.fit(view.source.x, view.source.y).model_.method.state_dict(), expected)


def test_an_adapter_takes_images_and_any_labels() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(128, size=(60, 1, 16, 16), dtype=np.uint8), np.repeat(["cat", "dog"], 30)
    x[y == "dog"] += 100
    adapter = DomainAdapter("coral", {"trade_off": 0.1}, QUICK, seed=1).fit(x, y, x[::2])
    assert adapter.score(x, y) == 1
    assert adapter.model_(torch.from_numpy(x)).shape == (60, 2)
    with pytest.raises(ValueError, match="it was fitted on"):
        adapter.predict(x[:, :, :8])
    with pytest.raises(ValueError, match="X_target has samples of"):
        adapter.fit(x, y, x.astype(np.float32))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "dan2"}, "did you mean 'dan'"),
        ({"method": "target_only"}, "it would need target labels"),
        ({"params": {"gama": 1}}, "did you mean 'gamma'"),
        ({"protocol": {"step": 1}}, "did you mean 'steps'"),
    ],
)
def test_wrong_settings_of_an_adapter_are_one_clear_error(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        DomainAdapter(**settings).fit([[0.0], [1.0]], [0, 1])


def test_an_adapter_standardises_as_the_harness_does_with_arrays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path))
    x, y, x_target, _ = domains()
    np.savez(tmp_path / "old.npz", x=x, y=y)
    np.savez(tmp_path / "new.npz", x=x_target)
    task = own.make_task(tmp_path / "old.npz", tmp_path / "new.npz", "label")
    spec = spec_of("dann", task, seed=1)
    train = split(Samples(x, y))[0]
    seen = load_task(task).train_view().target.x
    scale = x[train].mean(0), x[train].std(0)
    protocol = TINY | {"backbone": spec.protocol.backbone}
    adapter = DomainAdapter("dann", protocol=protocol, seed=1).fit(x[train], y[train], seen * scale[1] + scale[0])
    expected = weights(trained(spec))
    assert all(
        torch.allclose(value, expected[name], atol=1e-5)
        for name, value in adapter.model_.method.state_dict().items()
    )


def test_what_scales_one_domain_alone_is_an_error_that_says_what_to_write() -> None:
    """Scaling the source alone, as a pipeline does, costs 14 points here; the adapter itself scales both."""
    x, y, x_target, y_target = domains()
    scaler = StandardScaler().fit(x)
    scaled, scaled_target = scaler.transform(x), scaler.transform(x_target)
    by_hand = DomainAdapter("dann", protocol=UNITS, standardise=False).fit(scaled, y, scaled_target)
    with pytest.warns(
        UserWarning, match=r"only one of X and X_target seems to be scaled: in x\[:, 0\], X has mean"
    ):
        one_sided = clone(by_hand).fit(scaled, y, x_target)
    assert by_hand.score(scaled_target, y_target) == pytest.approx(0.853, abs=0.01)
    assert one_sided.score(scaled_target, y_target) == pytest.approx(0.71, abs=0.03)
    alone = DomainAdapter("dann", protocol=UNITS).fit(x, y, x_target)
    assert (alone.predict_proba(x_target) == by_hand.predict_proba(scaled_target)).all()
    with pytest.raises(UserError, match=r"X passes standardscaler before .*, and X_target would not. Leave out"):
        make_pipeline(StandardScaler(), DomainAdapter()).fit(x, y, domainadapter__X_target=x_target)


@pytest.mark.parametrize(
    "steps",
    [
        [PCA(2), DomainAdapter(protocol=QUICK)],
        ["passthrough", make_pipeline(PCA(2), DomainAdapter(protocol=QUICK))],
        [PCA(2), make_pipeline(DomainAdapter(protocol=QUICK), transform_input=["X_target"])],
        [PCA(2), GridSearchCV(DomainAdapter(protocol=QUICK), {"seed": [0]}, cv=2, error_score="raise")],
    ],
    ids=["last step", "inner pipeline", "outer pipeline", "search within"],
)
def test_whatever_transforms_x_alone_is_found(steps: list[Any], routing: None) -> None:
    x, y, x_target, _ = domains()
    with pytest.raises(UserError, match="X passes pca before DomainAdapter"):
        make_pipeline(*steps).fit(x, y, X_target=x_target)


def test_pipelines_that_transform_both_domains_or_none_are_fitted(routing: None) -> None:
    x, y, x_target, _ = domains()
    adapter, pca = DomainAdapter(protocol=QUICK), PCA(2).fit(x)
    by_hand = clone(adapter).fit(pca.transform(x), y, pca.transform(x_target))
    pipeline = make_pipeline(PCA(2), adapter, transform_input=["X_target"]).fit(x, y, X_target=x_target)
    assert (pipeline.predict_proba(x_target) == by_hand.predict_proba(pca.transform(x_target))).all()
    aliased = clone(adapter).set_fit_request(X_target="there")
    aliased = make_pipeline(PCA(2), aliased, transform_input=["X_target"]).fit(x, y, there=x_target)
    assert (aliased.predict_proba(x_target) == pipeline.predict_proba(x_target)).all()
    plain = Pipeline([("none", "passthrough"), ("adapter", clone(adapter))]).fit(x, y, X_target=x_target)
    assert (plain.predict(x_target) == clone(adapter).fit(x, y, x_target).predict(x_target)).all()
    assert make_pipeline(PCA(2), clone(adapter)).fit(x, y).score(x, y) > 0.5  # no target: nothing to transform


class Inside(PCA):
    """A transformer with an adapter of its own."""

    def fit_transform(self, X: np.ndarray, y: Any = None) -> np.ndarray:
        DomainAdapter(protocol=QUICK).fit(X, y, X)
        return super().fit_transform(X)


def test_an_adapter_within_a_transformer_is_no_step_of_its_pipeline() -> None:
    x, y, *_ = domains()
    make_pipeline(StandardScaler(), Inside(2), "passthrough").fit(x, y)


@pytest.mark.parametrize("routed", [False, True])
def test_a_search_passes_the_target_on(routed: bool) -> None:
    x, y, x_target, _ = domains()
    search = GridSearchCV(DomainAdapter(protocol=QUICK), {"seed": [0, 1]}, cv=2, error_score="raise")
    with sklearn.config_context(enable_metadata_routing=routed):
        search.fit(x, y, X_target=x_target[:200])
    expected = clone(search.best_estimator_).fit(x, y, x_target[:200])
    assert (search.predict_proba(x_target) == expected.predict_proba(x_target)).all()


def test_a_search_over_pipelines_passes_the_target_on_transformed(routing: None) -> None:
    x, y, x_target, _ = domains()
    pipeline = make_pipeline(PCA(), DomainAdapter(protocol=QUICK), transform_input=["X_target"])
    grid = {"pca__n_components": [1, 2], "domainadapter__method": ["dann", "coral"]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(x, y, X_target=x_target[:200])
    assert search.predict(x_target).shape == (300,)


def test_an_adapter_keeps_names_and_survives_copies(routing: None) -> None:
    x, y, x_target, _ = domains()
    frame, frame_target = (pd.DataFrame(of, columns=["across", "up"]) for of in (x, x_target))
    pipeline = make_pipeline(StandardScaler(), DomainAdapter(protocol=QUICK), transform_input=["X_target"])
    pipeline.set_output(transform="pandas").fit(frame, y, X_target=frame_target)
    assert pipeline[-1].feature_names_in_.tolist() == ["across", "up"]
    copy = pickle.loads(pickle.dumps(pipeline))  # noqa: S301 (made here)
    assert (copy.predict_proba(frame_target) == pipeline.predict_proba(frame_target)).all()
    with pytest.raises(ValueError, match="feature names"):
        DomainAdapter(protocol=QUICK).fit(frame, y, frame_target[["up", "across"]])
    adapter = clone(DomainAdapter().set_fit_request(X_target="there"))
    assert adapter.get_metadata_routing().fit.requests == {"X_target": "there"}


def test_domains_that_were_scaled_alike_or_not_at_all_give_no_warning() -> None:
    x, y, x_target, _ = domains()
    scaler = StandardScaler().fit(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DomainAdapter(protocol=QUICK).fit(scaler.transform(x), y, scaler.transform(x_target))
        DomainAdapter(protocol=QUICK).fit(x, y, x_target + 100)
    with pytest.warns(UserWarning, match="only one of X and X_target seems to be scaled"):
        DomainAdapter(protocol=QUICK).fit(x, y, scaler.fit_transform(x_target))


def test_values_beyond_32_bits_are_an_error() -> None:
    x, y, x_target, _ = domains()
    with pytest.raises(ValueError, match=r"x\[:, 1\] has values too large, or too far from X's"):
        DomainAdapter(protocol=QUICK).fit(x, y, x_target * [1, 1e300])
