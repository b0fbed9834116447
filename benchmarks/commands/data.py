"""The `data` command: which data sets are there, how to get the others, and getting those with an address."""

import os
import sys
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.commands import warn
from benchmarks.commands.shared.execution import add_data_flag, use_data_folder
from benchmarks.core.registry import DATASETS, DataFile
from benchmarks.core.settings import UserError
from datasets import files

HELP = "which data sets are there, and how to get the others"
EXAMPLES = ("data check --data-dir data", "data fetch digits")


@dataclass(frozen=True)
class Options:
    action: Literal["check", "fetch"]
    name: str | None
    data_dir: Path | None

    def __post_init__(self) -> None:
        if self.action == "check" and self.name:
            raise UserError("data check takes no name: it lists every data set")
        if self.action == "fetch":
            if not self.name:
                raise UserError("data fetch needs the name of a data set; see `data check`")
            DATASETS.check(self.name)


def add_flags(command: ArgumentParser) -> None:
    what = command.add_argument_group("what to do")
    what.add_argument(
        "action",
        choices=("check", "fetch"),
        help="check: read every file of every data set; fetch: download what is missing of one",
    )
    what.add_argument("name", nargs="?", help="fetch: the data set; see `list datasets`")
    add_data_flag(command.add_argument_group("where"))


def main(options: Options) -> int:
    """Returns 1 if `check` finds a corrupt file."""
    use_data_folder(options.data_dir)
    return _fetch(options.name) if options.name else _check()


def _check() -> int:
    """Read every file of every data set."""
    print(f"data directory: {files.directory() or f'none (--data-dir or ${files.VARIABLE})'}")
    corrupt = False
    for lines, is_corrupt in DATASETS.each(_state, warn):
        print("", *lines, sep="\n")
        corrupt |= is_corrupt
    return 1 if corrupt else 0


def _state(name: str) -> tuple[list[str], bool]:
    """Lines about a data set's files, and whether one of them is corrupt."""
    root, info = files.directory(), DATASETS.info(name)
    states = {file: files.state(file) for file in info.files}
    lines = [f"{name}: {info.summary}", f"  licence: {info.licence}"]
    for file, state in states.items():
        is_file = root and os.path.isfile(root / file.path)
        size = f", {(root / file.path).stat().st_size / 1e6:.1f} MB" if root and is_file else ""
        lines.append(f"  {state:8} {file.path}{size}, {_digest(file)}")
    if not info.files:
        lines.append(f"  {info.get or 'comes with installed packages, or is generated'}")
    elif set(states.values()) != {"present"}:
        offered = f"`data fetch {name}`; or " if any(file.url for file in info.files) else ""
        lines.append(f"  get it: {offered}{info.get}")
    return lines, "corrupt" in states.values()


def _digest(file: DataFile) -> str:
    if not (file.sha256 or file.md5):
        return "a folder"
    return f"sha256 {file.sha256}" if file.sha256 else f"md5 {file.md5}"


def _fetch(name: str) -> int:
    """Download what is missing or corrupt of a data set.

    Raises:
        UserError: nowhere to put it, no file with an address, or a download that failed.
    """
    from datasets.files.download import fetch

    root, info = files.directory(), DATASETS.info(name)
    if root is None:
        raise UserError(f"name a folder for the data with --data-dir or ${files.VARIABLE}")
    lacking = [file for file in info.files if files.state(file) != "present"]
    offered = [file for file in lacking if file.url]
    if lacking and not offered:
        raise UserError(f"{name} is offered under no fixed address; get it by hand: {info.get}")
    for file in offered:
        print(f"fetching {file.url}", file=sys.stderr)
        fetch(file, root)
    for file in lacking:
        print(f"{'fetched' if file.url else 'missing'}  {file.path}" + ("" if file.url else f"; {info.get}"))
    if not lacking:
        print(f"{name}: nothing is missing")
    return 0
