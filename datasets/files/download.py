"""Downloads into the data directory: interrupted ones resume, and all are checked before they are put in place."""

import fcntl
import http.client
import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.core.registry import DataFile
from benchmarks.core.settings import UserError
from datasets import files

PATIENCE = 30.0  # seconds without a byte


def fetch(file: DataFile, root: Path) -> None:
    """Download ``file.url`` to its place in the data directory ``root``.

    It grows in ``NAME.part``, from where a further call goes on, and is renamed when its digest is right.

    Raises:
        UserError: no connection, a cut one, a full disk; or another file than expected, which is not kept.
    """
    path = root / file.path
    part = path.with_name(f"{path.name}.part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with _alone(part.parent):
            if path.exists() and files.matches(file, path):  # another process was first
                return
            _download(file.url, part)
            _put_in_place(file, part, path)
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if type(error) is urllib.error.URLError else error
        kept = f"; {part} is kept, and the same command goes on from there" if part.exists() else ""
        raise UserError(f"{file.url} could not be downloaded: {reason}{kept}") from None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time downloads into a folder: two would write into one part."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _put_in_place(file: DataFile, part: Path, path: Path) -> None:
    if not files.matches(file, part):
        part.unlink()
        expected = f"sha256 {file.sha256}" if file.sha256 else f"md5 {file.md5}"
        raise UserError(
            f"{file.url} gave another file than expected (not {expected}), which is removed; try again"
        )
    part.replace(path)


def _download(url: str, part: Path) -> None:
    """All that ``part`` lacks; from the start, where the server does not serve a range."""
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response = urllib.request.urlopen(request, timeout=PATIENCE)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:  # all of it is here; the digest will tell
            return
        raise
    with response:
        start = start if response.status == http.client.PARTIAL_CONTENT else 0
        with part.open("ab" if start else "wb") as out:
            shutil.copyfileobj(response, out)
        said = response.headers["Content-Length"] or ""
        length = int(said) if re.fullmatch("[0-9]{1,18}", said) else None
    size = part.stat().st_size
    if length is not None and size < start + length:
        raise OSError(f"the connection was cut after {size} of {start + length} bytes")
