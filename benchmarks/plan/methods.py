"""Methods as a user lists them: names and groups."""

from benchmarks.core.registry import METHODS
from benchmarks.core.settings import UserError, nearest, split

BASELINE = "source_only"
GROUPS = {
    "core": ("source_only", "reweighting", "dan", "coral", "dann", "adda", "cdan", "cdan_e"),
    "references": ("target_only", "joint", "majority"),
    "shallow": ("nearest_neighbour", "svm", "coral_svm"),
}


def method_names(text: str) -> list[str]:
    """Expand ``dann,core`` to checked names, the baseline first, each once."""
    names = [BASELINE]
    for part in split(text):
        if part == "all":
            names += [name for name in METHODS.names() if name not in GROUPS["references"]]
        elif part in GROUPS:
            names += GROUPS[part]
        elif part in METHODS.names():
            names.append(part)
        else:
            raise UserError(f"unknown method {nearest(part, [*METHODS.names(), *GROUPS, 'all'])}")
    return list(dict.fromkeys(names))
