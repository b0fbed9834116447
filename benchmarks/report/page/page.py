"""The page: which sections it has, in which order, as one HTML file that needs no network."""

from collections.abc import Iterable, Iterator

from altair.utils.schemapi import debug_mode

from benchmarks import __version__
from benchmarks.core.outfiles import NAME
from benchmarks.report.page import (
    accuracies,
    again,
    answer,
    choices,
    cost,
    curves,
    dials,
    distances,
    gains,
    holes,
    literature,
    ranks,
    runs,
)
from benchmarks.report.page.bundle import bundle
from benchmarks.report.page.contents import Contents
from benchmarks.report.page.section import Chart, Section
from benchmarks.report.page.templates import rendered, text_of


def page(contents: Contents, advice: Iterable[Section] = (), pictures: Iterable[Section | None] = ()) -> str:
    """The HTML of a report.

    Args:
        advice: sections on how often it was right.
        pictures: sections of what only a store and the data show: samples, translations, maps, confusion.
    """
    behind = runs.behind(contents)
    places = {run: place for place, run in enumerate(behind[: runs.MOST])}
    with debug_mode(False):  # Altair would check each part of a chart for a tenth of a second; the tests do
        sections = list(_sections(contents, places, len(behind), [*advice, *pictures]))
        runs_chart = runs.chart()
    report = contents.report
    return rendered(
        "page.html",
        program=NAME,
        version=__version__,
        name=report.shown(report.tasks[0]) if len(report.tasks) == 1 else report.suite,
        settings=report.settings,
        protocol=report.protocol,
        tasks=[report.shown(task) for task in report.tasks],
        sections=sections,
        is_chart=lambda part: isinstance(part, Chart),
        runs=runs.listed(contents, places),
        runs_chart=runs_chart,
        style=text_of("style.css"),
        script=text_of("script.js"),
        vega=bundle(),
    )


def _sections(
    contents: Contents, places: dict[str, int], behind: int, more: Iterable[Section | None]
) -> Iterator[Section]:
    """In the order of the page.

    Args:
        behind: how many runs are behind the numbers, also those that have no place on the page.
        more: sections that others have made.
    """
    yield answer.section(contents)
    yield accuracies.section(contents, places, behind)
    found = [
        gains.section(contents),
        dials.section(contents),
        ranks.section(contents),
        literature.section(contents),
        choices.section(contents),
        *more,
        distances.section(contents),
        cost.section(contents),
        curves.section(contents),
        holes.section(contents),
        again.section(contents),
    ]
    yield from (section for section in found if section)
