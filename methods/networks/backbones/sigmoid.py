import math

from torch import nn

from methods.networks.layers import Encoder, Width


def sigmoid(shape: tuple[int, ...], width: Width = 50) -> nn.Module:
    """One hidden layer of sigmoids, as in JMLR 2016, section 5.1; started as in its code (Glorot, biases 0)."""
    layer = nn.Linear(math.prod(shape), width)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return Encoder(nn.Flatten(), layer, nn.Sigmoid(), out_features=width)
