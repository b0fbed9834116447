import math

from torch import nn

from methods.networks.layers import Depth, Dropout, Encoder, Width, perceptron


def mlp(shape: tuple[int, ...], width: Width = 64, depth: Depth = 2, dropout: Dropout = 0.0) -> nn.Module:
    """``depth`` hidden layers with ReLU."""
    layers = perceptron([math.prod(shape), *[width] * depth], dropout)
    return Encoder(nn.Flatten(), layers, nn.ReLU(), out_features=width)
