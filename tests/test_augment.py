"""Views of training inputs: what they change, what they leave, and that they are the seed's."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from datasets.augment import NOISE, SEGMENTS, distorted, weak
from datasets.base import Samples, Task
from datasets.files.images import ImageFiles
from tests.conftest import spec_of, trainer_of

VIEWS = ("plain", "weak", "strong")


def inputs(kind: str) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = {"images": (40, 3, 16, 24), "sequences": (40, 9, 128), "tables": (40, 12)}[kind]
    x = torch.randn(shape, generator=generator)
    return x.clamp(-1, 1) if kind == "images" else x


@pytest.mark.parametrize("kind", ["images", "sequences", "tables"])
@pytest.mark.parametrize("view", [weak, distorted])
def test_a_view_keeps_shape_and_type_and_is_a_function_of_its_seed(kind: str, view) -> None:  # type: ignore[no-untyped-def]
    for x in (inputs(kind), inputs(kind).double()):
        before = x.clone()
        first, again, other = view(x, 1), view(x, 1), view(x, 2)
        assert (first.shape, first.dtype) == (x.shape, x.dtype)
        assert torch.equal(first, again)
        assert not torch.equal(first, other)
        assert torch.equal(x, before)


def test_a_weak_image_is_the_image_moved_by_at_most_an_eighth() -> None:
    x = inputs("images")
    moves = set()
    for image, moved in zip(x, weak(x, 0), strict=True):
        padded = torch.nn.functional.pad(image[None], (3, 3, 2, 2), mode="replicate")[0]
        places = [(i, j) for i in range(5) for j in range(7)]
        (place,) = [(i, j) for i, j in places if torch.equal(padded[:, i : i + 16, j : j + 24], moved)]
        moves.add(place)
    assert len(moves) > 10


def test_a_strong_image_has_a_hole_and_stays_in_its_range() -> None:
    x = inputs("images")
    changed = distorted(x, 0)
    assert changed.min() >= x.min()
    assert changed.max() <= x.max()
    holes = (changed == changed.flatten().mode().values).all(1).double().mean((1, 2))  # the fill is one number
    assert (holes > 0.05).all()
    assert (holes <= 0.25).all()


def test_a_strong_sequence_is_its_own_segments_in_another_order() -> None:
    x = inputs("sequences")
    length = x.shape[2] // SEGMENTS
    changed = distorted(x, 0)
    assert torch.equal(changed[:, :, SEGMENTS * length :], x[:, :, SEGMENTS * length :])
    pieces, others = (each[:, :, : SEGMENTS * length].unflatten(2, (SEGMENTS, length)) for each in (x, changed))
    same = (pieces[:, :, :, None] == others[:, :, None]).all(-1).all(1)  # (n, before, after)
    assert (same.sum(1) == 1).all()
    assert (same.sum(2) == 1).all()


def test_a_strong_row_has_features_of_others_and_a_weak_one_little_noise() -> None:
    x = inputs("tables")
    changed = distorted(x, 0)
    assert all(set(new.tolist()) <= set(old.tolist()) for new, old in zip(changed.T, x.T, strict=True))
    assert (changed != x).double().mean() == pytest.approx(0.6, abs=0.08)
    noise = weak(x, 0) - x
    assert noise.std() == pytest.approx(NOISE, rel=0.2)


def images(folder: Path) -> Samples:
    rng = np.random.default_rng(0)
    paths = [folder / f"{number}.png" for number in range(20)]
    for path in paths:
        Image.fromarray(rng.integers(256, size=(40, 40, 3), dtype=np.uint8)).save(path)
    return Samples(ImageFiles(paths, 28), np.arange(20) % 2)


def arrays() -> Samples:
    return Samples(np.random.default_rng(0).integers(256, size=(20, 3, 28, 28), dtype=np.uint8), np.arange(20) % 2)


@pytest.mark.parametrize("stored", ["files", "arrays"])
def test_asking_for_views_shifts_nothing_else(
    stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same samples, same plain inputs; and each view differs from the others, from step to step and by seed."""
    monkeypatch.setenv("BENCHMARKS_CACHE", str(tmp_path / "cache"))
    domain = images(tmp_path) if stored == "files" else arrays()
    task = Task("mine/a-b", ("0", "1"), [domain], [domain])
    plain, asked, other = (
        trainer_of(spec_of("source_only", seed=seed, backbone="cnn?width=8", target_batch=6), task).batches
        for seed in (0, 0, 1)
    )
    for step in (0, 1):
        alone, batch = plain.at(step).target, asked.at(step, views=VIEWS).target
        assert torch.equal(alone.index, batch.index)
        assert torch.equal(alone.x, batch.x)
        assert batch.views["plain"] is batch.x
        seen = [*batch.views.values(), *other.at(step, views=("strong",)).target.views.values()]
        assert all(view.shape == batch.x.shape for view in seen)
        assert not any(torch.equal(a, b) for i, a in enumerate(seen) for b in seen[:i])
    again = asked.at(0, views=("strong",)).target.views["strong"]
    assert torch.equal(again, asked.at(0, views=VIEWS).target.views["strong"])
    assert not torch.equal(again, asked.at(0, fresh="/0.1", views=VIEWS).target.views["strong"])


def test_each_view_of_each_step_has_random_numbers_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    for name in ("weak", "distorted"):
        monkeypatch.setattr(f"datasets.augment.{name}", lambda x, seed: seeds.append(seed) or x)
    for run in (0, 1):
        batches = trainer_of(spec_of("source_only", seed=run)).batches
        for step in (0, 1):
            for fresh in ("", "/0.1"):
                batches.at(step, fresh=fresh, views=VIEWS)
    assert len(set(seeds)) == len(seeds) == 2 * 2 * 2 * 3  # a weak view draws once, a strong one twice
