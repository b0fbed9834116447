"""Text from outside (class names, paths, errors) as it may be shown: it changes nothing around it.

Stdlib only: the command line shows its first error with it.
"""

import re

NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what makes a spreadsheet compute a cell that begins so
LATEX = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "[": "{[}",  # at the start of a row it would be an argument of the \\ before it
    "±": r"$\pm$",
    "▲": r"$\uparrow$",
    "▼": r"$\downarrow$",
    "−": "$-$",
    "×": r"$\times$",
    "→": r"$\rightarrow$",
    "λ": r"$\lambda$",
    "†": r"$\dagger$",
    **{character: f"\\{character}" for character in "_%&#${}"},
}


def shown(text: object) -> str:
    """It on one line: what a terminal would act on or not show is written as its escape (``\\n``, ``\\x1b``)."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))


def one_line(text: object, limit: int = 1000) -> str:
    """Text that may quote anything, without the middle of a long one."""
    line = shown(text)
    return line if len(line) <= limit else f"{line[: limit * 2 // 3]} [...] {line[-limit // 3 :]}"


def quoted(text: str, limit: int = 60) -> str:
    """The start of it, on one line and in quotes."""
    return f"'{shown(text[:limit])}{'…' * (len(text) > limit)}'"


def reason(error: Exception) -> str:
    """What a library or the system says, on one line and without the path of a file."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return one_line(" ".join(text.split()) or type(error).__name__, 200)


def markdown(text: str) -> str:
    """A cell of a Markdown table, without markup of its own; an underscore within a word is none."""
    text = re.sub(r"[\\`*|]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", shown(text))
    return _without_html_and_links(text)


def markdown_note(text: str) -> str:
    """A line of Markdown in which `code` counts, but no emphasis, HTML or link."""
    return _without_html_and_links(shown(text).replace("*", "\\*"))


def latex(text: str) -> str:
    """Text of a LaTeX document."""
    return "".join(LATEX.get(character, character) for character in shown(text))


def spreadsheet(text: str) -> str:
    """A cell that a spreadsheet shows and does not compute (CWE-1236): an apostrophe goes before a formula."""
    return f"'{text}" if text.startswith(FORMULA) and not NUMBER.fullmatch(text) else text


def _without_html_and_links(text: str) -> str:
    return text.replace("<", "&lt;").replace("](", "]\\(")
