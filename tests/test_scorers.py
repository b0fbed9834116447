"""Label-free scorers in scikit-learn's searches."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.core.settings import UserError
from benchmarks.estimator import DomainAdapter
from benchmarks.evaluation.outputs import Outputs, capped
from benchmarks.evaluation.validators import VALIDATORS, Evidence, score_outputs
from benchmarks.scorers import NAMES, LabelFreeScorer
from tests.test_estimator import QUICK, domains

SKADA = {"entropy": -0.24062549890004667, "snd": 2.413396791121671}
"""Of :func:`dirichlet`, by PredictionEntropyScorer() and SoftNeighborhoodDensity() of skada 0.6.0."""


@dataclass
class Says:
    """A classifier whose probabilities are known; samples are their numbers."""

    p: np.ndarray

    def __post_init__(self) -> None:
        self.classes_ = np.arange(self.p.shape[1])

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        return self.p[x[:, 0]]


def dirichlet() -> np.ndarray:
    """Probabilities (40, 3); the first are certain."""
    p = np.random.default_rng(0).dirichlet([0.5, 0.5, 1], 40)
    p[0] = [1, 0, 0]
    return p


@pytest.fixture(autouse=True)
def routing() -> Iterator[None]:
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def test_scores_are_those_of_skada() -> None:
    """Its entropy is a mean over samples and classes, of log(p + 1e-7); ours is a mean over samples."""
    x = np.arange(40)[:, None]
    found = {name: LabelFreeScorer(name)(Says(dirichlet()), x, X_target=x) for name in SKADA}
    assert found["entropy"] == pytest.approx(3 * SKADA["entropy"], rel=1e-6)
    assert found["snd"] == pytest.approx(SKADA["snd"], rel=1e-9)


@pytest.mark.parametrize("name", ["entropy", "im", "snd", "bnm", "source_accuracy", "proxy_a_distance"])
def test_scores_are_those_of_the_harness_on_the_same_outputs(name: str) -> None:
    x, y, x_target, _ = domains()
    adapter = DomainAdapter(protocol=QUICK).fit(x[:200], np.array(["up", "down"])[y[:200]], x_target)
    model, kept = adapter.model_, capped(300)
    inputs = {"source": x[200:], "target": x_target}
    how = model.preprocessing
    assert how
    scaled = {side: ((of - how.mean) / how.deviation).astype(np.float32) for side, of in inputs.items()}
    outputs = {
        "source_val.logits": model.logits(scaled["source"]),
        "source_val.y": 1 - y[200:],  # sorted, down is the first
        "source_train.features": model.features(scaled["source"]),
        "target_train.logits": model.logits(scaled["target"])[kept],
        "target_train.features": model.features(scaled["target"])[kept],
    }
    found = LabelFreeScorer(name)(adapter, x[200:], np.array(["up", "down"])[y[200:]], X_target=x_target)
    assert found == pytest.approx(score_outputs(Outputs(outputs), [name])[name], rel=1e-5)


@pytest.mark.parametrize("name", ["dev", "iwcv"])
def test_weights_bring_the_risk_near_that_on_the_target(name: str) -> None:
    """The model is wrong on the left, where 0.69 of the source is, and 0.31 of the target."""

    class Halves(Says):
        def predict_proba(self, x: np.ndarray) -> np.ndarray:
            return np.where(x < 0, [[0.9, 0.1]], [[0.1, 0.9]])

        def features(self, x: np.ndarray) -> np.ndarray:
            return x

    rng = np.random.default_rng(0)
    x, x_target = rng.normal(-0.5, size=(4000, 1)), rng.normal(0.5, size=(400, 1))
    score = LabelFreeScorer(name)(Halves(np.eye(2)), x, np.ones(4000, int), X_target=x_target)
    assert -score == pytest.approx((x_target < 0).mean(), abs=0.05)


def test_no_sample_is_weighted_by_what_was_fitted_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def looked(evidence: Evidence) -> float:
        seen.append([evidence.outputs[f"{split}.features"] for split in ("source_train", "source_val")])
        return len(seen)

    monkeypatch.setitem(VALIDATORS, "dev", looked)
    x, y, x_target, _ = domains()
    adapter = DomainAdapter(protocol=QUICK).fit(x[:150], y[:150], x_target)
    assert LabelFreeScorer("dev")(adapter, x[150:], y[150:], X_target=x_target) == 1.5
    (train, val), (other_train, other_val) = seen
    assert np.array_equal(train, other_val)
    assert np.array_equal(val, other_train)
    assert np.allclose(np.sort(np.concatenate([train, val]), axis=0), np.sort(adapter.features(x[150:]), axis=0))


@pytest.mark.parametrize("name", NAMES)
def test_every_scorer_works_in_a_search_over_pipelines(name: str) -> None:
    x, y, x_target, _ = domains()
    pipeline = make_pipeline(StandardScaler(), DomainAdapter(protocol=QUICK), transform_input=["X_target"])
    grid = {"domainadapter__method": ["dann", "source_only"]}
    search = GridSearchCV(pipeline, grid, scoring=LabelFreeScorer(name), cv=KFold(2), error_score="raise")
    scores = clone(search).fit(x, y, X_target=x_target[:150]).cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()


def test_without_routing_the_scorer_holds_the_target() -> None:
    x, y, x_target, _ = domains()
    with sklearn.config_context(enable_metadata_routing=False):
        with pytest.raises(UserError, match=r"'im'\): no search would pass it X_target; give it here, or call"):
            LabelFreeScorer("im")
        scorer = LabelFreeScorer("im", x_target[:200])
        search = GridSearchCV(DomainAdapter(protocol=QUICK), {"seed": [0, 1]}, scoring=scorer, cv=KFold(2))
        held = search.fit(x, y, X_target=x_target[:200]).cv_results_["mean_test_score"]
    search.set_params(scoring=LabelFreeScorer("im"))
    assert (search.fit(x, y, X_target=x_target[:200]).cv_results_["mean_test_score"] == held).all()


def test_a_scorer_may_see_other_target_samples_than_the_fit() -> None:
    x, y, x_target, _ = domains()
    scorer = LabelFreeScorer("im").set_score_request(X_target="held_out")
    search = GridSearchCV(DomainAdapter(protocol=QUICK), {"seed": [0]}, scoring={"im": scorer}, refit="im", cv=2)
    search.fit(x, y, X_target=x_target[:200], held_out=x_target[200:])
    with pytest.raises(TypeError, match="unexpected argument"):
        search.fit(x, y, X_target=x_target[:200], y_target=y)


def test_scorers_judge_any_classifier() -> None:
    x, y, x_target, _ = domains()
    model = make_pipeline(PCA(), LogisticRegression())
    scores = cross_val_score(model, x, y, scoring=LabelFreeScorer("entropy", x_target), cv=3)
    assert (scores < 0).all()
    with pytest.raises(UserError, match="LogisticRegression has no features"):
        LabelFreeScorer("dev", x_target)(model.fit(x, y), x, y)
    with pytest.raises(UserError, match="needs X_target; give it to fit"):
        LabelFreeScorer("im")(model, x, y)
    with pytest.raises(UserError, match="did you mean 'entropy'"):
        LabelFreeScorer("entropi")
    with pytest.raises(UserError, match="unknown validator 'mixval'"):
        LabelFreeScorer("mixval")
