"""Methods and datasets by name.

A name is the name of its file (``methods/dann.py`` is ``dann``), or of an installed package's entry point in
the group ``benchmarks.methods`` or ``benchmarks.datasets``. So names are known without importing anything,
and a file is imported only when its method or dataset is used. Stdlib only.
"""

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import entry_points
from typing import Any, Generic, Literal, TypeVar

from benchmarks.core.settings import UserError, nearest

T = TypeVar("T", bound=type)
Info = TypeVar("Info")
D = TypeVar("D")


# What a method uses: networks by their role, stages that finetune, batches of the target, several views of them.
# Settings of the protocol are about one or other.
Part = Literal["backbone", "new", "adversary", "gan", "finetune", "target", "views"]
ALIGNING: tuple[Part, ...] = ("backbone", "new", "target")
ADVERSARIAL: tuple[Part, ...] = (*ALIGNING, "adversary")
# What methods are grouped by. A list, so that a group's name is known without importing its methods.
Idea = Literal[
    "baseline",
    "weighting",
    "moments",
    "adversarial",
    "transport",
    "certainty",
    "source_free",
    "few_labels",
    "shallow",
    "reference",
]
# What a task is, beside one labelled source and one unlabelled target with the same classes.
Trait = Literal["partial", "open", "few", "several_sources", "several_targets", "unlabelled"]


@dataclass(frozen=True)
class MethodInfo:
    """What a table, a reader or the harness wants to know of a method.

    Attributes:
        family: the idea it belongs to; also the name of a group that ``--methods`` takes.
        reference: whose labels it is trained on, if not the source's alone: then it is a bound, never ranked.
        core: whether it is in the group ``core``, which runs where nobody names methods.
        uses: what it builds and draws. Settings of anything else are no part of its runs' identity.
        needs: traits of a task without which it cannot run.
        classes_only: whether it learns from classes or their probabilities, and means nothing of real numbers.
        version: part of every run's identity: raise it when the method's numbers change.
        keeps_source: whether what it deploys should still predict all of the source well.
        display: how papers write its name; empty: the name itself, in words.
        optimises: label-free criteria that share a term with its loss; they never rank it alone.
    """

    family: Idea
    year: int
    venue: str
    paper: str
    reference: Literal["", "target", "both"] = ""
    core: bool = False
    uses: tuple[Part, ...] = ALIGNING
    needs: tuple[Trait, ...] = ()
    classes_only: bool = False
    version: int = 1
    keeps_source: bool = True
    display: str = ""
    optimises: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataFile:
    """A file in the data directory.

    Attributes:
        path: in the data directory.
        sha256: that it must have; without any digest it is a folder, whose files are checked as they are read.
        url: where `data fetch` gets it; empty where nobody offers it under a fixed address.
        md5: of the official file, where its publisher gives no other; either digest will do.
    """

    path: str
    sha256: str = ""
    url: str = ""
    md5: str = ""


@dataclass(frozen=True)
class DatasetInfo:
    """What a user wants to know of a data set.

    Attributes:
        version: part of every run's identity: raise it when samples, splits or defaults change.
        files: what it reads from the data directory.
        get: how to get them.
        embeddable: patterns of the domains whose licences let a page that goes to others show samples. A licence
            that is not stated, or that forbids some use, lets nobody.
    """

    version: int
    summary: str
    licence: str
    files: tuple[DataFile, ...] = ()
    get: str = ""
    embeddable: tuple[str, ...] = ()


class Registry(Generic[T, Info]):
    """Maps a name to the class that its file registers.

    Args:
        kind: "method" or "dataset", for messages and for the entry point group.
        package: the package whose modules are the built-in entries.
        described: the type of what is said of an entry.
        helpers: modules of the package that are no entries, as its subpackages are none.
    """

    def __init__(self, kind: str, package: str, described: type, helpers: tuple[str, ...]) -> None:
        self.kind, self.package, self.described, self.helpers = kind, package, described, helpers
        self._classes: dict[str, T] = {}
        self._info: dict[str, Info] = {}

    @cached_property
    def _modules(self) -> dict[str, str]:
        """Name to module, without importing any."""
        spec = importlib.util.find_spec(self.package)
        assert spec is not None
        paths = spec.submodule_search_locations
        found = {
            module.name: f"{self.package}.{module.name}"
            for module in pkgutil.iter_modules(paths)
            if not module.ispkg and module.name not in self.helpers
        }
        for point in entry_points(group=f"benchmarks.{self.kind}s"):
            if found.get(point.name, point.value) != point.value:
                raise UserError(
                    f"{self.kind} {point.name!r} is defined by {found[point.name]} and again by the installed "
                    f"package's entry point {point.value}; rename or uninstall one"
                )
            found[point.name] = point.value
        return found

    def names(self) -> list[str]:
        return sorted(self._modules | self._classes)

    def check(self, name: str) -> str:
        """The name itself, or a UserError that suggests the nearest."""
        if name not in self._classes and name not in self._modules:
            raise UserError(f"unknown {self.kind} {nearest(name, self.names())}")
        return name

    def register(self, name: str, info: Info) -> Callable[[T], T]:
        """Class decorator: enter the class under ``name``; a duplicate is an error."""

        if not isinstance(info, self.described):
            raise UserError(f"{self.kind} {name!r} is registered without a {self.described.__name__}")

        def registered(cls: T) -> T:
            known = self._classes.get(name)
            if known is not None and known.__qualname__ + known.__module__ != cls.__qualname__ + cls.__module__:
                raise UserError(f"{self.kind} {name!r} is registered twice: {known} and {cls}")
            self._classes[name], self._info[name] = cls, info
            return cls

        return registered

    def get(self, name: str) -> T:
        """The class, importing its file if needed.

        Raises:
            UserError: an unknown name, or a file that cannot be imported or does not register it.
        """
        if self.check(name) not in self._classes:
            module = self._modules[name]
            try:
                importlib.import_module(module)
            except UserError:
                raise
            except (Exception, SystemExit) as error:
                what = f"{type(error).__name__}: {error}"
                raise UserError(
                    f"{self.kind} {name!r}: its module {module!r} cannot be imported ({what})"
                ) from error
            if name not in self._classes:
                raise UserError(f"{module} does not register the {self.kind} {name!r}")
        return self._classes[name]

    def problem(self, name: str) -> str:
        """Why the class of a name cannot be had; empty if it can."""
        try:
            self.get(name)
        except UserError as error:
            return str(error)
        return ""

    def each(self, describe: Callable[[str], D], tell: Callable[[str], object]) -> Iterator[D]:
        """What ``describe`` says of each name. ``tell`` hears of an entry that is broken, which hides no other."""
        for name in self.names():
            try:
                described = describe(name)
            except UserError as error:
                tell(str(error))
            except Exception as error:  # an installed package's code may do anything
                tell(f"{self.kind} {name!r} is broken ({type(error).__name__}: {error})")
            else:
                yield described

    def info(self, name: str) -> Info:
        self.get(name)
        return self._info[name]

    def remove(self, name: str) -> None:
        """Forget a class that was registered by hand (for tests)."""
        self._classes.pop(name), self._info.pop(name)


METHODS: Registry[Any, MethodInfo] = Registry(
    "method", "methods", MethodInfo, helpers=("added_terms", "base", "weighting")
)
DATASETS: Registry[Any, DatasetInfo] = Registry("dataset", "datasets", DatasetInfo, helpers=("augment",))
