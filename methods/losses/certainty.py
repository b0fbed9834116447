"""Losses of unlabelled predictions: how unsure they are, and how much they mix up the classes."""

import torch
from torch import Tensor


def entropy(logits: Tensor) -> Tensor:
    """Entropies (n,) in nats of predictions from logits (n, classes)."""
    log_p = logits.log_softmax(1)
    return -(log_p.exp() * log_p).sum(1)


def mutual_information(logits: Tensor) -> Tensor:
    """Entropy of the mean prediction less the mean entropy of predictions: sure and, together, diverse.

    A scalar, of logits (n, classes) (Shi and Sha, ICML 2012, equation 6).
    """
    log_p = logits.log_softmax(1)
    log_mean = log_p.logsumexp(0) - log_p.new_tensor(len(logits)).log()
    return -(log_mean.exp() * log_mean).sum() - entropy(logits).mean()


def nuclear_norm(logits: Tensor) -> Tensor:
    """Sum of the singular values of the matrix of probabilities, over n (Cui et al., CVPR 2020, equation 10).

    A scalar, of logits (n, classes); at most sqrt(min(n, classes) / n), where all classes are predicted surely and
    equally often.
    """
    return torch.linalg.matrix_norm(logits.softmax(1), "nuc") / len(logits)


def class_confusion(logits: Tensor, temperature: float) -> Tensor:
    """How often two different classes share a sample's probability (Jin et al., ECCV 2020, equations 3 to 6).

    A scalar between 0 and 1. A sample counts the more the surer it is, by weights with mean 1 that take no
    gradient.

    Args:
        logits: (n, classes).
        temperature: that they are divided by.
    """
    scaled = logits / temperature
    p, sureness = scaled.softmax(1), 1 + torch.exp(-entropy(scaled.detach()))
    confusion = (p * (sureness / sureness.mean())[:, None]).T @ p
    row = confusion.sum(1).clamp(min=torch.finfo(p.dtype).tiny)  # 0 for a class that no sample may be of
    return 1 - (confusion.diagonal() / row).mean()
