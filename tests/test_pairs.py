"""Pairs of texts: what is similar, which pairs stay together, inputs, and the files of two sites of questions."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.core.facts import Facts
from benchmarks.core.objective import objective_of
from benchmarks.core.settings import UserError
from datasets import files, pairs
from datasets.base import Samples, forget_tasks, load_task, split
from datasets.pairs import Pairs, linked
from datasets.readers import sentences

absent = [file.path for file in pairs.STS if files.state(file) != "present"]
real = pytest.mark.skipif(bool(absent), reason=f"no {absent} in ${files.VARIABLE}")


def test_pairs_that_share_a_text_or_are_linked_by_others_are_one_group() -> None:
    found = linked(
        np.array([["aa", "bb"], ["cc", "dd"], ["Bb!", "ee"], ["ff", "gg"], ["ee", "hh"], ["dd", "ii"]], object)
    )
    assert found[0] == found[2] == found[4] != found[1] == found[5] != found[3] != found[0]


def test_a_ranking_is_scored_by_its_order_alone() -> None:
    objective = objective_of(Facts(n_classes=2, objective="ranking"))
    assert objective.headline == "target_auc"
    y = np.array([0, 0, 1, 1])
    logits = np.array([[0.0, 1.0], [0.0, 3.0], [0.0, 2.0], [0.0, 4.0]])
    for shift in (0, -10):
        assert objective.scores(logits + np.array([0.0, shift]), y, logits)["target_auc"] == 0.75
    assert "target_auc" not in objective.scores(logits, np.ones(4, int), logits)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty pairs a domain; similar ones share their words."""

    def read_domain(self: Pairs, domain: str) -> Samples:
        y = np.arange(60) % 2
        texts = [[f"w{i} w{i + 1} {domain}", f"w{i} w{i + 1}" if i % 2 else f"w{i + 7} other"] for i in range(60)]
        return Samples(np.array(texts, object), y, groups=np.arange(60) // 2)

    monkeypatch.setattr(Pairs, "read_domain", read_domain)
    forget_tasks()


@pytest.mark.usefixtures("made")
def test_inputs_of_a_pair_do_not_depend_on_the_order_of_its_texts() -> None:
    texts = Pairs().read_domain("news").x
    encode = pairs.ENCODERS["tfidf"](set(np.asarray(texts).ravel()))
    x = pairs.inputs(np.asarray(texts), encode)
    assert x.shape == (60, 2 * pairs.DIMENSIONS + 1)
    assert np.allclose(x, pairs.inputs(np.asarray(texts)[:, ::-1], encode), atol=1e-6)
    assert x[1::2, -1].min() > x[::2, -1].max()  # the cosine: similar ones share words


@pytest.mark.usefixtures("made")
def test_vectors_of_a_network_are_compared_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sentences, "vectors", lambda kind, seen: lambda texts: np.ones((len(texts), sentences.SIZE))
    )
    pair = np.array([["aa", "bb"], ["cc", "dd"]], object)
    x = pairs.inputs(pair, pairs.ENCODERS["minilm"](set()))
    assert x.shape == (2, 2 * sentences.SIZE + 1)
    assert np.allclose(x[:, -1], 1)
    assert load_task("pairs/news-forums?features=minilm").input_shape == (2 * sentences.SIZE + 1,)


@pytest.mark.usefixtures("made")
def test_words_are_those_of_texts_that_training_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    before, read = load_task("pairs/news-forums").train_view(), Pairs.read_domain

    def changed(self: Pairs, domain: str) -> Samples:
        samples = read(self, domain)
        np.asarray(samples.x)[split(samples)[2]] = "all others"
        return samples

    monkeypatch.setattr(Pairs, "read_domain", changed)
    forget_tasks()
    after = load_task("pairs/news-forums").train_view()
    assert np.array_equal(before.source.x, after.source.x)
    assert np.array_equal(before.target.x, after.target.x)


@real
def test_the_real_pairs_are_all_there_and_their_words_overlap_where_they_are_similar() -> None:
    sizes = {"captions": 3250, "news": 4299, "forums": 1079}
    for domain, size in sizes.items():
        samples = Pairs().read_domain(domain)
        assert len(samples.y) == size
        assert 0.18 < samples.y.mean() < 0.26
        assert samples.groups is not None
        parts = [set(samples.groups[part]) for part in split(samples)]
        assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]
    x = np.asarray(samples.x)
    assert roc_auc_score(samples.y, pairs.inputs(x, pairs.ENCODERS["tfidf"](set(x.ravel())))[:, -1]) > 0.7


# ---- questions of two sites


@pytest.fixture
def sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Both sites' folders as they are published, small."""
    for folder, corpus in (("AskUbuntu", "text_tokenized.txt.gz"), ("Android", "corpus.tsv.gz")):
        (tmp_path / folder).mkdir()
        lines = "".join(f"{i}\ttitle {i} word{i % 9}\tbody {i % 7}\n" for i in range(100))
        (tmp_path / folder / corpus).write_bytes(gzip.compress(lines.encode()))
    train = "".join(f"{i}\t{i + 20} {i + 40}\t{' '.join(str(i + j) for j in range(1, 9))}\n" for i in range(20))
    (tmp_path / "AskUbuntu" / "train_random.txt").write_text(train)
    for part, first in (("dev", 0), ("test", 50)):
        for kind, step in (("pos", 9), ("neg", 1)):
            lines = "".join(f"{first + i} {first + i + step}\n" for i in range(30))
            (tmp_path / "Android" / f"{part}.{kind}.txt").write_text(lines)
    monkeypatch.setenv(files.VARIABLE, str(tmp_path))
    forget_tasks()
    return tmp_path


@pytest.mark.usefixtures("sites")
def test_questions_are_read_as_their_authors_publish_them() -> None:
    source, target = (Pairs().read_domain(domain) for domain in ("askubuntu", "android"))
    assert np.bincount(source.y).tolist() == [20 * 5, 20 * 2]
    assert source.x[0].tolist() == ["title 0 word0 body 0", "title 20 word2 body 6"]
    assert np.bincount(target.y).tolist() == [60, 60]
    assert target.test is not None
    assert target.test.sum() == 60
    task = load_task("pairs/askubuntu-android")
    assert len(task.oracle().target_test_y) == 60
    assert task.train_view().source.x.shape[1:] == task.input_shape


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("AskUbuntu/train_random.txt", b"1\t2\n", r"train_random.txt line 1: 2 fields; it must have 3"),
        ("AskUbuntu/train_random.txt", b"1\t999\t2\n", r"line 1: the corpus has no question 999"),
        ("AskUbuntu/train_random.txt", b"", "it has no pair of questions"),
        ("AskUbuntu/text_tokenized.txt.gz", b"no gzip", "text_tokenized.txt.gz cannot be read"),
        ("AskUbuntu/text_tokenized.txt.gz", gzip.compress(b"1\ta\tb\n" * 99, mtime=0)[:-9], "cannot be read"),
        ("Android/test.neg.txt", b"\xff\xfe 1\n", "test.neg.txt cannot be read"),
        ("Android/dev.pos.txt", None, "dev.pos.txt cannot be read"),
    ],
)
def test_a_file_of_a_site_that_is_not_as_it_must_be_is_one_line(
    sites: Path, file: str, content: bytes | None, message: str
) -> None:
    path = sites / file
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        load_task("pairs/askubuntu-android")
    assert "\n" not in str(error.value)
