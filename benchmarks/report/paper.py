"""What pictures for a paper have alike: width, letters, colours that print, and how they are written."""

import io
from pathlib import Path
from textwrap import fill

from matplotlib.figure import Figure

from benchmarks.core.outfiles import NAME, writing
from benchmarks.report.options import Width

INCHES: dict[Width, float] = {"column": 3.3, "page": 6.9}
LETTERS = 8  # points
ACROSS = 17.0  # letters of this size in an inch, about
# Where a format keeps a caption and the name of the program, as text.
ABOUT = {
    ".png": ("Description", "Software"),
    ".svg": ("Description", "Creator"),
    ".pdf": ("Subject", "Creator"),
}
BLUE, GREY, RED, BLACK = "#1f5fa8", "#757575", "#b3402a", "#222222"


def wrapped(text: str, inches: float) -> str:
    """On lines that are not longer."""
    return fill(text, int(ACROSS * inches))


def lines_of(text: str) -> float:
    """The height of a text in inches."""
    return 1.25 * LETTERS / 72 * (text.count("\n") + 1)


def save_picture(figure: Figure, path: Path, description: str) -> None:
    """Write a picture, with a description and this program's name as text that other programs can read."""
    about = ABOUT[path.suffix.lower()]
    buffer = io.BytesIO()
    metadata = dict(zip(about, (description, NAME), strict=True))
    figure.savefig(buffer, format=path.suffix[1:].lower(), dpi=300, metadata=metadata)
    with writing(path) as file:
        file.write(buffer.getvalue())
