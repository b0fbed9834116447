"""How to make it again: commands, versions, machines; and the licences of the data."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from markupsafe import Markup

from benchmarks.core.registry import DATASETS
from benchmarks.report.page.contents import Contents
from benchmarks.report.page.section import Section
from benchmarks.report.page.templates import simple_table


def section(contents: Contents) -> Section:
    lines = "\n".join(contents.commands)
    commands = [Markup("<pre><code>{}</code></pre>").format(lines)] if lines else []
    made = [
        [what, text, str(count)]
        for what, name in (("device", "device"), ("packages and revision", "versions"))
        for text, count in _counts(contents, name)
    ]
    families = contents.cells.families(contents.cells.tasks)
    licences = [[family, DATASETS.info(family).summary, DATASETS.info(family).licence] for family in families]
    body = [
        *commands,
        simple_table("What the runs were made with", ["what", "which", "runs"], made),
        simple_table("Data", ["data set", "what it is", "licence"], licences),
    ]
    lead = "These commands make the runs and this page again. On a CPU, a seed repeats to the bit."
    return Section("again", "How to make it again", lead, body)


def _counts(contents: Contents, name: str) -> Iterator[tuple[str, int]]:
    """Each value of a column of the records, the most frequent first."""
    found: Counter[Any] = Counter(row.get(name) for row in contents.cells.records.values())
    yield from ((str(text), count) for text, count in found.most_common() if isinstance(text, str) and text)
