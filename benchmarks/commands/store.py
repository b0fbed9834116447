"""The `store` command: are the records whole?"""

import argparse
from pathlib import Path

from benchmarks import weights
from benchmarks.commands.common import store_of
from benchmarks.evaluation.outputs import Outputs
from benchmarks.grid import RunSpec
from benchmarks.settings import UserError
from benchmarks.store import WEIGHTS, load_records, read_part


def main(options: argparse.Namespace) -> int:
    """Read every file of every record. Returns 1 if any is broken."""
    folders = store_of(options).record_folders()
    problems = {folder: problem for folder in folders if (problem := _problem(folder))}
    for folder, problem in problems.items():
        print(f"broken: {folder}: {problem}")
    print(f"{len(folders) - len(problems)} of {len(folders)} records are whole")
    if problems:
        print("delete the folders named, and the `run` command that made them does those runs again")
    return 1 if problems else 0


def _problem(folder: Path) -> str | None:
    """What is wrong with a record, or None."""
    try:
        record = load_records([folder]).iloc[0]
        read_part(folder, "curves.json")
        spec = RunSpec.from_dict(record["spec"], variant="")
        outputs = sorted((folder / "outputs").glob("*.npz"))
        for path in [*outputs, folder / "oracle.npz", folder / "predictions.npz"]:
            Outputs.load(path)
        if (folder / WEIGHTS).exists():
            weights.read(folder)
    except UserError as error:
        return str(error)
    if spec.run_id != record["run_id"] or not folder.name.endswith(f"-{spec.run_id}"):
        return "its spec is not what its name says"
    if not record["reverse_of"] and len(outputs) != len(record["checkpoints"]):
        return f"{len(outputs)} of {len(record['checkpoints'])} outputs are there"
    return None
