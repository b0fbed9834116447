"""Is a sentence positive? Four kinds of text rated by 20 people each (Hutto and Gilbert, ICWSM 2014).

The label is the sign of the mean rating, which is in [-4, 4]; sentences within 0.05 of 0, the authors' bound for
neutral, are dropped (0.5% of films, 11% of editorials). Of sentences with the same words one is kept. Sentences of
one review or article stay on one side of a split.

Inputs are TF-IDF values of the 5,000 most frequent words and pairs of words. Vocabulary and document frequencies
come from the texts that training sees, the source's training sentences and the target's, so a domain has other
inputs in another task. With ``features=minilm`` they are those of a frozen network for sentences.
"""

import re
from dataclasses import replace

import numpy as np

from benchmarks.core.registry import DATASETS, DataFile, DatasetInfo
from benchmarks.core.settings import setting
from datasets import files
from datasets.base import DomainFamily, Domains, Options, Samples, split
from datasets.readers.sentences import Kind, vectors

NEUTRAL = 0.05
RATINGS = {
    domain: DataFile(f"HuttoSentiment/{name}_GroundTruth.txt", sha256)
    for domain, name, sha256 in (
        ("products", "amazonReviewSnippets", "11a9807a0974a2506a2d3b4851eaf69b3d6d20688ce4923adda2312a4f6dd6c2"),
        ("tweets", "tweets", "dfbe7102e2f92579ed8b19df9a3822491880697c67adf712fb66e520cc05102f"),
        ("films", "movieReviewSnippets", "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350"),
        ("editorials", "nytEditorialSnippets", "7d8fbcce7dde5d716da53e78f4ef4be6b706e9ef1e1d51887e6d0ad4b69cc27e"),
    )
}


class Features(Options):
    features: Kind = setting(
        "tfidf", "what a sentence is made into: tfidf, or minilm (extra text)", before="tfidf"
    )


@DATASETS.register(
    "sentiment",
    DatasetInfo(
        version=1,
        summary="sentences of product reviews, tweets, film reviews and editorials, 5,000 TF-IDF values",
        licence="MIT (vaderSentiment); the texts are their authors'",
        files=tuple(RATINGS.values()),
        get="hutto_ICWSM_2014.tar.gz in the source distribution of PyPI's vaderSentiment 0.5",
        embeddable=("*",),  # a page counts words, and quotes no sentence
    ),
)
class Sentiment(DomainFamily):
    name = "sentiment"
    domains = tuple(RATINGS)

    def classes(self, task: str) -> tuple[str, ...]:
        return ("negative", "positive")

    def protocol(self, task: str) -> dict[str, str]:
        return {"backbone": "mlp?width=50&depth=1", "discriminator_layers": ""}

    def options(self, task: str) -> type[Options]:
        return Features

    def read(self, task: str, options: Options) -> Domains:
        assert isinstance(options, Features)
        domains = super().read(task, options)
        seen = [source.x[split(source, options.draw)[0]] for source in domains.sources]
        for target in domains.targets:
            train, val, _ = split(target, options.draw)
            seen += [target.x[train], target.x[val]]
        make = vectors(options.features, seen)
        sources, targets = (
            [replace(domain, x=make(domain.x)) for domain in side] for side in (domains.sources, domains.targets)
        )
        return Domains(sources, targets)

    def read_domain(self, domain: str) -> Samples:
        """Sentences, of which ``read`` makes inputs."""
        lines = files.checked(RATINGS[domain]).read_bytes().decode().splitlines()
        rows = [(number, float(rating), text) for number, rating, text in (line.split("\t") for line in lines)]
        clear = {
            tuple(re.findall(r"\w\w+", text.lower())): (number.partition("_")[0], rating, text)
            for number, rating, text in reversed(rows)
            if abs(rating) > NEUTRAL
        }
        reviews, ratings, texts = (np.array(column) for column in zip(*clear.values(), strict=True))
        return Samples(texts, (ratings > 0).astype(np.int64), groups=reviews)
