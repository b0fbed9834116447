import difflib
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.core.settings import UserError
from methods.networks.backbones._pretrained import Pretrained, check_images, given_file, load_weights, package
from methods.networks.layers import Width


def timm(shape: tuple[int, ...], name: str, weights: str = "none", width: Width = 256) -> nn.Module:
    """Any network of the package timm, with a bottleneck; weights: none, hub (timm's own) or a state-dict file."""
    check_images("timm", shape)
    library = package("timm", "timm", "timm")
    known = library.list_models()
    if name.partition(".")[0] not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "timm.list_models() lists them"
        raise UserError(f"backbone 'timm': unknown name {name!r}; {hint}")
    try:
        net = library.create_model(name, num_classes=0)
    except RuntimeError as error:  # of the name's part after the dot
        raise UserError(f"backbone 'timm': {error}") from None
    if weights != "none":
        load_weights(net, _cached(net.pretrained_cfg, name) if weights == "hub" else given_file(weights))
    with torch.no_grad():
        features = net.eval()(torch.zeros(1, *shape)).shape[1]
    return Pretrained(net.train(), features, net.pretrained_cfg["mean"], net.pretrained_cfg["std"], width)


def _cached(about: dict[str, Any], name: str) -> Path:
    """Where Hugging Face's client keeps the weights that belong to a name. A training never downloads them.

    Raises:
        UserError: they are not there, with what to do.
    """
    from huggingface_hub import try_to_load_from_cache

    repository = about.get("hf_hub_id")
    if not repository:
        raise UserError(f"backbone 'timm?name={name}': timm has no weights of it; give a file as weights=PATH")
    path = try_to_load_from_cache(repository, "model.safetensors")
    if not isinstance(path, str):
        raise UserError(
            f"backbone 'timm?name={name}&weights=hub': the weights are not on this machine; get them by "
            f"`hf download {repository} model.safetensors`, or give a file as weights=PATH"
        )
    return Path(path)
