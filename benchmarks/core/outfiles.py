"""What a command is asked to write: never over an input, nor over a file of somebody else, unless told to."""

import codecs
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from benchmarks.core import atomic
from benchmarks.core.escape import reason, shown
from benchmarks.core.reading import ends_of
from benchmarks.core.settings import UserError

NAME = "domain-adaptation-benchmarks"  # in what is written for other programs: pictures, JUnit files
COLUMNS = (  # how our tables begin
    b"sample,predicted,probability,",
    b"run_id,task,method,seed,",
    b"target,family,task,strategy,",
)
# How files of other forms begin, and where they name the program that wrote them.
SIGNED = (
    (b"PK", NAME.encode()),  # the comment of an .npz
    (b"\x89PNG", f"Software\0{NAME}".encode()),
    (b"%PDF", f"/Creator ({NAME})".encode()),
    (b"<?xml", f"<dc:title>{NAME}</dc:title>".encode()),  # of an SVG's creator
    (b"<!doctype html>", f'<meta name="generator" content="{NAME}">'.encode()),
    (b"<?xml", f'<testsuite name="{NAME}"'.encode()),
)


def prepare_output(path: Path, inputs: Iterable[Path] = (), *, force: bool) -> None:
    """Make the folder of a file that a command will write, and write there, before it does any work.

    Args:
        inputs: files and folders that the command reads.
        force: what ``--force`` says: any file may be replaced.

    Raises:
        UserError: writing would lose something, or is not possible.
    """
    real = os.path.realpath(path)
    if path.is_dir():
        raise UserError(f"{shown(path)} is a folder; name a file to write to")
    for source in map(os.path.realpath, inputs):
        if not force and (real == source or real.startswith(source + os.sep)):
            raise UserError(f"{shown(path)} is an input of this command, or in one; write to another file")
    if path.is_file() and not force and not is_ours(path):
        raise UserError(
            f"{shown(path)} was not written by this program; write to another file, or replace it with --force"
        )
    try:
        parent = Path(real).parent
        parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() or not path.exists():  # else a device or a pipe
            with tempfile.TemporaryFile(dir=parent):
                pass
    except OSError as error:
        raise UserError(f"{shown(path)} cannot be written: {reason(error)}; name another path") from None


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A file that appears whole, as :func:`atomic.writing` has it; into a device or pipe, as it comes.

    Raises:
        OSError: it cannot be written, such as a pipe that nobody reads.
    """
    if path.is_file() or not path.exists():
        real = Path(os.path.realpath(path))  # a link stays
        real.parent.mkdir(parents=True, exist_ok=True)
        with atomic.writing(real) as file:
            yield file
        return
    handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    os.set_blocking(handle, True)
    with open(handle, "wb") as file:
        yield file


def is_ours(path: Path) -> bool:
    """Whether a file is empty, or one that this program writes."""
    content = ends_of(path).removeprefix(codecs.BOM_UTF8)
    signed = any(content.startswith(start) and mark in content for start, mark in SIGNED)
    return not content or content.startswith(COLUMNS) or signed
