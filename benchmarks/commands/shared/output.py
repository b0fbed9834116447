"""What a command shows or writes: the flags that say how, and the report that they ask for."""

import hashlib
import re
import shutil
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.commands.shared.options import Group
from benchmarks.core.settings import UserError, nearest, split
from benchmarks.evaluation.validators import VALIDATORS, needed
from benchmarks.plan.grid import Grid
from benchmarks.report.options import FORMATS, PARTS, SHORTHANDS, Format, Width

if TYPE_CHECKING:
    from benchmarks.commands.shared.reading import Records
    from benchmarks.report.table import Report

LONGEST = 150  # bytes of a table's name


@dataclass(frozen=True)
class TableFlags:
    """What a table shows, and in which format."""

    format: Format
    show: str | None

    @staticmethod
    def add_to(flags: Group) -> None:
        flags.add_argument("--format", choices=FORMATS, default="text")
        more = ", ".join([*PARTS, *SHORTHANDS])
        flags.add_argument("--show", metavar="WHAT", help=f"more tables, by commas: {more}, or any metric")

    def validators(self, select: str | None) -> Collection[str]:
        """What a table reads of outputs, of a choice by ``select``; see :func:`load_records`."""
        from benchmarks.records.frame import PREDICTED

        show = split(self.show)
        scores = [*VALIDATORS] if "validators" in show else needed(select)
        return [*scores, PREDICTED] if "shares" in show else scores

    def report(self, planned: Grid, records: "Records", validator: str | None) -> "Report":
        """The report of a grid, with what ``--show`` adds.

        Raises:
            UserError: a metric that no record has.
        """
        from benchmarks.report.table import build_report

        frame, failures = records
        show = [name for part in split(self.show) for name in SHORTHANDS.get(part, (part,))]
        known = [*frame.select_dtypes("number").columns, *PARTS, *SHORTHANDS]
        for name in show:
            if len(frame) and name not in known:
                raise UserError(f"--show: no metric {nearest(name, known)}")
        return build_report(planned, frame, failures, show, validator)


def show(report: "Report", form: Format, width: Width = "page") -> None:
    """Print a report; text fits the terminal that it is read in, if there is one."""
    from benchmarks.report.render import render

    window = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print(render(report, form, width=width, window=window), end="")


def add_force_flag(flags: Group) -> None:
    flags.add_argument(
        "--force", action="store_true", help="write over inputs, and files that this program did not write"
    )


def table_name(suite: str, tasks: Sequence[str]) -> str:
    """What a table's files are called, without their endings: the suite, or the tasks named instead of its own.

    Own data's task ends in their digest, so that no table is written over that of other data.
    """
    from datasets.base import resolve

    if not tasks:
        return Path(suite).stem
    text = "+".join(dict.fromkeys(resolve(task).name for task in tasks))
    name = re.sub(r"[^\w.+=,-]+", "_", text).encode()
    digest = f"-{hashlib.sha256(name).hexdigest()[:8]}" if len(name) > LONGEST else ""
    return name[:LONGEST].decode(errors="ignore") + digest
