"""Pairs of questions of two sites, in their authors' files.

A corpus has lines ``id<tab>title<tab>body``, packed with gzip.

``AskUbuntu/`` (taolei87/askubuntu; Lei et al., NAACL 2016)
    The corpus ``text_tokenized.txt.gz``, and ``train_random.txt``, whose lines are a question, its duplicates and
    random questions: ``id<tab>id id ...<tab>id id ...``. The first five of the random ones are taken.
``Android/`` (jiangfeng1124/Android; Shah et al., EMNLP 2018)
    The corpus ``corpus.tsv.gz``, and pairs as lines ``id id`` in ``dev.pos.txt``, ``dev.neg.txt``,
    ``test.pos.txt`` and ``test.neg.txt``. Those of ``dev`` are for training, those of ``test`` for testing.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.core.escape import reason, shown
from benchmarks.core.registry import DataFile
from benchmarks.core.settings import UserError
from datasets.base import Samples

ASKUBUNTU, ANDROID = DataFile("AskUbuntu"), DataFile("Android")
RANDOM = 5  # pairs of a question with random ones


def askubuntu(folder: Path) -> Samples:
    """Pairs (n, 2) of texts; a group is a question with all that it is paired with."""
    texts, found = _corpus(folder / "text_tokenized.txt.gz"), []
    path = folder / "train_random.txt"
    for place, fields in _fields(path, "\t", 3):
        query, similar, random = fields
        for label, ids in ((1, similar.split()), (0, random.split()[:RANDOM])):
            found += [(_pair(texts, place, query, other), label, query) for other in ids]
    return _samples(path, found)


def android(folder: Path) -> Samples:
    """Pairs (n, 2) of texts; a group is a pair's first question."""
    texts, found, test = _corpus(folder / "corpus.tsv.gz"), [], []
    for part in ("dev", "test"):
        for label, kind in ((1, "pos"), (0, "neg")):
            for place, (query, other) in _fields(folder / f"{part}.{kind}.txt", None, 2):
                found.append((_pair(texts, place, query, other), label, query))
                test.append(part == "test")
    samples = _samples(folder, found)
    return Samples(samples.x, samples.y, test=np.array(test), groups=samples.groups)


READERS: dict[str, Callable[[Path], Samples]] = {"askubuntu": askubuntu, "android": android}


def _samples(path: Path, found: list[tuple[tuple[str, str], int, str]]) -> Samples:
    if not found:
        raise UserError(f"{shown(path)}: it has no pair of questions")
    pairs, y, queries = zip(*found, strict=True)
    return Samples(
        np.array(pairs, object), np.array(y, np.int64), groups=np.unique(queries, return_inverse=True)[1]
    )


def _corpus(path: Path) -> dict[str, str]:
    """Title and body of each question by its id."""
    return {number: f"{title} {body}" for _, (number, title, body) in _fields(path, "\t", 3)}


def _pair(texts: dict[str, str], place: str, *ids: str) -> tuple[str, str]:
    if unknown := [number for number in ids if number not in texts]:
        raise UserError(f"{place}: the corpus has no question {shown(unknown[0])}; are the files of one version?")
    first, second = ids
    return texts[first], texts[second]


def _fields(path: Path, separator: str | None, number: int) -> Iterator[tuple[str, list[str]]]:
    """Where each line is, for messages, and its fields.

    Raises:
        UserError: the file is missing or broken, or a line has another number of fields.
    """
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8") as file
        ):
            for line, text in enumerate(file, 1):
                fields = text.rstrip("\r\n").split(separator)
                if len(fields) != number:
                    raise UserError(f"{shown(path)} line {line}: {len(fields)} fields; it must have {number}")
                yield f"{shown(path)} line {line}", fields
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise UserError(f"{shown(path)} cannot be read: {reason(error)}") from None
