"""Validators: scores that rank candidate models without a target label. Higher is better for all.

A score is computed from the saved outputs of one checkpoint; risks and distances are negated. It is NaN where it
is undefined, and a NaN candidate is never chosen. All arithmetic is in float64.

The command line shows these names in its help, so what takes long to import is imported where it is used.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy  # its parts are imported where they are used

from benchmarks.core.objective import of_classes
from benchmarks.core.randomness import generator

if TYPE_CHECKING:
    from benchmarks.evaluation.outputs import Outputs

TEMPERATURE = 0.05  # of soft neighborhood density, as in its paper
NORM, UNCERTAIN = 4, 5.0  # of MaNo: the norm's power, and η, below which confidences are not trusted; in its paper
STARTS = 10  # of k-means: scikit-learn's own number when ClassAMI's paper was written
PROBED = 0.05  # of the samples, for Hopkins' statistic, as in Transfer Score's code
STRENGTHS = (1e-4, 1e-3, 1e-2, 0.1)  # inverse regularisation of the domain classifier; held-out samples choose


@dataclass(frozen=True)
class Evidence:
    """What the scores read of one checkpoint, each part computed once."""

    outputs: "Outputs"

    @cached_property
    def p(self) -> np.ndarray:
        """Class probabilities (n, classes) of the target training samples."""
        return scipy.special.softmax(self.outputs["target_train.logits"].astype(np.float64), axis=1)

    @cached_property
    def correct(self) -> np.ndarray:
        """Whether each source validation sample (n,) is classified rightly."""
        return self.outputs["source_val.logits"].argmax(1) == self.outputs["source_val.y"]

    @cached_property
    def ratio(self) -> np.ndarray:
        """Target over source density (m,) at the features of the first m source validation samples.

        P(target | f) / P(source | f) by a domain classifier that never saw them, over the same ratio's mean at the
        source's training samples: a density ratio has mean 1 over the source, also where the domains differ in
        size and where the classifier is too sure.
        """
        source, target, val = (
            self.outputs[f"{split}.features"].astype(np.float64)
            for split in ("source_train", "target_train", "source_val")
        )
        odds_at = _domain_odds(source, target)
        return odds_at(val) / odds_at(source).mean()

    @cached_property
    def weighted_error(self) -> np.ndarray:
        """Ratio times 0/1 error (m,)."""
        return self.ratio * ~self.correct[: len(self.ratio)]


def _domain_odds(source: np.ndarray, target: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Features (n, d) to P(target | f) / P(source | f), by a logistic regression on standardised features.

    Its strength is that with the least log loss on every third sample of each domain, which the fits that are
    compared have not seen: of 500 features and as many samples, any fixed strength is too weak for one shift and
    memorises another. You et al. (ICML 2019) choose their domain classifier by validation too.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, domain = np.concatenate([source, target]), np.repeat([0, 1], [len(source), len(target)])
    held_out = np.concatenate([np.arange(len(each)) % 3 == 2 for each in (source, target)])

    def fitted(strength: float, rows: np.ndarray) -> Pipeline:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
        return model.fit(x[rows], domain[rows])

    def loss(strength: float) -> float:
        predicted = fitted(strength, ~held_out).predict_proba(x[held_out])
        return log_loss(domain[held_out], predicted, labels=[0, 1])

    model = fitted(min(STRENGTHS, key=loss), np.full(len(x), True))

    def odds_at(features: np.ndarray) -> np.ndarray:
        p = model.predict_proba(features)
        return p[:, 1] / p[:, 0].clip(np.finfo(np.float64).eps)  # never by 0

    return odds_at


Score = Callable[[Evidence], float]
VALIDATORS: dict[str, Score] = {}
"""What is computed of each checkpoint, by name."""
SELECTABLE: dict[str, str] = {}
"""What a choice can be made by, with its paper."""


def _validator(name: str, paper: str = "") -> Callable[[Score], Score]:
    """Enters a score; without a paper it is a part of a validator, and selects nothing alone."""

    def registered(score: Score) -> Score:
        VALIDATORS[name] = score
        if paper:
            SELECTABLE[name] = paper
        return score

    return registered


@_validator("source_accuracy", "Gulrajani and Lopez-Paz, ICLR 2021, In Search of Lost Domain Generalization")
def source_accuracy(evidence: Evidence) -> float:
    """Accuracy on the source validation samples."""
    return evidence.correct.mean()


@_validator("entropy", "Morerio et al., ICLR 2018, Minimal-Entropy Correlation Alignment")
def entropy(evidence: Evidence) -> float:
    """Minus the mean entropy of target predictions, in nats."""
    return -scipy.special.entr(evidence.p).sum(1).mean()


@_validator("im", "Shi and Sha, ICML 2012, Information-Theoretical Learning of Discriminative Clusters")
def information_maximisation(evidence: Evidence) -> float:
    """Entropy of the mean target prediction minus mean entropy; a validator in Musgrave et al., 2022."""
    return scipy.special.entr(evidence.p.mean(0)).sum() + entropy(evidence)


@_validator("snd", "Saito et al., ICCV 2021, Tune it the Right Way")
def soft_neighborhood_density(evidence: Evidence) -> float:
    """Mean entropy of each target sample's softmax over its cosine similarities to the others, in nats.

    The sample itself is left out; the authors' code keeps it at similarity -1, a share below e^-20.
    """
    unit = evidence.p / np.linalg.norm(evidence.p, axis=1, keepdims=True)
    similarity = unit @ unit.T / TEMPERATURE
    np.fill_diagonal(similarity, -np.inf)
    return scipy.special.entr(scipy.special.softmax(similarity, axis=1)).sum(1).mean()


@_validator(
    "bnm", "Cui et al., CVPR 2020, Towards Discriminability and Diversity: Batch Nuclear-norm Maximization"
)
def batch_nuclear_norm(evidence: Evidence) -> float:
    """Nuclear norm of the (n, classes) target predictions over n: minus the paper's loss, on one batch of n.

    It falls as n^-1/2: compare models on equally many samples.
    """
    return float(np.linalg.norm(evidence.p, "nuc")) / len(evidence.p)


@_validator(
    "mano", "Xie et al., NeurIPS 2024, Exploiting Matrix Norm for Unsupervised Accuracy Estimation Under Shifts"
)
def matrix_norm(evidence: Evidence) -> float:
    """Mean fourth power of normalised target logits, to the power of 1/4.

    They are normalised by softmax where the mean cross-entropy of uniform labels is above η; below, where
    confidences may be wrong, by its Taylor polynomial 1 + z + z²/2. The authors' code also subtracts the smallest
    value of a row from that; the paper's formula, which is positive, does not.
    """
    z = evidence.outputs["target_train.logits"].astype(np.float64)
    if -scipy.special.log_softmax(z, axis=1).mean() > UNCERTAIN:
        normalised = evidence.p
    else:
        powers = 1 + z + z**2 / 2
        normalised = powers / powers.sum(1, keepdims=True)
    return (normalised**NORM).mean() ** (1 / NORM)


@_validator("class_ami", "Musgrave et al., 2022, Three New Validators and a Large-Scale Benchmark Ranking")
def class_ami(evidence: Evidence) -> float:
    """Adjusted mutual information of predicted classes and k-means' clusters of the target's features.

    Of the variants in the paper's code: features as they are, of the target alone. NaN without clusters.
    """
    from sklearn.metrics import adjusted_mutual_info_score

    clusters = _clusters(_target_features(evidence), evidence.p.shape[1])
    if clusters is None:
        return math.nan
    return adjusted_mutual_info_score(evidence.p.argmax(1)[: len(clusters)], clusters)


@_validator(
    "class_ss", "Robbiano et al., WACV 2022, Adversarial Branch Architecture Search; so named by Musgrave et al."
)
def class_ss(evidence: Evidence) -> float:
    """Silhouette score of the clusters of :func:`class_ami`; NaN without clusters."""
    from sklearn.metrics import silhouette_score

    features = _target_features(evidence)
    clusters = _clusters(features, evidence.p.shape[1])
    return math.nan if clusters is None else silhouette_score(features, clusters)


def _target_features(evidence: Evidence) -> np.ndarray:
    """Features (m, d) of the first m target training samples."""
    return evidence.outputs["target_train.features"].astype(np.float64)


def _clusters(features: np.ndarray, count: int) -> np.ndarray | None:
    """Clusters (m,) of features (m, d) by k-means; None unless more than as many of them differ."""
    from sklearn.cluster import KMeans

    if len(np.unique(features, axis=0)) <= count:
        return None
    return np.asarray(KMeans(count, n_init=STARTS, random_state=0).fit_predict(features))


@_validator(
    "transfer_score",
    "Yang et al., ICLR 2024, Can We Evaluate Domain Adaptation Models Without Target-Domain Labels?; two of its "
    "three terms",
)
def transfer_score(evidence: Evidence) -> float:
    """Hopkins' statistic of the target's features, plus information maximisation over the logarithm of classes.

    The paper's third term, how evenly the classifier's weights point apart, is left out: outputs hold no weights,
    and not every method has such a layer. NaN if all features are alike.
    """
    classes = evidence.p.shape[1]
    return _hopkins(_target_features(evidence)) + information_maximisation(evidence) / math.log(classes)


def _hopkins(features: np.ndarray) -> float:
    """How clustered features (n, d) are: 1/2 if they are uniform in their range, near 1 if in clusters.

    Distances from random points of their range to the nearest sample, over these and distances from samples to the
    nearest other. The same places of the range, and the same samples, are drawn for all models.
    """
    rng, low, high = generator(0, "evaluation/hopkins"), features.min(0), features.max(0)
    count = math.ceil(PROBED * len(features))
    points = low + (high - low) * rng.random((count, features.shape[1]))
    samples = features[rng.permutation(len(features))[:count]]
    to_nearest = scipy.spatial.distance.cdist(points, features).min(1).sum()
    to_other = np.sort(scipy.spatial.distance.cdist(samples, features), axis=1)[:, 1:2].sum()
    return to_nearest / (to_nearest + to_other) if to_nearest else math.nan


@_validator(
    "dev", "You et al., ICML 2019, Towards Accurate Model Selection in Deep Unsupervised Domain Adaptation"
)
def deep_embedded_validation(evidence: Evidence) -> float:
    """Minus the weighted source risk with its control variate: mean(w e) + η (mean(w) - 1).

    η = -Cov(w e, w) / Var(w), or 0 if the weights do not vary. The weights have mean 1 over the source's training
    samples: with mean 1 over the validation samples, nothing would be left to correct, and it would be
    :func:`importance_weighted_validation`.
    """
    w, error = evidence.ratio, evidence.weighted_error
    (_, covariance), (_, variance) = np.cov(error, w)
    eta = -covariance / variance if variance > 0 else 0
    return -(error.mean() + eta * (w.mean() - 1))


@_validator(
    "iwcv", "Sugiyama et al., JMLR 2007, Covariate Shift Adaptation by Importance Weighted Cross Validation"
)
def importance_weighted_validation(evidence: Evidence) -> float:
    """Minus the weighted source risk, sum(w e) / sum(w): an error rate, whatever the weights.

    The paper's is mean(w e), with the density ratio of inputs. Here w is that of features, by DEV's domain
    classifier, and self-normalised: with mean 1 over the validation samples, so that a sample that is surely the
    target's weighs no more than all.
    """
    return -evidence.weighted_error.sum() / evidence.ratio.sum()


@_validator(
    "proxy_a_distance", "Ben-David et al., NeurIPS 2006, Analysis of Representations for Domain Adaptation"
)
def domain_confusion(evidence: Evidence) -> float:
    """Minus the proxy A-distance of training features; NaN with fewer than 50 samples of a domain."""
    from benchmarks.evaluation.proxy_a_distance import proxy_a_distance

    outputs = evidence.outputs
    distance = proxy_a_distance(outputs["source_train.features"], outputs["target_train.features"])
    return -distance.value if distance else math.nan


@_validator("mixval_intra")
def mixval_intra(evidence: Evidence) -> float:
    """:func:`_mixval` over the pairs predicted to be of one class."""
    return _mixval(evidence.outputs, intra=True)


@_validator("mixval_inter")
def mixval_inter(evidence: Evidence) -> float:
    """:func:`_mixval` over the pairs predicted to be of two classes."""
    return _mixval(evidence.outputs, intra=False)


def _mixval(outputs: "Outputs", intra: bool) -> float:
    """How often 0.55 x_i + 0.45 x_{n-1-i} gets the class that x_i gets; NaN without such pairs or mixtures."""
    if "target_mixed.logits" not in outputs.arrays:
        return math.nan
    label = outputs["target_train.logits"].argmax(1)
    kept = (label == label[::-1]) == intra
    agrees = outputs["target_mixed.logits"].argmax(1) == label
    return agrees[kept].mean() if kept.any() else math.nan


PARTS = [name for name in VALIDATORS if name not in SELECTABLE]  # of MixVal
# The two that no single checkpoint scores: MixVal ranks candidates by its two parts, and reverse validation trains
# on what a run predicted.
SELECTABLE["mixval"] = "Hu et al., NeurIPS 2023, Mixed Samples as Probes for Unsupervised Model Selection"
SELECTABLE["reverse_validation"] = "Ganin et al., JMLR 2016, section 5.1.2, after Zhong et al., ECML 2010"


SOURCE_ACCURACY = "source_accuracy"
"""The validator that is among the scores of every checkpoint, under another name: no outputs are read for it."""

OF_FEATURES = ("proxy_a_distance",)
"""Those that read no probability of a class, and so are defined where labels are real numbers."""

WITHOUT_LABELS = ("im",)
"""Those shown of the last step of a run that no target label scores."""


def needed(validator: str | None) -> list[str]:
    """Which of :data:`VALIDATORS` must be made for a choice; none without one, or by reverse validation."""
    if validator == "mixval":
        return PARTS
    return [name for name in VALIDATORS if name == validator != SOURCE_ACCURACY]


def score_outputs(outputs: "Outputs", names: Iterable[str] = tuple(VALIDATORS)) -> dict[str, float]:
    """Scores of those names at one checkpoint; all NaN if what the model said of a split is not finite.

    Where labels are real numbers, a score that is of probabilities of classes is NaN too.

    Test splits are not looked at.
    """
    if not all(np.isfinite(array).all() for name, array in outputs.arrays.items() if "_test." not in name):
        return dict.fromkeys(names, math.nan)
    evidence = Evidence(outputs)
    defined = VALIDATORS if of_classes(outputs["source_val.y"]) else OF_FEATURES
    return {name: float(VALIDATORS[name](evidence)) if name in defined else math.nan for name in names}
