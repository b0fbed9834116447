"""Backbones: inputs to feature vectors. Each has ``out_features``.

A backbone is written ``name`` or ``name?key=value``, as in ``mlp?width=32`` or ``resnet50?weights=imagenet``.
"""

import inspect
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.settings import Settings, UserError, nearest, parse_query
from methods.networks.layers import perceptron

Shape = tuple[int, ...]
BACKBONES: dict[str, Callable[..., nn.Module]] = {}


def backbone(build: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """Enter a builder under its function's name; its keyword arguments are the options."""
    BACKBONES[build.__name__] = build
    return build


def build_backbone(text: str, input_shape: Shape) -> nn.Module:
    """Build ``name?key=value`` for inputs of ``input_shape`` (without the batch).

    Raises:
        UserError: an unknown name or option, or inputs of a shape that the backbone cannot take.
    """
    name, query = parse_query(text)
    if name not in BACKBONES:
        raise UserError(f"unknown backbone {nearest(name, BACKBONES)}")
    build = BACKBONES[name]
    encoder = build(input_shape, **backbone_options(build).parse(query, f"backbone {text!r}").model_dump())
    try:
        with torch.no_grad():
            encoder.eval()(torch.zeros(2, *input_shape))
    except RuntimeError as error:
        raise UserError(f"backbone {text!r} cannot take inputs of shape {input_shape}: {error}") from None
    return encoder.train()


def backbone_options(build: Callable[..., nn.Module]) -> type[Settings]:
    """The typed keyword arguments of a builder."""
    from pydantic import create_model

    parameters = list(inspect.signature(build).parameters.values())[1:]
    fields: dict[str, Any] = {p.name: (p.annotation, p.default) for p in parameters}
    return create_model(build.__name__, __base__=Settings, **fields)


class Encoder(nn.Sequential):
    """Layers in order, with the size of what they return."""

    def __init__(self, *layers: nn.Module, out_features: int) -> None:
        super().__init__(*layers)
        self.out_features = out_features


def _vector(shape: Shape) -> int:
    return math.prod(shape)


@backbone
def linear(shape: Shape, width: int = 16) -> nn.Module:
    """One linear map: with a linear head, a linear model that alignment can still move."""
    return Encoder(nn.Flatten(), nn.Linear(_vector(shape), width), out_features=width)


@backbone
def mlp(shape: Shape, width: int = 64, depth: int = 2, dropout: float = 0.0) -> nn.Module:
    """``depth`` hidden layers with ReLU."""
    layers = perceptron([_vector(shape), *[width] * depth], dropout)
    return Encoder(nn.Flatten(), layers, nn.ReLU(), out_features=width)


@backbone
def lenet(shape: Shape, dropout: float = 0.5) -> nn.Module:
    """The digits network of CDAN (Long et al. 2018) and TLlib: conv 20 and 50, FC 500. For 28x28.

    ReLU follows the pooling, as there; the dropout before the second pooling drops whole channels.
    """
    convolutions = [nn.Conv2d(shape[0], 20, 5), nn.MaxPool2d(2), nn.ReLU()]
    convolutions += [nn.Conv2d(20, 50, 5), nn.Dropout2d(dropout), nn.MaxPool2d(2), nn.ReLU()]
    rows, columns = (((side - 4) // 2 - 4) // 2 for side in shape[1:])
    dense = [nn.Flatten(), nn.Linear(50 * rows * columns, 500), nn.ReLU(), nn.Dropout(dropout)]
    return Encoder(*convolutions, *dense, out_features=500)


@backbone
def cnn(shape: Shape, width: int = 256, dropout: float = 0.5) -> nn.Module:
    """Three blocks (64, 128, 256) of convolution, batch norm, ReLU and max pooling; FC with batch norm."""
    channels = [shape[0], 64, 128, 256]
    blocks: list[nn.Module] = []
    for inputs, outputs in pairwise(channels):
        blocks += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)]
        blocks += [nn.ReLU(), nn.MaxPool2d(2)]
    return Encoder(
        *blocks,
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(256 * 16, width, bias=False),
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.Dropout(dropout),
        out_features=width,
    )


@backbone
def cnn1d(shape: Shape, width: int = 128, dropout: float = 0.5) -> nn.Module:
    """Sequences (channels, length): AdaTime's network (Ragab et al. 2023), three blocks and average pooling."""
    channels = [shape[0], 64, 128, width]
    blocks: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(pairwise(channels)):
        blocks += [nn.Conv1d(inputs, outputs, 5 if number == 0 else 8, padding=4, bias=False)]
        blocks += [nn.BatchNorm1d(outputs), nn.ReLU(), nn.MaxPool1d(2, padding=1)]
        blocks += [nn.Dropout(dropout)] if number == 0 else []
    return Encoder(*blocks, nn.AdaptiveAvgPool1d(1), nn.Flatten(), out_features=width)


@backbone
def resnet18(shape: Shape, weights: str = "none", frozen: int = 0, width: int = 256) -> nn.Module:
    """torchvision's, with a bottleneck. ``weights``: none, imagenet (downloads) or a state-dict file."""
    return ResNet("resnet18", shape, weights, frozen, width)


@backbone
def resnet50(shape: Shape, weights: str = "none", frozen: int = 0, width: int = 256) -> nn.Module:
    """torchvision's, with a bottleneck. ``frozen``: how many of its 5 first blocks never change."""
    return ResNet("resnet50", shape, weights, frozen, width)


class ResNet(nn.Module):
    """A torchvision ResNet without its classifier, then Linear, batch norm and ReLU (TLlib's bottleneck).

    Frozen blocks keep their weights and their batch-norm statistics.
    """

    def __init__(self, name: str, shape: Shape, weights: str, frozen: int, width: int) -> None:
        import torchvision

        super().__init__()
        if len(shape) != 3 or shape[0] != 3:
            raise UserError(f"backbone {name!r} needs three-channel images, not inputs of shape {shape}")
        net = torchvision.models.get_model(name, weights="IMAGENET1K_V1" if weights == "imagenet" else None)
        if weights not in ("none", "imagenet"):
            _load_weights(net, Path(weights))
        stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
        self.blocks = nn.Sequential(stem, net.layer1, net.layer2, net.layer3, net.layer4)
        self.bottleneck = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(net.fc.in_features, width),
            nn.BatchNorm1d(width),
            nn.ReLU(),
        )
        if not 0 <= frozen <= len(self.blocks):
            raise UserError(f"backbone {name!r}: frozen={frozen} must be 0..{len(self.blocks)}")
        self.frozen = frozen
        self.out_features = width
        self.blocks[:frozen].requires_grad_(False)

    def train(self, mode: bool = True) -> "ResNet":
        super().train(mode)
        self.blocks[: self.frozen].eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.bottleneck(self.blocks(x))


def _load_weights(net: nn.Module, path: Path) -> None:
    try:
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:
        raise UserError(
            f"backbone weights {str(path)!r} cannot be read ({type(error).__name__}); expected a torchvision "
            "state dict saved with torch.save, or 'none', or 'imagenet' to download"
        ) from None
