"""Small networks that translate images, and that tell translated ones from real ones.

They are CycleGAN's (Zhu et al., ICCV 2017, appendix) with no hidden layer at full size, a quarter of the channels
or less, and 3 of its 6 to 9 blocks, so that digits take minutes on a CPU. Borders are padded with zeros, and
images are enlarged by repeating pixels: both repeat to the bit on a GPU.
"""

from torch import Tensor, nn

SIDES = range(16, 65, 4)  # of images, in pixels: halved twice, and enough left


def obstacle(shape: tuple[int, ...] | None) -> str | None:
    """Why inputs of a shape cannot be translated, or None if they can."""
    if shape is not None and len(shape) == 3 and all(side in SIDES for side in shape[1:]):
        return None
    return (
        f"it translates images of {SIDES[0]} to {SIDES[-1]} pixels a side, in multiples of {SIDES.step}, "
        "and these inputs are not known to be such"
    )


class Generator(nn.Sequential):
    """Images (n, channels, height, width) in [-1, 1] to images of the same shape and range."""

    def __init__(self, channels: int, width: int = 16, blocks: int = 3) -> None:
        super().__init__(
            *_layer(nn.Conv2d(channels, width, 4, 2, padding=1)),
            *_layer(nn.Conv2d(width, 2 * width, 4, 2, padding=1)),
            *(Residual(2 * width) for _ in range(blocks)),
            nn.Upsample(scale_factor=2),
            *_layer(nn.Conv2d(2 * width, width, 3, padding=1)),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(width, channels, 3, padding=1),
            nn.Tanh(),
        )


class Residual(nn.Module):
    """Two convolutions, added to what goes in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        second = nn.Conv2d(channels, channels, 3, padding=1)
        self.layers = nn.Sequential(
            *_layer(nn.Conv2d(channels, channels, 3, padding=1)), second, nn.InstanceNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class PatchDiscriminator(nn.Sequential):
    """Images (n, channels, height, width) to scores (n, 1, rows, columns) of patches of 22 pixels a side."""

    def __init__(self, channels: int, width: int = 16) -> None:
        super().__init__(
            nn.Conv2d(channels, width, 4, 2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, padding=1),
            nn.InstanceNorm2d(2 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 4, padding=1),
        )


def _layer(convolution: nn.Conv2d) -> list[nn.Module]:
    return [convolution, nn.InstanceNorm2d(convolution.out_channels), nn.ReLU()]
