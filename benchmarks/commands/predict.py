"""The `predict` command: a trained model, or the advised one, on new data of its target domain."""

import sys
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path

from benchmarks.commands.shared import values
from benchmarks.commands.shared.output import add_force_flag
from benchmarks.commands.shared.records import add_store_flag
from benchmarks.core.escape import one_line, shown
from benchmarks.core.outfiles import prepare_output
from benchmarks.engines.devices import devices, parse_device
from benchmarks.records.advised import find_advised, read_advice
from benchmarks.records.store import Store

HELP = "apply a trained model to new data of the target domain"
EXAMPLES = (
    "predict 1a2b3c --input new.npz --out predictions.csv",
    "predict 1a2b3c --input new.csv --label diagnosis --out predictions.csv",
    "predict advised --input new.csv --out predictions.csv",
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
        help="a record's folder, or the first digits of a run id; `advised` for the model that was advised last, "
        "`advised/NAME` for the one of that name",
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
    store = Store(options.store)
    advised = find_advised(store, options.run)
    folder = advised or store.find(options.run)
    prepare_output(options.out, [options.input, folder], force=options.force)
    if advised:
        said, *_ = read_advice(advised).said.splitlines()
        print(f"{shown(advised)}: {one_line(said)}", file=sys.stderr)
    import torch

    from benchmarks.advice.deploy import predict_advised
    from benchmarks.training.model import load_model
    from benchmarks.training.predictions import predict, write_predictions

    device = torch.device(devices(options.device)[0])
    predictions = (
        predict_advised(advised, options.input, options.label, device)
        if advised
        else predict([load_model(folder, device)], options.input, options.label)
    )
    write_predictions(predictions, options.out)
    count = len(predictions.samples)
    print(f"predictions of {shown(folder)} on {count} samples written to {shown(options.out)}", file=sys.stderr)
    if predictions.accuracy is not None:
        labelled = (predictions.truth >= 0).sum()
        print(f"accuracy {predictions.accuracy:.1%} of {labelled} labelled samples")
    return 0
