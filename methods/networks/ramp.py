"""The ramp of λ, and what it may wait for."""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.core.settings import param
from methods import base
from methods.losses.adversarial import ramp

MEMORY = 0.9  # of the running mean of the source's loss


class Params(base.Params):
    waits: Annotated[float, Field(gt=0, le=1)] = param(
        1.0,
        "λ is 0 until the running mean of the source's loss is below this share of ln(classes); 1: it never waits",
        source="none in the papers",
        before=1.0,
    )


class Ramp(nn.Module):
    """λ / trade-off as the training goes on: :func:`ramp`, whose clock starts once the source is being learnt.

    From scratch an encoder may stay at chance for long. A reversed gradient has then nothing beside it, and what
    would tell the classes apart it can forbid before they are learnt.

    Args:
        gamma, warmup: the ramp's steepness, and the share of steps before it.
        waits: for the running mean of the source's loss to be below this share of chance's.
    """

    loss: Tensor
    waiting: Tensor
    start: Tensor

    def __init__(self, n_classes: int, gamma: float, warmup: float, waits: float) -> None:
        super().__init__()
        self.gamma, self.warmup, self.waits = gamma, warmup, waits
        self.enough = waits * math.log(n_classes)
        if waits < 1:
            self.register_buffer("loss", torch.tensor(math.log(n_classes)))
            self.register_buffer("waiting", torch.tensor(True))
            self.register_buffer("start", torch.tensor(0.0))  # progress at which the clock started

    def forward(self, progress: Tensor, source: base.Embedded[base.Labelled]) -> Tensor:
        """From 0 to 1, at a stage's progress and with the source's part of the step's batch."""
        if self.waits < 1:
            progress = progress.to(self.start.dtype)
            self._wait(progress, F.cross_entropy(source.logits.detach(), source.samples.y))
            progress = progress - self.start
        return ramp(progress, self.gamma, self.warmup)

    def _wait(self, progress: Tensor, loss: Tensor) -> None:
        self.loss.lerp_(loss.to(self.loss.dtype), 1 - MEMORY)
        self.waiting.logical_and_(self.loss > self.enough)
        self.start.copy_(torch.where(self.waiting, progress, self.start))
