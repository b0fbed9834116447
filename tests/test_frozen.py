"""Frozen backbones: features are made once and kept, whatever is killed; what trains on them, and what cannot."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.core.settings import UserError
from benchmarks.plan.grid import plan
from benchmarks.plan.spec import RunSpec
from benchmarks.training.frozen import FrozenBackbone, frozen_backbone, task_for
from benchmarks.training.model import load_model
from benchmarks.training.predictions import predict
from benchmarks.training.run import execute
from datasets import files, own
from datasets.files.images import ImageFiles, concatenate
from methods.networks.backbones import build_trunk
from tests.conftest import CPU, spec_of, trained

SIDE, SIZE, FEATURES = 32, 24, 1024


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path / "cache"))
    frozen_backbone.cache_clear()
    return tmp_path / "cache"


def weights(path: Path, seed: int = 0) -> str:
    """A backbone with weights from a file, as if trained."""
    import torchvision

    torch.manual_seed(seed)
    torch.save(torchvision.models.shufflenet_v2_x0_5().state_dict(), path)
    return f"torchvision?name=shufflenet_v2_x0_5&weights={path}&width=8"


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> str:
    return weights(tmp_path_factory.mktemp("weights") / "shufflenet.pt")


@pytest.fixture
def photos(tmp_path: Path) -> ImageFiles:
    return ImageFiles(images(tmp_path / "photos", 20, 0), SIDE, "photos")


def images(folder: Path, count: int, seed: int) -> list[Path]:
    rng = np.random.default_rng(seed)
    folder.mkdir()
    paths = [folder / f"{number}.png" for number in range(count)]
    for path in paths:
        Image.fromarray(rng.integers(256, size=(SIDE, SIDE, 3), dtype=np.uint8)).save(path)
    return paths


def domain(path: Path, seed: int) -> Path:
    """Two classes, of bright and of dark images."""
    rng = np.random.default_rng(seed)
    y = np.arange(SIZE) % 2
    x = rng.integers(128, size=(SIZE, 3, SIDE, SIDE)) + 128 * y[:, None, None, None]
    np.savez(path, x=x.astype(np.uint8), y=y)
    return path


@pytest.fixture
def task(tmp_path: Path) -> str:
    return own.make_task(domain(tmp_path / "a.npz", 0), domain(tmp_path / "b.npz", 1), "label")


def spec(method: str, task: str, backbone: str, **protocol: object) -> RunSpec:
    return spec_of(method, task, backbone=backbone, frozen=True, **protocol)


def count_images(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each forward pass of any frozen backbone had."""
    seen: list[int] = []
    forward = FrozenBackbone.forward

    def counted(self: FrozenBackbone, x: torch.Tensor) -> torch.Tensor:
        seen.append(len(x))
        return forward(self, x)

    monkeypatch.setattr(FrozenBackbone, "forward", counted)
    return seen


def test_features_are_those_of_the_trunk_in_evaluation(backbone: str, photos: ImageFiles) -> None:
    x = torch.from_numpy(np.asarray(photos)).float() / 127.5 - 1
    with torch.inference_mode():
        expected = build_trunk(backbone).pooled(x).numpy()
    assert np.allclose(FrozenBackbone(backbone, "cpu")(photos), expected, rtol=1e-4, atol=1e-5)
    assert expected.shape == (20, FEATURES)


def test_features_follow_their_images(backbone: str, photos: ImageFiles, tmp_path: Path) -> None:
    features, others = FrozenBackbone(backbone, "cpu"), ImageFiles(images(tmp_path / "others", 5, 1), SIDE)
    some = concatenate([photos[np.array([7, 3])], others[2:], photos[:1]])
    expected = np.concatenate([features(photos)[[7, 3]], features(others)[2:], features(photos)[:1]])
    assert np.array_equal(features(some), expected)


@pytest.mark.parametrize("inputs", [np.asarray, lambda x: x], ids=["array", "files"])
def test_each_image_is_forwarded_once(
    backbone: str, photos: ImageFiles, inputs: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, seen = inputs(photos), count_images(monkeypatch)
    first = FrozenBackbone(backbone, "cpu")(x)
    assert sum(seen) == len(photos) + 1  # one tells how many features there are
    assert np.array_equal(FrozenBackbone(backbone, "cpu")(x), first)
    assert sum(seen) == len(photos) + 2


def test_features_have_the_same_bits_on_any_number_of_cores(
    backbone: str, photos: ImageFiles, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for cores, threads in ((1, 1), (8, 2)):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        torch.set_num_threads(threads)
        monkeypatch.setenv(files.CACHE_VARIABLE, str(cache_folder / str(cores)))
        made.append(FrozenBackbone(backbone, "cpu")(photos))
        assert torch.get_num_threads() == threads
    torch.set_num_threads(1)
    assert np.array_equal(*made)


def test_other_weights_or_images_have_other_features_and_moved_ones_the_same(
    backbone: str, photos: ImageFiles, tmp_path: Path, cache_folder: Path
) -> None:
    def kept() -> int:
        return len(list(cache_folder.glob("features-*.npy")))

    features = FrozenBackbone(backbone, "cpu")(photos)
    (tmp_path / "moved.pt").write_bytes(Path(backbone.partition("weights=")[2].partition("&")[0]).read_bytes())
    moved = FrozenBackbone(f"torchvision?name=shufflenet_v2_x0_5&weights={tmp_path}/moved.pt&width=16", "cpu")
    assert np.array_equal(moved(photos), features)
    assert kept() == 1
    assert not np.array_equal(FrozenBackbone(weights(tmp_path / "other.pt", 1), "cpu")(photos), features)
    assert kept() == 2
    Image.new("RGB", (SIDE, SIDE)).save(photos.sets[0].paths[3])
    changed = FrozenBackbone(backbone, "cpu")(ImageFiles(photos.sets[0].paths, SIDE, "photos"))
    assert np.flatnonzero((changed != features).any(1)).tolist() == [3]


def test_a_broken_file_of_features_is_named(backbone: str, photos: ImageFiles, cache_folder: Path) -> None:
    FrozenBackbone(backbone, "cpu")(photos)
    (file,) = cache_folder.glob("features-*.npy")
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(UserError, match=r"features-.*\.npy is broken .*; remove it, and it is made again"):
        FrozenBackbone(backbone, "cpu")(photos)


def make_slowly(log: Path, seconds: float) -> None:
    def parts() -> Iterator[np.ndarray]:
        with log.open("a") as file:
            file.write("begun\n")
        for number in range(4):
            time.sleep(seconds / 4)
            yield np.full((1, 2), number, np.float32)

    files.kept("slow", (4, 2), np.dtype(np.float32), parts)


@pytest.mark.parametrize("kill", [False, True])
def test_an_array_is_made_by_one_process_and_whole_after_a_kill(
    cache_folder: Path, tmp_path: Path, kill: bool
) -> None:
    log, context = tmp_path / "log", get_context("fork")
    first, second = (context.Process(target=make_slowly, args=(log, each)) for each in (1.0 + 60 * kill, 0.1))
    first.start()
    while not log.exists():
        time.sleep(0.01)
    second.start()
    if kill:
        assert first.pid
        os.kill(first.pid, signal.SIGKILL)
    first.join()
    second.join()
    assert second.exitcode == 0
    assert log.read_text().count("begun") == 1 + kill
    assert np.load(cache_folder / "slow.npy")[:, 0].tolist() == [0, 1, 2, 3]
    assert {path.name for path in cache_folder.iterdir()} == {"slow.npy", "slow.lock"}


def test_a_bottleneck_and_a_head_are_trained_and_seeds_repeat(task: str, backbone: str) -> None:
    trainers = [trained(one, task_for(one, CPU)) for one in [spec("dann", task, backbone)] * 2]
    states = [trainer.method.state_dict() for trainer in trainers]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    encoder = trainers[0].method.encoder
    assert sum(parameter.numel() for parameter in encoder.parameters()) == FEATURES * 8 + 3 * 8
    assert trainers[0].source.x.shape[1:] == (FEATURES,)


def test_runs_of_all_methods_share_features(
    task: str, backbone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = count_images(monkeypatch)
    for number, method in enumerate(("source_only", "svm")):
        (tmp_path / str(number)).mkdir()
        execute(spec(method, task, backbone), tmp_path / str(number), CPU)
    assert sum(seen) == 2 * SIZE + 2


def test_a_frozen_backbone_is_in_the_id_of_every_method_and_else_in_none(task: str, backbone: str) -> None:
    unfrozen = spec_of("svm", task, backbone=backbone)
    assert "frozen" not in unfrozen.to_dict()["protocol"]
    assert unfrozen.run_id == spec_of("svm", task, backbone="mlp").run_id
    one = spec("svm", task, backbone)
    ids = {unfrozen.run_id, one.run_id, spec("svm", task, f"{backbone}1").run_id}
    assert len(ids) == 3
    assert RunSpec.from_dict(one.to_dict(), "svm").run_id == one.run_id == one.plain().run_id


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("fixmatch", "several views"),
        ("mean_teacher", "several views"),
        ("adabn", "batch norms"),
        ("tent", "batch norms"),
    ],
)
def test_what_needs_views_or_the_encoders_batch_norms_is_not_applicable(
    task: str, backbone: str, method: str, reason: str
) -> None:
    grid = plan("quick", [method], [task], [0], {"protocol": {"backbone": backbone, "frozen": True}})
    assert not grid.specs
    assert reason in grid.not_applicable[0].reason
    assert "protocol.frozen" in grid.not_applicable[0].reason


@pytest.mark.parametrize("text", ["mlp", "resnet18", "torchvision?name=alexnet"])
def test_a_backbone_without_trained_weights_cannot_be_frozen(text: str) -> None:
    with pytest.raises(UserError, match=r"no trained weights to freeze.*protocol\.frozen=false"):
        spec_of("source_only", backbone=text, frozen=True)


def test_inputs_that_are_no_images_end_with_one_clear_message(backbone: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot take inputs of shape \(2,\)"):
        execute(spec("source_only", "toys/moons", backbone), tmp_path, CPU)


def test_a_saved_model_predicts_new_images_and_knows_its_backbone(
    task: str, backbone: str, tmp_path: Path
) -> None:
    folder = tmp_path / "record"
    folder.mkdir()
    execute(spec("source_only", task, backbone), folder, CPU, save_weights=True)
    model = load_model(folder)
    said = predict([model], tmp_path / "b.npz", None)
    x = np.load(tmp_path / "b.npz")["x"]
    direct = model(torch.from_numpy(x)).softmax(1).detach().numpy()
    assert model.input_shape == (3, SIDE, SIDE)
    assert np.allclose(said.probability, direct, atol=1e-4)
    path = Path(backbone.partition("weights=")[2].partition("&")[0])
    before = path.read_bytes()
    frozen_backbone.cache_clear()
    try:
        weights(path, 1)
        with pytest.raises(UserError, match="has other weights than it was trained with"):
            load_model(folder)
    finally:
        path.write_bytes(before)


def test_grey_images_are_taken(backbone: str) -> None:
    grey = np.random.default_rng(0).integers(256, size=(3, 1, SIDE, SIDE), dtype=np.uint8)
    features = FrozenBackbone(backbone, "cpu")
    assert np.array_equal(features(grey), features(np.repeat(grey, 3, axis=1)))
