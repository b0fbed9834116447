from itertools import pairwise

from torch import nn

from methods.networks.layers import Encoder


def dtn(shape: tuple[int, ...]) -> nn.Module:
    """The SVHN network of CDAN (Long et al. 2018) and TLlib: three strided convolutions, batch norm. For 32x32."""
    blocks: list[nn.Module] = []
    for (inputs, outputs), dropout in zip(pairwise([shape[0], 64, 128, 256]), (0.1, 0.3, 0.5), strict=True):
        blocks += [nn.Conv2d(inputs, outputs, 5, stride=2, padding=2), nn.BatchNorm2d(outputs)]
        blocks += [nn.Dropout2d(dropout), nn.ReLU()]
    rows, columns = (-(-side // 8) for side in shape[1:])
    dense = [nn.Flatten(), nn.Linear(256 * rows * columns, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Dropout(0.5)]
    return Encoder(*blocks, *dense, out_features=512)
