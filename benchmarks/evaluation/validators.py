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

if TYPE_CHECKING:
    from benchmarks.evaluation.outputs import Outputs

TEMPERATURE = 0.05  # of soft neighborhood density, as in its paper
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


RECORDED = {"source_accuracy": "source_val_accuracy"}
"""Validators that are among the scores of every checkpoint, under another name: no outputs are read for them."""

WITHOUT_LABELS = ("im",)
"""Those shown of the last step of a run that no target label scores."""


def needed(validator: str | None) -> list[str]:
    """Which of :data:`VALIDATORS` must be made for a choice; none without one, or by reverse validation."""
    if validator == "mixval":
        return PARTS
    return [name for name in VALIDATORS if name == validator and name not in RECORDED]


def score_outputs(outputs: "Outputs", names: Iterable[str] = tuple(VALIDATORS)) -> dict[str, float]:
    """Scores of those names at one checkpoint; all NaN if what the model said of a split is not finite.

    Test splits are not looked at.
    """
    if not all(np.isfinite(array).all() for name, array in outputs.arrays.items() if "_test." not in name):
        return dict.fromkeys(names, math.nan)
    evidence = Evidence(outputs)
    return {name: float(VALIDATORS[name](evidence)) for name in names}
