"""Text from outside as names that compare as people read them."""

import re
import unicodedata

LONGEST = 200  # characters of a class's name
_WHOLE = re.compile(r"[+-]?(0|[1-9][0-9]*)(\.0*)?")


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
