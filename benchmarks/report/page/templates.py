"""Text, tables and charts as HTML. All text is escaped; nothing is fetched from anywhere."""

import re
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape

from benchmarks.core.escape import shown
from benchmarks.report.listings import Listing
from benchmarks.report.rows import entry_text
from benchmarks.report.table import Report


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(str(files("benchmarks.report.page"))),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["coded"] = coded
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment


def rendered(template: str, **values: Any) -> Markup:
    return Markup(_environment().get_template(template).render(**values))


def coded(text: str) -> Markup:
    """Text in which `names` are set as code; its lines stay lines."""
    lines = (str(escape(shown(line))) for line in text.splitlines())
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", "\n".join(lines)))


def text_of(name: str) -> Markup:
    """A style sheet or script of ours, as it goes into the page."""
    return Markup((files("benchmarks.report.page") / name).read_text(encoding="utf-8"))


def listing_table(report: Report, listing: Listing) -> Markup:
    """A listing as a table."""
    rows = [
        [
            report.shown(entry_text(row[column], *listing.formats.get(column, (1.0, ""))))
            for column in listing.columns
        ]
        for row in listing.rows
    ]
    return rendered("listing.html", caption=report.shown(listing.title), columns=listing.columns, rows=rows)


def simple_table(caption: str, columns: list[str], rows: list[list[str]]) -> Markup:
    """A table of text that wraps; the first column heads its rows."""
    return rendered("listing.html", caption=caption, columns=columns, rows=rows, wraps=True)
