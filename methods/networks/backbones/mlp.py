import math

from torch import nn

from methods.networks.layers import Encoder, perceptron


def mlp(shape: tuple[int, ...], width: int = 64, depth: int = 2, dropout: float = 0.0) -> nn.Module:
    """``depth`` hidden layers with ReLU."""
    layers = perceptron([math.prod(shape), *[width] * depth], dropout)
    return Encoder(nn.Flatten(), layers, nn.ReLU(), out_features=width)
