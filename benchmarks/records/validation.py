"""Validator scores of a record: made from its saved outputs where something reads them, and kept beside them.

So a run spends no time on scores that nobody asks for, a validator can be added or fixed without training again,
and no record's other numbers depend on it.
"""

import ast
import hashlib
import inspect
import json
import math
import multiprocessing
import signal
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from threadpoolctl import threadpool_limits

from benchmarks.core.machine import cores
from benchmarks.core.reading import parse_json, read_bytes
from benchmarks.core.settings import UserError
from benchmarks.evaluation import validators
from benchmarks.evaluation.outputs import Outputs
from benchmarks.records.provenance import syntax
from benchmarks.records.record import VALIDATORS, Record, write_json

MANY = 50  # records: fewer have their scores before other processes have started


def make_scores(folders: Iterable[Path], names: Collection[str], tell: Callable[[int, int], object]) -> None:
    """Make the scores that many records lack, with a process a core: who reads the records then finds them.

    Of few records nothing is made here, nor of a record that cannot be read: its reader says why.

    Args:
        tell: told how many of how many records have been done, now and then.
    """
    lacking = [folder for folder in folders if _lacks(folder, names)]
    if len(lacking) < MANY:
        return
    # Ctrl-C is for this process; what a worker that was killed has not made, the reader makes.
    spawn, ignored = multiprocessing.get_context("spawn"), (signal.SIGINT, signal.SIG_IGN)
    pool = ProcessPoolExecutor(cores(), spawn, initializer=signal.signal, initargs=ignored)
    with suppress(BrokenProcessPool), pool:
        for done, _ in enumerate(pool.map(partial(_make, names=names), lacking), 1):
            if done % (len(lacking) // 20 + 1) == 0:
                tell(done, len(lacking))


def _lacks(folder: Path, names: Collection[str]) -> bool:
    try:
        kept = _kept(Record(folder))["code"]
    except UserError:
        return False
    return any(kept.get(name) != _code(name) for name in names)


def _make(folder: Path, names: Collection[str]) -> None:
    with suppress(UserError):
        validator_scores(Record(folder), names)


def validator_scores(record: Record, names: Collection[str]) -> list[dict[str, Any]]:
    """Step and scores of each checkpoint, in order; NaN where undefined.

    Scores that other code made, or that are not as they were written, are made again.

    Args:
        names: of :data:`validators.VALIDATORS`; only these are made.

    Raises:
        UserError: an output that a score needs is missing, or not as the run wrote it.
    """
    files, codes = record.outputs(), {name: _code(name) for name in names}
    kept = _kept(record)
    if missing := [name for name in names if kept["code"].get(name) != codes[name]]:
        made = {file: _scores(record.check(file), missing) for file in files}
        kept["code"] |= {name: codes[name] for name in missing}
        kept["scores"] = {file: kept["scores"].get(file, {}) | made[file] for file in files}
        with suppress(OSError):  # a store that cannot be written: the scores are made again next time
            write_json(record.folder / VALIDATORS, {**kept, "digest": _digest(kept)})
    return _by_step(kept, names)


def kept_scores(record: Record, names: Collection[str]) -> list[dict[str, Any]]:
    """Those of :func:`validator_scores` that are beside a record already, of any of these names."""
    kept = _kept(record)
    return _by_step(kept, [name for name in names if kept["code"].get(name) == _code(name)])


def _by_step(kept: Mapping[str, Any], names: Collection[str]) -> list[dict[str, Any]]:
    return [
        {"step": int(Path(file).stem), **{name: _rounded(kept["scores"][file][name]) for name in names}}
        for file in kept["outputs"]
    ]


def _kept(record: Record) -> dict[str, Any]:
    """The scores beside a record, by outputs and name: which code made each, and of which outputs.

    None, if they are not as they were written, or of other outputs: they can be made again.
    """
    known = record.digests or {}
    nothing = {"code": {}, "outputs": {name: known.get(name) for name in record.outputs()}, "scores": {}}
    try:
        kept = parse_json(read_bytes(f"{record.folder}/{VALIDATORS}"))
        whole = kept.pop("digest") == _digest(kept) and kept["outputs"] == nothing["outputs"]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return nothing
    return kept if whole else nothing


def _scores(file: Path, names: Collection[str]) -> dict[str, float | None]:
    with threadpool_limits(1):  # small matrices: more threads only get in each other's way
        scores = validators.score_outputs(Outputs.load(file), names)
    return {name: None if math.isnan(score) else score for name, score in scores.items()}


def _rounded(value: float | None) -> float:
    """To 6 digits, as committed records have them: both lead to the same choice."""
    return math.nan if value is None else float(f"{value:.6g}")


def _digest(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@cache
def _code(name: str) -> str:
    """A digest of what makes a score: its function, what that uses of its file, and the modules it imports."""
    definitions = _definitions()
    found: dict[str, str] = {}
    waiting = [validators.VALIDATORS[name].__name__, "score_outputs"]
    while waiting:
        each = waiting.pop()
        if each in found or each not in definitions:
            continue
        tree = definitions[each]
        found[each] = syntax(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                waiting.append(node.id)
            elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("benchmarks."):
                found[node.module] = syntax(_parsed(import_module(node.module)))
    return _digest(found)[:12]


@cache
def _definitions() -> dict[str, ast.stmt]:
    """What the file of validators defines, by name; without decorators, which name papers."""
    found: dict[str, ast.stmt] = {}
    for node in _parsed(validators).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            node.decorator_list = []
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id: node for target in targets if isinstance(target, ast.Name)}
    return found


def _parsed(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))
