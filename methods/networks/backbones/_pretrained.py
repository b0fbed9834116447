"""Networks that were trained elsewhere, as backbones: what they share, and how packages and weights are found."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.core.settings import UserError

PROJECT = "domain-adaptation-benchmarks"


class Pretrained(nn.Module):
    """A trunk that was trained elsewhere, and a bottleneck that is new.

    A frozen run forwards each image through the trunk once (:meth:`pooled`), and trains the bottleneck alone.

    Args:
        trunk: images (n, 3, height, width) to features (n, ``features``).
        mean, deviation: by channel, of the pixels in [0, 1] that the trunk was trained with; ours are in [-1, 1].
        width: of the bottleneck.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, trunk: nn.Module, features: int, mean: Sequence[float], deviation: Sequence[float], width: int
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.bottleneck = nn.Sequential(*bottleneck_layers(features, width))
        self.out_features = width
        self.register_buffer("mean", 2 * torch.tensor(mean)[:, None, None] - 1)
        self.register_buffer("deviation", 2 * torch.tensor(deviation)[:, None, None])

    def pooled(self, x: Tensor) -> Tensor:
        """What the trunk says of images: (n, features)."""
        return self.trunk((x - self.mean) / self.deviation)

    def forward(self, x: Tensor) -> Tensor:
        return self.bottleneck(self.pooled(x))


def bottleneck_layers(features: int, width: int) -> list[nn.Module]:
    """Linear, batch norm and ReLU, as TLlib has them between a trunk and its head."""
    return [nn.Linear(features, width), nn.BatchNorm1d(width), nn.ReLU()]


def check_images(backbone: str, shape: tuple[int, ...]) -> None:
    """Raise a UserError unless inputs are images in colour."""
    if len(shape) != 3 or shape[0] != 3:
        raise UserError(f"backbone {backbone!r} needs three-channel images, not inputs of shape {shape}")


def package(name: str, backbone: str, extra: str) -> Any:
    """An optional package.

    Raises:
        UserError: it is not installed, with the command that installs it.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise UserError(
            f"backbone {backbone!r} needs the package {name!r}, which is not installed ({error}): "
            f"pip install '{PROJECT}[{extra}]'"
        ) from None


def read_weights(path: Path) -> dict[str, Tensor]:
    """A state dict by name, saved with ``torch.save`` or as safetensors. Nothing in the file is executed.

    Raises:
        UserError: it is neither.
    """
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
            raise TypeError("it holds no state dict")
        return state
    except Exception as error:  # PyTorch's reader and the format's raise of a dozen kinds
        raise UserError(
            f"backbone weights {str(path)!r} cannot be read ({type(error).__name__}); expected a state dict saved "
            "with torch.save, or as .safetensors"
        ) from None


def load_weights(net: nn.Module, path: Path) -> None:
    """Fill a network from a file. What the file has beyond the network, such as another classifier, is left out.

    Raises:
        UserError: it is of another network.
    """
    state = read_weights(path)
    try:
        missing, _ = net.load_state_dict(state, strict=False)
    except RuntimeError as error:  # tensors of other shapes
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"backbone weights {str(path)!r} are of another network: {reason}") from None
    if missing:
        raise UserError(f"backbone weights {str(path)!r} are of another network: they have no {missing[0]!r}")


def given_file(weights: str) -> Path:
    """The file that ``weights=PATH`` names.

    Raises:
        UserError: it does not exist.
    """
    path = Path(weights)
    if not path.is_file():
        raise UserError(f"backbone weights {weights!r} cannot be read: there is no such file")
    return path
