"""Scores that need no target label, for scikit-learn's searches."""

from typing import Any, ClassVar

import numpy as np
import sklearn
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import UNUSED

from benchmarks.core.randomness import generator
from benchmarks.core.settings import UserError, nearest
from benchmarks.evaluation.outputs import Outputs, capped
from benchmarks.evaluation.validators import SELECTABLE, VALIDATORS, Evidence

WEIGHTED = ("dev", "iwcv")  # they need source samples that nothing but their domain classifier has seen
LOGITS = ("mano",)  # they need logits, and a classifier gives probabilities
NAMES = [name for name in SELECTABLE if name in VALIDATORS and name not in LOGITS]


class LabelFreeScorer(BaseEstimator):
    """A validator of the suite as a scorer: higher is better, and NaN where it is undefined.

    With ``sklearn.set_config(enable_metadata_routing=True)``, a search passes the target on::

        GridSearchCV(DomainAdapter(), grid, scoring=LabelFreeScorer("im")).fit(X, y, X_target=X_target)

    Without it, the scorer must hold the target: ``scoring=LabelFreeScorer("im", X_target)``.

    Scores are those of the harness, on what a search holds out. ``entropy``, ``im``, ``snd`` and ``bnm`` read
    the probabilities of at most 500 target samples. ``source_accuracy`` reads what is said of held-out source
    samples, by the network that is meant for the target. ``class_ami``, ``class_ss`` and ``transfer_score`` read
    features of the target; ``dev``, ``iwcv`` and ``proxy_a_distance`` compare those of both domains. For these the
    estimator must have ``features``, as :class:`benchmarks.estimator.DomainAdapter` does. For ``dev`` and
    ``iwcv``, each half of the held-out source samples is weighted with the help of the other, and the scores of
    both halves are averaged.

    Args:
        validator: one of :data:`NAMES`.
        X_target: (m, ...) the target inputs to score on; None: those that the search passes on.

    Raises:
        UserError: no such validator, or one that nothing would give the target inputs to.
    """

    __metadata_request__score: ClassVar = {"estimator": UNUSED, "X_target": True}

    def __init__(self, validator: str, X_target: Any = None) -> None:
        self.validator, self.X_target = validator, X_target
        if validator not in NAMES:
            raise UserError(f"unknown validator {nearest(validator, NAMES)}")
        if X_target is None and not sklearn.get_config()["enable_metadata_routing"]:
            raise UserError(
                f"LabelFreeScorer({validator!r}): no search would pass it X_target; give it here, or call "
                "sklearn.set_config(enable_metadata_routing=True) before"
            )

    def score(self, estimator: Any, X: Any, y: Any = None, X_target: Any = None) -> float:
        """The score of a fitted classifier.

        Args:
            estimator: with ``predict_proba`` and ``classes_``.
            X: (n, ...) held-out source inputs.
            y: (n,) their labels; ``source_accuracy``, ``dev`` and ``iwcv`` read them.
            X_target: (m, ...) target inputs, unless the scorer has its own.

        Raises:
            UserError: there are no target inputs, or the estimator has no features.
        """
        target = X_target if self.X_target is None else self.X_target
        if target is None:
            raise UserError(f"LabelFreeScorer({self.validator!r}) needs X_target; give it to fit, as X_target=...")
        said = _Said(estimator, X, y, target)
        if self.validator in WEIGHTED:
            return float(np.mean([self._value(said.half(first)) for first in (0, 1)]))
        return self._value(said)

    __call__ = score

    def _value(self, said: "_Said") -> float:
        return float(VALIDATORS[self.validator](Evidence(Outputs(said))))


class _Said(dict[str, np.ndarray]):
    """What an estimator says of held-out source samples and of target samples, found out when a validator asks."""

    def __init__(self, estimator: Any, x: Any, y: Any, target: Any) -> None:
        super().__init__()
        self.estimator, self.inputs, self.y = estimator, {"source": x, "target": target}, y

    def __missing__(self, name: str) -> np.ndarray:
        split, kind = name.split(".")
        side = split.partition("_")[0]
        if kind == "y":
            order = {label: number for number, label in enumerate(self.estimator.classes_)}
            self[name] = np.array([order.get(label, -1) for label in self.y])
        else:
            said = _logits if kind == "logits" else _features
            values = said(self.estimator, self.inputs[side])
            self[name] = values[capped(len(values))] if side == "target" else values
        return self[name]

    def half(self, first: int) -> "_Said":
        """The same of one half of the source samples; the other half passes for those that were trained on."""
        order = generator(0, "scorers/half").permutation(len(self["source_val.y"]))
        half = _Said(self.estimator, None, None, self.inputs["target"])
        for kind in ("logits", "features", "y"):
            half[f"source_val.{kind}"] = self[f"source_val.{kind}"][order[first::2]]
        half["source_train.features"] = self["source_val.features"][order[1 - first :: 2]]
        return half


def _logits(estimator: Any, x: Any) -> np.ndarray:
    """Logarithms of the probabilities (n, classes)."""
    return np.log(np.clip(estimator.predict_proba(x), np.finfo(np.float64).tiny, None, dtype=np.float64))


def _features(estimator: Any, x: Any) -> np.ndarray:
    """(n, d), of a pipeline's last step."""
    if isinstance(estimator, Pipeline):
        x = estimator[:-1].transform(x) if len(estimator) > 1 else x
        estimator = estimator[-1]
    if not hasattr(estimator, "features"):
        raise UserError(f"{type(estimator).__name__} has no features, which this validator compares")
    return estimator.features(x)
