from itertools import pairwise

from torch import nn

from methods.networks.layers import Dropout, Encoder, Width


def cnn(shape: tuple[int, ...], width: Width = 256, dropout: Dropout = 0.5) -> nn.Module:
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
