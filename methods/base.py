"""The contract between a method and the harness.

Most methods are :class:`Deep` and one alignment term on top of the source loss: they override
:meth:`Deep.alignment` and say nothing else. The others say in which stages, and with which updates, they train.
The harness owns optimisers, schedules, devices, precision and random numbers.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Generic, Literal, TypeVar

import torch
from torch import Tensor, nn

from benchmarks.core.facts import Facts
from benchmarks.core.protocol import Protocol
from benchmarks.core.settings import Settings
from methods.networks.build import Build

Side = Literal["source", "target"]
Sees = Literal["both", "source", "target"]

NEVER = -1e9  # the logit of a class that the source has no sample of: finite, so that entropies stay numbers


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
        views: (n, *input_shape) each, by name: those that the stage asks for; ``plain`` is ``x`` itself.
    """

    x: Tensor
    index: Tensor
    domain: Tensor
    views: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Labelled:
    """Samples of the source, or the few of the target whose labels are granted.

    Attributes:
        x: (n, *input_shape) inputs.
        y: (n,) int64 labels.
        index: (n,) positions in their training set.
        domain: (n,) int64, which of several domains each came from.
    """

    x: Tensor
    y: Tensor
    index: Tensor
    domain: Tensor


SamplesT = TypeVar("SamplesT", Labelled, Unlabelled)


@dataclass(frozen=True)
class Batch:
    """What is drawn for one step; a side that the stage may not see is None.

    Attributes:
        few: target samples with granted labels, where the task has such, in every stage: a batch of them, or all.
    """

    source: Labelled | None
    target: Unlabelled | None
    few: Labelled | None = None


@dataclass(frozen=True)
class Embedded(Generic[SamplesT]):
    """One side of a batch with its features (n, d) and logits (n, outputs)."""

    samples: SamplesT
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
        return torch.stack(parts).sum() if parts else torch.zeros(())


@dataclass(frozen=True)
class Update:
    """One optimiser step.

    Attributes:
        loss: (batch, progress) to Loss; progress is a scalar tensor in [0, 1] over the stage.
        trains: name prefixes of the parameters that it changes; ``"*"`` is all. With none, it is there for the
            buffers that its loss changes, and no gradient is taken.
        repeat: how often in a row.
        batch: "same" repeats on the step's batch, "fresh" draws a new one for every repeat.
        after: called after each of its optimiser steps, without gradients: for a teacher's average, say.
    """

    loss: Callable[[Batch, Tensor], Loss]
    trains: tuple[str, ...] = ("*",)
    repeat: int = 1
    batch: Literal["same", "fresh"] = "same"
    after: Callable[[], None] | None = None


@dataclass(frozen=True)
class StageData:
    """What a stage may see, whole, for its ``begin`` and ``each_epoch``.

    Attributes:
        source, target: all training samples, inputs as stored (uint8 images unscaled); None where not visible.
        few: all target samples with granted labels, as the source's are stored; None where the task has none.
        embed: side to (features, logits) of all its samples, in evaluation mode, without gradients.
        inputs: side to batches of all its samples, as networks take them.
        seed: for random numbers of the method's own.
    """

    source: Labelled | None
    target: Unlabelled | None
    embed: Callable[[Side], tuple[Tensor, Tensor]]
    inputs: Callable[[Side], Iterator[Tensor]]
    seed: int
    few: Labelled | None = None


@dataclass(frozen=True)
class Stage:
    """A part of the training, with an optimiser of its own.

    Attributes:
        share: its length, in the protocol's steps: with 1 it is as long as the whole training of most methods.
        sees: which domains its batches and its data hold; the other is out of reach.
        finetune: name prefixes of the parameters that it starts from trained, by an earlier stage or copied from
            one in ``begin``: their learning rates are scaled by the protocol's ``lr_finetune``. ``"*"`` is all.
        begin, each_epoch: called before its first step; before its first step and at each new pass over the
            target (over the source where it sees only that).
        views: of the target's samples in its batches: ``plain``, and those of :mod:`datasets.augment`.
    """

    name: str
    updates: Sequence[Update]
    share: float = 1.0
    sees: Sees = "both"
    finetune: tuple[str, ...] = ()
    begin: Callable[[StageData], None] | None = None
    each_epoch: Callable[[StageData], None] | None = None
    views: tuple[str, ...] = ("plain",)


class Method(nn.Module, ABC):
    """One way of adapting. Everything that outlives a step is a parameter or a persistent buffer."""

    settings: ClassVar[type[Params]] = Params
    pools_few: ClassVar[bool] = False  # target samples with granted labels are a part of its source
    params: Params

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__()
        self.params = params
        self.facts = build.facts
        self.n_classes = build.facts.n_classes
        self.signals: dict[str, Tensor] = {}

    @classmethod
    def unsupported(cls, facts: Facts, protocol: Protocol) -> str | None:
        """Why this method cannot run on such a task, or None if it can. The cell prints n/a with it."""
        return None

    @abstractmethod
    def stages(self) -> Sequence[Stage]:
        """The parts of its training, in order."""

    @abstractmethod
    def predict(self, x: Tensor, side: Side) -> tuple[Tensor, Tensor]:
        """Features (n, d) and logits (n, outputs) of inputs from one side, as used at evaluation."""

    def translated(self, x: Tensor) -> Tensor | None:
        """Inputs of the source as the target might have them, where a method makes such: a record keeps a few."""
        return None

    def log(self, **values: Tensor) -> None:
        """Leave scalars for the harness's signals; it reads them every few steps."""
        self.signals.update(values)


class Deep(Method):
    """An encoder and a head, trained on the source's labels and on whatever terms align the domains."""

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.objective = build.objective
        self.encoder = build.encoder()
        self.n_features: int = self.encoder.out_features  # type: ignore[assignment]
        self.head = build.head(self.n_features)
        self.joint_forward = build.joint_forward

    def stages(self) -> Sequence[Stage]:
        return [Stage("joint", [Update(self.loss)])]

    def loss(self, batch: Batch, progress: Tensor) -> Loss:
        """The objective's loss on the source and on the few, plus the alignment terms.

        The source's is weighted by :meth:`source_weight`. The mean over the few counts as much as that over the
        source, however few they are (as half of each batch does in Saito et al., ICCV 2019).
        """
        assert batch.source is not None
        source, target, few = self.embed(batch)
        errors = self.objective.loss(source.logits, batch.source.y)
        if self.objective.of_classes:
            self.log(source_accuracy=(source.logits.detach().argmax(1) == batch.source.y).double().mean())
        task = (self.source_weight(batch.source) * errors).mean()
        if few:
            task = task + self.objective.loss(few.logits, few.samples.y).mean()
        return Loss(task, {} if target is None else self.alignment(source, target, progress))

    def source_weight(self, source: Labelled) -> Tensor:
        """Weights of source samples in the task loss: a scalar, or (n,) with mean 1 over the source."""
        return source.x.new_ones(())

    def alignment(
        self, source: Embedded[Labelled], target: Embedded[Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        """Named, weighted scalar terms that pull the domains together. What most methods override."""
        return {}

    def embed(
        self, batch: Batch
    ) -> tuple[Embedded[Labelled], Embedded[Unlabelled] | None, Embedded[Labelled] | None]:
        """Features and logits of the source and, where the batch has them, of the target and of the few."""
        assert batch.source is not None
        source, target, few = batch.source, batch.target, batch.few
        features = self.features(*(side.x for side in (source, target, few) if side))
        embedded = zip(features, self._forwarded(self.head, features), strict=True)
        return (
            Embedded(source, *next(embedded)),
            Embedded(target, *next(embedded)) if target else None,
            Embedded(few, *next(embedded)) if few else None,
        )

    def features(self, *inputs: Tensor) -> Sequence[Tensor]:
        """Features (n, d) of each of several inputs (n, *input_shape), forwarded as the protocol says.

        Jointly, batch norm uses the statistics of all of them mixed; separately, those of each, and its running
        averages take turns.
        """
        return self._forwarded(self.encoder, inputs)

    def _forwarded(self, net: nn.Module, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        if not self.joint_forward or len(inputs) == 1:
            return [net(x) for x in inputs]
        return net(torch.cat(tuple(inputs))).split([len(x) for x in inputs])

    def predict(self, x: Tensor, side: Side) -> tuple[Tensor, Tensor]:
        features = self.encoder(x)
        return features, self.head(features)


class Shallow(Method):
    """A classifier from before deep features: fitted once, to inputs as training has them (images in [-1, 1]).

    It takes no step and builds no network: what is fitted is kept in buffers, whose shapes are known before.
    Target samples with granted labels are a further domain of its source.
    """

    pools_few = True
    sees: ClassVar[Literal["both", "source"]] = "source"

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.n_features = math.prod(build.facts.input_shape)

    def stages(self) -> Sequence[Stage]:
        return [Stage("fit", [], sees=self.sees, begin=self.fit)]

    @abstractmethod
    def fit(self, data: StageData) -> None:
        """Set the buffers. Until then the features that ``data.embed`` returns are the inputs."""

    @abstractmethod
    def logits(self, features: Tensor) -> Tensor:
        """Features (n, d) to logits (n, classes)."""

    def features(self, x: Tensor, side: Side) -> Tensor:
        return x.flatten(1)

    def predict(self, x: Tensor, side: Side) -> tuple[Tensor, Tensor]:
        features = self.features(x, side)
        return features, self.logits(features)
