"""What is missing and why, and what to doubt."""

from collections.abc import Iterator

from markupsafe import Markup

from benchmarks.report.page.contents import Contents
from benchmarks.report.page.section import Section
from benchmarks.report.page.templates import coded, simple_table


def section(contents: Contents) -> Section:
    """Cells without all their runs, and the notes that the table prints."""
    holes = list(_holes(contents))
    lead = (
        f"{len(holes)} cells lack runs; the notes say what failed and what warned."
        if holes
        else "Every run that was planned is there. The notes say how to read the numbers, and which runs warned."
    )
    body = [simple_table("Cells that lack runs", ["method", "task", "what", "why"], holes)] if holes else []
    known = {line for each in contents.report.overviews for line in each.legend}  # said below the table
    notes = [
        Markup("<li>{}</li>").format(coded(contents.report.shown(note)))
        for note in contents.report.notes
        if note not in known
    ]
    body.append(Markup("<ul>{}</ul>").format(Markup("").join(notes)))
    return Section("notes", "What is missing, and what to doubt", lead, body)


def _holes(contents: Contents) -> Iterator[list[str]]:
    cells = contents.cells
    for variant in cells.variants:
        for task in cells.tasks:
            if missing := cells.missing(variant, task):
                specs = cells.specs.get((variant, task), {}).values()
                errors = dict.fromkeys(
                    cells.failures[spec.run_id] for spec in specs if spec.run_id in cells.failures
                )
                why = cells.reasons.get((variant, task)) or "; ".join(errors) or cells.grid.budget or "not run yet"
                yield [variant, contents.report.shown(task), missing, why]
