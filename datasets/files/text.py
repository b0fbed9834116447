"""Text from outside: names that compare as people read them, and names in a message of one line."""

import re
import unicodedata

LONGEST = 200  # characters of a class's name
_WHOLE = re.compile(r"[+-]?(0|[1-9][0-9]*)(\.0*)?")


def shown(text: object) -> str:
    """It on one line: line breaks, control characters and bytes that are no UTF-8 are escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))


def quoted(text: str, limit: int = 60) -> str:
    """The start of it, on one line and in quotes."""
    return f"'{shown(text[:limit])}{'…' * (len(text) > limit)}'"


def reason(error: Exception) -> str:
    """What a library says of a file, on one line."""
    return shown(" ".join(str(error).split()) or type(error).__name__)[:200]


def plain(text: str) -> str:
    """Its one form: composed (NFC), no space around it, and single spaces within."""
    return " ".join(unicodedata.normalize("NFC", text.replace("\ufeff", "")).split())


def is_whole(text: str) -> bool:
    """Whether it is a whole number as :func:`class_name` writes it."""
    return _WHOLE.fullmatch(text) is not None


def class_name(text: str) -> str:
    """The name of a class as tables, arrays and folders share it: ``0``, ``+0`` and ``0.0`` are ``0``.

    Raises:
        ValueError: it can be no name; the message goes on after the text.
    """
    name = plain(text)
    if not name:
        raise ValueError("is empty")
    if len(name) > LONGEST:
        raise ValueError(f"is longer than {LONGEST} characters")
    if any(0xD800 <= ord(c) <= 0xDFFF for c in name):
        raise ValueError("is not UTF-8; convert or rename it")
    if any(unicodedata.category(c) == "Cc" for c in name):
        raise ValueError("has control characters")
    return str(int(name.partition(".")[0])) if is_whole(name) else name
