"""Any registered method as a scikit-learn classifier."""

import inspect
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from benchmarks.core.facts import Facts
from benchmarks.core.protocol import Last, Protocol
from benchmarks.core.registry import METHODS
from benchmarks.core.settings import UserError
from benchmarks.plan.grid import obstacle
from benchmarks.plan.spec import RunSpec
from benchmarks.training.build import facts_of, new_trainer
from benchmarks.training.loop import prepare
from benchmarks.training.model import TrainedModel
from benchmarks.training.weights import Signature, input_kind
from datasets.base import LabelledArrays, Preprocessing, TrainView, UnlabelledArrays
from datasets.readers.standardise import Scale, fitted, standardised

ROUNDING = 1e-3  # of a mean or deviation, up to which features are standardised
UNLIKE = 3.0  # deviations between two means, or the ratio of two deviations, that no usual shift has


class DomainAdapter(ClassifierMixin, BaseEstimator):
    """A method trained as the harness trains it, on arrays.

    Inputs are features (n, d), or whatever the backbone takes; images (n, channels, height, width) in uint8 are
    scaled to [-1, 1]. Numbers are standardised as the harness does with tables, so no scaler is needed before it.

    In a pipeline, ``X_target`` must pass the steps before it as X does, or ``fit`` raises an error. With
    ``sklearn.set_config(enable_metadata_routing=True)``::

        make_pipeline(PCA(20), DomainAdapter("dann"), transform_input=["X_target"]).fit(X, y, X_target=X_target)

    ``GridSearchCV(...).fit(X, y, X_target=X_target)`` works the same way, and :mod:`benchmarks.scorers` has scores
    for it that need no target label. It splits whatever is as long as X as it splits X, so an ``X_target`` of just
    that length is trained on in part, and scored on the rest.

    Args:
        method: a registered name; no reference, which would need target labels.
        params: the method's hyper-parameters other than their defaults.
        protocol: settings of :class:`benchmarks.core.protocol.Protocol` other than their defaults, such as
            ``{"steps": 2000, "backbone": "lenet"}``. Those of checkpoints and scoring have no effect.
        unknown: what to say of samples that are of no class in ``y``, such as -1 or ``"unknown"``: the task is
            open-set. None: the target has no such samples.
        standardise: scale each feature, of both domains, by its mean and deviation over X; sequences and images of
            real numbers by channel. Images in uint8 stay as they are.
        seed: with the data, it determines the result to the bit (on the same CPU model).
        device: such as ``"cpu"`` or ``"cuda:0"``.

    Attributes:
        classes_: (k,) the labels, sorted.
        model_: the trained :class:`benchmarks.training.model.TrainedModel`, which takes standardised inputs: its
            ``preprocessing`` has the means and deviations.
    """

    # Requested without being asked: what a method adapts to is not optional.
    __metadata_request__fit: ClassVar = {"X_target": True}

    def __init__(
        self,
        method: str = "dann",
        params: Mapping[str, Any] | None = None,
        protocol: Mapping[str, Any] | None = None,
        standardise: bool = True,
        unknown: Any = None,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.method, self.params, self.protocol, self.seed, self.device = method, params, protocol, seed, device
        self.standardise, self.unknown = standardise, unknown

    def fit(self, X: Any, y: Any, X_target: Any = None) -> Self:
        """Train on a labelled source and an unlabelled target.

        Args:
            X: (n, ...) source inputs.
            y: (n,) their labels, of any kind.
            X_target: (m, ...) target inputs. None: the source stands in for the target, so that there is no shift
                to adapt to.

        Raises:
            UserError: an unknown method or setting, or one that does not fit the data; a pipeline that transforms
                X and not X_target; ``unknown`` is a class.
            ValueError: inputs that are no numbers, or not of one shape and kind.
        """
        X, y = validate_data(self, X, y, allow_nd=True)
        check_classification_targets(y)
        Xt = X
        if X_target is not None:
            _check_pipelines(self)
            Xt = validate_data(self, X_target, reset=False, allow_nd=True)
            _check_alike(X, Xt)
        scale = fitted(X, np.arange(len(X))) if self.standardise and not _is_bytes(X) else Scale()
        source, target = _inputs(X, scale), _inputs(Xt, scale)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if self.unknown is not None and self.unknown in self.classes_.tolist():
            raise UserError(f"unknown={self.unknown!r} is a class of y; say something else of samples of no class")
        labelled = LabelledArrays(source, numbers.astype(np.int64), np.zeros(len(numbers), np.int64))
        view = TrainView(labelled, UnlabelledArrays(target, np.zeros(len(target), np.int64)))
        signature = Signature(
            facts=facts_of(view, self._facts()),
            classes=tuple(str(label) for label in self.classes_),
            inputs=input_kind(source),
            preprocessing=Preprocessing(
                label="", columns=(), mean=scale.mean, deviation=scale.deviation, digest=""
            ),
        )
        spec = self._spec(replace(signature.facts, traits=self._facts().traits))
        self.model_ = _trained(spec, signature, view, self.device)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class (n,) of target inputs (n, ...), or ``unknown``."""
        x = self._given(X)
        said = self.model_.predicted(self.model_.logits(x))
        known = said < len(self.classes_)
        found = self.classes_[np.where(known, said, 0)]
        return found if known.all() else np.where(known, found, self.unknown)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n, k) of the classes, in the order of ``classes_``, for target inputs (n, ...).

        Where samples may be unknown, they are as if a sample were of one of the classes.
        """
        x = self._given(X)
        return softmax(self.model_.logits(x)[:, : len(self.classes_)], axis=1)

    def features(self, X: Any) -> np.ndarray:
        """What the method's network makes of target inputs (n, ...) before it classifies them (n, d)."""
        x = self._given(X)
        return self.model_.features(x)

    def _given(self, X: Any) -> np.ndarray:
        """Inputs as the model takes them."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, allow_nd=True)
        if X.shape[1:] != self.model_.input_shape:
            raise ValueError(f"X has samples of {X.shape[1:]}; it was fitted on {self.model_.input_shape}")
        how = self.model_.preprocessing
        assert how
        return _inputs(X, Scale(how.mean, how.deviation))

    def _facts(self) -> Facts:
        """What is known of the task beside its samples."""
        n_classes = len(self.classes_)
        if self.unknown is None:
            return Facts(n_classes=n_classes)
        return Facts(n_classes=n_classes, traits=("open",), objective="unknown")

    def _spec(self, facts: Facts) -> RunSpec:
        if METHODS.info(METHODS.check(self.method)).reference:
            raise UserError(f"{self.method} is a reference: it would need target labels")
        cls, protocol = METHODS.get(self.method), Protocol.parse(self.protocol or {}, "protocol")
        if protocol.stopping != Last():
            raise UserError("protocol.stopping: an adapter trains on all of the source, and keeps the last step")
        if reason := obstacle(self.method, facts, protocol):
            raise UserError(f"{self.method}: {reason}")
        params = cls.settings.parse(self.params or {}, self.method).model_dump(mode="json")
        return RunSpec("arrays", {}, self.method, params, protocol, self.seed, self.method)


def _is_bytes(x: np.ndarray) -> bool:
    """Whether inputs are images of bytes, which are not standardised."""
    return x.dtype == np.uint8 and x.ndim > 2


def _inputs(x: np.ndarray, scale: Scale) -> np.ndarray:
    """What a network reads: images in uint8 as they are, all else as float32.

    Raises:
        ValueError: a number is too large for it.
    """
    if _is_bytes(x):
        return x
    made = standardised(x, scale)
    if not np.isfinite(made).all():
        feature = np.argwhere(~np.isfinite(made))[0][1]
        raise ValueError(f"x[:, {feature}] has values too large, or too far from X's, for numbers of 32 bits")
    return made


def _check_pipelines(estimator: BaseEstimator) -> None:
    """Raise a UserError if a pipeline that is fitting an estimator transforms X before it, and not X_target.

    scikit-learn tells a step nothing of those before it: what is looked through is the calls that lead here.
    """
    frame, inner = inspect.currentframe(), estimator
    while frame := frame.f_back if frame else None:
        caller = frame.f_locals.get("self")
        if caller is inner or not isinstance(caller, BaseEstimator):
            continue
        if isinstance(caller, Pipeline) and caller.steps[-1][1] is inner:
            before = [name for name, step in caller.steps[:-1] if step not in (None, "passthrough")]
            if before and "X_target" not in (getattr(caller, "transform_input", None) or ()):
                raise UserError(
                    f"X passes {', '.join(before)} before DomainAdapter, and X_target would not. Leave out "
                    "scalers, since DomainAdapter standardises both; for other steps call "
                    "sklearn.set_config(enable_metadata_routing=True), make the pipeline with "
                    'transform_input=["X_target"], and give fit X_target=...'
                )
        inner = caller


def _check_alike(x: np.ndarray, target: np.ndarray) -> None:
    """Warn if only one domain seems to have been scaled.

    Raises:
        ValueError: inputs of different shape or kind.
    """
    if target.shape[1:] != x.shape[1:] or _is_bytes(target) != _is_bytes(x):
        raise ValueError(
            f"X_target has samples of {target.shape[1:]} {target.dtype}, X of {x.shape[1:]} {x.dtype}"
        )
    if _is_bytes(x):
        return
    here, there = (fitted(of, np.arange(len(of))) for of in (x, target))
    (mean, deviation), (far, wide) = (np.array([of.mean, of.deviation]) for of in (here, there))
    unlike = (abs(mean - far) > UNLIKE) | (abs(np.log(deviation / wide)) > np.log(UNLIKE))
    if unlike.any() and _is_standardised(here) != _is_standardised(there):
        i = unlike.argmax()
        warnings.warn(
            f"only one of X and X_target seems to be scaled: in x[:, {i}], X has mean {mean[i]:.3g} and deviation "
            f"{deviation[i]:.3g}, X_target {far[i]:.3g} and {wide[i]:.3g}. Scale both alike, or leave it to "
            "DomainAdapter",
            stacklevel=3,
        )


def _is_standardised(scale: Scale) -> bool:
    """Whether a scaler seems to have been fitted to data of that scale."""
    return max(abs(np.array(scale.mean))) < ROUNDING and max(abs(np.array(scale.deviation) - 1)) < ROUNDING


def _trained(spec: RunSpec, signature: Signature, view: TrainView, device: str) -> TrainedModel:
    """Train as :func:`benchmarks.training.run.execute` does."""
    where = torch.device(device)
    with _prepared(where, spec.protocol):
        trainer = new_trainer(spec, signature.facts, view, where)
        for _ in trainer.run():
            pass
    sure = trainer.outputs(trainer.source.x, "source")[1].float().cpu().numpy() if signature.open else None
    return TrainedModel(trainer.method, signature, source_val=sure).eval()


@contextmanager
def _prepared(device: torch.device, protocol: Protocol) -> Iterator[None]:
    """The settings of a process that trains; afterwards they are as the caller had them."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    generators = [device] if device.type == "cuda" else []
    with threadpool_limits(protocol.threads), torch.random.fork_rng(devices=generators):
        try:
            prepare(device, protocol)
            yield
        finally:
            torch.set_num_threads(threads)
            torch.set_flush_denormal(False)  # PyTorch does not tell what it was; this is its default
            torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
            torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn
