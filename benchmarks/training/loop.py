"""The training loop: stages, optimiser, schedule and random numbers, the same for every method."""

import math
import os
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.core.machine import require_precision
from benchmarks.core.protocol import Adagrad, Adam, Constant, Inverse, Protocol, Steps
from benchmarks.core.randomness import key
from benchmarks.core.settings import UserError
from benchmarks.training.batches import Batches, Stored, dtype
from benchmarks.training.signals import Signals, gradient_ratio, values
from datasets.augment import check_views
from datasets.base import Inputs, LabelledArrays, TrainView
from datasets.files.images import ImageFiles
from methods.base import Labelled, Loss, Method, Side, Stage, StageData, Unlabelled

SIGNALS = 50  # times in a run that signals are read
EVALUATION_BATCH = 500
EVALUATION_NUMBERS = 2**24  # of inputs in a batch: fewer samples where each is large


@dataclass
class Progress:
    """How far a training is, besides the states of method and optimiser: enough to go on from there."""

    step: int = 0  # finished steps
    begun: int = 0  # stages begun
    forward_passes: int = 0  # of encoders
    backward_passes: int = 0
    curves: list[Signals] = field(default_factory=list)


class Trainer:
    """Trains one method on one task, step by step.

    Args:
        method: already on ``device`` and in the protocol's precision.
        view: what training may see.
        seed: of the run; with the step, it determines every random number.
    """

    def __init__(
        self, method: Method, view: TrainView, protocol: Protocol, seed: int, device: torch.device
    ) -> None:
        self.method, self.protocol, self.seed, self.device = method, protocol, seed, device
        self.source = _labelled(view.source, device)
        self.few = None if view.few is None else _labelled(view.few, device)
        self.target = Unlabelled(
            x=on_device(view.target.x, device),
            index=torch.arange(len(view.target.x), device=device),
            domain=torch.from_numpy(view.target.domain).to(device),
        )
        self.batches = Batches(self.source, self.target, self.few, protocol, seed, device)
        self.stages = list(method.stages())
        self.ends = _stage_ends(self.stages, protocol.steps)
        self.steps = self.ends[-1] or protocol.steps  # a method without updates is looked at where others end
        self.checkpoints = protocol.checkpoint_steps(self.steps)
        self.progress = Progress()
        self.optimizer: torch.optim.Optimizer | None = None
        self._trained: list[list[nn.Parameter]] = []
        self._unchecked: list[tuple[int, Tensor]] = []
        for stage in self.stages:
            check_views(stage.views)
            _check_prefixes(stage, method)
        self.encoders = [module for module in method.modules() if getattr(module, "role", None) == "backbone"]
        for encoder in self.encoders:
            encoder.register_forward_hook(self._count_forward)

    def run(self, also: Container[int] = ()) -> Iterator[int]:
        """Train to the end; yields the number of finished steps at each checkpoint, and where ``also`` says.

        The last comes when every stage is through; a method without updates has no other.
        """
        *checkpoints, last = self.checkpoints
        start = 0
        for number, (stage, end) in enumerate(zip(self.stages, self.ends, strict=True)):
            if self.progress.begun == number:
                self._enter(stage)
                if stage.begin:
                    stage.begin(self.data_of(stage))
                self.progress.begun += 1
            while (step := self.progress.step) < end:
                self._step(stage, step, step - start, end - start, step + 1 in [*checkpoints, last])
                self.progress.step += 1
                if self.progress.step != last and (
                    self.progress.step in checkpoints or self.progress.step in also
                ):
                    yield self.progress.step
            start = end
        yield last

    def finish(self) -> None:
        """Take no further step."""
        self.progress.step = self.steps

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on to the same final bits: tensors and plain values only."""
        return {
            "method": self.method.state_dict(),
            "optimizer": None if self.optimizer is None else self.optimizer.state_dict(),
            "progress": vars(self.progress),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.method.load_state_dict(state["method"])
        self.progress = Progress(**state["progress"])
        self._enter(self.stages[self.progress.begun - 1])
        if self.optimizer is not None:
            self.optimizer.load_state_dict(state["optimizer"])

    def _count_forward(self, *_: object) -> None:
        self.progress.forward_passes += self.method.training

    def _enter(self, stage: Stage) -> None:
        """A new optimiser, and what each update of the stage trains."""
        parameters = [(name, p) for name, p in self.method.named_parameters() if p.requires_grad]
        self._trained = [[p for name, p in parameters if _any_begins(name, u.trains)] for u in stage.updates]
        self.optimizer = self._new_optimizer(stage) if any(self._trained) else None

    def _step(self, stage: Stage, step: int, own: int, steps: int, checkpoint: bool) -> None:
        """One step: ``step`` of the run, ``own`` of the ``steps`` of its stage."""
        if stage.each_epoch and self._new_epoch(stage, step):
            stage.each_epoch(self.data_of(stage))
        self.method.train()
        self.method.signals.clear()
        self._seed_step(step)
        signals: Signals = {"step": step + 1}
        read = step % max(1, self.steps // SIGNALS) == 0 or checkpoint
        horizon = (self.protocol.horizon or self.protocol.steps) / self.protocol.steps
        progress = min(own / (steps * horizon), 1.0)
        fraction = torch.full((), progress, dtype=torch.float64, device=self.device)
        rate = _decay(self.protocol.schedule, progress, own)
        for number, update in enumerate(stage.updates):
            for repeat in range(update.repeat):
                fresh = repeat if update.batch == "fresh" else 0
                batch = self.batches.at(step, stage.sees, f"/{number}.{fresh}" if fresh else "", stage.views)
                trained = self._trained[number]
                with torch.set_grad_enabled(bool(trained)):
                    loss = update.loss(batch, fraction)
                if checkpoint and trained and loss.task is not None and loss.terms:
                    signals["gradient_ratio"] = gradient_ratio(loss, self.encoders)
                total = loss.total
                self._unchecked.append((step, total.detach()))
                # On a GPU every look at a number waits for all that was asked of it: looks are few.
                if read or self.device.type == "cpu":
                    self._check_finite(loss)
                if trained:
                    self._apply(total, trained, rate)
                if update.after:
                    with torch.no_grad():
                        update.after()
                signals |= values({"task": loss.task, **loss.terms}) if read else {}
        if read:
            self.progress.curves.append(signals | values(self.method.signals))

    def _check_finite(self, loss: Loss) -> None:
        totals = torch.stack([total for _, total in self._unchecked]).tolist()
        for (step, _), total in zip(self._unchecked, totals, strict=True):
            if not math.isfinite(total):
                parts = values({"task": loss.task, **loss.terms})
                raise FloatingPointError(
                    f"the loss is {total} at step {step + 1} of {self.steps} "
                    f"({', '.join(f'{name} {value:.3g}' for name, value in parts.items())}); "
                    "try a smaller learning rate or trade-off"
                )
        self._unchecked.clear()

    def _apply(self, total: Tensor, trained: list[nn.Parameter], rate: float) -> None:
        assert self.optimizer is not None
        gradients = torch.autograd.grad(total, trained, allow_unused=True)
        for parameter, gradient in zip(trained, gradients, strict=True):
            parameter.grad = _laid_out(gradient, parameter)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * (rate if group["decays"] else 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.progress.backward_passes += 1

    def data_of(self, stage: Stage) -> StageData:
        """All that a stage may see, and nothing else of the other domain than the few."""
        visible: dict[Side, Labelled | Unlabelled] = {}
        if stage.sees != "target":
            visible["source"] = self.source
        if stage.sees != "source":
            visible["target"] = self.target

        return StageData(
            source=self.source if "source" in visible else None,
            target=self.target if "target" in visible else None,
            few=self.few,
            embed=lambda side: self.outputs(visible[side].x, side),
            inputs=lambda side: map(self.batches.inputs, _parts(visible[side].x)),
            seed=key(self.seed, "method", self.stages.index(stage), self.progress.step),
        )

    @torch.no_grad()
    def outputs(self, x: Stored, side: Side) -> tuple[Tensor, Tensor]:
        """Features and logits of stored inputs, in evaluation mode."""
        self.method.eval()
        parts = [self.method.predict(self.batches.inputs(part), side) for part in _parts(x)]
        features, logits = zip(*parts, strict=True)
        return torch.cat(features), torch.cat(logits)

    @torch.no_grad()
    def translated(self, x: Tensor) -> Tensor | None:
        """Stored inputs of the source as the target might have them, where the method makes such."""
        self.method.eval()
        return self.method.translated(self.batches.inputs(x))

    def _new_epoch(self, stage: Stage, step: int) -> bool:
        stream = self.batches.stream("source" if stage.sees == "source" else "target")
        first = step == 0 or step in self.ends
        return first or stream.epoch(step) != stream.epoch(step - 1)

    def _seed_step(self, step: int) -> None:
        seed = key(self.seed, "step", step)
        torch.default_generator.manual_seed(seed)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(seed)

    def _new_optimizer(self, stage: Stage) -> torch.optim.Optimizer:
        protocol = self.protocol
        rates = {
            "backbone": protocol.lr_backbone,
            "new": protocol.lr_new,
            "adversary": protocol.lr_adversary,
            "gan": protocol.lr_gan,
        }
        alike: dict[tuple[str, float], list[nn.Parameter]] = {}  # by role and scale of the learning rate
        for name, parameter in self.method.named_parameters():
            if parameter.requires_grad:
                scale = protocol.lr_finetune if _any_begins(name, stage.finetune) else 1.0
                alike.setdefault((_role(self.method, name), scale), []).append(parameter)
        groups = [
            {
                "params": parameters,
                "lr": rates[role] * scale,
                "initial_lr": rates[role] * scale,
                "decays": protocol.schedule.decays(role),
            }
            for (role, scale), parameters in alike.items()
        ]
        rule = protocol.optimizer
        if isinstance(rule, Adam):
            for group, (role, _) in zip(groups, alike, strict=True):
                group["betas"] = rule.betas(role, finetunes=bool(stage.finetune))
            return torch.optim.Adam(groups, weight_decay=protocol.weight_decay, fused=True)
        if isinstance(rule, Adagrad):
            return torch.optim.Adagrad(groups, weight_decay=protocol.weight_decay)
        momentum, decay = rule.momentum, protocol.weight_decay
        return torch.optim.SGD(groups, momentum=momentum, nesterov=momentum > 0, weight_decay=decay, fused=True)


def prepare(device: torch.device, protocol: Protocol) -> None:
    """Process-wide settings; as the protocol has them by default, a run is repeatable to the bit.

    Raises:
        UserError: this machine does not compute in the protocol's precision: a node of a cluster, or who trains a
            record's model again, may have another CPU than the one that planned the run.
    """
    require_precision(device.type, protocol.precision)
    torch.set_num_threads(protocol.threads)
    torch.set_flush_denormal(True)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS may not repeat its bits
    torch.use_deterministic_algorithms(protocol.deterministic, warn_only=True)
    torch.backends.cudnn.deterministic = protocol.deterministic
    torch.backends.cudnn.benchmark = not protocol.deterministic
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def to_device(method: Method, device: torch.device, protocol: Protocol) -> Method:
    return method.to(device=device, dtype=dtype(protocol), memory_format=torch.channels_last)  # type: ignore[call-overload]


def _laid_out(gradient: Tensor | None, parameter: Tensor) -> Tensor | None:
    """A gradient in its parameter's memory layout: fused optimisers read it as if it had that."""
    if gradient is None or gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter).copy_(gradient)


def _decay(schedule: Constant, progress: float, step: int) -> float:
    """The factor of the learning rates, ``progress`` and ``step`` being the stage's."""
    if isinstance(schedule, Steps):
        return schedule.factor ** (step // schedule.every)
    return (1 + 10 * progress) ** -0.75 if isinstance(schedule, Inverse) else 1.0


def on_device(x: Inputs, device: torch.device) -> Any:
    """Inputs where batches are taken from: a tensor on the device, or files as they are."""
    if isinstance(x, ImageFiles):
        return x
    return torch.from_numpy(np.require(x, requirements=["C", "W"])).to(device)


def _labelled(samples: LabelledArrays, device: torch.device) -> Labelled:
    return Labelled(
        x=on_device(samples.x, device),
        y=torch.from_numpy(samples.y).to(device),
        index=torch.arange(len(samples.y), device=device),
        domain=torch.from_numpy(samples.domain).to(device),
    )


def evaluation_batch(shape: tuple[int, ...]) -> int:
    """How many samples of a shape are forwarded at once where no gradients are kept."""
    return max(1, min(EVALUATION_BATCH, EVALUATION_NUMBERS // math.prod(shape)))


def _parts(x: Stored) -> Iterator[Tensor]:
    """All samples in their order, as they are stored, a batch at a time."""
    size = evaluation_batch(x.shape[1:])
    if isinstance(x, Tensor):
        yield from x.split(size)
    else:
        for start in range(0, len(x), size):
            yield torch.from_numpy(x.decode(np.arange(start, min(start + size, len(x)))))


def _stage_ends(stages: list[Stage], steps: int) -> list[int]:
    """The number of finished steps at which each stage ends; one without updates takes none."""
    return list(accumulate(max(1, round(stage.share * steps)) if stage.updates else 0 for stage in stages))


def _check_prefixes(stage: Stage, method: Method) -> None:
    """Raise a UserError for a stage that names parameters which do not exist."""
    named = [("trains", prefix) for update in stage.updates for prefix in update.trains]
    for does, prefix in [*named, *(("finetunes", prefix) for prefix in stage.finetune)]:
        if not any(_any_begins(name, (prefix,)) for name, _ in method.named_parameters()):
            raise UserError(f"stage {stage.name!r} {does} {prefix!r}; no parameter's name begins so")


def _any_begins(name: str, prefixes: tuple[str, ...]) -> bool:
    return "*" in prefixes or name.startswith(prefixes)


def _role(method: nn.Module, parameter: str) -> str:
    """The role of the outermost module around a parameter that has one.

    Raises:
        UserError: no network of the method's Build holds the parameter: its start would not be the seed's.
    """
    module: nn.Module = method
    for part in parameter.split(".")[:-1]:
        module = getattr(module, part)
        if isinstance(role := getattr(module, "role", None), str):
            return role
    raise UserError(
        f"{type(method).__name__} has a parameter {parameter!r} outside of all networks that its build made; "
        "make its module with build.network"
    )
