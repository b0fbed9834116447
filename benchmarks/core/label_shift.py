"""Class shares of a target, from what a classifier says of it, if only these shares have changed.

- BBSE (Lipton et al., ICML 2018, Detecting and Correcting for Label Shift with Black Box Predictors): the shares q
  for which C q is the share of each predicted class in the target. C[i, j] is the share that is predicted as i of
  class j's samples in the source. Shares are kept at or above 0, by least squares, and sum to 1.
- EM (Saerens et al., Neural Computation 14, 2002) on calibrated probabilities: bias-corrected temperature scaling,
  softmax(logits / T + b), fitted on labels of the source (Alexandari et al., ICML 2020, Maximum Likelihood With
  Bias-Corrected Calibration is Hard-To-Beat at Label Shift Adaptation).
"""

from typing import Literal, get_args

import numpy as np
import scipy  # its parts are imported where they are used

Estimate = Literal["em", "bbse"]
ESTIMATES: tuple[Estimate, ...] = get_args(Estimate)

STEPS, TOLERANCE = 1000, 1e-6  # of EM: at most, and the largest change of a share at which it ends
ENDS = {"gtol": 1e-5, "ftol": 1e-7}  # of the calibration: far below what a bootstrap's draw changes
LIMIT = 4.0  # of log T and of b: without errors in the validation part the fit would have no end


def confusion(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    """C[i, j]: the share of class j's samples that are predicted as i, of logits (n, k) and all k classes in y."""
    counts = np.zeros((logits.shape[1],) * 2)
    np.add.at(counts, (logits.argmax(1), y), 1)
    return counts / counts.sum(0)


def bbse(confusion: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Shares (k,) from C (k, k) and the shares (k,) of predicted classes; NaN if C has none of these classes."""
    shares = scipy.optimize.nnls(confusion, predicted)[0]
    return np.asarray(shares / (shares.sum() or np.nan))


def em(posterior: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Shares (k,) that make the target most likely, from probabilities (m, k) for the source's shares (k,)."""
    shares, ratio = prior, posterior / prior
    for _ in range(STEPS):
        before, shares = shares, shares * (ratio.T @ (1 / (ratio @ shares))) / len(ratio)
        if np.abs(shares - before).max() < TOLERANCE:
            break
    return shares


def calibrate(logits: np.ndarray, y: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
    """(1 + k,) log T and b for which the labels (n,) are most likely."""
    rows, right = np.arange(len(y)), np.eye(logits.shape[1])[y]

    def loss(fitted: np.ndarray) -> tuple[float, np.ndarray]:
        scaled = logits * np.exp(-fitted[0])
        odds = scaled + fitted[1:]
        p = np.exp(odds - odds.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        slope = (p - right) / len(y)
        value = -np.log(np.maximum(p[rows, y], np.finfo(np.float64).tiny)).mean()
        return float(value), np.append(-(slope * scaled).sum(), slope.sum(0))

    start = np.zeros(1 + logits.shape[1]) if start is None else start
    bounds = [(-LIMIT, LIMIT)] * len(start)
    found = scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=ENDS)
    return np.asarray(found.x)


def calibrated(logits: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """Probabilities (n, k) of bias-corrected temperature scaling."""
    return np.asarray(scipy.special.softmax(logits * np.exp(-fitted[0]) + fitted[1:], axis=1))
