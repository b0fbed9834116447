from torch import nn

from methods.networks.backbones._resnet import ResNet
from methods.networks.layers import Width


def resnet101(shape: tuple[int, ...], weights: str = "none", frozen: int = 0, width: Width = 256) -> nn.Module:
    """torchvision's, with a bottleneck; ``frozen``: how many of its 5 first blocks never change."""
    return ResNet("resnet101", shape, weights, frozen, width)
