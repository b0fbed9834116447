"""The suite from Python: grids, models, and methods as scikit-learn classifiers."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from benchmarks.estimator import DomainAdapter

QUICK = {
    "backbone": "mlp?width=16",
    "discriminator_layers": "8",
    "steps": 15,
    "lr_backbone": 0.05,
    "lr_new": 0.05,
    "source_batch": 32,
    "target_batch": 32,
}


@parametrize_with_checks([DomainAdapter(protocol=QUICK)])
def test_an_adapter_is_a_scikit_learn_classifier(estimator: DomainAdapter, check: object) -> None:
    check(estimator)  # type: ignore[operator]
