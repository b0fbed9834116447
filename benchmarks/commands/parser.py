"""The command line. Nothing heavy is imported until the arguments are known to make sense."""

import argparse
import importlib
import io
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import __version__
from benchmarks.core.escape import one_line
from benchmarks.core.protocol import StepsScale
from benchmarks.core.registry import DATASETS
from benchmarks.core.settings import UserError, nearest, short, split, whole_number
from benchmarks.evaluation.validators import SELECTABLE
from benchmarks.plan.methods import check_methods
from benchmarks.plan.overrides import parse_overrides, parse_search
from benchmarks.plan.suite import load_suite
from benchmarks.report.options import FORMATS
from datasets import files

MOST_JOBS, MOST_RETRIES, MOST_PER_RUN = 1000, 1000, 10_000.0  # more is a slip of the pen, and takes all memory


class _Parser(argparse.ArgumentParser):
    """One clear line for a wrong flag, as for every other error. Flags are written out, never abbreviated."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)

    def error(self, message: str) -> None:  # type: ignore[override]
        raise UserError(f"{message}; see `{self.prog} --help`")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0 fine, 1 runs or checks failed, 2 wrong use, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a terminal may not know "±", nor a byte of a file's name
    try:
        options = parser().parse_args(arguments)
        options.began = time.monotonic()
        if getattr(options, "data_dir", None):
            os.environ[files.VARIABLE] = str(options.data_dir.absolute())  # for workers too
        _check_early(options)
        if "target" in options:
            _enter_own(options)
        return importlib.import_module(f"benchmarks.commands.{options.command}").main(options)
    except UserError as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        return 2
    except MemoryError:
        print("error: there is not enough memory for this", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: everything finished is kept; the same command goes on from there", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has gone, as in `... | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f"{str(error.filename)!r}: " if error.filename else ""
        what = one_line(f"{where}{error.strerror or error}")
        print(f"error: {what}; make room, or name another path", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    root = _Parser(prog="benchmarks", description="Compare domain adaptation methods, repeatably.")
    root.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = root.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    run = commands.add_parser("run", help="run a seeded grid and print its table")
    _grid_flags(run, default="the suite's")
    _run_flags(run)
    run.add_argument("--dry-run", action="store_true", help="print the grid and an estimate of its time")
    run.add_argument("--fresh", action="store_true", help="do runs again that have a record")
    run.add_argument("--retry", action="store_true", help="do failed runs again")
    run.add_argument("--save-weights", action="store_true", help="keep trained weights, for `predict`")
    run.add_argument("--tensorboard", type=_path, metavar="FOLDER", help="also write signals for TensorBoard")
    _table_flags(run)
    run.set_defaults(command="run")

    table = commands.add_parser("table", help="print the table of stored records; never trains")
    _grid_flags(table, default="all found")
    records = "a store or a .csv of records, instead of the default store; with --store, in addition to it"
    table.add_argument("--records", type=_path, metavar="PATH", help=records)
    table.add_argument("--save-records", type=_path, metavar="CSV", help="also write the records, a line a run")
    table.add_argument("--figure", type=_path, metavar="PATH", help="also draw it (.png, .svg or .pdf)")
    table.add_argument("--diagram", type=_path, metavar="PATH", help="draw mean ranks with critical differences")
    _force_flag(table)
    _store_flag(table)
    _table_flags(table)
    table.set_defaults(command="table")

    compare = commands.add_parser("compare", help="our numbers beside published ones; never trains")
    compare.add_argument("--suite", type=_file_name, required=True, help="a suite's name or .toml file")
    _plan_flags(compare)
    records = "a store or a .csv of records; default: the suite's committed ones, else --store"
    compare.add_argument("--records", type=_path, metavar="PATH", help=records)
    _store_flag(compare)
    compare.add_argument("--format", choices=("text", "markdown", "latex", "json"), default="text")
    compare.set_defaults(command="compare", tasks=None)

    check = commands.add_parser("check", help="compare accuracy with a baseline; exit code 1 if it is worse")
    check.add_argument(
        "--baseline", type=_file_name, required=True, help="name of a baseline, or a path to its .csv"
    )
    check.add_argument("--methods", help="only these of the baseline's methods")
    check.add_argument("--tasks", help="only these of the baseline's tasks")
    check.add_argument("--suite", type=_file_name, help="the suite it belongs to; default: the baseline's name")
    check.add_argument(
        "--from", dest="source", type=_path, metavar="STORE", help="read these records, do not train"
    )
    check.add_argument("--format", choices=("text", "json"), default="text")
    check.add_argument("--junit", type=_path, metavar="XML", help="also write a JUnit file, a test case a cell")
    _force_flag(check)
    check.add_argument("--update", action="store_true", help="write the baseline instead")
    check.add_argument("--seeds", type=_count, help="seeds of an updated baseline")
    _run_flags(check)
    check.set_defaults(command="check")

    predict = commands.add_parser("predict", help="apply a trained model to new data of the target domain")
    predict.add_argument(
        "run", type=_file_name, metavar="RUN", help="a record's folder, or the first digits of a run id"
    )
    predict.add_argument(
        "--input", type=_path, required=True, metavar="PATH", help=".npz (x, y), .csv, or a folder of images"
    )
    predict.add_argument(
        "--out", type=_path, required=True, metavar="CSV", help="the predictions, a line a sample"
    )
    predict.add_argument("--label", metavar="COLUMN", help="of a .csv: its true classes; default label")
    predict.add_argument("--device", default="auto", help="auto, cpu, or cuda:0; default auto")
    _force_flag(predict)
    _store_flag(predict)
    predict.set_defaults(command="predict")

    store = commands.add_parser("store", help="look after the records")
    store.add_argument("action", choices=("verify",), help="verify: read every file of every record")
    _store_flag(store)
    store.set_defaults(command="store")

    data = commands.add_parser("data", help="which data sets are there, and how to get the others")
    data.add_argument(
        "action",
        choices=("check", "fetch"),
        help="check: read every file of every data set; fetch: download what is missing of one",
    )
    data.add_argument("name", nargs="?", help="fetch: the data set; see `list datasets`")
    _data_flag(data)
    data.set_defaults(command="data")

    speed = commands.add_parser("speed", help="time training steps beside other libraries and the machine's limit")
    speed.add_argument("--methods", default="core", help="methods to time besides DANN; default core")
    speed.add_argument(
        "--backbone", default="lenet", help="lenet: on 28x28 digits (default); others on random 3x224x224 images"
    )
    speed.add_argument("--peers", action="store_true", help="also time the libraries of the extra `peers`")
    speed.add_argument("--format", choices=("text", "markdown"), default="text")
    _device_flags(speed)
    speed.set_defaults(command="speed")

    listing = commands.add_parser("list", help="what there is to choose from")
    listing.add_argument("what", choices=("methods", "datasets", "tasks", "backbones", "suites", "validators"))
    listing.set_defaults(command="list")
    return root


def _grid_flags(command: argparse.ArgumentParser, default: str) -> None:
    command.add_argument(
        "--methods",
        help=f"names and groups (core, all; see `list methods`), by commas; default: {default}",
    )
    command.add_argument(
        "--suite", type=_file_name, default="quick", help="a suite's name or .toml file; default quick"
    )
    command.add_argument("--tasks", help="these instead of the suite's, by commas: toys/moons?rotation=50")
    own = "your own data, an .npz (x, y), a .csv or a folder class/image"
    command.add_argument("--source", type=_path, metavar="PATH", help=f"{own}: the labelled source")
    command.add_argument(
        "--target", type=_path, metavar="PATH", help="the target; its labels are for scoring alone"
    )
    command.add_argument("--label", metavar="COLUMN", help="of labels in a .csv; default label")
    _plan_flags(command)


def _plan_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument("--seeds", type=_count, help="how many; default: the suite's")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="OWNER.NAME=VALUE",
        help="dann.gamma=5 or protocol.steps=100",
    )
    command.add_argument(
        "--steps-scale",
        metavar="HOW:FACTOR",
        help="more or fewer steps: truncate:0.3 keeps schedules in steps, compress:0.3 squeezes them too",
    )
    command.add_argument(
        "--search",
        type=_count,
        metavar="N",
        help="configurations of each method: its own, and N - 1 drawn from the ranges that it declares",
    )
    command.add_argument(
        "--grid",
        action="append",
        default=[],
        metavar="OWNER.NAME=VALUES",
        help="values to combine instead: dann.trade_off=0.1,0.3,1",
    )
    command.add_argument(
        "--select",
        metavar="VALIDATOR",
        help=f"choose configuration and checkpoint without target labels by: {', '.join(SELECTABLE)}",
    )


def _run_flags(command: argparse.ArgumentParser) -> None:
    _device_flags(command)
    _data_flag(command)
    command.add_argument("--retries", type=_number, default=1, help="of a run whose worker dies; default 1")
    command.add_argument("--engine", choices=("local", "ray"), default="local", help="default local")
    ray = "with --engine ray: "
    command.add_argument("--ray-address", metavar="ADDRESS", help=f"{ray}a cluster; default: one on this machine")
    command.add_argument("--cpus-per-run", type=_amount, default=1, metavar="N", help=f"{ray}default 1")
    command.add_argument(
        "--gpus-per-run", type=_amount, default=0, metavar="N", help=f"{ray}such as 0.25; default 0"
    )
    _store_flag(command)


def _device_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--jobs", type=_up_to(MOST_JOBS), help="runs at a time; default: one a core, or one a GPU"
    )
    command.add_argument(
        "--jobs-per-gpu", type=_up_to(MOST_JOBS), default=1, metavar="N", help="runs that share a GPU; default 1"
    )
    command.add_argument("--device", default="auto", help="auto, cpu, cuda, or cuda:0,1; default auto")


def _data_flag(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data-dir", type=_path, help="folder of data sets; default $BENCHMARKS_DATA")


def _store_flag(command: argparse.ArgumentParser) -> None:
    command.add_argument("--store", type=_path, help="folder of records; default $BENCHMARKS_STORE or ./runs")


def _force_flag(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--force", action="store_true", help="write over inputs, and files that this program did not write"
    )


def _table_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument("--format", choices=FORMATS, default="text")
    command.add_argument(
        "--show",
        default="",
        metavar="WHAT",
        help="more tables, by commas: statistics, validators, bound, confusion, classes, cost, or any metric",
    )


def _amount(text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = -1.0
    if not 0 < amount <= MOST_PER_RUN:
        raise argparse.ArgumentTypeError(f"{short(text)} is not a number above 0, and at most {MOST_PER_RUN:g}")
    return amount


def _number(text: str) -> int:
    number = whole_number(text)
    if number is None or number > MOST_RETRIES:
        raise argparse.ArgumentTypeError(f"{short(text)} is not a whole number from 0 to {MOST_RETRIES}")
    return number


def _count(text: str) -> int:
    number = whole_number(text)
    if not number:
        raise argparse.ArgumentTypeError(f"{short(text)} is not a whole number above 0, of at most 9 digits")
    return number


def _up_to(most: int) -> Callable[[str], int]:
    def count(text: str) -> int:
        number = _count(text)
        if number > most:
            raise argparse.ArgumentTypeError(f"{short(text)} is more than {most}")
        return number

    return count


def _path(text: str) -> Path:
    return Path(_file_name(text))


def _file_name(text: str) -> str:
    """A text that a file system can be asked for; an empty one is mostly a variable that is not set."""
    try:
        os.fsencode(text)
        possible = text and "\0" not in text
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise argparse.ArgumentTypeError(f"{short(text)} cannot be the name of a file")
    return text


def _check_early(options: argparse.Namespace) -> None:
    """Everything that can be checked before torch is imported."""
    if "suite" in options and options.suite:
        load_suite(options.suite)
    check_methods(getattr(options, "methods", None) or "")
    parse_overrides(getattr(options, "set", []))
    parse_search(getattr(options, "search", None), getattr(options, "grid", []))
    if getattr(options, "steps_scale", None):
        StepsScale.parse(options.steps_scale)
    if getattr(options, "engine", "ray") == "local":
        for flag, default in (("ray_address", None), ("cpus_per_run", 1), ("gpus_per_run", 0)):
            if getattr(options, flag) != default:
                raise UserError(f"--{flag.replace('_', '-')} needs --engine ray")
    if options.command == "data":
        if options.action == "check" and options.name:
            raise UserError("data check takes no name: it lists every data set")
        if options.action == "fetch":
            if not options.name:
                raise UserError("data fetch needs the name of a data set; see `data check`")
            DATASETS.check(options.name)
    select = getattr(options, "select", None)
    if select and select not in SELECTABLE:
        raise UserError(f"--select: unknown validator {nearest(select, SELECTABLE)}")
    if options.command == "compare":
        from benchmarks.report.published import published_for

        published_for(options.suite)
    tasks = split(getattr(options, "tasks", None))
    if tasks:
        from datasets.base import resolve

        for task in tasks:
            resolve(task)


def _enter_own(options: argparse.Namespace) -> None:
    """``--source`` and ``--target`` become a task."""
    if bool(options.source) != bool(options.target):
        raise UserError("--source and --target: give both")
    if options.source:
        from datasets import own

        task = own.enter(options.source, options.target, options.label or "label")
        options.tasks = ",".join([*split(options.tasks), task])
    elif options.label:
        raise UserError("--label needs --source and --target")
