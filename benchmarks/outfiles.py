"""What a command is asked to write: never over an input, nor over a file that is there already, unless told to."""

import os
from collections.abc import Iterable
from pathlib import Path

from benchmarks.settings import UserError
from datasets.files.text import shown


def refuse_overwrite(path: Path, inputs: Iterable[Path] = (), *, force: bool) -> None:
    """Raise a UserError if writing to ``path`` would lose something: to be called before any work is done.

    Args:
        inputs: files and folders that the command reads.
        force: what ``--force`` says: an existing file may be replaced.
    """
    real = os.path.realpath(path)
    if path.is_dir():
        raise UserError(f"{shown(path)} is a folder; name a file to write to")
    for source in map(os.path.realpath, inputs):
        if not force and (real == source or real.startswith(source + os.sep)):
            raise UserError(f"{shown(path)} is an input of this command, or in one; write to another file")
    if path.is_file() and not force:
        raise UserError(f"{shown(path)} exists already; write to another file, or replace it with --force")
    if not Path(real).parent.is_dir():
        raise UserError(f"{shown(path)} cannot be written: {shown(path.parent)} is no folder")
