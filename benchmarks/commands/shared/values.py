"""What a flag may be given: each takes the text and returns the value, or says in words what it is not."""

import os
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

from benchmarks.core.settings import number, short, whole_number
from benchmarks.plan.budget import UNITS

MOST_JOBS, MOST_RETRIES, MOST_PER_RUN = 1000, 1000, 10_000.0  # more is a slip of the pen, and takes all memory


def anything(text: str) -> str:
    """Any text that says something: an empty one is mostly a variable that is not set, and not the default."""
    if not text.strip(" ,"):
        raise ArgumentTypeError(f"{short(text)} is empty; give a value, or leave it out")
    return text


def count(text: str) -> int:
    number = whole_number(text)
    if not number:
        raise ArgumentTypeError(f"{short(text)} is not a whole number above 0, of at most 9 digits")
    return number


def at_most(most: int) -> Callable[[str], int]:
    def limited(text: str) -> int:
        number = count(text)
        if number > most:
            raise ArgumentTypeError(f"{short(text)} is more than {most}")
        return number

    return limited


def duration(text: str) -> int:
    """Seconds, of a text such as 90s, 20m or 2h."""
    number = whole_number(text[:-1])
    if not number or text[-1] not in UNITS:
        raise ArgumentTypeError(f"{short(text)} is no time above 0, such as 90s, 20m or 2h")
    return number * UNITS[text[-1]]


def retries(text: str) -> int:
    count = whole_number(text)
    if count is None or count > MOST_RETRIES:
        raise ArgumentTypeError(f"{short(text)} is not a whole number from 0 to {MOST_RETRIES}")
    return count


def per_run(text: str) -> float:
    """An amount of cores or GPUs, such as 0.25."""
    amount = number(text) or 0.0
    if not 0 < amount <= MOST_PER_RUN:
        raise ArgumentTypeError(f"{short(text)} is not a number above 0, and at most {MOST_PER_RUN:g}")
    return amount


def path(text: str) -> Path:
    return Path(file_name(text))


def file_name(text: str) -> str:
    """A text that a file system can be asked for; an empty one is mostly a variable that is not set."""
    try:
        os.fsencode(text)
        possible = text and "\0" not in text
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise ArgumentTypeError(f"{short(text)} cannot be the name of a file")
    return text
