"""Files that appear whole or not at all: written aside, flushed to the disk and renamed. Stdlib only."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

ASIDE = ".partial"  # how the names of files end that are being written
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A file whose content is at ``path`` when the block ends, in the place of an older one.

    If the block fails, or the process is killed within it, ``path`` is what it was before. Several processes may
    write one path: the last wins. A link, a pipe or a device in the way is replaced.

    Raises:
        OSError: it cannot be written; its ``filename`` is the path.
    """
    aside = path.with_name(f".{path.name}.{secrets.token_hex(6)}{ASIDE}")
    try:
        with aside.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException as error:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename, error.filename2 = str(path), None
        raise


def write_text(path: Path, text: str) -> None:
    """In UTF-8; raises as :func:`writing` does."""
    with writing(path) as file:
        file.write(text.encode())


def write_first(path: Path, text: str) -> None:
    """As :func:`write_text`, unless the path is taken: of several processes that write one, the first wins."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(6)}{ASIDE}")
    try:
        write_text(aside, text)
        with suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Whatever is at a path: a file, a folder or nothing."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def is_aside(path: Path) -> bool:
    """Whether it is a file that is being written, or that a killed process has left."""
    return path.name.startswith(".") and path.name.endswith(ASIDE)


def full_disk(error: BaseException) -> OSError | None:
    """The full (or read-only) disk behind an error, whatever a library made of it; None: it has another cause."""
    waiting, seen = [error], set()
    while waiting:
        cause = waiting.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        if isinstance(cause, OSError) and cause.errno in FULL:
            return cause
        for code in (errno.ENOSPC, errno.EDQUOT):
            if os.strerror(code) in str(cause):  # as of libraries that are not written in Python
                return OSError(code, os.strerror(code))
        waiting += [each for each in (cause.__cause__, cause.__context__) if each]
    return None
