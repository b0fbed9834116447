from itertools import pairwise

from torch import nn

from methods.networks.layers import Dropout, Encoder, Width


def cnn1d(shape: tuple[int, ...], width: Width = 128, dropout: Dropout = 0.5) -> nn.Module:
    """Sequences (channels, length): AdaTime's network (Ragab et al. 2023), three blocks and average pooling."""
    channels = [shape[0], 64, 128, width]
    blocks: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(pairwise(channels)):
        blocks += [nn.Conv1d(inputs, outputs, 5 if number == 0 else 8, padding=4, bias=False)]
        blocks += [nn.BatchNorm1d(outputs), nn.ReLU(), nn.MaxPool1d(2, padding=1)]
        blocks += [nn.Dropout(dropout)] if number == 0 else []
    return Encoder(*blocks, nn.AdaptiveAvgPool1d(1), nn.Flatten(), out_features=width)
