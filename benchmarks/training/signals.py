"""What a training tells while it runs, none of it from target labels."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from methods.base import Loss

Signals = dict[str, float]

TOLD_APART = 0.98  # discriminator accuracy over the second half: nothing has become alike
AT_CHANCE = 0.55  # in the first fifth, and over the whole run: it never told the domains apart
FEWEST = 10  # readings, for a warning
OVERPOWERED = 10.0  # times the task's gradient
LEARNT = 0.5  # of the first reading of the task's loss: below it, a large ratio is that of a task that is done
CLEAR = 0.1  # of the way from chance to no error


def values(scalars: Mapping[str, Tensor | None]) -> Signals:
    return {name: float(value.detach()) for name, value in scalars.items() if value is not None}


def gradient_ratio(loss: Loss, encoders: Iterable[nn.Module]) -> float:
    """Norm of the alignment terms' gradient at the encoders, over that of the task's; NaN without one."""
    parameters = [p for encoder in encoders for p in encoder.parameters() if p.requires_grad]
    assert loss.task is not None
    terms = torch.stack(list(loss.terms.values())).sum()
    if not parameters or not terms.requires_grad:
        return 0.0
    norms = []
    for part in (terms, loss.task):
        gradients = torch.autograd.grad(part, parameters, retain_graph=True, allow_unused=True)
        squares = [gradient.square().sum() for gradient in gradients if gradient is not None]
        norms.append(float(torch.stack(squares).sum().sqrt()) if squares else 0.0)
    return norms[0] / norms[1] if norms[1] else math.nan


def discriminator_doubt(curves: Sequence[Signals]) -> str | None:
    """What a discriminator's accuracy says against a run, or None.

    Chance late in a run is what alignment wants; chance all along is a discriminator that never learnt.
    """
    accuracy = [signals["domain_accuracy"] for signals in curves if "domain_accuracy" in signals]
    if len(accuracy) < FEWEST:
        return None
    early, late, whole = (
        np.mean(part) for part in (accuracy[: len(accuracy) // 5], accuracy[len(accuracy) // 2 :], accuracy)
    )
    if late > TOLD_APART:
        return f"the discriminator stays at {late:.0%}: alignment is too weak to change what it sees"
    if max(early, whole) < AT_CHANCE:
        how = f"at chance or worse from the start ({whole:.0%})"
        return f"the discriminator was {how}: dead, or alignment is too strong"
    return None


def alignment_doubt(curves: Sequence[Signals]) -> str | None:
    """What the ratio of gradients says against a run while its source is not learnt, or None.

    Once the source is fitted its gradient fades, and any ratio is large: those checkpoints count at which the
    task's loss is still near its start. One is enough, since an encoder that it killed has no gradient afterwards.
    """
    too_strong = [
        signals["gradient_ratio"]
        for signals in curves
        if signals.get("gradient_ratio", 0.0) > OVERPOWERED and signals["task"] > LEARNT * curves[0]["task"]
    ]
    if len(curves) < FEWEST or not too_strong:
        return None
    return (
        f"alignment's gradient is {max(too_strong):.0f} times that of the source's loss before that is learnt: "
        "alignment is too strong, or starts too early"
    )


def source_doubt(name: str, score: float, chance: float) -> str | None:
    """What a score of the source's validation samples says against the end of a run, or None; 1 is no error."""
    if score <= chance + CLEAR * (1 - chance):
        return f"source validation {name} ends at chance ({score:.0%}; one answer for all has {chance:.0%})"
    return None
