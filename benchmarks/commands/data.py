"""The `data` command: which data sets are there, and how to get the others."""

import argparse

from benchmarks.registry import DATASETS, DataFile
from datasets import files


def _digest(file: DataFile) -> str:
    return f"sha256 {file.sha256}" if file.sha256 else f"md5 {file.md5}"


def main(options: argparse.Namespace) -> int:
    """Read every file of every data set. Returns 1 if any is corrupt."""
    root = files.directory()
    print(f"data directory: {root or f'none (--data-dir or ${files.VARIABLE})'}")
    corrupt = False
    for name in DATASETS.names():
        info = DATASETS.info(name)
        states = {file: files.state(file) for file in info.files}
        corrupt |= "corrupt" in states.values()
        print(f"\n{name}: {info.summary}\n  licence: {info.licence}")
        for file, state in states.items():
            size = f", {(root / file.path).stat().st_size / 1e6:.1f} MB" if root and state != "missing" else ""
            print(f"  {state:8} {file.path}{size}, {_digest(file)}")
        if not info.files:
            print("  comes with installed packages, or is generated")
        elif set(states.values()) != {"present"}:
            print(f"  get it: {info.get}")
    return 1 if corrupt else 0
