"""Methods as a user lists them: names and groups."""

import re

from benchmarks.core.registry import METHODS
from benchmarks.core.settings import UserError, nearest, split

BASELINE = "source_only"


def groups() -> dict[str, list[str]]:
    """Names by group, older methods first: ``core``, ``references``, and a group for each family of ideas.

    A method whose file is broken is in none.
    """
    known = {name: METHODS.info(name) for name in METHODS.names() if not METHODS.problem(name)}
    members: dict[str, list[str]] = {"core": [], "references": []}
    for name, info in sorted(known.items(), key=lambda item: (item[1].year, item[0])):
        for group in ["references" if info.reference else info.family, *["core"] * info.core]:
            members.setdefault(group, []).append(name)
    return members


def group_names() -> set[str]:
    """``all``, and the names of :func:`groups`, read from methods' files: importing these would import torch."""
    families = (re.findall(r'MethodInfo\(\s*"(\w+)"', METHODS.text(name)) for name in METHODS.names())
    return {"core", "references", "all"}.union(*families) - {"reference"}


def check_methods(text: str) -> None:
    """Raise a UserError for anything in ``dann,core`` that is neither a method nor a group."""
    known = {*METHODS.names()}
    for part in split(text):
        if part not in known and part not in group_names():
            raise UserError(f"unknown method {nearest(part, known | group_names())}")


def method_names(text: str) -> list[str]:
    """Expand ``dann,core`` to checked names, the baseline first, each once."""
    check_methods(text)
    names, known = [BASELINE], METHODS.names()
    for part in split(text):
        if part in known:
            names.append(part)
        elif part == "all":
            references = groups()["references"]
            names += [name for name in known if name not in references]
        else:
            names += groups().get(part, [])  # none where all its files are broken
    return list(dict.fromkeys(names))
