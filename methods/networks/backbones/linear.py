import math

from torch import nn

from methods.networks.layers import Encoder, Width


def linear(shape: tuple[int, ...], width: Width = 16) -> nn.Module:
    """One linear map: with a linear head, a linear model that alignment can still move."""
    return Encoder(nn.Flatten(), nn.Linear(math.prod(shape), width), out_features=width)
