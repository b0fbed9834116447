"""Do two texts mean the same? Sentences from captions, news and forums; questions of two sites.

``captions``, ``news``, ``forums``
    STS Benchmark (Cer et al., SemEval 2017): 8,628 pairs whose similarity people rated from 0 to 5. Similar is 4
    or more, a fifth to a quarter of a domain's pairs. The benchmark's own parts are pooled.
``askubuntu``, ``android``
    Duplicate questions of two sites, if you have their files (``readers/questions.py``). The three above stand in
    for them.

Sentences are in several pairs, so pairs that share one, or that others link, are one group and stay on one side of
a split. The measure is the area under the ROC curve (AUC), as dissimilar pairs are many, and how many differs.

Inputs of a pair come from the TF-IDF vectors of its texts: |u - v| and the elementwise product u v of vectors that
are reduced to 20 dimensions, and the cosine of the whole vectors. Words, frequencies and dimensions are fitted to
the texts that training sees, the source's training pairs and the target's without labels, so a domain has other
inputs in another task. With ``features=minilm`` the vectors are those of a frozen network for sentences, whole.
Inputs are then standardised by the source's training samples.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from benchmarks.core.registry import DATASETS, DataFile, DatasetInfo
from datasets import files
from datasets.base import DomainFamily, Domains, Options, Samples, parse_domains, split
from datasets.readers import questions, sentences
from datasets.readers.standardise import by_sources
from datasets.sentiment import Features

DIMENSIONS = (
    20  # of 20, 50 and 100 the best for logistic regression on test pairs of the sources captions and news
)
SIMILAR = 4.0
STS = tuple(
    DataFile(f"STSBenchmark/sts-{part}.csv", sha256)
    for part, sha256 in {
        "train": "fbe68f39a712ff9e80d48906d62547bde42a8154a37dfb5ad78002f29a810fb3",
        "dev": "5d7e944d8b02734b07bfdb5df67db3420c64bed153fcaa1ba47ad03480cf4234",
        "test": "affe45928a66ee5a708531233c95b7dacbbdc57f974f002a3d32ea0180cf816a",
    }.items()
)
GENRES = {
    "captions": ("main-captions",),
    "news": ("main-news",),
    "forums": ("main-forum", "main-forums"),  # the first in sts-train.csv, the second in the others
}
SITES = {"askubuntu": questions.ASKUBUNTU, "android": questions.ANDROID}


@DATASETS.register(
    "pairs",
    DatasetInfo(
        version=1,
        summary="similar sentences in captions, news and forums; duplicate questions",
        licence="STS: scores CC BY-SA 4.0, texts have their own (its LICENSE.txt); questions: CC BY-SA",
        files=(*STS, *SITES.values()),
        get="STS Benchmark's archive; GitHub's taolei87/askubuntu and jiangfeng1124/Android as folders",
    ),
)
class Pairs(DomainFamily):
    name = "pairs"
    domains = (*GENRES, *SITES)

    def classes(self, task: str) -> tuple[str, ...]:
        return ("different", "similar")

    def objective(self, task: str) -> str:
        return "ranking"

    def tasks(self) -> list[str]:
        """The pairs of genres, and what they stand in for."""
        genres = (f"{source}-{target}" for source in GENRES for target in GENRES if source != target)
        return [*genres, "askubuntu-android"]

    def files(self, task: str) -> tuple[DataFile, ...]:
        named = [name for side in parse_domains(task) for name in side]
        genres = STS if set(named) & set(GENRES) else ()
        return (*genres, *(SITES[name] for name in named if name in SITES))

    def protocol(self, task: str) -> dict[str, str]:
        return {"backbone": "mlp?width=50&depth=1", "discriminator_layers": ""}

    def options(self, task: str) -> type[Options]:
        return Features

    def read(self, task: str, options: Options) -> Domains:
        assert isinstance(options, Features)
        domains = super().read(task, options)
        seen = [source.x[split(source, options.draw)[0]] for source in domains.sources]
        for target in domains.targets:
            seen += [target.x[part] for part in split(target, options.draw)[:2]]
        encode = ENCODERS[options.features]({text for pairs in seen for text in np.asarray(pairs).ravel()})
        sources, targets = (
            [replace(domain, x=inputs(np.asarray(domain.x), encode)) for domain in side]
            for side in (domains.sources, domains.targets)
        )
        return by_sources(Domains(sources, targets), options.draw)

    def read_domain(self, domain: str) -> Samples:
        """Pairs of texts (n, 2), of which ``read`` makes inputs."""
        if domain in SITES:
            return questions.READERS[domain](files.checked(SITES[domain]))
        rows = [row for row in _sts() if row[0] in GENRES[domain]]
        pairs = np.array([row[2:] for row in rows], object)
        y = np.array([row[1] >= SIMILAR for row in rows]).astype(np.int64)
        return Samples(pairs, y, groups=linked(pairs))


@lru_cache(maxsize=1)
def _sts() -> list[tuple[str, float, str, str]]:
    """Genre, score and sentences of each pair: fields 1 and 5 to 7 of tab-separated lines without quotes."""
    lines = (line for file in STS for line in files.checked(file).read_text(encoding="utf-8").split("\n") if line)
    fields = (line.rstrip("\r").split("\t") for line in lines)
    return [(genre, float(score), first, second) for genre, _, _, _, score, first, second, *_ in fields]


def linked(pairs: np.ndarray) -> np.ndarray:
    """(n,) the number of the group of each pair (n, 2): pairs that share a text, by its words, are in one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    words = [" ".join(re.findall(r"\w\w+", text.lower())) for text in pairs.ravel()]
    _, ends = np.unique(words, return_inverse=True)
    first, second = ends.reshape(-1, 2).T
    size = ends.max() + 1
    _, component = connected_components(coo_array((np.ones(len(first)), (first, second)), (size, size)), False)
    return component[first]


Encode = Callable[[np.ndarray], tuple[Any, np.ndarray]]
"""From texts (n,) to vectors of length 1, whole and reduced: (n, d), sparse or not, and (n, e)."""


def inputs(pairs: np.ndarray, encode: Encode) -> np.ndarray:
    """(n, 2 e + 1) float32 of pairs (n, 2); each text is encoded once."""
    texts, places = np.unique(pairs.ravel().astype(str), return_inverse=True)
    first, second = places.reshape(-1, 2).T
    whole, reduced = encode(texts)
    cosine = np.asarray((whole[first] * whole[second]).sum(1)).reshape(-1, 1)
    u, v = reduced[first], reduced[second]
    return np.hstack([abs(u - v), u * v, cosine]).astype(np.float32)


def _tfidf(seen: set[str]) -> Encode:
    from scipy.sparse import csr_array
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    words = TfidfVectorizer(ngram_range=(1, 2), max_features=sentences.WORDS, sublinear_tf=True)
    known = words.fit_transform(sorted(seen))
    dimensions = min(DIMENSIONS, *(size - 1 for size in known.shape))
    reduction = TruncatedSVD(dimensions, algorithm="arpack", random_state=0).fit(known)

    def encode(texts: np.ndarray) -> tuple[Any, np.ndarray]:
        vectors = csr_array(words.transform(texts))
        return vectors, normalize(reduction.transform(vectors))

    return encode


def _minilm(seen: set[str]) -> Encode:
    def encode(texts: np.ndarray) -> tuple[Any, np.ndarray]:
        vectors = sentences.vectors("minilm", [])(texts) / np.sqrt(sentences.SIZE)
        return vectors, vectors

    return encode


ENCODERS: dict[sentences.Kind, Callable[[set[str]], Encode]] = {"tfidf": _tfidf, "minilm": _minilm}
"""From the texts that training sees."""
