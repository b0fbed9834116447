"""Which classes the user's domains have: the source's by its labels, the target's by what is said of it.

Labels of the target never say which classes it has, for they may be few. They must not contradict what is said.
"""

import shlex

from benchmarks.core.escape import quoted, shown
from benchmarks.core.settings import UserError, nearest
from datasets.base.loading import UNKNOWN
from datasets.base.options import ALL, Options
from datasets.files.images import ImageFiles
from datasets.readers.domains import Domain
from datasets.readers.text import is_whole

FLAG = "--target-classes"
# What pandas, R, scikit-learn and others write where a label is missing; of any case. A class may be called so.
LIKE_NO_LABEL = {"-1", "na", "n/a", "nan", "null", "none", "nil", "?", "<na>"}


def source_classes(source: Domain) -> tuple[str, ...]:
    """The classes of the source, numbers in their order.

    Raises:
        UserError: a sample without a label, a single class, or one whose name is that of all others.
    """
    found = set(source.labels.tolist())
    if found == {""}:
        raise UserError(f"{shown(source.path)}: the source has no labels; {_how_to_label(source)}")
    if "" in found:
        where = source.place(source.labels.tolist().index(""))
        raise UserError(f"{shown(source.path)}: {where}: there is no label; every sample of the source needs one")
    if UNKNOWN in found:
        where = source.place(source.labels.tolist().index(UNKNOWN))
        raise UserError(
            f"{shown(source.path)}: {where}: {UNKNOWN!r} stands for whatever the source lacks, and cannot be a "
            "class of it; rename it in both domains, or leave its samples out of the source, if that is no label"
        )
    classes = sorted(found, key=int) if all(map(is_whole, found)) else sorted(found)
    if len(classes) < 2:
        raise UserError(f"{shown(source.path)}: all samples are of the class {classes[0]!r}; it takes two classes")
    return tuple(classes)


def target_classes(said: str, classes: tuple[str, ...]) -> tuple[str, ...]:
    """The classes that the target has, those of the source in their order; none: it has what the source has.

    Args:
        said: names and ranges as the dial ``target_classes`` takes them, ``all`` for those of the source, and
            ``unknown`` for whatever else the target has.
        classes: of the source.

    Raises:
        UserError: a class that the source lacks, or none that it has.
    """
    every = tuple(dict.fromkeys((*classes, UNKNOWN)))
    parts = said.split(":")
    found = {*classes} if ALL in parts else set[str]()
    if named := ":".join(part for part in parts if part != ALL):
        sets = Options(target_classes=named).class_sets(every, FLAG)
        found |= {every[number] for number in sets.target}
    if not found & {*classes}:
        raise UserError(f"{FLAG} {shown(said)}: source and target have no class in common")
    return () if found == {*classes} else tuple(name for name in every if name in found)


def check_target(target: Domain, classes: tuple[str, ...], has: tuple[str, ...]) -> None:
    """Raise a UserError for a label that contradicts what is said of the target.

    Args:
        classes: of the source.
        has: what the target has; none: the same.
    """
    found = set(target.labels[target.labelled(classes)].tolist())
    known, others = {*(has or classes)}, found - {*classes}
    if others and UNKNOWN not in known:
        said = shlex.quote(":".join((*has, UNKNOWN) if has else (ALL, UNKNOWN)))
        raise UserError(
            f"{shown(target.path)}: the source has no class {nearest(min(others), classes)} (if that is a class "
            f"of the target alone, {FLAG} {shown(said)}; if it is no class, {_how_to_leave_unlabelled(target)})"
        )
    if lacking := (found & {*classes}) - known:
        raise UserError(f"{shown(target.path)}: it has the class {quoted(min(lacking))}; name it in {FLAG}")


def like_no_label(source: Domain, classes: tuple[str, ...]) -> list[str]:
    """A note on classes that are called as a missing label is elsewhere."""
    how = f"leave the sample out of the source, and in the target {_how_to_leave_unlabelled(source)}"
    return [
        f"{shown(source.path)}: {quoted(name)} is a class, in the target too; where it stands for no label, {how}"
        for name in classes
        if name.lower() in LIKE_NO_LABEL
    ]


def _how_to_label(domain: Domain) -> str:
    if isinstance(domain.x, ImageFiles):
        return "put the images into a folder for each class"
    if not domain.columns:
        return "add y, a label for each sample"
    columns = ", ".join(map(quoted, domain.columns[:10])) + ", ..." * (len(domain.columns) > 10)
    return f"it has the columns {columns}; name the column with --label"


def _how_to_leave_unlabelled(domain: Domain) -> str:
    if isinstance(domain.x, ImageFiles):
        return "put images without a label into the folder itself"
    return "leave the cell empty" if domain.columns else "write NaN or '' in y, or leave y out"
