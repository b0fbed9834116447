"""Text from outside (class names, paths, errors) as it may be shown: it changes nothing around it.

Stdlib only: the command line shows its first error with it.
"""

import re

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what makes a spreadsheet compute a cell that begins so
LATEX = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "[": "{[}",  # at the start of a row it would be an argument of the \\ before it
    "±": r"$\pm$",
    "▼": r"$\downarrow$",
    "−": "$-$",
    "×": r"$\times$",
    "→": r"$\rightarrow$",
    "λ": r"$\lambda$",
    "†": r"$\dagger$",
    **{character: f"\\{character}" for character in "_%&#${}"},
}


def printable(text: str) -> str:
    """One line: whatever a terminal would act on or not show is written as its escape (``\\n``, ``\\x1b``)."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def markdown(text: str) -> str:
    """A cell of a Markdown table, without markup of its own; an underscore within a word is none."""
    text = re.sub(r"[\\`*|]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", printable(text))
    return _without_html_and_links(text)


def markdown_note(text: str) -> str:
    """A line of Markdown in which `code` counts, but no emphasis, HTML or link."""
    return _without_html_and_links(printable(text).replace("*", "\\*"))


def latex(text: str) -> str:
    """Text of a LaTeX document."""
    return "".join(LATEX.get(character, character) for character in printable(text))


def spreadsheet(text: str) -> str:
    """A cell that a spreadsheet shows and does not compute (CWE-1236): an apostrophe goes before a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _without_html_and_links(text: str) -> str:
    return text.replace("<", "&lt;").replace("](", "]\\(")
