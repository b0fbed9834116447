"""Every backbone, on inputs it is for; and what happens with inputs and files that it is not for."""

import pickle
from pathlib import Path

import pytest
import torch

from benchmarks.core.settings import UserError
from methods.networks.backbones import backbone_names, backbone_options, build_backbone, require_weights

SEQUENCE, DIGIT = (9, 128), (1, 28, 28)
SHAPES = {"lenet": DIGIT, "mnistnet": DIGIT, "cnn1d": SEQUENCE, "lstm": SEQUENCE, "transformer": SEQUENCE}


@pytest.mark.parametrize("name", backbone_names())
def test_features_have_the_promised_size_and_carry_gradients(name: str) -> None:
    shape = SHAPES.get(name, (3, 32, 32))
    encoder = build_backbone(name, shape)
    x = torch.randn(4, *shape, requires_grad=True)
    features = encoder(x)
    assert features.shape == (4, encoder.out_features)
    features.sum().backward()
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
        ("lenett", DIGIT, "did you mean 'lenet'"),
        ("mlp?widht=3", DIGIT, "did you mean 'width'"),
        ("mlp?width=a", DIGIT, "width"),
        ("mlp?width=0", DIGIT, "width = '0': input should be greater than or equal to 1"),
        ("mlp?depth=0", DIGIT, "depth = '0': input should be greater than or equal to 1"),
        ("mlp?dropout=2", DIGIT, "dropout = '2': input should be less than or equal to 1"),
        ("lenet", (3, 8, 8), "cannot take inputs of shape"),
        ("resnet18?frozen=9", (3, 32, 32), "frozen=9 must be"),
        ("resnet18?weights=/nowhere.pt", (3, 32, 32), "cannot be read"),
        *((name, (2,), "shape") for name in backbone_names() if name not in ("linear", "mlp", "sigmoid")),
    ],
)
def test_a_wrong_backbone_ends_with_one_clear_message(text: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_backbone(text, shape)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet101"])
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
    for option in sizes:
        with pytest.raises(UserError, match=rf"{option}.*(less than or equal|must be)"):
            build_backbone(f"{name}?{option}=1000000000", SHAPES.get(name, (3, 32, 32)))


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
