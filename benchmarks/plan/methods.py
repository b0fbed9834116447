"""Methods as a user lists them: names and groups."""

from typing import get_args

from benchmarks.core.registry import METHODS, Idea
from benchmarks.core.settings import UserError, nearest, split

BASELINE = "source_only"
GROUPS = {"all", "core", "references", *get_args(Idea)} - {"reference"}


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


def method_names(text: str) -> list[str]:
    """Expand ``dann,core`` to checked names, the baseline first, each once."""
    names, known = [BASELINE], METHODS.names()
    for part in split(text):
        if part in known:
            names.append(part)
        elif part == "all":
            references = groups()["references"]
            names += [name for name in known if name not in references]
        elif part in GROUPS:
            names += groups().get(part, [])  # none where all its files are broken
        else:
            raise UserError(f"unknown method {nearest(part, [*known, *GROUPS])}")
    return list(dict.fromkeys(names))
