"""A report's page, from what a command has planned and read."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.commands.shared.planning import HowFlags, WhatFlags
from benchmarks.core.outfiles import writing
from benchmarks.plan.grid import Grid

if TYPE_CHECKING:
    from benchmarks.commands.shared.reading import Records


def write_page(path: Path, planned: Grid, records: "Records", select: str | None, **more: Any) -> None:
    """Write the page of a grid.

    Args:
        select: the validator that chose the numbers shown.
        more: see :class:`benchmarks.report.page.contents.Contents`.
    """
    from benchmarks.report.page.contents import SHOWN, contents_of
    from benchmarks.report.page.page import page
    from benchmarks.report.table import cells_of

    contents = contents_of(cells_of(planned, *records, SHOWN, select), select, **more)
    with writing(path) as file:
        file.write(page(contents).encode())


def command_line(command: str, what: WhatFlags, how: HowFlags, **more: str) -> str:
    """What to type to do it again."""
    given: Mapping[str, Any] = {**vars(what), **vars(how), **more}
    words = [command]
    for name, value in given.items():
        several: Sequence[Any] = value if isinstance(value, list) else [value]
        words += [word for each in several if each for word in (f"--{name.replace('_', '-')}", str(each))]
    return f"python -m benchmarks {shlex.join(words)}"
