"""Files in the data directory: missing or broken ones end with one clear error, and `data check` tells."""

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.commands.parser import main
from benchmarks.core.outfiles import writing
from benchmarks.core.registry import DATASETS, DataFile, DatasetInfo
from benchmarks.core.settings import UserError
from datasets import amazon, files
from datasets.base import DomainFamily
from datasets.digits import Digits
from datasets.readers import digits


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFile:
    """A small archive that is what it should be."""
    monkeypatch.setenv(files.VARIABLE, str(tmp_path))
    (tmp_path / "mine").mkdir()
    np.savez(tmp_path / "mine" / "data.npz", x=np.arange(1000))
    return DataFile("mine/data.npz", hashlib.sha256((tmp_path / "mine" / "data.npz").read_bytes()).hexdigest())


def test_a_whole_file_is_read(file: DataFile) -> None:
    assert files.state(file) == "present"
    assert files.arrays(file)["x"].sum() == 499500


def test_a_missing_file_says_where_it_should_be(file: DataFile, tmp_path: Path) -> None:
    (tmp_path / file.path).unlink()
    with pytest.raises(UserError, match=r"mine/data.npz is missing; `data check`"):
        files.arrays(file)


def test_without_a_directory_the_error_says_how(file: DataFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(files.VARIABLE)
    with pytest.raises(UserError, match=r"--data-dir or \$BENCHMARKS_DATA"):
        files.arrays(file)


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_grid_without_its_data_ends_before_its_first_run(
    file: DataFile, tmp_path: Path, capsys: pytest.CaptureFixture[str], engine: str
) -> None:
    store = tmp_path / "store"
    grid = "--tasks toys/blobs,amazon/books-dvd --methods source_only --seeds 1"
    command = ["run", "--engine", engine, *grid.split()]
    assert main([*command, "--store", str(store), "--data-dir", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.err.count("is missing; `data check` says how to get it") == 1
    assert not store.exists()


def test_mnist_m_is_read_from_its_authors_images_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(files.VARIABLE, str(tmp_path))
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path / "cache"))
    task = Digits().files("mnist-mnist_m")
    pixels = np.random.default_rng(0).integers(256, size=(2, 3, 32, 32, 3), dtype=np.uint8)
    sha256 = {}
    for part, images in zip(("train", "test"), pixels, strict=True):
        folder = tmp_path / "MNIST-M" / f"mnist_m_{part}"
        folder.mkdir(parents=True)
        for number, image in enumerate(images):
            Image.fromarray(image).save(folder / f"{number:08}.png")
        labels = "".join(f"{number:08}.png {number + 5}\n" for number in (2, 0, 1))
        (folder.parent / f"mnist_m_{part}_labels.txt").write_text(labels)
        sha256[part] = hashlib.sha256(images.tobytes()).hexdigest()
    assert set(task) - set(Digits().files("mnist-mnist_m")) == {digits.CROPS, digits.PHOTOGRAPHS}

    with pytest.raises(UserError, match="not the published ones"):
        digits.mnist_m()
    monkeypatch.setattr(digits, "MNIST_M_PIXELS", sha256)
    read = digits.mnist_m()
    assert np.array_equal(read.x, np.concatenate(pixels).transpose(0, 3, 1, 2))
    assert read.y.tolist() == [5, 6, 7, 5, 6, 7]
    assert read.test is not None
    assert read.test.tolist() == [False] * 3 + [True] * 3


@pytest.mark.parametrize("change", [lambda b: b[:-10], lambda b: b"", lambda b: b[:50] + b"x" + b[51:]])
def test_a_truncated_or_changed_file_is_refused(file: DataFile, tmp_path: Path, change: object) -> None:
    path = tmp_path / file.path
    path.write_bytes(change(path.read_bytes()))  # type: ignore[operator]
    assert files.state(file) == "corrupt"
    with pytest.raises(UserError, match="truncated, or another file"):
        files.arrays(file)


@pytest.mark.parametrize(
    ("put", "said"),
    [
        (lambda path: path.mkdir(), "it is no regular file"),
        (lambda path: os.mkfifo(path), "it is no regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "it is no regular file"),
        (lambda path: (path.touch(), path.chmod(0)), "Permission denied"),
    ],
    ids=["folder", "pipe", "device", "forbidden"],
)
def test_what_is_no_file_that_can_be_read_is_refused_at_once(
    file: DataFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, put: Callable[[Path], object], said: str
) -> None:
    (tmp_path / file.path).unlink()
    put(tmp_path / file.path)
    if said == "Permission denied":  # which root is never told
        monkeypatch.setattr(files, "digest_of", lambda path, _: open_refused(path))
    assert files.state(file) == "corrupt"
    with pytest.raises(UserError, match=f"mine/data.npz cannot be read: {said}$"):
        files.arrays(file)


def open_refused(path: Path) -> str:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def test_check_lists_every_data_set_and_is_red_for_a_corrupt_one(
    file: DataFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    info = DatasetInfo(version=1, summary="an example", licence="none", files=(file,), get="make it")
    DATASETS.register("mine", info)(type("Mine", (DomainFamily,), {"__module__": __name__}))
    try:
        assert main(["data", "check", "--data-dir", str(tmp_path)]) == 0
        said = capsys.readouterr().out
        assert all(f"\n{name}: " in said for name in DATASETS.names())
        assert f"present  mine/data.npz, 0.0 MB, sha256 {file.sha256}" in said
        (tmp_path / file.path).write_bytes(b"?")
        assert main(["data", "check", "--data-dir", str(tmp_path)]) == 1
        assert "corrupt  mine/data.npz" in capsys.readouterr().out
        (tmp_path / file.path).unlink()
        assert main(["data", "check", "--data-dir", str(tmp_path)]) == 0
        said = capsys.readouterr().out
        assert "missing  mine/data.npz" in said
        assert "get it: make it" in said
    finally:
        DATASETS.remove("mine")


def test_a_task_whose_files_are_missing_is_one_clear_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(files.VARIABLE, raising=False)
    amazon._archive.cache_clear()
    arguments = ["run", "--tasks", "amazon/books-dvd", "--methods", "coral", "--dry-run", "--store", str(tmp_path)]
    assert main(arguments) == 2
    assert "error: AmazonReviews/amazon_reviews_msda5000.npz is needed" in capsys.readouterr().err


def test_what_was_decoded_is_decoded_once_for_each_content(
    file: DataFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path / "cache"))
    calls = []

    def decode() -> dict[str, np.ndarray]:
        calls.append(1)
        return {"x": np.arange(5)}

    for source in (file, file, DataFile(file.path, "f" * 64)):
        assert files.cached("mine-1", [source], decode)["x"].tolist() == [0, 1, 2, 3, 4]
    assert len(calls) == 2


def test_decoding_that_fails_leaves_nothing_behind(
    file: DataFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path / "cache"))

    def fail() -> dict[str, np.ndarray]:
        raise UserError("cut in the middle")

    for made in (fail, lambda: {"x": np.array([print])}):  # the second cannot be saved without pickling
        with pytest.raises((UserError, ValueError)):
            files.cached("mine-1", [file], made)
        assert not any((tmp_path / "cache").rglob("*"))


def test_a_cache_that_cannot_be_written_says_so(
    file: DataFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path / file.path))  # a file
    with pytest.raises(UserError, match=r"cache folder .* name another with \$BENCHMARKS_CACHE"):
        files.cached("mine-1", [file], lambda: {"x": np.arange(5)})


def test_an_array_missing_from_the_cache_is_named(
    file: DataFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path / "cache"))
    files.cached("mine-1", [file], lambda: {"x": np.arange(5), "y": np.arange(5)})
    next((tmp_path / "cache").rglob("y.npy")).unlink()
    kept = files.cached("mine-1", [file], lambda: {})
    assert kept["x"].tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(UserError, match=r"mine-1-\w+ is broken \(y.npy is missing\); remove it"):
        kept["y"]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("before")
    (tmp_path / "link.csv").symlink_to(path)
    with pytest.raises(TypeError), writing(path) as out:
        out.write("half")  # type: ignore[arg-type]
    assert path.read_text() == "before"
    with writing(tmp_path / "link.csv") as out:
        out.write(b"after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert (tmp_path / "link.csv").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.csv", "out.csv"]


@pytest.mark.parametrize("left", [b"", b"\x93NUMPY", None])
def test_a_cache_broken_from_outside_is_named(
    file: DataFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: bytes | None
) -> None:
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path / "cache"))
    files.cached("mine-1", [file], lambda: {"x": np.arange(5)})
    (kept,) = (tmp_path / "cache").rglob("*.npy")
    kept.write_bytes(kept.read_bytes()[:-1] if left is None else left)
    with pytest.raises(UserError, match=r"is broken .* remove it"):
        files.cached("mine-1", [file], lambda: {})
