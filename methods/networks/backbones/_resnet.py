"""torchvision's ResNets as backbones."""

from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.core.settings import UserError
from methods.networks.backbones._pretrained import bottleneck_layers, check_images, given_file, load_weights

# Of ImageNet's pixels in [0, 1], by channel: what torchvision's weights were trained with.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ResNet(nn.Module):
    """A torchvision ResNet without its classifier, then Linear, batch norm and ReLU (TLlib's bottleneck).

    Inputs in [-1, 1] are brought to ImageNet's mean and deviation. Frozen blocks keep their weights and their
    batch-norm statistics.

    Args:
        weights: none, imagenet (see :func:`weights_file`) or a state-dict file.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, name: str, shape: tuple[int, ...], weights: str, frozen: int, width: int) -> None:
        import torchvision

        super().__init__()
        check_images(name, shape)
        net = torchvision.models.get_model(name)
        if path := weights_file(name, weights):
            load_weights(net, path)
        stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
        self.blocks = nn.Sequential(stem, net.layer1, net.layer2, net.layer3, net.layer4)
        self.bottleneck = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), *bottleneck_layers(net.fc.in_features, width)
        )
        if not 0 <= frozen <= len(self.blocks):
            raise UserError(f"backbone {name!r}: frozen={frozen} must be 0..{len(self.blocks)}")
        self.frozen = frozen
        self.out_features = width
        self.blocks[:frozen].requires_grad_(False)
        self.register_buffer("mean", 2 * torch.tensor(MEAN)[:, None, None] - 1)
        self.register_buffer("deviation", 2 * torch.tensor(DEVIATION)[:, None, None])

    def train(self, mode: bool = True) -> "ResNet":
        super().train(mode)
        self.blocks[: self.frozen].eval()
        return self

    def pooled(self, x: Tensor) -> Tensor:
        """What the blocks say of images: (n, 512 or 2048)."""
        return self.bottleneck[:2](self.blocks((x - self.mean) / self.deviation))

    def forward(self, x: Tensor) -> Tensor:
        return self.bottleneck[2:](self.pooled(x))


def weights_file(name: str, weights: str) -> Path | None:
    """Where pretrained weights are: for ``imagenet`` in PyTorch's own cache. A training never downloads them.

    Raises:
        UserError: they are not there, with what to do.
    """
    if weights == "none":
        return None
    if weights != "imagenet":
        return given_file(weights)
    import torchvision

    known = torchvision.models.get_model_weights(name).__members__
    if "IMAGENET1K_V1" not in known:
        raise UserError(
            f"backbone {name!r}: torchvision has no weights IMAGENET1K_V1 of it; give a file as weights=PATH"
        )
    url = known["IMAGENET1K_V1"].url
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.is_file():
        raise UserError(
            f"backbone '{name}?weights=imagenet': the weights are not on this machine; download {url} to {path}, "
            "or give a state-dict file as weights=PATH, or start from random ones by weights=none"
        )
    return path
