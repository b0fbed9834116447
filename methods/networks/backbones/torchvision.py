from torch import nn

from benchmarks.core.settings import UserError, nearest
from methods.networks.backbones._pretrained import Pretrained, check_images, load_weights
from methods.networks.backbones._resnet import DEVIATION, MEAN, weights_file
from methods.networks.layers import Width


def torchvision(shape: tuple[int, ...], name: str, weights: str = "none", width: Width = 256) -> nn.Module:
    """Any classifier of torchvision, with a bottleneck; weights: none, imagenet or a state-dict file."""
    from torchvision import models

    check_images("torchvision", shape)
    if name not in (known := models.list_models(module=models)):
        raise UserError(f"backbone 'torchvision': unknown name {nearest(name, known)}")
    net = models.get_model(name)
    if path := weights_file(name, weights):
        load_weights(net, path)
    _without_helpers(net)
    return Pretrained(net, _without_classifier(net, name), MEAN, DEVIATION, width)


def _without_helpers(net: nn.Module) -> None:
    """Take away the classifiers that GoogLeNet and Inception have halfway: they give outputs in training alone."""
    net.aux_logits = False  # type: ignore[assignment]
    for helper in {"AuxLogits", "aux1", "aux2"} & dict(net.named_children()).keys():
        setattr(net, helper, None)


def _without_classifier(net: nn.Module, name: str) -> int:
    """Take away the last linear layer; returns the size of what it was given.

    Raises:
        UserError: the network has none.
    """
    layers = [each for each, layer in net.named_modules() if isinstance(layer, nn.Linear)]
    if not layers:
        raise UserError(f"backbone 'torchvision?name={name}': it does not end in a linear classifier")
    size = net.get_submodule(layers[-1]).in_features
    net.set_submodule(layers[-1], nn.Identity())
    return size  # type: ignore[return-value]
