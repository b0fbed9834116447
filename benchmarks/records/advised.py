"""The folder of an advised model: the weights of its members, each with a small record, and what was said of them.

``STORE/advised/NAME/`` holds a folder a member and, once all of them are there, ``advice.json``.
"""

import fcntl
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field, ValidationError

from benchmarks.core import atomic
from benchmarks.core.escape import quoted, shown
from benchmarks.core.reading import digest_of, parse_json, read_bytes
from benchmarks.core.settings import Settings, UserError, nearest
from benchmarks.plan.spec import RunSpec
from benchmarks.records.record import DIGESTS, Record, digests, write_json
from benchmarks.records.store import ADVISED, Store, file_name

ADVICE = "advice.json"
AGREEMENT = "agreement.json"  # in a member's folder


class Agreement(Settings):
    """What a model says that was trained again, beside the outputs that its run saved at that step.

    Attributes:
        outputs: the SHA-256 of the file of these outputs.
        exact: all logits are the same to the bit.
        different, of: predictions that differ, of how many, by split.
    """

    outputs: str
    exact: bool
    different: dict[str, int]
    of: dict[str, int]


class Member(Settings):
    """A run at one of its checkpoints, with equal weight in the average.

    Attributes:
        name: of the run, for people.
        folder: of its weights, beside ``advice.json``.
        digest: SHA-256 of the digests of that folder's files.
    """

    run_id: str
    name: str
    task: str
    method: str
    configuration: int
    seed: int
    step: int
    folder: str
    digest: str
    agreement: Agreement

    def __str__(self) -> str:
        return f"{self.name} at step {self.step}"


class Advice(Settings):
    """What is in ``advice.json``.

    Attributes:
        said: the advice, a sentence or a few.
        written: seconds since 1970.
    """

    said: str = Field(min_length=1)
    written: float
    members: tuple[Member, ...] = Field(min_length=1)


class Members(Store):
    """Runs trained again to a checkpoint, as a store: so engines lock, retry and publish them as they do runs.

    Args:
        root: the folder of the advised model.
        steps: of each run, by its id.
        outputs: the SHA-256 of what each run's record has as outputs at that step.
    """

    def __init__(self, root: Path, steps: Mapping[str, int], outputs: Mapping[str, str]) -> None:
        super().__init__(root)
        self.steps, self.outputs = steps, outputs

    def folder(self, spec: RunSpec) -> Path:
        return self.root / f"{spec.method}-seed{spec.seed}-{spec.run_id}-step{self.steps[spec.run_id]}"

    def finished(self, spec: RunSpec) -> bool:
        """Whether it is there, whole, and compared with the outputs that the run's record has now."""
        folder = self.folder(spec)
        return _is_whole(folder) and _agreement(folder).outputs == self.outputs[spec.run_id]

    def member(self, spec: RunSpec) -> Member:
        """What is to be said of a finished one."""
        folder = self.folder(spec)
        return Member(
            run_id=spec.run_id,
            name=str(spec),
            task=spec.task,
            method=spec.method,
            configuration=spec.configuration,
            seed=spec.seed,
            step=self.steps[spec.run_id],
            folder=folder.name,
            digest=digest_of(folder / DIGESTS),
            agreement=_agreement(folder),
        )


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Wait until no other process makes the advised model of that folder, and keep others waiting."""
    with (root / ".partial" / "advice.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_advice(root: Path, said: str, members: Iterable[Member]) -> None:
    """Complete the folder of an advised model, and remove what an earlier one has left in it."""
    advice = Advice(said=said, written=time.time(), members=tuple(members))
    write_json(root / ADVICE, advice.model_dump(mode="json"))
    for path in root.iterdir():
        if path.name not in (".partial", ADVICE, *(member.folder for member in advice.members)):
            atomic.remove(path)


def read_advice(folder: Path) -> Advice:
    """The advice of a folder, all of whose members are as they were kept.

    Raises:
        UserError: one is not, or there is no advice that can be read.
    """
    advice = _advice(folder)
    for member in advice.members:
        path = folder / member.folder
        if not _is_whole(path) or digest_of(path / DIGESTS) != member.digest:
            raise UserError(
                f"{shown(folder)}: {member} is not as it was kept: a file is missing, broken or edited; "
                f"remove {shown(path)} and run `advise` again"
            )
    return advice


def find_advised(store: Store, name: str) -> Path | None:
    """The folder of an advised model: ``advised`` for the latest of a store, ``advised/NAME``, or its path.

    Returns None for a name that means none.

    Raises:
        UserError: the store has none, or none of that name.
    """
    if (Path(name) / ADVICE).is_file():
        return Path(name)
    kind, _, wanted = name.partition("/")
    if kind != ADVISED:
        return None
    known = {folder.name: folder for folder in advised_folders(store.require())}
    if not known:
        raise UserError(f"the store {quoted(str(store.root), 500)} has no advised model; `advise` makes one")
    if not wanted:
        return max(known.values(), key=lambda folder: _advice(folder).written)
    if file_name(wanted) not in known:
        raise UserError(f"the store {quoted(str(store.root), 500)} has no advised model {nearest(wanted, known)}")
    return known[file_name(wanted)]


def advised_folders(store: Store) -> list[Path]:
    """Of a store's advised models."""
    return sorted(path.parent for path in store.root.glob(f"{ADVISED}/*/{ADVICE}"))


def checkpoints(record: Record) -> dict[int, str]:
    """The name of the file of outputs at each checkpoint of a run, by step."""
    return {int(Path(name).stem): name for name in record.outputs()}


def _advice(folder: Path) -> Advice:
    try:
        return Advice.model_validate(parse_json(read_bytes(folder / ADVICE)))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        why = f"{'.'.join(map(str, first['loc']))}: {first['msg'].lower()}"
    except (OSError, ValueError) as error:
        why = str(error)
    raise UserError(f"{shown(folder / ADVICE)} is no advice that can be read ({why}); run `advise` again")


def _agreement(folder: Path) -> Agreement:
    return Agreement.model_validate(parse_json(read_bytes(folder / AGREEMENT)))


def _is_whole(folder: Path) -> bool:
    """Whether all files of a member are as they were written."""
    try:
        return bool(parse_json(read_bytes(folder / DIGESTS)) == digests(folder))
    except (OSError, ValueError):
        return False
