"""The contract between a method and the harness.

Most methods are one alignment term on top of the source loss: they override :meth:`Method.alignment` and say
nothing else. The others say in which stages, and with which updates, they train. The harness owns optimisers,
schedules, devices, precision and random numbers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.core.protocol import Protocol
from benchmarks.core.settings import Settings
from methods.networks.build import Build

Side = Literal["source", "target"]
Sees = Literal["both", "source", "target"]


class MethodWarning(UserWarning):
    """A method's doubt about its own result. It is kept in the record and shown."""


class Params(Settings):
    """Hyper-parameters of a method, each made with ``param``. Never a learning rate: that is the protocol's."""


@dataclass(frozen=True)
class Unlabelled:
    """Target samples. There is no ``y``: not masked, absent.

    Attributes:
        x: (n, *input_shape) inputs.
        index: (n,) positions in the target's training set.
        domain: (n,) int64, which of several targets each came from.
    """

    x: Tensor
    index: Tensor
    domain: Tensor


@dataclass(frozen=True)
class Labelled:
    """Source samples.

    Attributes:
        x: (n, *input_shape) inputs.
        y: (n,) int64 labels.
        index: (n,) positions in the source's training set.
        domain: (n,) int64, which of several sources each came from.
    """

    x: Tensor
    y: Tensor
    index: Tensor
    domain: Tensor


@dataclass(frozen=True)
class Batch:
    """One drawn pair of batches; a side that the stage may not see is None."""

    source: Labelled | None
    target: Unlabelled | None


@dataclass(frozen=True)
class Embedded:
    """Features (n, d) and logits (n, classes) of one side of a batch."""

    features: Tensor
    logits: Tensor


@dataclass(frozen=True)
class Loss:
    """Terms already weighted: the total is ``task`` (None: no such term) plus their sum."""

    task: Tensor | None
    terms: dict[str, Tensor] = field(default_factory=dict)

    @property
    def total(self) -> Tensor:
        parts = [*([] if self.task is None else [self.task]), *self.terms.values()]
        return torch.stack(parts).sum()


@dataclass(frozen=True)
class Update:
    """One optimiser step.

    Attributes:
        loss: (batch, progress) to Loss; progress is a scalar tensor in [0, 1] over the stage.
        trains: name prefixes of the parameters that it changes; ``"*"`` is all.
        repeat: how often in a row.
        batch: "same" repeats on the step's batch, "fresh" draws a new one for every repeat.
    """

    loss: Callable[[Batch, Tensor], Loss]
    trains: tuple[str, ...] = ("*",)
    repeat: int = 1
    batch: Literal["same", "fresh"] = "same"


@dataclass(frozen=True)
class View:
    """What a stage may see, whole, for its ``begin`` and ``each_epoch``.

    Attributes:
        source, target: all training samples, inputs as stored (uint8 images unscaled); None where not visible.
        embed: side to (features, logits) of all its samples, in evaluation mode, without gradients.
        seed: for random numbers of the method's own.
    """

    source: Labelled | None
    target: Unlabelled | None
    embed: Callable[[Side], tuple[Tensor, Tensor]]
    seed: int


@dataclass(frozen=True)
class Stage:
    """A part of the training, with an optimiser of its own.

    Attributes:
        share: its part of the protocol's steps, relative to the other stages'.
        sees: which domains its batches and views hold; the other is out of reach.
        finetune: it starts from a trained encoder: learning rates are scaled by the protocol's ``lr_finetune``.
        begin, each_epoch: called before its first step; before its first step and at each new pass over the
            target (over the source where it sees only that).
    """

    name: str
    updates: Sequence[Update]
    share: float = 1.0
    sees: Sees = "both"
    finetune: bool = False
    begin: Callable[[View], None] | None = None
    each_epoch: Callable[[View], None] | None = None


class Method(nn.Module):
    """One way of adapting. Everything that outlives a step is a parameter or a persistent buffer."""

    settings: ClassVar[type[Params]] = Params
    params: Params

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__()
        self.params = params
        self.encoder = build.encoder()
        self.n_features: int = self.encoder.out_features  # type: ignore[assignment]
        self.n_classes = build.n_classes
        self.head = build.head(self.n_features)
        self.joint_forward = build.joint_forward
        self.signals: dict[str, Tensor] = {}

    @classmethod
    def unsupported(cls, n_classes: int, protocol: Protocol) -> str | None:
        """Why this method cannot run on such a task, or None if it can. The cell prints n/a with it."""
        return None

    def stages(self) -> Sequence[Stage]:
        return [Stage("joint", [Update(self.loss)])]

    def loss(self, batch: Batch, progress: Tensor) -> Loss:
        """Cross-entropy on the source, weighted by :meth:`source_weight`, plus the alignment terms."""
        assert batch.source is not None
        source, target = self.embed(batch)
        errors = F.cross_entropy(source.logits, batch.source.y, reduction="none")
        self.log(source_accuracy=(source.logits.detach().argmax(1) == batch.source.y).double().mean())
        task = (self.source_weight(batch.source) * errors).mean()
        return Loss(task, {} if target is None else self.alignment(source, target, progress))

    def source_weight(self, source: Labelled) -> Tensor:
        """Weights of source samples in the task loss: a scalar, or (n,) with mean 1 over the source."""
        return source.x.new_ones(())

    def alignment(self, source: Embedded, target: Embedded, progress: Tensor) -> dict[str, Tensor]:
        """Named, weighted scalar terms that pull the domains together. What most methods override."""
        return {}

    def embed(self, batch: Batch) -> tuple[Embedded, Embedded | None]:
        """Features and logits of both sides, forwarded jointly or separately as the protocol says.

        Together, batch norm uses the statistics of both domains mixed; apart, those of each, and its running
        averages take turns.
        """
        assert batch.source is not None
        if batch.target is None:
            return self._embed(batch.source.x), None
        if not self.joint_forward:
            return self._embed(batch.source.x), self._embed(batch.target.x)
        both = self._embed(torch.cat([batch.source.x, batch.target.x]))
        sizes = [len(batch.source.x), len(batch.target.x)]
        features, logits = both.features.split(sizes), both.logits.split(sizes)
        return Embedded(features[0], logits[0]), Embedded(features[1], logits[1])

    def _embed(self, x: Tensor) -> Embedded:
        features = self.encoder(x)
        return Embedded(features, self.head(features))

    def predict(self, x: Tensor, side: Side) -> tuple[Tensor, Tensor]:
        """Features (n, d) and logits (n, classes) of inputs from one side, as used at evaluation."""
        embedded = self._embed(x)
        return embedded.features, embedded.logits

    def log(self, **values: Tensor) -> None:
        """Leave scalars for the harness's signals; it reads them every few steps."""
        self.signals.update(values)
