"""The command line, assembled from its commands. Nothing heavy is imported until what was asked makes sense."""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks import __version__
from benchmarks.commands.shared import values
from benchmarks.commands.shared.options import Once, typed
from benchmarks.core.escape import one_line
from benchmarks.core.settings import UserError

COMMANDS = (
    "run",
    "advise",
    "table",
    "report",
    "site",
    "compare",
    "check",
    "predict",
    "store",
    "data",
    "speed",
    "list",
)


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
            # A terminal may not know "±", nor a byte of a file's name.
            stream.reconfigure(errors="backslashreplace")
    try:
        flags = vars(parser().parse_args(arguments))
        command = flags.pop("command")
        return command.main(typed(command.Options, flags))
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
    """Every command's flags; ``command`` is its module."""
    root = _Parser(prog="benchmarks", description="Compare domain adaptation methods, repeatably.")
    root.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = root.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    for name in COMMANDS:
        module = importlib.import_module(f"benchmarks.commands.{name}")
        command = commands.add_parser(
            name,
            help=module.HELP,
            epilog="\n  benchmarks ".join(["examples:", *module.EXAMPLES]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        # Of flags that say nothing else:
        command.register("type", None, values.anything)
        command.register("action", None, Once)
        module.add_flags(command)
        command.set_defaults(command=module)
    return root
