"""A report as LaTeX: an environment for each of its tables, with booktabs' rules and siunitx's columns."""

import re
from collections.abc import Sequence
from itertools import groupby

from benchmarks.core.escape import latex as escaped
from benchmarks.plan.methods import BASELINE
from benchmarks.report.cells import display_name
from benchmarks.report.options import Width
from benchmarks.report.rows import Number, Table, about, tables
from benchmarks.report.table import Report

ENVIRONMENTS: dict[Width, str] = {"column": "table", "page": "table*"}
BEST = "Bold: the best mean of a column; underlined: the second."
NAMES = {"method", "first", "second"}  # columns of methods' names
PLAIN = re.compile(r"[+-]?(\d+)(?:\.(\d+))?")


def latex(report: Report, width: Width) -> str:
    """Ready for \\input; what has no place in a caption is said in comments."""
    return "\n".join(_environment(report, table, ENVIRONMENTS[width]) for table in tables(report))


def _environment(report: Report, table: Table, name: str) -> str:
    columns = [_Column(cells) for cells in zip(table.columns, *table.rows, strict=True)]
    label = re.sub(r"[^A-Za-z0-9]+", "-", f"{report.suite}-{table.name}")
    rest = [note for note in report.notes if not any(part in note for part in report.legend)]
    return "\n".join(
        [
            r"% Needs \usepackage{booktabs,graphicx,siunitx}.",
            f"\\begin{{{name}}}",
            r"\centering",
            f"\\caption{{{_caption(report, table)}}}",
            f"\\label{{tab:{label}}}",
            r"\footnotesize",
            r"\sisetup{detect-weight,group-digits=none,retain-explicit-plus}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",  # only what is too wide
            f"\\begin{{tabular}}{{{''.join(column.format for column in columns)}}}",
            r"\toprule",
            *_head(table, columns),
            r"\midrule",
            *(_line([column.cell(cell) for column, cell in zip(columns, row, strict=True)]) for row in table.rows),
            r"\bottomrule",
            r"\end{tabular}}",
            f"\\end{{{name}}}",
            *(f"% {escaped(report.shown(note))}" for note in rest),
            "",
        ]
    )


def _caption(report: Report, table: Table) -> str:
    """What the table is of, and what its marks mean."""
    numbers = table.numbers
    marked = any(mark in number.more for number in numbers for mark in "▲▼")
    legend = [report.shown(part) for part in report.legend if marked or "▲" not in part]
    best = [BEST] * any(number.best for number in numbers)
    text = " ".join([f"{table.title}.", about(report), *legend, *best])
    return escaped(text.replace(BASELINE, display_name(BASELINE)))


def _head(table: Table, columns: "Sequence[_Column]") -> list[str]:
    """The headings; where tasks are of several families, below the names of these."""
    if not table.across or not any("/" in heading for heading in table.columns):
        return [_line([column.heading(heading) for column, heading in zip(columns, table.columns, strict=True)])]
    parted = [_parted(heading) for heading in table.columns]
    families, rules, end = [], [], 0
    for family, group in groupby(zip(parted, columns, strict=True), key=lambda each: each[0][0]):
        start, end = end + 1, end + sum(column.span for _, column in group)
        families.append(f"\\multicolumn{{{end - start + 1}}}{{c}}{{{escaped(family)}}}")
        rules += [f"\\cmidrule(lr){{{start}-{end}}}"] * bool(family)
    tasks = [column.heading(task) for column, (_, task) in zip(columns, parted, strict=True)]
    return [_line(families), " ".join(rules), _line(tasks)]


def _parted(heading: str) -> tuple[str, str]:
    """The family of a task or of a mean, and the rest of its heading."""
    if heading.startswith("mean of "):
        return heading.removeprefix("mean of "), "mean"
    family, slash, task = heading.partition("/")
    return (family, task) if slash else ("", heading)


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


class _Column:
    """How a column is set: words, or numbers aligned at their points; what follows these has a column of its own.

    Attributes:
        span: columns of LaTeX that it takes.
        format: these, as ``tabular`` is told of them.
    """

    def __init__(self, cells: Sequence[str | Number]) -> None:
        numbers = [cell for cell in cells if isinstance(cell, Number)]
        self.names = cells[0] in NAMES
        self.span = 1 + any(number.interval or number.more for number in numbers)
        self.format = _number_format([number.mean for number in numbers]) + "@{\\,}l" * (self.span - 1)

    def heading(self, text: str) -> str:
        return self._across(escaped(text)) if self.format != "l" else escaped(text)

    def cell(self, cell: str | Number) -> str:
        if isinstance(cell, str):
            text = escaped(_displayed(cell) if self.names else cell)
            return text if self.format == "l" else self._across(text)
        number = cell.mean if PLAIN.fullmatch(cell.mean) else f"{{\\num{{{cell.mean}}}}}"
        if cell.best:
            number = f"\\bfseries {number}"
        elif cell.second:
            number = f"\\rlap{{\\underline{{\\phantom{{{number}}}}}}}{number}"
        # A sign is a minus where a number follows it, and no hyphen.
        interval = re.sub(r"-(?=\d)", "−", cell.interval)
        more = [f"{{\\scriptsize {escaped(interval)}}}" * bool(interval), escaped(cell.more)]
        return number + f" & {' '.join(filter(None, more))}" * (self.span > 1)

    def _across(self, text: str) -> str:
        return f"\\multicolumn{{{self.span}}}{{c}}{{{text}}}"


def _number_format(numbers: Sequence[str]) -> str:
    """With room for the longest of these; words where there is none."""
    if not numbers:
        return "l"
    found = [match for match in map(PLAIN.fullmatch, numbers) if match]
    sign = "+" * any(number[0] in "+-" for number in numbers)
    before, after = (max((len(match[group] or "") for match in found), default=0) for group in (1, 2))
    return f"S[table-format={sign}{before or 1}.{after}]"


def _displayed(label: str) -> str:
    """A method as papers write it, with what is said after its name."""
    variant, space, rest = label.partition(" ")
    return display_name(variant) + space + rest
