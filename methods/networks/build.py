"""What the harness gives a method to make its networks with."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from benchmarks.core.randomness import key
from benchmarks.core.settings import UserError, parse_query
from methods.networks.backbones import build_backbone
from methods.networks.layers import Discriminator, Encoder, MeanSubtraction, initialise, perceptron

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class Build:
    """Makes networks as the protocol says, initialised from the run's seed and the network's name alone.

    So all methods of one seed start from the same encoder and head. Each network carries its role, from which
    the harness takes its learning rate: ``backbone``, ``new`` or ``adversary``.
    """

    seed: int
    input_shape: tuple[int, ...]
    n_classes: int
    source_size: int
    backbone: str
    head_layers: tuple[int, ...]
    discriminator_layers: tuple[int, ...]
    joint_forward: bool
    discriminator_dropout: float = 0.0
    initial_weights: str = "pytorch"
    channel_means: tuple[float, ...] | None = None
    autocast: bool = False
    compile: bool = False

    def encoder(self, name: str = "encoder") -> nn.Module:
        """Inputs (n, \\*input_shape) to features (n, out_features).

        Raises:
            UserError: initial weights other than PyTorch's for a backbone that comes with trained ones.
        """
        if self.initial_weights != "pytorch" and parse_query(self.backbone)[1].get("weights", "none") != "none":
            raise UserError(
                f"protocol.initial_weights={self.initial_weights} would undo the trained weights of backbone "
                f"{self.backbone!r}; set it to pytorch, or the backbone's weights to none"
            )
        with self.seeded(name):
            net = build_backbone(self.backbone, self.input_shape)
            if self.channel_means is not None:
                net = Encoder(MeanSubtraction(self.channel_means), net, out_features=net.out_features)  # type: ignore[arg-type]
            return self._made(net, "backbone")

    def head(self, in_features: int, name: str = "head") -> nn.Module:
        """Features (n, in_features) to logits (n, n_classes)."""
        with self.seeded(name):
            return self._made(perceptron([in_features, *self.head_layers, self.n_classes]), "new")

    def discriminator(self, in_features: int, name: str = "discriminator") -> Discriminator:
        """Features (n, in_features) to one logit each (n,); above 0 means source."""
        with self.seeded(name):
            return self._made(
                Discriminator(in_features, self.discriminator_layers, self.discriminator_dropout), "adversary"
            )

    @contextmanager
    def seeded(self, name: str) -> Iterator[None]:
        """PyTorch's generator at the start of stream ``init/<name>``; restored afterwards."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(key(self.seed, f"init/{name}"))
            yield

    def _made(self, net: Net, role: str) -> Net:
        net.role = role  # type: ignore[assignment]
        if self.initial_weights != "pytorch":
            initialise(net, self.initial_weights)
        if self.compile:
            from torch._functorch import config as functorch

            # The ratio of gradients reads a graph twice: its buffers must outlive the first reading.
            functorch.donated_buffer = False
            net.forward = torch.compile(net.forward)
        if self.autocast and role != "adversary":
            net.forward = _in_bfloat16(net.forward)
        return net


def _in_bfloat16(forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Autocast inside; float32 comes out, so that losses are as exact as ever."""

    def run(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16):
            return forward(x).float()

    return run
