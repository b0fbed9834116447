"""A classifier that tells the domains apart, from before deep features."""

from typing import Literal

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.core.settings import UserError

FOLDS = 5
Classifier = Literal["logistic", "forest"]


def domain_scores(
    method: str, source: np.ndarray, target: np.ndarray, classifier: Classifier, seed: int
) -> tuple[np.ndarray, np.ndarray, StratifiedKFold]:
    """log P(target | x) / P(source | x) of each sample (n + m,), the source's first, by a classifier without it.

    With fewer than 5 samples of a domain there are as many folds.

    Args:
        method: whose classifier it is, for messages.
        source, target: (n, d) and (m, d).

    Returns:
        The scores, the domains (n + m,), 1 for the target, and the folds.

    Raises:
        UserError: a domain has one sample only.
    """
    folds = min(FOLDS, len(source), len(target))
    if folds < 2:
        raise UserError(
            f"{method}: its domain classifier needs 2 training samples of each domain; there are {len(source)} "
            f"of the source and {len(target)} of the target"
        )
    model = (
        make_pipeline(StandardScaler(), LogisticRegression(C=0.1, tol=1e-2))
        if classifier == "logistic"
        else RandomForestClassifier(n_estimators=100, min_samples_leaf=5, random_state=seed % 2**32)
    )
    x = np.concatenate([source, target])
    domain = np.repeat([0, 1], [len(source), len(target)])
    split = StratifiedKFold(folds, shuffle=True, random_state=seed % 2**32)
    p = cross_val_predict(model, x, domain, cv=split, method="predict_proba")[:, 1].clip(1e-6, 1 - 1e-6)
    return np.log(p / (1 - p)), domain, split
