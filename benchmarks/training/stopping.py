"""Which model of a run is kept: the protocol's ``stopping``."""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from benchmarks.core.protocol import Protocol, SourceVal
from benchmarks.evaluation import scores
from benchmarks.training.loop import Trainer, on_device
from datasets.base import Inputs

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Best:
    """The model with the best source validation accuracy so far; of real numbers, with the least error."""

    score: float = -math.inf
    step: int = 0
    epoch: int = 0
    state: dict[str, Tensor] = field(default_factory=dict)


class Stopping:
    """Scores the source's validation split after each source epoch of the last stage, and keeps the best model.

    Where the protocol keeps the last step, it never looks.

    Args:
        validation: inputs and labels (n,) of the source's validation split.
    """

    def __init__(self, protocol: Protocol, trainer: Trainer, validation: tuple[Inputs, np.ndarray]) -> None:
        self.protocol, self.trainer, self.validation = protocol, trainer, validation
        self.best = Best()
        self.looks: list[int] = []
        """Numbers of finished steps after which it looks."""
        if isinstance(protocol.stopping, SourceVal):
            start = trainer.ends[-2] if len(trainer.ends) > 1 else 0
            epoch = max(1, len(trainer.source.y) // protocol.source_batch)
            self.looks = [*range(start + epoch, trainer.steps, epoch), trainer.steps]

    def look(self, step: int) -> None:
        """Keep the model if it is the best so far; after the last step, go back to the best."""
        if step not in self.looks:
            return
        x, y = self.validation
        _, logits = self.trainer.outputs(on_device(x, CPU), "source")
        score = scores.goodness(logits.cpu().numpy(), y)
        epoch = self.looks.index(step) + 1
        rule = self.protocol.stopping
        assert isinstance(rule, SourceVal)
        if score > self.best.score or (rule.ties == "latest" and score == self.best.score):
            state = {name: tensor.clone() for name, tensor in self.trainer.method.state_dict().items()}
            self.best = Best(score, step, epoch, state)
        if rule.patience and epoch >= max(rule.patience, 1.5 * self.best.epoch):
            self.trainer.finish()
        if step == self.looks[-1]:
            self.trainer.method.load_state_dict(self.best.state)
