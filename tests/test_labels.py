"""A few labels: the files they come in, and what they say, against formulas, enumeration and simulation."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar

from benchmarks.advice.label_scores import choose_by_labels, chosen, needs, said, score
from benchmarks.advice.labels import Labels, read_labels, to_label
from benchmarks.advice.paired import Interval, exact, labels_needed, mcnemar, paired
from benchmarks.core.outfiles import is_ours
from benchmarks.core.settings import UserError

CLASSES = ("cat", "dog", "3")
SIZE = 400


def predictions(seed: int = 0, accuracies: tuple[float, float] = (0.8, 0.6)) -> tuple[np.ndarray, ...]:
    """True classes, and those that two candidates predict."""
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=SIZE)
    return y, *(np.where(rng.random(SIZE) < accuracy, y, (y + 1) % 3) for accuracy in accuracies)


def drawn(design: str, among: np.ndarray, y: np.ndarray, n: int, rng: np.random.Generator) -> Labels:
    index = rng.permutation(among)[:n]
    return Labels(Path("f.csv"), design, index, y[index], len(among) / n, n, len(y), 0)  # type: ignore[arg-type]


def filled(path: Path, labels: dict[str, str]) -> Path:
    """The file with labels by sample."""
    lines = [line.split(",") for line in path.read_text().splitlines()]
    lines = [[line[0], labels.get(line[0], line[1]), *line[2:]] for line in lines]
    path.write_text("\n".join(map(",".join, lines)) + "\n")
    return path


@pytest.mark.parametrize("design", ["random", "disagreement"])
def test_a_filled_file_comes_back(design: str, tmp_path: Path) -> None:
    y, a, b = predictions()
    names = [f"photo {i}.png" for i in range(SIZE)]
    pair = (a, b) if design == "disagreement" else None
    assert to_label(tmp_path / "f.csv", names, 50, pair) == 50
    lines = (tmp_path / "f.csv").read_text().splitlines()
    population = int((a != b).sum()) if pair else SIZE
    assert lines[0] == "sample,label,weight,design"
    assert all(line.endswith(f",,{population / 50:.10g},{design}") for line in lines[1:])
    assert not is_ours(tmp_path / "f.csv")  # no command writes over somebody's labels
    path = filled(tmp_path / "f.csv", {name: CLASSES[k] for name, k in zip(names, y, strict=True)})
    path.write_text("\ufeff" + path.read_text().replace("\n", "\r\n") + ",,,\r\n")  # as Excel saves it
    labels = read_labels(path, names, CLASSES)
    assert (len(set(labels.index)), labels.design, labels.skipped) == (50, design, 0)
    np.testing.assert_array_equal(labels.y, y[labels.index])
    assert pair is None or (a != b)[labels.index].all()


def test_draws_are_seeded_in_random_order_and_all_samples_are_as_likely(tmp_path: Path) -> None:
    def draw(seed: int) -> list[str]:
        to_label(tmp_path / "f.csv", range(10), 4, seed=seed)
        return [line.split(",")[0] for line in (tmp_path / "f.csv").read_text().splitlines()[1:]]

    draws = [draw(seed) for seed in range(100)]
    assert draws[0] == draw(0) != draws[1]
    for counted in ([each for found in draws for each in found], [first for first, *_ in draws]):
        counts = np.bincount(np.array(counted, int), minlength=10)
        assert stats.chisquare(counts).pvalue > 1e-3


def test_more_than_there_are_is_all_and_none_is_an_error(tmp_path: Path) -> None:
    assert to_label(tmp_path / "f.csv", range(5), 100) == 5
    with pytest.raises(UserError, match="predict the same classes"):
        to_label(tmp_path / "f.csv", range(5), 3, (np.zeros(5), np.zeros(5)))


GOOD = "sample,label,weight,design\n3,cat,2,random\n1,,2,random\n4,3.0,2,random\n0,,2,random\n2,,2,random\n"


def test_lines_without_a_label_are_told_of_above_the_last_label_alone(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text(GOOD)
    labels = read_labels(tmp_path / "f.csv", range(10), CLASSES)
    assert (labels.index.tolist(), labels.y.tolist(), labels.skipped) == ([3, 4], [0, 2], 1)
    zeros = np.zeros(10, np.int64)
    assert "1 line above the last label has none" in said(score(labels, zeros), "a")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("4,3.0", "4,bird", "line 4, column 'label': no class 'bird'"),
        ("4,3.0", "4,cta", "line 4, column 'label': no class 'cta'; did you mean 'cat'"),
        ("4,3.0", "4,c\x01", "line 4, column 'label': 'c\\\\x01' has control"),
        ("4,3.0", "12,3", "line 4, column 'sample': the target has no sample '12'"),
        ("4,3.0", "3,3", "line 4, column 'sample': '3' is in an earlier line"),
        ("4,3.0,2", "4,3,nan", "line 4, column 'weight': 'nan'"),
        ("4,3.0,2", "4,3,4", "line 4, column 'weight': '4'"),
        ("3.0,2,random", "3,2,disagreement", "line 4, column 'design': 'disagreement'"),
        ("3,cat,2,random", "3,cat,2,best", "line 2, column 'design': 'best'"),
        ("4,3.0,2,random", "4,3.0,2", "line 4 has 3 cells"),
        ("sample,label", "sample;label", "line 1 is 'sample;label"),
        ("2,,2,random\n", "", "its 4 lines were drawn from 8 samples .* the target has 10"),
        ("3,cat", '"3"x,cat', "no .csv in UTF-8"),
        (GOOD, "", "line 1 is ''"),
        (GOOD, "sample,label,weight,design\n", "has no samples"),
        (GOOD, GOOD.replace("cat", "").replace("3.0", " "), "no line has a label"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_message(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert GOOD.count(old) == 1
    (tmp_path / "f.csv").write_text(GOOD.replace(old, new))
    with pytest.raises(UserError, match=message):
        read_labels(tmp_path / "f.csv", range(10), CLASSES)


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_bytes(b"\xff\xfes")
    for path, message in ((tmp_path / "f.csv", "UTF-8"), (tmp_path / "no.csv", "missing"), (tmp_path, "no file")):
        with pytest.raises(UserError, match=message):
            read_labels(path, range(10), CLASSES)


def test_intervals_and_tests_are_the_published_ones() -> None:
    # Bentur et al. 2009, in Fagerland et al. 2014: 1 and 7 discordant of 21; the upper end, -0.026, is widened.
    assert paired(1, 7, 21).low == pytest.approx(-0.517, abs=5e-4)
    assert mcnemar(1, 7) == pytest.approx(2 * stats.binom.cdf(1, 8, 0.5))
    found = exact(43, 60)
    ends = stats.beta.ppf([0.025, 0.975], [43, 44], [18, 17])
    assert (found.value, found.low, found.high) == pytest.approx((43 / 60, *ends))
    assert labels_needed(0.06, 0.2) == 434
    assert labels_needed(0.2, 0.1) is None


@pytest.mark.parametrize(("better", "worse", "n"), [(20, 5, 60), (3, 12, 30), (30, 10, 40), (8, 0, 25)])
def test_ends_of_a_paired_interval_are_where_the_score_test_is_significant(
    better: int, worse: int, n: int
) -> None:
    """Independently: the restricted maximum of the likelihood is found by search."""

    def score_test(difference: float) -> float:
        def loss(q: float) -> float:
            p = (q + difference, q, 1 - 2 * q - difference)
            return -stats.multinomial.logpmf((better, worse, n - better - worse), n, p)

        low, high = max(0.0, -difference), (1 - difference) / 2
        q = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-10}).x
        return ((better - worse) / n - difference) / math.sqrt((2 * q + difference - difference**2) / n)

    found = paired(better, worse, n)
    assert score_test(found.low) == pytest.approx(1.95996, abs=1e-3)
    assert score_test(found.high) == pytest.approx(-1.95996, abs=1e-3)


@pytest.mark.parametrize("n", [8, 16])
def test_paired_intervals_cover_and_never_contradict_the_test(n: int) -> None:
    """Coverage by enumeration of all outcomes."""
    tables = [(better, worse) for better in range(n + 1) for worse in range(n + 1 - better)]
    found = [paired(*table, n) for table in tables]
    for (better, worse), each in zip(tables, found, strict=True):
        assert -1 <= each.low <= each.value <= each.high <= 1
        assert (each.low <= 0 <= each.high) == (mcnemar(better, worse) >= 0.05)
    coverage = {}
    for better in np.linspace(0.02, 0.5, 7):
        for worse in (0.0, 0.02, 0.1, 0.3, better):
            p = (better, worse, 1 - better - worse)
            likely = [stats.multinomial.pmf((*table, n - sum(table)), n, p) for table in tables]
            covered = [
                each.low <= better - worse + 1e-12 and better - worse <= each.high + 1e-12 for each in found
            ]
            coverage[better, worse] = float(np.dot(likely, covered))
    assert min(coverage.values()) > 0.92
    assert min(value for (better, worse), value in coverage.items() if better == worse) >= 0.95
    assert np.mean(list(coverage.values())) > 0.95


@pytest.mark.parametrize("design", ["random", "disagreement"])
def test_gains_are_unbiased_and_covered(design: str) -> None:
    y, a, b = predictions()
    among = np.flatnonzero(a != b) if design == "disagreement" else np.arange(SIZE)
    truth = float((a == y).mean() - (b == y).mean())
    rng = np.random.default_rng(1)
    gains: list[Interval] = []
    for _ in range(100):
        found = score(drawn(design, among, y, 30, rng), a, b)
        assert found.gain is not None
        gains.append(found.gain)
    error = np.std([gain.value for gain in gains]) / math.sqrt(100)
    assert np.mean([gain.value for gain in gains]) == pytest.approx(truth, abs=3 * error)
    assert np.mean([gain.low <= truth <= gain.high for gain in gains]) > 0.93


def test_power_is_what_the_number_of_labels_promises() -> None:
    n = labels_needed(0.12, 0.3)
    assert n is not None
    rng = np.random.default_rng(0)
    tables = rng.multinomial(n, (0.21, 0.09, 0.7), size=1000)
    tables, counts = np.unique(tables[:, :2], axis=0, return_counts=True)
    power = np.average([mcnemar(*table) < 0.05 for table in tables.tolist()], weights=counts)
    assert 0.74 < power < 0.84  # the exact test needs a few more


def test_labels_of_disagreements_are_for_their_two_candidates(tmp_path: Path) -> None:
    y, a, b = predictions()
    labels = drawn("disagreement", np.flatnonzero(a != b), y, 30, np.random.default_rng(0))
    with pytest.raises(UserError, match="tell no accuracy"):
        score(labels, a)
    with pytest.raises(UserError, match="tell no accuracy"):
        choose_by_labels(labels, {"a": a, "b": b, "c": a})
    other, more = b.copy(), b.copy()
    same = np.flatnonzero(a == b)
    other[labels.index[0]], other[same[0]] = a[labels.index[0]], -1  # as many disagreements, and not the same
    more[same[0]] = -1
    for another, message in ((other, "agree on some"), (more, "drawn from")):
        with pytest.raises(UserError, match=message):
            score(labels, a, another)
    assert labels.used is None


def test_labels_that_choose_do_not_score_nor_the_reverse() -> None:
    y, a, b = predictions()
    rng = np.random.default_rng(0)
    labels = drawn("random", np.arange(SIZE), y, 100, rng)
    choice = choose_by_labels(labels, {"b": b, "a": a})
    assert (choice.name, choice.right["a"]) == ("a", int((a == y)[labels.index].sum()))
    assert "It takes other labels" in chosen(choice)
    with pytest.raises(UserError, match="cannot also score"):
        score(labels, a, b)
    labels = drawn("random", np.arange(SIZE), y, 100, rng)
    score(labels, a)
    score(labels, a, b)
    with pytest.raises(UserError, match="cannot also score"):
        choose_by_labels(labels, {"a": a, "b": b})


def test_equals_are_chosen_in_the_order_given() -> None:
    y, a, _ = predictions()
    labels = drawn("random", np.arange(SIZE), y, 10, np.random.default_rng(0))
    assert choose_by_labels(labels, {"b": a, "a": a}).name == "b"


def test_sentences() -> None:
    y = np.zeros(60, np.int64)
    a, b = (np.arange(60) >= 17).astype(int) - 1, (np.arange(60) >= 24).astype(int) - 1
    labels = drawn("random", np.arange(60), y, 60, np.random.default_rng(0))
    assert said(score(labels, a), "a") == "On 60 random labels: a 71.7% [58.6, 82.5]."
    assert said(score(labels, a, b), "a", "b") == (
        "On 60 random labels: a 71.7% [58.6, 82.5], b 60.0% [46.5, 72.4]; difference +11.7 points [+4.9, +22.2], "
        "p = 0.016."
    )
    _, a, b = predictions()
    share = float((a != b).mean())
    sentence = needs("a", "b", (a, b))
    assert f"for {share:.0%} of the target's 400 samples" in sentence
    assert f"400, 400 or {labels_needed(0.12, share)} random labels" in sentence
    b = a.copy()
    b[:8] += 1
    assert needs("a", "b", (a, b)).endswith(
        "for 2% of the target's 400 samples, so that their accuracies differ by less than 3 points."
    )
