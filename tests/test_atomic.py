"""Files appear whole or not at all, and a full disk is known for what it is."""

import os
import resource
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from benchmarks.core import atomic
from benchmarks.evaluation.outputs import Outputs
from benchmarks.records.record import write_json

MEGABYTES = os.urandom(2**21)


def fail(file: BinaryIO) -> None:
    file.write(b"half")
    raise KeyboardInterrupt


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Path]:
    """A folder in which no file may be larger than 64 KB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, before[1]))
    yield tmp_path
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    atomic.write_text(path, "before")
    with pytest.raises(KeyboardInterrupt), atomic.writing(path) as file:
        fail(file)
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("file", "before")]


def test_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path, texts = tmp_path / "file", ["a" * 100_000, "b" * 100_000]
    with ThreadPoolExecutor(2) as pool:
        writes = [pool.submit(atomic.write_text, path, text) for text in texts * 50]
        while not all(write.done() for write in writes):
            assert not path.exists() or path.read_text() in texts
    assert not any(write.exception() for write in writes)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def save_arrays(path: Path) -> None:
    with atomic.writing(path) as file:
        np.savez_compressed(file, x=np.frombuffer(MEGABYTES, np.uint8))


def save_state(path: Path) -> None:
    with atomic.writing(path) as file:
        torch.save({"x": torch.frombuffer(bytearray(MEGABYTES), dtype=torch.uint8)}, file)


WRITERS: list[Callable[[Path], None]] = [
    lambda path: atomic.write_text(path, "x" * 2**21),
    lambda path: write_json(path, list(range(2**18))),
    lambda path: Outputs({"x": np.frombuffer(MEGABYTES, np.uint8)}).save(path),
    save_arrays,
    save_state,
]


def check_full(write: Callable[[Path], None], folder: Path) -> None:
    atomic.write_text(folder / "file", "before")
    with pytest.raises((OSError, RuntimeError)) as caught:
        write(folder / "file")
    assert atomic.full_disk(caught.value)
    assert [(each.name, each.read_text()) for each in folder.iterdir()] == [("file", "before")]


@pytest.mark.parametrize("write", WRITERS)
def test_a_full_disk_leaves_what_was_there(small_disk: Path, write: Callable[[Path], None]) -> None:
    check_full(write, small_disk)


@pytest.mark.parametrize("write", WRITERS)
def test_a_limit_of_file_sizes_is_a_full_disk(limited: Path, write: Callable[[Path], None]) -> None:
    check_full(write, limited)


def wrapped(error: Exception, cause: Exception) -> Exception:
    try:
        raise error from cause
    except type(error) as found:
        return found


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(28, "No space left on device"), True),
        (OSError(122, "Disk quota exceeded"), True),
        (OSError(30, "Read-only file system"), True),
        (wrapped(RuntimeError("failed writing"), OSError(28, "No space left on device")), True),
        (SafetensorError("IoError: No space left on device (os error 28)"), True),
        (OSError(2, "No such file"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
)
def test_a_full_disk_is_known_in_whatever_wraps_it(error: Exception, full: bool) -> None:
    assert bool(atomic.full_disk(error)) == full
