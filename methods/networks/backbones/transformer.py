import torch
from torch import Tensor, nn

from methods.networks.layers import Depth, Dropout, Width


def transformer(
    shape: tuple[int, ...], width: Width = 64, depth: Depth = 2, patch: Width = 8, dropout: Dropout = 0.1
) -> nn.Module:
    """Sequences (channels, length): a small encoder (Vaswani et al. 2017) over patches of time, averaged."""
    return Transformer(shape, width, depth, patch, dropout)


class Transformer(nn.Module):
    """Layer norm comes first in each block, so that it trains without a learning rate warm-up."""

    def __init__(self, shape: tuple[int, ...], width: int, depth: int, patch: int, dropout: float) -> None:
        super().__init__()
        channels, length = shape
        self.patches = nn.Conv1d(channels, width, patch, stride=patch)
        self.position = nn.Parameter(0.02 * torch.randn(length // patch, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, depth, nn.LayerNorm(width), enable_nested_tensor=False)
        self.out_features = width

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.patches(x).transpose(1, 2) + self.position).mean(1)
