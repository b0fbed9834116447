"""Backbones: inputs to feature vectors. One file each, whose name it bears; each has ``out_features``.

A backbone is written ``name`` or ``name?key=value``, as in ``mlp?width=32`` or ``resnet50?weights=imagenet``: the
keyword arguments of its file's function are its options.
"""

import inspect
import pkgutil
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import nn

from benchmarks.core.settings import Settings, UserError, nearest, parse_query
from methods.networks.layers import Encoder

Shape = tuple[int, ...]

IMAGE = (3, 224, 224)  # that any pretrained backbone takes
ERRORS = (RuntimeError, ValueError, IndexError, AssertionError)  # of networks, on inputs that they cannot take


def backbone_names() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]


def backbone(name: str) -> Callable[..., nn.Module]:
    """What builds a backbone: (shape of an input, options) to a module.

    Raises:
        UserError: an unknown name.
    """
    if name not in backbone_names():
        raise UserError(f"unknown backbone {nearest(name, backbone_names())}")
    return getattr(import_module(f"{__name__}.{name}"), name)


@cache
def backbone_options(name: str) -> type[Settings]:
    """The typed options of a backbone."""
    from pydantic import create_model

    parameters = list(inspect.signature(backbone(name)).parameters.values())[1:]
    fields: dict[str, Any] = {
        p.name: (p.annotation, ... if p.default is p.empty else p.default) for p in parameters
    }
    return create_model(name, __base__=Settings, **fields)


def require_weights(texts: Iterable[str]) -> None:
    """End a grid whose pretrained networks cannot be had on this machine before its first run, and not run by run.

    Raises:
        UserError: a package or weights that are missing, or that do not fit; and what to do.
    """
    for text in sorted(set(texts)):
        if "weights" in backbone_options(parse_query(text)[0]).model_fields:
            _built(text, IMAGE)


def check_frozen(text: str) -> None:
    """Raise a UserError unless a backbone comes with trained weights, of which a frozen run makes its features."""
    name, query = parse_query(text)
    options = backbone_options(name).parse(query, f"backbone {text!r}")
    if getattr(options, "weights", "none") == "none":
        raise UserError(
            f"protocol.frozen: backbone {text!r} has no trained weights to freeze; name one that has them, as "
            "efficientnet_lite0, or set protocol.frozen=false"
        )


def build_trunk(text: str) -> nn.Module:
    """The whole of a pretrained backbone, in evaluation mode; its ``pooled`` makes a frozen run's features.

    Raises:
        UserError: as :func:`build_backbone` does, or a backbone without trained weights.
    """
    check_frozen(text)
    return _built(text, IMAGE).eval().requires_grad_(False).to(memory_format=torch.channels_last)


def build_bottleneck(text: str, features: int) -> nn.Module:
    """What a frozen run trains of a pretrained backbone: features (n, ``features``) to (n, out_features)."""
    from methods.networks.backbones._pretrained import bottleneck_layers

    name, query = parse_query(text)
    width = backbone_options(name).parse(query, f"backbone {text!r}").model_dump()["width"]
    return Encoder(*bottleneck_layers(features, width), out_features=width)


def build_backbone(text: str, input_shape: Shape) -> nn.Module:
    """Build ``name?key=value`` for inputs of ``input_shape`` (without the batch).

    Raises:
        UserError: an unknown name or option, or inputs of a shape that the backbone cannot take.
    """
    encoder = _built(text, input_shape)
    try:
        with torch.no_grad():
            features = encoder.eval()(torch.zeros(2, *input_shape))
    except ERRORS as error:
        raise unfit(text, input_shape, error) from None
    if features.shape != (2, encoder.out_features) or not features.numel():
        raise UserError(f"backbone {text!r} gives features of shape {tuple(features.shape[1:])}: fix its options")
    return encoder.train()


def _built(text: str, input_shape: Shape) -> nn.Module:
    name, query = parse_query(text)
    build, options = backbone(name), backbone_options(name).parse(query, f"backbone {text!r}")
    try:
        return build(input_shape, **options.model_dump())
    except ERRORS as error:
        raise unfit(text, input_shape, error) from None


def unfit(text: str, input_shape: Shape, error: Exception) -> Exception:
    """What to say of an error of a network on inputs of a shape."""
    if "DefaultCPUAllocator" in str(error):  # too little memory: the harness says what to do
        return error
    return UserError(f"backbone {text!r} cannot take inputs of shape {input_shape}: {error}")
