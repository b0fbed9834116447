"""What a training tells while it runs, and when it doubts itself."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.core.objective import Classes, Ranking, RealNumbers
from benchmarks.core.registry import METHODS
from benchmarks.engines.events import Event
from benchmarks.engines.pace import Pace
from benchmarks.engines.progress import follow
from benchmarks.engines.tensorboard import Board
from benchmarks.records.store import Store
from benchmarks.training.run import execute
from benchmarks.training.signals import Signals, alignment_doubt, discriminator_doubt, source_doubt
from methods.base import Deep
from tests.conftest import CPU, RUNNING, spec_of, thorough_for_most


def curves(*accuracy: float) -> list[Signals]:
    return [{"step": float(step), "domain_accuracy": value} for step, value in enumerate(accuracy)]


def around(level: float, n: int = 50) -> list[float]:
    """Readings on batches of 64 + 64 of a discriminator that is right so often."""
    return list(np.random.default_rng(0).binomial(128, level, size=n) / 128)


@pytest.mark.parametrize(
    ("accuracy", "doubt"),
    [
        (around(0.995), "too weak"),
        (around(0.5), "at chance or worse from the start"),
        ([*around(0.8, 10), *around(0.5, 40)], None),  # what alignment wants
        ([*around(0.5, 10), *around(0.8, 40)], None),  # slow, but it learns
        (around(0.9), None),
        (around(0.5, 5), None),  # too short to say
        ([], None),
    ],
)
def test_a_discriminator_that_is_dead_or_untouched_is_doubted(accuracy: list[float], doubt: str | None) -> None:
    said = discriminator_doubt(curves(*accuracy))
    assert said is None if doubt is None else doubt in str(said)


def test_a_planted_dead_discriminator_warns_in_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from methods.networks.layers import Discriminator

    forward = Discriminator.forward
    monkeypatch.setattr(Discriminator, "forward", lambda self, x: 0 * forward(self, x))
    execute(spec_of("dann", "toys/blobs", steps=60), tmp_path, CPU)
    assert "dead" in " ".join(json.loads((tmp_path / "provenance.json").read_text())["warnings"])


def ratios(*readings: tuple[float, float], n: int = 50) -> list[Signals]:
    """Readings of the task's loss, of which the last are checkpoints with these losses and gradient ratios."""
    before = [{"step": float(step), "task": 2.3} for step in range(n - len(readings))]
    return before + [{"step": float(n), "task": task, "gradient_ratio": ratio} for task, ratio in readings]


@pytest.mark.parametrize(
    ("curves", "doubted"),
    [
        (ratios((2.3, 59), (2.25, 30), (2.28, 44)), True),
        (ratios((2.3, 59), (2.2, 30), (0.1, 4)), True),  # it recovers, late
        (ratios((2.3, 47), (2.3, 0), (2.3, 0)), True),  # the encoder is dead
        (ratios((0.5, 3), (0.1, 19), (0.01, 80)), False),  # the source is done
        (ratios((2.3, float("nan")), (2.3, float("nan"))), False),  # the task has no gradient
        (ratios((2.3, 59), n=5), False),  # too short to say
        ([], False),
    ],
)
def test_an_alignment_that_outweighs_an_unlearnt_source_is_doubted(curves: list[Signals], doubted: bool) -> None:
    assert ("before that is learnt" in str(alignment_doubt(curves))) == doubted


@pytest.mark.parametrize(
    ("right", "shares", "doubted"),
    [
        (10, [50, 50], True),
        (50, [50, 50], True),
        (60, [50, 50], False),
        (71, [30, 70], True),
        (80, [30, 70], False),
    ],
)
def test_a_source_at_chance_is_doubted(right: int, shares: list[int], doubted: bool) -> None:
    y = np.repeat(range(len(shares)), shares)
    logits = np.eye(2)[np.where(np.arange(100) < right, y, 1 - y)]
    assert (source_doubt(*Classes(2).learnt(logits, y)) is not None) == doubted


@pytest.mark.parametrize(
    ("order", "doubt"), [(1, None), (0, "AUC ends at chance (50%; one answer for all has 50%)")]
)
def test_a_ranking_is_at_chance_by_its_order_wherever_the_threshold_is(order: int, doubt: str | None) -> None:
    """Each pair is said to be similar, which is the smaller class."""
    y = np.repeat([0, 1], [70, 30])
    said = source_doubt(*Ranking(2).learnt(np.stack([np.zeros(100), 5 + order * y], axis=1), y))
    assert said is None if doubt is None else doubt in str(said)


@pytest.mark.parametrize(
    ("kept", "doubt"), [(1.0, None), (0.5, None), (0.0, "R² ends at chance (0%; one answer for all has 0%)")]
)
def test_real_numbers_are_at_chance_where_their_mean_says_as_much(kept: float, doubt: str | None) -> None:
    y = np.random.default_rng(0).normal(170, 10, size=100)
    said = source_doubt(*RealNumbers(1).learnt((y.mean() + kept * (y - y.mean()))[:, None], y))
    assert said is None if doubt is None else doubt in str(said)


def test_where_nothing_differs_no_score_of_an_order_or_of_numbers_is_doubted() -> None:
    same = np.zeros(10, dtype=int)
    assert source_doubt(*Ranking(2).learnt(np.zeros((10, 2)), same)) is None
    assert source_doubt(*RealNumbers(1).learnt(np.ones((10, 1)), same.astype(float))) is None


@pytest.mark.parametrize(
    "method", thorough_for_most(name for name in RUNNING if issubclass(METHODS.get(name), Deep))
)
def test_a_planted_failure_to_learn_the_source_warns_whatever_the_method(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logits that say nothing. What is trained on the target alone need not know the source."""
    cls = METHODS.get(method)
    predict = cls.predict
    monkeypatch.setattr(
        cls, "predict", lambda self, x, side: (predict(self, x, side)[0], predict(self, x, side)[1] * 0)
    )
    execute(spec_of(method, steps=20), tmp_path, CPU)
    warned = " ".join(json.loads((tmp_path / "provenance.json").read_text())["warnings"])
    assert ("ends at chance" in warned) == (METHODS.info(method).reference != "target")


def test_an_alignment_that_is_too_strong_from_the_start_warns_in_the_record(tmp_path: Path) -> None:
    execute(spec_of("dann", "toys/moons", params={"trade_off": 1e4, "gamma": 1e6}, steps=20), tmp_path, CPU)
    assert "before that is learnt" in " ".join(json.loads((tmp_path / "provenance.json").read_text())["warnings"])


def test_signals_come_while_it_runs_and_none_twice(tmp_path: Path) -> None:
    heard: list[Signals] = []
    execute(spec_of("dann"), tmp_path, CPU, heard.extend)
    assert heard == json.loads((tmp_path / "curves.json").read_text())
    assert [signals["step"] for signals in heard] == list(range(1, 21))
    for name in ("task", "domain", "source_accuracy", "domain_accuracy", "strength"):
        assert name in heard[0]
    assert "gradient_ratio" in heard[-1]


def test_signals_go_to_tensorboard(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    spec, board = spec_of("dann"), Board(tmp_path)
    board.write(Event("signals", spec, signals=[{"step": 1, "task": 0.7}, {"step": 3, "task": 0.5}]))
    board.write(Event("finished", spec))
    (file,) = tmp_path.rglob("events.*")
    read = accumulator.EventAccumulator(str(file)).Reload()
    assert [(point.step, point.value) for point in read.Scalars("task")] == [(1, pytest.approx(0.7)), (3, 0.5)]


def test_an_error_is_one_line_and_is_shown_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = "expected [0, 1] in [/a/long/path]" + 100 * "/folder"
    event = Event("failed", spec_of("dann", "toys/moons"), error=error)
    assert follow([event], Pace([event.spec]), Store(tmp_path)) == [event]
    assert capsys.readouterr().err.splitlines()[1:] == [f"failed: {event.spec}: {error}"]
