"""The `predict` command: a trained model on new data of its target domain."""

import sys
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path

from benchmarks.commands.shared import values
from benchmarks.commands.shared.output import add_force_flag
from benchmarks.commands.shared.records import add_store_flag
from benchmarks.core.escape import shown
from benchmarks.core.outfiles import prepare_output
from benchmarks.engines.devices import devices, parse_device
from benchmarks.records.store import Store

HELP = "apply a trained model to new data of the target domain"
EXAMPLES = (
    "predict 1a2b3c --input new.npz --out predictions.csv",
    "predict 1a2b3c --input new.csv --label diagnosis --out predictions.csv",
)


@dataclass(frozen=True)
class Options:
    run: str
    input: Path
    label: str | None
    out: Path
    force: bool
    device: str
    store: Path | None

    def __post_init__(self) -> None:
        parse_device(self.device)


def add_flags(command: ArgumentParser) -> None:
    what = command.add_argument_group("what to predict")
    what.add_argument(
        "run",
        type=values.file_name,
        metavar="RUN",
        help="a record's folder, or the first digits of a run id",
    )
    what.add_argument(
        "--input", type=values.path, required=True, metavar="PATH", help=".npz (x, y), .csv, or a folder of images"
    )
    what.add_argument("--label", metavar="COLUMN", help="of a .csv: its true classes; default label")
    written = command.add_argument_group("what is written")
    written.add_argument(
        "--out", type=values.path, required=True, metavar="CSV", help="the predictions, a line a sample"
    )
    add_force_flag(written)
    where = command.add_argument_group("where")
    where.add_argument("--device", default="auto", help="auto, cpu, or cuda:0; default auto")
    add_store_flag(where)


def main(options: Options) -> int:
    record = Store(options.store).find(options.run)
    prepare_output(options.out, [options.input, record], force=options.force)
    import torch

    from benchmarks.training.predictions import predict, write_predictions

    predictions = predict(record, options.input, options.label, torch.device(devices(options.device)[0]))
    write_predictions(predictions, options.out)
    count = len(predictions.samples)
    print(f"predictions of {shown(record)} on {count} samples written to {shown(options.out)}", file=sys.stderr)
    if predictions.accuracy is not None:
        labelled = (predictions.truth >= 0).sum()
        print(f"accuracy {predictions.accuracy:.1%} of {labelled} labelled samples")
    return 0
