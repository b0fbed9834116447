"""What the harness gives a method to make its networks with."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import torch
from torch import Tensor, nn

from benchmarks.core.facts import TrainFacts
from benchmarks.core.objective import Objective, objective_of
from benchmarks.core.randomness import key
from benchmarks.core.settings import UserError, nearest, parse_query
from methods.networks.backbones import build_backbone, build_bottleneck
from methods.networks.layers import Discriminator, Encoder, MeanSubtraction, initialise, perceptron

Net = TypeVar("Net", bound=nn.Module)
Role = Literal["backbone", "new", "adversary", "gan"]


@dataclass(frozen=True)
class Build:
    """Makes networks as the protocol says, initialised from the run's seed and the network's name alone.

    So all methods of one seed start from the same encoder and head. Each network carries its role, from which
    the harness takes its learning rate: ``backbone``, ``new``, ``adversary``, or ``gan`` of those that translate
    images and those that tell translated ones from real ones.

    Attributes:
        facts: of the samples that the run trains on.
        frozen: inputs are features of the backbone's trunk, and encoders its bottleneck alone.
    """

    seed: int
    facts: TrainFacts
    backbone: str
    head_layers: tuple[int, ...]
    discriminator_layers: tuple[int, ...]
    joint_forward: bool
    discriminator_dropout: float = 0.0
    initial_weights: str = "pytorch"
    frozen: bool = False
    channel_means: tuple[float, ...] | None = None
    autocast: bool = False
    compile: bool = False

    @property
    def objective(self) -> Objective:
        """What is learnt, and how."""
        return objective_of(self.facts)

    def encoder(self, name: str = "encoder") -> nn.Module:
        """Inputs (n, \\*input_shape) to features (n, out_features).

        Raises:
            UserError: initial weights other than PyTorch's for a backbone that comes with trained ones.
        """
        trained = not self.frozen and parse_query(self.backbone)[1].get("weights", "none") != "none"
        if trained and self.initial_weights != "pytorch":
            raise UserError(
                f"protocol.initial_weights={self.initial_weights} would undo the trained weights of backbone "
                f"{self.backbone!r}; set it to pytorch, or the backbone's weights to none"
            )
        return self.network(self._encoder, name, "backbone")

    def head(
        self, in_features: int, name: str = "head", *, outputs: int | None = None, role: Role = "new"
    ) -> nn.Module:
        """Features (n, in_features) to logits (n, outputs): by default as many as the objective has."""
        last = self.objective.outputs if outputs is None else outputs
        return self.network(lambda: perceptron([in_features, *self.head_layers, last]), name, role)

    def discriminator(self, in_features: int, name: str = "discriminator") -> Discriminator:
        """Features (n, in_features) to one logit each (n,); above 0 means source."""
        hidden, dropout = self.discriminator_layers, self.discriminator_dropout
        return self.network(lambda: Discriminator(in_features, hidden, dropout), name, "adversary")

    def network(self, make: Callable[[], Net], name: str, role: Role = "new") -> Net:
        """Any network, made by ``make`` from the stream of its name.

        Raises:
            UserError: an unknown role.
        """
        if role not in get_args(Role):
            raise UserError(f"network {name!r}: unknown role {nearest(role, get_args(Role))}")
        with self.seeded(name):
            net = make()
            if self.initial_weights != "pytorch":
                initialise(net, self.initial_weights)
        net.role = role  # type: ignore[assignment]
        if self.compile:
            from torch._functorch import config as functorch

            # The ratio of gradients reads a graph twice: its buffers must outlive the first reading.
            functorch.donated_buffer = False
            net.forward = torch.compile(net.forward)
        if self.autocast and role in ("backbone", "new"):
            net.forward = _in_bfloat16(net.forward)
        return net

    @contextmanager
    def seeded(self, name: str) -> Iterator[None]:
        """PyTorch's generator at the start of stream ``init/<name>``; restored afterwards."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(key(self.seed, f"init/{name}"))
            yield

    def _encoder(self) -> nn.Module:
        if self.frozen:
            return build_bottleneck(self.backbone, self.facts.input_shape[0])
        net = build_backbone(self.backbone, self.facts.input_shape)
        if self.channel_means is None:
            return net
        return Encoder(MeanSubtraction(self.channel_means), net, out_features=net.out_features)  # type: ignore[arg-type]


def _in_bfloat16(forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Autocast inside; float32 comes out, so that losses are as exact as ever."""

    def run(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16):
            return forward(x).float()

    return run
