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

Shape = tuple[int, ...]


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
    fields: dict[str, Any] = {p.name: (p.annotation, p.default) for p in parameters}
    return create_model(name, __base__=Settings, **fields)


def require_weights(texts: Iterable[str]) -> None:
    """End a grid whose pretrained weights are not on this machine before its first run, and not run by run.

    Raises:
        UserError: which are missing, and what to do.
    """
    from methods.networks.backbones._resnet import weights_file

    for text in sorted(set(texts)):
        name, options = parse_query(text)
        if weights := options.get("weights"):
            weights_file(name, weights)


def build_backbone(text: str, input_shape: Shape) -> nn.Module:
    """Build ``name?key=value`` for inputs of ``input_shape`` (without the batch).

    Raises:
        UserError: an unknown name or option, or inputs of a shape that the backbone cannot take.
    """
    name, query = parse_query(text)
    build, options = backbone(name), backbone_options(name).parse(query, f"backbone {text!r}")
    try:
        encoder = build(input_shape, **options.model_dump())
        with torch.no_grad():
            features = encoder.eval()(torch.zeros(2, *input_shape))
    except (RuntimeError, ValueError, IndexError) as error:
        if "DefaultCPUAllocator" in str(error):  # too little memory: the harness says what to do
            raise
        raise UserError(f"backbone {text!r} cannot take inputs of shape {input_shape}: {error}") from None
    if features.shape != (2, encoder.out_features) or not features.numel():
        raise UserError(f"backbone {text!r} gives features of shape {tuple(features.shape[1:])}: fix its options")
    return encoder.train()
