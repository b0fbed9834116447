"""What the harness gives a method to make its networks with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from benchmarks.randomness import key
from methods.networks.backbones import build_backbone
from methods.networks.layers import Discriminator, perceptron


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

    def encoder(self, name: str = "encoder") -> nn.Module:
        """Inputs (n, \\*input_shape) to features (n, out_features)."""
        with self.seeded(name):
            return _with_role(build_backbone(self.backbone, self.input_shape), "backbone")

    def head(self, in_features: int, name: str = "head") -> nn.Module:
        """Features (n, in_features) to logits (n, n_classes)."""
        with self.seeded(name):
            return _with_role(perceptron([in_features, *self.head_layers, self.n_classes]), "new")

    def discriminator(self, in_features: int, name: str = "discriminator") -> nn.Module:
        """Features (n, in_features) to one logit each (n,); above 0 means source."""
        with self.seeded(name):
            return _with_role(Discriminator(in_features, self.discriminator_layers), "adversary")

    @contextmanager
    def seeded(self, name: str) -> Iterator[None]:
        """PyTorch's generator at the start of stream ``init/<name>``; restored afterwards."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(key(self.seed, f"init/{name}"))
            yield


def _with_role(net: nn.Module, role: str) -> nn.Module:
    net.role = role  # type: ignore[assignment]
    return net
