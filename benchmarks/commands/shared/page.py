"""A report's page, from what a command has planned and read."""

import shlex
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.commands import warn
from benchmarks.commands.shared.planning import HowFlags, WhatFlags
from benchmarks.core.outfiles import writing
from benchmarks.core.settings import UserError
from benchmarks.plan.grid import Grid
from benchmarks.records.record import Record
from benchmarks.records.store import STORE_VARIABLE, Store
from datasets import files

VARIABLES = {"data_dir": files.VARIABLE, "store": STORE_VARIABLE}  # by the flag that each is the default of

if TYPE_CHECKING:
    from benchmarks.commands.shared.reading import Records
    from benchmarks.report.cells import Cells
    from benchmarks.report.page.contents import Contents
    from benchmarks.report.page.section import Section
    from benchmarks.report.published import Comparison


def write_page(
    path: Path,
    planned: Grid,
    records: "Records",
    stores: Sequence[Store],
    show: Sequence[str],
    select: str | None,
    pictures: "Callable[[Cells], Iterable[Section | None]]" = lambda cells: (),
    **more: Any,
) -> "Contents":
    """Write the page of a grid; returns what it is made from.

    Args:
        stores: which may have the signals of the runs' training.
        show: see :func:`benchmarks.report.table.build_report`.
        select: the validator that chose the numbers shown.
        pictures: sections that take longer to make than the others, or need the data.
        more: see :class:`benchmarks.report.page.contents.Contents`.
    """
    from benchmarks.advice.section import record_section
    from benchmarks.report.page.contents import contents_of
    from benchmarks.report.page.page import page
    from benchmarks.report.table import cells_of

    frame, _ = records
    chosen = cells_of(planned, *records, show, select)
    known = set(frame["run_id"]) if len(frame) else set[str]()
    contents = contents_of(
        chosen,
        show,
        select,
        curves=_curves(planned, stores, known),
        advice=_advice(planned, stores, chosen.cells.unscored),
        **more,
    )
    text = page(contents, [record_section()], pictures(chosen.cells))
    with writing(path) as file:
        file.write(text.encode())
    return contents


def _advice(planned: Grid, stores: Sequence[Store], tasks: Sequence[str]) -> dict[str, list[str]]:
    """By task without target labels, what `advise` says of it; nothing without a store, whose outputs it needs."""
    from benchmarks.advice.advise import advised

    found = {}
    for task in tasks if stores else ():
        own = replace(planned, specs=[spec for spec in planned.specs if spec.task == task])
        try:
            found[task] = advised(own, stores[0]).paragraphs
        except UserError as error:
            found[task] = [f"There is no advice: {error}."]
    return found


def _curves(planned: Grid, stores: Sequence[Store], known: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """By run id, the signals of each training whose record is in a store; of a broken one, none."""
    found = {}
    for spec in planned.specs:
        folder = next(
            (store.folder(spec) for store in stores if spec.run_id in known and store.finished(spec)), None
        )
        if folder:
            try:
                found[spec.run_id] = Record(folder).curves()
            except UserError as error:
                warn(error)
    return found


def comparisons_of(planned: Grid, records: "Records", select: str | None, *, judged: bool) -> "list[Comparison]":
    """Published numbers beside those of a suite, if there are any.

    Args:
        judged: whether the runs have the suite's own settings.
    """
    from benchmarks.report import beside
    from benchmarks.report.published import has_published, load_explanations, published_for

    suite = Path(planned.suite).stem
    if not has_published(suite):
        return []
    cells = beside.chosen_cells(planned, *records, select)
    return beside.compare(published_for(suite), cells, suite, suite if judged else "", select, load_explanations())


def command_line(command: str, what: WhatFlags, how: HowFlags, **more: Any) -> str:
    """What to type to do it again, without the names of this machine's folders.

    Args:
        more: the command's other flags.
    """
    words = [command]
    for name, value in {**vars(what), **vars(how), **more}.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(flag)
            continue
        several: Sequence[Any] = value if isinstance(value, list) else [value]
        words += [word for each in several if each for word in (flag, _typed(name, str(each)))]
    return f"python -m benchmarks {' '.join(words)}"


def _typed(name: str, value: str) -> str:
    """A flag's value for a shell; of a path from the root, the variable that may stand for it, or its name."""
    if not Path(value).is_absolute():
        return shlex.quote(value)
    variable = VARIABLES.get(name)
    return f'"${variable}"' if variable else shlex.quote(Path(value).name)
