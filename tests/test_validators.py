"""Validators against formulas written out here, and the properties that make them validators."""

import math
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_mutual_info_score, silhouette_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.evaluation.outputs import Outputs
from benchmarks.evaluation.proxy_a_distance import SMALLEST, proxy_a_distance
from benchmarks.evaluation.validators import SELECTABLE, STRENGTHS, VALIDATORS, Evidence, score_outputs

CLASSES = 4
SEEDS = range(4)


def outputs_of(seed: int = 0, source: int = 120, val: int = 70, target: int = 90, **arrays: Any) -> Outputs:
    """Random outputs of a mediocre model under a small shift; ``arrays`` replace some, by ``split_kind``."""
    rng = np.random.default_rng(seed)
    sizes = {"source_train": source, "source_val": val, "target_train": target, "target_mixed": target}
    made: dict[str, Any] = {}
    for split, n in sizes.items():
        made[f"{split}.logits"] = rng.normal(0, 3, size=(n, CLASSES)).astype(np.float32)
        if split != "target_mixed":
            features = np.maximum(rng.normal(0.6 * (split == "target_train"), 1, size=(n, 8)), 0)
            made[f"{split}.features"] = features.astype(np.float16)
        if split.startswith("source"):
            made[f"{split}.y"] = rng.integers(0, CLASSES, n)
    for name, array in arrays.items():
        made[".".join(name.rsplit("_", 1))] = array
    return Outputs({name: array for name, array in made.items() if array is not None})


def cheap_scores(outputs: Outputs) -> dict[str, float]:
    """All but the proxy A-distance, which takes most of the time."""
    evidence = Evidence(outputs)
    return {name: score(evidence) for name, score in VALIDATORS.items() if name != "proxy_a_distance"}


def probabilities(outputs: Outputs) -> np.ndarray:
    powers = np.exp(outputs["target_train.logits"].astype(np.float64))
    return powers / powers.sum(1, keepdims=True)


def entropy_of(p: Any) -> float:
    return -sum(float(q) * math.log(q) for q in p if q > 0)


def risks(outputs: Outputs) -> tuple[np.ndarray, np.ndarray]:
    """Weights, of mean 1 over source_train, and 0/1 errors of the source validation samples, by Bayes' rule."""
    source, target, val = (
        outputs[f"{name}.features"].astype(np.float64) for name in ("source_train", "target_train", "source_val")
    )

    def fit(strength: float, source: np.ndarray, target: np.ndarray) -> Any:
        x, domain = np.vstack([target, source]), ["t"] * len(target) + ["s"] * len(source)
        return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000)).fit(x, domain)

    def held_out_loss(strength: float) -> float:
        kept = [np.array([i for i in range(len(x)) if i % 3 < 2]) for x in (source, target)]
        model = fit(strength, source[kept[0]], target[kept[1]])  # classes in the order s, t
        return -sum(model.predict_log_proba(x[2::3])[:, i].sum() for i, x in enumerate((source, target)))

    model = fit(min(STRENGTHS, key=held_out_loss), source, target)
    at_train, at_val = (np.exp(np.diff(model.predict_log_proba(x)))[:, 0] for x in (source, val))
    return at_val / at_train.mean(), (~hits(outputs)).astype(float)


def hits(outputs: Outputs) -> np.ndarray:
    pairs = zip(outputs["source_val.logits"], outputs["source_val.y"], strict=True)
    return np.array([row[y] == max(row) for row, y in pairs])


@pytest.mark.parametrize("seed", SEEDS)
def test_prediction_scores_meet_their_formulas(seed: int) -> None:
    outputs = outputs_of(seed)
    p, scores = probabilities(outputs), cheap_scores(outputs)
    mean_entropy = np.mean([entropy_of(row) for row in p])
    assert scores["entropy"] == pytest.approx(-mean_entropy, rel=1e-5)
    assert scores["im"] == pytest.approx(entropy_of(p.mean(0)) - mean_entropy, rel=1e-5)
    # The nuclear norm is the sum of the roots of the Gram matrix's eigenvalues.
    assert scores["bnm"] == pytest.approx(np.sqrt(np.linalg.eigvalsh(p.T @ p)).sum() / len(p), rel=1e-5)
    assert scores["source_accuracy"] == pytest.approx(sum(hits(outputs)) / len(hits(outputs)))


@pytest.mark.parametrize("seed", SEEDS)
def test_snd_meets_its_formula(seed: int) -> None:
    outputs = outputs_of(seed, target=60)
    p, entropies = probabilities(outputs), []
    for i, a in enumerate(p):
        similar = [a @ b / math.sqrt((a @ a) * (b @ b)) for j, b in enumerate(p) if j != i]
        powers = [math.exp(s / 0.05) for s in similar]
        entropies.append(entropy_of(power / sum(powers) for power in powers))
    assert cheap_scores(outputs)["snd"] == pytest.approx(np.mean(entropies), rel=1e-5)


@pytest.mark.parametrize(("scale", "by_softmax"), [(1, False), (30, True)])
def test_mano_meets_its_formula(scale: float, by_softmax: bool) -> None:
    """Of surer logits the softmax is taken, of others its polynomial."""
    z = scale * np.random.default_rng(0).normal(size=(90, CLASSES))
    uncertain = -np.mean([v - math.log(sum(math.exp(w) for w in row)) for row in z for v in row])
    assert (uncertain > 5) == by_softmax
    powers = []
    for row in z:
        values = [math.exp(v) if by_softmax else 1 + v + v * v / 2 for v in row]
        powers += [(value / sum(values)) ** 4 for value in values]
    assert cheap_scores(outputs_of(target_train_logits=z))["mano"] == pytest.approx(np.mean(powers) ** 0.25)


def in_clusters(n: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """The cluster of each sample, as many as classes, and features far apart between clusters."""
    rng = np.random.default_rng(0)
    cluster = rng.integers(CLASSES, size=n)
    return cluster, 20 * np.eye(CLASSES)[cluster] + rng.normal(size=(n, CLASSES))


def clustering_scores(features: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    made = outputs_of(target_train_features=features, target_train_logits=logits)
    return score_outputs(made, ["im", "class_ami", "class_ss", "transfer_score"])


def test_clusters_are_compared_with_predictions_and_with_each_other_as_by_scikit_learn() -> None:
    cluster, features = in_clusters()
    said = np.where(np.random.default_rng(1).random(90) < 0.3, 0, (cluster + 1) % CLASSES)
    scores = clustering_scores(features, one_hot(list(said)))
    assert scores["class_ami"] == pytest.approx(adjusted_mutual_info_score(said, cluster))
    assert scores["class_ss"] == pytest.approx(silhouette_score(features, cluster))


def test_features_that_are_alike_have_no_clusters() -> None:
    scores = clustering_scores(np.ones((90, 3)), one_hot([0] * 90))
    assert {name for name, score in scores.items() if math.isnan(score)} == {*scores} - {"im"}


def test_transfer_score_is_high_for_clusters_and_sure_and_diverse_predictions() -> None:
    cluster, clustered = in_clusters()
    even = np.random.default_rng(0).random((90, 2))
    unsure, sure = one_hot([0] * 90, 0), one_hot(list(cluster))
    assert clustering_scores(even, unsure)["transfer_score"] == pytest.approx(0.5, abs=0.15)  # of Hopkins alone
    scores = clustering_scores(clustered, sure)
    assert 0.8 < scores["transfer_score"] - scores["im"] / math.log(CLASSES) < 1
    assert scores["im"] > 1


@pytest.mark.parametrize("seed", SEEDS)
def test_weighted_risks_meet_their_formulas(seed: int) -> None:
    outputs = outputs_of(seed)
    w, e = risks(outputs)
    assert w.std() > 0.1
    scores = cheap_scores(outputs)
    assert scores["iwcv"] == pytest.approx(-sum(w * e) / sum(w), rel=1e-5)
    eta = -np.cov(w * e, w)[0, 1] / np.var(w, ddof=1)
    assert scores["dev"] == pytest.approx(-(sum(w * e) / len(w) + eta * sum(w) / len(w) - eta), rel=1e-5)


def test_risks_use_the_samples_whose_features_are_kept() -> None:
    """Features are kept of the first samples only; the accuracy is of all."""
    full = outputs_of()
    cut = Outputs({**full.arrays, "source_val.features": full["source_val.features"][:40]})
    short = {name: full[name][:40] for name in full.arrays if name.startswith("source_val")}
    scores, expected = cheap_scores(cut), cheap_scores(Outputs({**full.arrays, **short}))
    assert (scores["dev"], scores["iwcv"]) == (expected["dev"], expected["iwcv"])
    assert scores["source_accuracy"] == cheap_scores(full)["source_accuracy"] != expected["source_accuracy"]


def test_without_shift_or_variance_the_risks_are_the_error() -> None:
    """Equal features carry no weight: w = 1 whatever the domains' sizes, and η has nothing to divide by."""
    splits = ("source_train", "source_val", "target_train")
    flat: dict[str, Any] = {
        f"{split}_features": np.ones((n, 3)) for split, n in zip(splits, (120, 16, 90), strict=True)
    }
    scores = cheap_scores(outputs_of(val=16, **flat))  # a size whose mean of equal weights is exact
    assert scores["iwcv"] == pytest.approx(scores["source_accuracy"] - 1, abs=1e-3)
    assert scores["dev"] == pytest.approx(scores["source_accuracy"] - 1, abs=1e-3)


@pytest.mark.parametrize("wrong", [False, True])
def test_a_sample_that_is_surely_the_targets_outweighs_no_error_rate(wrong: bool) -> None:
    """Its density ratio is above a billion, and its mean alone would be a risk of millions, or of none."""
    outputs = outputs_of()
    outputs["source_val.features"][3] = np.finfo(np.float16).max
    outputs["source_val.y"][3] = (outputs["source_val.logits"][3].argmax() + wrong) % CLASSES
    evidence, scores = Evidence(outputs), cheap_scores(outputs)
    assert evidence.ratio[3] > 1e9
    assert scores["iwcv"] == pytest.approx(-float(wrong), abs=1e-6)
    assert -1.1 <= scores["dev"] <= 0.1


def overlapping(shift: float, features: int) -> Evidence:
    """Two domains of normal features whose means differ in the first by ``shift``, with as many as samples."""
    rng = np.random.default_rng(0)
    arrays = {f"{name}_features": rng.normal(size=(n, features)) for name, n in SIZES.items()}
    arrays["target_train_features"][:, 0] += shift
    return Evidence(outputs_of(source=300, val=300, target=300, **arrays))


SIZES = {"source_train": 300, "source_val": 300, "target_train": 300}


@pytest.mark.parametrize(("shift", "features", "strength"), [(0.0, 300, min(STRENGTHS)), (4.0, 4, max(STRENGTHS))])
def test_the_domain_classifier_is_as_strong_as_held_out_samples_want_it(
    shift: float, features: int, strength: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the domains are one, a strong one would tell noise apart; where they differ, a weak one would not."""
    chosen = overlapping(shift, features).ratio
    assert chosen.mean() == pytest.approx(1, abs=0.5)
    monkeypatch.setattr("benchmarks.evaluation.validators.STRENGTHS", (strength,))
    assert np.array_equal(chosen, overlapping(shift, features).ratio)


def test_weights_find_the_target_like_errors() -> None:
    """With all errors on the target's side the weighted risk is above the plain one, else below."""
    base = outputs_of(source=400, val=300, target=300)
    side = base["source_val.features"].sum(1) > np.median(base["source_val.features"].sum(1))
    for like, sign in ((side, -1), (~side, 1)):
        logits = np.eye(CLASSES)[np.where(like, 1, 0)]
        scores = cheap_scores(Outputs({**base.arrays, "source_val.logits": logits, "source_val.y": 0 * side}))
        for name in ("iwcv", "dev"):
            assert sign * (scores[name] - (scores["source_accuracy"] - 1)) > 0.03


def test_proxy_a_distance_is_negated_and_nan_with_too_few() -> None:
    outputs = outputs_of()
    distance = proxy_a_distance(outputs["source_train.features"], outputs["target_train.features"])
    assert distance is not None
    assert score_outputs(outputs)["proxy_a_distance"] == -distance.value < 0
    scores = score_outputs(outputs_of(target=SMALLEST - 1))
    assert [name for name, score in scores.items() if math.isnan(score)] == ["proxy_a_distance"]


def one_hot(labels: list[int], scale: float = 60) -> np.ndarray:
    return (scale * np.eye(CLASSES)[labels]).astype(np.float32)


def test_confident_and_diverse_predictions_are_best_and_uniform_ones_worst() -> None:
    n = 80
    confident = cheap_scores(outputs_of(target=n, target_train_logits=one_hot([i % CLASSES for i in range(n)])))
    collapsed = cheap_scores(outputs_of(target=n, target_train_logits=one_hot([1] * n)))
    uniform = cheap_scores(outputs_of(target=n, target_train_logits=one_hot([0] * n, scale=0)))
    bounds = {
        "entropy": (-math.log(CLASSES), 0),
        "im": (0, math.log(CLASSES)),
        "bnm": ((CLASSES * n) ** -0.5, (CLASSES / n) ** 0.5),
    }
    for name, (low, high) in bounds.items():
        assert uniform[name] == pytest.approx(low, abs=1e-5)
        assert confident[name] == pytest.approx(high, abs=1e-5)
        assert all(low < cheap_scores(outputs_of(seed, target=n))[name] < high for seed in SEEDS)
    # What each makes of one class for all: only im and bnm ask for diversity, and snd is misled.
    assert collapsed["entropy"] == pytest.approx(confident["entropy"], abs=1e-5)
    assert collapsed["im"] == pytest.approx(0, abs=1e-5)
    assert collapsed["bnm"] == pytest.approx(n**-0.5, abs=1e-5)
    assert collapsed["snd"] == pytest.approx(math.log(n - 1))
    assert confident["snd"] == pytest.approx(math.log(n / CLASSES - 1), abs=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_target_samples_is_irrelevant(seed: int) -> None:
    outputs = outputs_of(seed)
    logits = outputs["target_train.logits"]
    shuffled = cheap_scores(outputs_of(seed, target_train_logits=np.random.default_rng(seed).permutation(logits)))
    for name, score in cheap_scores(outputs).items():
        if name not in ("mixval_intra", "mixval_inter", "class_ami"):  # these pair predictions with something
            assert shuffled[name] == pytest.approx(score, rel=1e-9), name


def test_mixval_on_a_small_example() -> None:
    """Pairs (0, 5) differ, (1, 4) and (2, 3) agree; the label of a mixture is that of its first part."""
    labels, mixed = [0, 2, 1, 1, 2, 3], [0, 2, 1, 0, 2, 0]
    scores = score_outputs(
        outputs_of(target=6, target_train_logits=one_hot(labels), target_mixed_logits=one_hot(mixed))
    )
    assert (scores["mixval_intra"], scores["mixval_inter"]) == (3 / 4, 1 / 2)


@pytest.mark.parametrize(("labels", "undefined"), [([1, 1], "mixval_inter"), ([1, 2], "mixval_intra")])
def test_mixval_without_a_kind_of_pair_is_nan(labels: list[int], undefined: str) -> None:
    logits = one_hot(labels)
    scores = score_outputs(outputs_of(target=2, target_train_logits=logits, target_mixed_logits=logits))
    parts = {name: scores[name] for name in ("mixval_intra", "mixval_inter")}
    assert math.isnan(parts.pop(undefined))
    assert list(parts.values()) == [1]


def test_outputs_without_mixtures_miss_only_mixval() -> None:
    scores, older = score_outputs(outputs_of()), score_outputs(outputs_of(target_mixed_logits=None))
    assert list(scores) == list(older) == list(VALIDATORS)
    assert {name for name in scores if scores[name] != older[name]} == {"mixval_intra", "mixval_inter"}
    assert math.isnan(older["mixval_intra"])
    assert math.isnan(older["mixval_inter"])


def test_no_target_label_is_read() -> None:
    """The outputs scored here hold none, and an oracle's beside them change nothing."""
    outputs = outputs_of()
    assert {name for name in outputs.arrays if name.endswith(".y")} == {"source_train.y", "source_val.y"}
    scores = score_outputs(outputs)
    assert all(math.isfinite(score) for score in scores.values())
    assert {**scores, **cheap_scores(outputs)} == scores
    told = {"target_train.y": outputs["target_train.logits"].argmax(1)}
    assert score_outputs(Outputs({**outputs.arrays, **told})) == scores


@pytest.mark.parametrize("name", ["target_train.logits", "source_val.features", "target_mixed.logits"])
def test_a_model_that_diverged_has_no_score(name: str) -> None:
    outputs = outputs_of()
    outputs[name][3, 0] = np.nan
    scores = score_outputs(outputs)
    assert list(scores) == list(VALIDATORS)
    assert all(math.isnan(score) for score in scores.values())


def test_the_inputs_are_left_as_they_were() -> None:
    outputs = outputs_of()
    score_outputs(outputs)
    for name, array in outputs_of().arrays.items():
        np.testing.assert_array_equal(outputs[name], array)


def test_each_selectable_name_has_a_score_and_a_paper() -> None:
    assert set(VALIDATORS) - set(SELECTABLE) == {"mixval_intra", "mixval_inter"}
    assert set(SELECTABLE) - set(VALIDATORS) == {"mixval", "reverse_validation"}
    assert all(SELECTABLE.values())
