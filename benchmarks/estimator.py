"""Any registered method as a scikit-learn classifier."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import torch
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
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
from datasets.base import LabelledArrays, TrainView, UnlabelledArrays


class DomainAdapter(ClassifierMixin, BaseEstimator):
    """A method trained as the harness trains it, on arrays.

    Inputs are features (n, d), or whatever the backbone takes; images (n, channels, height, width) in uint8 are
    scaled to [-1, 1]. Scale features before, for example by a StandardScaler in a pipeline.

    Args:
        method: a registered name; no reference, which would need target labels.
        params: the method's hyper-parameters other than their defaults.
        protocol: settings of :class:`benchmarks.core.protocol.Protocol` other than their defaults, such as
            ``{"steps": 2000, "backbone": "lenet"}``. Those of checkpoints and scoring have no effect.
        seed: with the data, it determines the result to the bit (on the same CPU model).
        device: such as ``"cpu"`` or ``"cuda:0"``.

    Attributes:
        classes_: (k,) the labels, sorted.
        model_: the trained :class:`benchmarks.training.model.TrainedModel`.
    """

    def __init__(
        self,
        method: str = "dann",
        params: Mapping[str, Any] | None = None,
        protocol: Mapping[str, Any] | None = None,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.method, self.params, self.protocol, self.seed, self.device = method, params, protocol, seed, device

    def fit(self, X: Any, y: Any, Xt: Any = None) -> Self:
        """Train on a labelled source and an unlabelled target.

        Args:
            X: (n, ...) source inputs.
            y: (n,) their labels, of any kind.
            Xt: (m, ...) target inputs. None: the source stands in for the target, so that there is no shift to
                adapt to.

        Raises:
            UserError: an unknown method or setting, or one that does not fit the data.
        """
        X, y = validate_data(self, X, y, allow_nd=True)
        check_classification_targets(y)
        source = _inputs(X)
        target = source if Xt is None else _inputs(validate_data(self, Xt, reset=False, allow_nd=True))
        if target.shape[1:] != source.shape[1:] or target.dtype != source.dtype:
            raise ValueError(
                f"Xt has samples of {target.shape[1:]} {target.dtype}, X of {source.shape[1:]} {source.dtype}"
            )
        self.classes_, numbers = np.unique(y, return_inverse=True)
        labelled = LabelledArrays(source, numbers.astype(np.int64), np.zeros(len(numbers), np.int64))
        view = TrainView(labelled, UnlabelledArrays(target, np.zeros(len(target), np.int64)))
        signature = Signature(
            facts=facts_of(view, len(self.classes_)),
            classes=tuple(str(label) for label in self.classes_),
            inputs=input_kind(source),
            preprocessing=None,
        )
        self.model_ = _trained(self._spec(signature.facts), signature, view, self.device)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class (n,) of target inputs (n, ...)."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n, k) of the classes, in the order of ``classes_``, for target inputs (n, ...)."""
        check_is_fitted(self)
        x = _inputs(validate_data(self, X, reset=False, allow_nd=True))
        if x.shape[1:] != self.model_.input_shape:
            raise ValueError(f"X has samples of {x.shape[1:]}; it was fitted on {self.model_.input_shape}")
        return softmax(self.model_.logits(x), axis=1)

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


def _inputs(x: np.ndarray) -> np.ndarray:
    """What a network reads: images in uint8 as they are, all else as float32."""
    return x if x.dtype == np.uint8 and x.ndim > 2 else x.astype(np.float32)


def _trained(spec: RunSpec, signature: Signature, view: TrainView, device: str) -> TrainedModel:
    """Train as :func:`benchmarks.training.run.execute` does."""
    where = torch.device(device)
    with _prepared(where, spec.protocol):
        trainer = new_trainer(spec, signature.facts, view, where)
        for _ in trainer.run():
            pass
    return TrainedModel(trainer.method, signature).eval()


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
