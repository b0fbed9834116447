"""The `store` command: are the records whole?"""

from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.commands.shared.records import add_store_flag
from benchmarks.core.escape import one_line
from benchmarks.core.settings import UserError
from benchmarks.plan.spec import RunSpec
from benchmarks.records.advised import advised_folders, read_advice
from benchmarks.records.record import WEIGHTS, Record, files
from benchmarks.records.store import PREDICTIONS, Store

HELP = "look after the records"
EXAMPLES = ("store verify", "store verify --store runs")


@dataclass(frozen=True)
class Options:
    action: Literal["verify"]
    store: Path | None


def add_flags(command: ArgumentParser) -> None:
    what = command.add_argument_group("what to do")
    what.add_argument("action", choices=("verify",), help="verify: read every file of every record")
    add_store_flag(command.add_argument_group("where"))


def main(options: Options) -> int:
    """Read every file of every record and advised model. Returns 1 if any is broken."""
    store = Store(options.store).require()
    folders, problems, older = store.record_folders(), store.misplaced(), 0
    total = len(folders) + len(problems)
    unusable = list(_broken_advice(store))
    for folder in folders:
        try:
            older += _verify(store, folder).digests is None
        except UserError as error:
            problems.append(error)
    for problem in [*problems, *unusable]:
        print(f"broken: {one_line(problem)}")
    undigested = f"; {older} of them are of an older version and have no digests" if older else ""
    print(f"{total - len(problems)} of {total} records are whole{undigested}")
    if problems:
        print("delete the folders named, and the `run` command that made them does those runs again")
    return 1 if problems or unusable else 0


def _broken_advice(store: Store) -> Iterator[UserError]:
    for folder in advised_folders(store):
        try:
            read_advice(folder)
        except UserError as error:
            yield error


def _verify(store: Store, folder: Path) -> Record:
    """Raises UserError if anything in a record is not as its run wrote it."""
    from benchmarks.evaluation.outputs import read_arrays
    from benchmarks.records.frame import row_in
    from benchmarks.training import weights

    record, row = Record(folder), row_in(store, folder)
    RunSpec.from_dict(record.spec, variant="")
    record.curves()
    there = set(files(folder))
    for name in sorted(there if record.digests is None else record.digests.keys()):
        record.check(name)
    if record.digests is not None and (more := there - record.digests.keys()):
        raise UserError(f"the record {str(folder)!r} holds a file that no run wrote, {min(more)!r}; remove it")
    outputs, kept = record.outputs(), len(row["checkpoints"])
    if not row["reverse_of"] and len(outputs) != kept:
        raise record.broken(f"{len(outputs)} of {kept} outputs are there")
    for name in [*outputs, "oracle.npz", PREDICTIONS]:
        read_arrays(folder / name)
    if (folder / WEIGHTS).exists():
        weights.read(folder)
    return record
