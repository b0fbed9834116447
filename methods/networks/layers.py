"""What encoders, heads and discriminators are made of."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

# Options of backbones, with limits beyond which a network is a slip of the pen that takes all memory.
Width = Annotated[int, Field(ge=1, le=16_384)]
Depth = Annotated[int, Field(ge=1, le=32)]
Dropout = Annotated[float, Field(ge=0, le=1)]


def perceptron(sizes: Sequence[int], dropout: float = 0.0) -> nn.Sequential:
    """Linear layers of the given sizes with ReLU, and dropout if any, between them."""
    layers: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(pairwise(sizes)):
        if number:
            layers += [nn.ReLU(), *([nn.Dropout(dropout)] if dropout else [])]
        layers.append(nn.Linear(inputs, outputs))
    return nn.Sequential(*layers)


def initialise(net: nn.Module, weights: str) -> None:
    """Draw convolutions and linear layers anew, ``weights`` as in ``Protocol.initial_weights`` but pytorch's."""
    for layer in net.modules():
        if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Linear)):
            if weights == "glorot":
                nn.init.xavier_uniform_(layer.weight)
            else:
                nn.init.trunc_normal_(layer.weight, std=0.1, a=-0.2, b=0.2)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, 0.0 if weights == "glorot" else 0.1)


class Encoder(nn.Sequential):
    """Layers in order, with the size of what they return."""

    def __init__(self, *layers: nn.Module, out_features: int) -> None:
        super().__init__(*layers)
        self.out_features = out_features


class MeanSubtraction(nn.Module):
    """Images (n, channels, height, width) in [-1, 1] to [0, 1] minus means (channels,) in [0, 1]."""

    shift: Tensor

    def __init__(self, means: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("shift", 0.5 - torch.tensor(means)[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        return x / 2 + self.shift


class Discriminator(nn.Module):
    """Tells the domains apart: features (n, d) to one logit each (n,); above 0 means source."""

    def __init__(self, in_features: int, hidden: Sequence[int], dropout: float = 0.0) -> None:
        super().__init__()
        self.net = perceptron([in_features, *hidden, 1], dropout)

    def forward(self, features: Tensor) -> Tensor:
        return self.net(features).squeeze(1)

    def both(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """The logits of two sides, in one pass: larger products are faster ones."""
        on_source, on_target = self(torch.cat([source, target])).split([len(source), len(target)])
        return on_source, on_target
