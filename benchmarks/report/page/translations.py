"""Samples of the source beside their translations, as the records of methods that translate images keep them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from benchmarks.core.settings import UserError
from benchmarks.evaluation.outputs import read_arrays
from benchmarks.records.record import TRANSLATIONS, Record
from benchmarks.records.store import Store
from benchmarks.report.cells import Cells, without_split
from benchmarks.report.page.samples import line, may_show, names_of, sheet
from benchmarks.report.page.section import Section


def translations(cells: Cells, stores: Sequence[Store], *, show_own: bool = False) -> Section | None:
    """For each task, a picture of each method that translates; None where no record has one.

    Args:
        stores: where records are; a .csv of records has no pictures.
        show_own: whether the user's own data may be in the page.
    """
    body: list[Markup] = []
    for task in cells.tasks:
        if found := list(_kept(cells, stores, task)):
            body.append(Markup("<h3>{}</h3>").format(without_split(task, cells.tasks)))
            family = task.partition("/")[0]
            shown = all(may_show(family, name, show_own=show_own) for name in names_of(family, [task]))
            nothing = line("Not shown: a page may not show samples of all of its domains.")
            body += [_picture(*each) for each in found] if shown else [nothing]
    lead = "Training samples of the source and, below each, its translation into the target's style."
    return Section("translations", "Translated samples", lead, body) if body else None


def _kept(cells: Cells, stores: Sequence[Store], task: str) -> Iterator[tuple[str, int, Path]]:
    """Methods with the first seed of which a store has translations, and its record."""
    for variant in cells.variants:
        specs = cells.specs.get((variant, task), {})
        found = (
            (variant, seed, folder)
            for seed in cells.rows(variant, task)
            for store in stores
            if ((folder := store.folder(specs[seed])) / TRANSLATIONS).is_file()
        )
        yield from list(found)[:1]


def _picture(variant: str, seed: int, folder: Path) -> Markup:
    """A row of samples above a row of their translations; or a line that says why there is none."""
    try:
        kept = read_arrays(Record(folder).check(TRANSLATIONS))
    except UserError as error:
        return line(f"{variant} is not drawn: {error}.")
    source, translated = kept["source"], kept["translated"]
    alt = f"{len(source)} samples of the source, each above its translation by {variant}"
    return sheet(np.concatenate([source, translated]), f"{variant}, seed {seed}", alt, columns=len(source))
