"""Predictions corrected for class shares that have changed: a pure function of saved outputs.

Where p(x|y) is the same in both domains, the target's p(y|x) is the source's times q(y) / p(y), up to a factor
(Saerens et al., Neural Computation 14, 2002). The shares q are estimated from the target's training samples as in
:mod:`benchmarks.core.label_shift`; p is those of the source's validation samples. No target label is read.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.core.label_shift import Estimate, bbse, calibrate, calibrated, confusion, em
from benchmarks.evaluation.outputs import Outputs

ILL = 10.0  # condition number past which small errors grow too much


@dataclass(frozen=True)
class Correction:
    """What is said of the target's test samples, after the correction.

    Attributes:
        log_p: (n, k) unnormalised; -inf for classes that the validation samples lack, or the target seems to.
        shares: (k,) of the classes in the target, estimated.
        condition: of the confusion matrix, 1 or more; infinite where classes are not told apart.
        surprise: mean confidence in target samples, less what these shares explain: 0 where p(x|y) did not change.
    """

    log_p: np.ndarray
    shares: np.ndarray
    condition: float
    surprise: float


def corrected(outputs: Outputs, how: Estimate) -> Correction | None:
    """The correction of one model's outputs.

    Returns:
        None where outputs are not finite, the source's validation samples are of a single class, or the shares
        cannot be estimated.
    """
    source, y = outputs["source_val.logits"].astype(np.float64), outputs["source_val.y"]
    train, test = (outputs[f"target_{part}.logits"].astype(np.float64) for part in ("train", "test"))
    present, y = np.unique(y, return_inverse=True)
    if len(present) < 2 or not all(np.isfinite(each).all() for each in (source, train, test)):
        return None
    n_classes = source.shape[1]
    source, train, test = (each[:, present] for each in (source, train, test))
    fitted, matrix = calibrate(source, y), confusion(source, y)
    here, there, scored = (calibrated(each, fitted) for each in (source, train, test))
    prior = np.bincount(y) / len(y)
    predicted = np.bincount(train.argmax(1), minlength=len(present)) / len(train)
    found = em(there, here.mean(0)) if how == "em" else bbse(matrix, predicted)
    if not np.isfinite(found).all():
        return None
    confidence = np.bincount(y, here.max(1)) / np.bincount(y)
    log_p, shares = np.full((len(test), n_classes), -np.inf), np.zeros(n_classes)
    with np.errstate(divide="ignore"):
        log_p[:, present] = np.log(scored) + np.log(found / prior)
    shares[present] = found
    surprise = float(there.max(1).mean() - found @ confidence)
    return Correction(log_p, shares, float(np.linalg.cond(matrix)), surprise)
