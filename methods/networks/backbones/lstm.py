from torch import Tensor, nn

from methods.networks.layers import Depth, Width


def lstm(shape: tuple[int, ...], width: Width = 128, depth: Depth = 1) -> nn.Module:
    """Sequences (channels, length): an LSTM's states, averaged over time."""
    return LSTM(shape[0], width, depth)


class LSTM(nn.Module):
    def __init__(self, channels: int, width: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.LSTM(channels, width, depth, batch_first=True)
        self.out_features = width

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.layers(x.transpose(1, 2))
        return states.mean(1)
