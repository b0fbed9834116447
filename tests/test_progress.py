"""How far a grid is, what is told of it, and how long others of its kind took."""

import json
import re
from collections.abc import Iterator

import pytest

from benchmarks.commands.shared.budget import expected
from benchmarks.engines.events import Event
from benchmarks.engines.pace import Pace
from benchmarks.engines.progress import follow
from benchmarks.plan.cost import Estimate, in_words, kind
from benchmarks.plan.grid import plan
from benchmarks.plan.search import Search
from benchmarks.records.clocks import recorded
from benchmarks.records.record import DIGESTS, digests, write_json
from benchmarks.records.store import Store
from benchmarks.training.run import execute
from tests.conftest import CPU, spec_of

RUNS = [spec_of(method, seed=seed, steps=100, checkpoints=4) for seed in (0, 1) for method in ("svm", "dann")]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def event(kind: str, number: int) -> Event:
    return Event(kind, RUNS[number], error="no good" * (kind == "failed"))  # type: ignore[arg-type]


def test_the_time_left_is_known_from_the_first_second_where_an_estimate_is() -> None:
    clock = Clock()
    pace = Pace(RUNS, {spec.run_id: 100.0 for spec in RUNS}, 2, clock)
    assert (pace.left, pace.elapsed) == (250.0, 0.0)  # no order of four runs takes two workers longer
    clock.now += 30
    assert (pace.left, pace.elapsed) == (250.0, 30.0)  # workers are starting
    pace.hear(event("signals", 0))
    assert pace.left == pytest.approx(250 * 375 / 400)
    clock.now += 5
    assert pace.left == pytest.approx(250 * 375 / 400 - 5)


def test_without_an_estimate_the_pace_is_that_of_what_is_done() -> None:
    clock = Clock()
    same = [spec_of("dann", seed=seed, steps=100, checkpoints=4) for seed in range(3)]
    pace = Pace(same, clock=clock)
    assert pace.left is None
    for spec in same[:2]:
        for _ in range(4):
            pace.hear(Event("signals", spec))
            clock.now += 10
    assert pace.share == pytest.approx(2 / 3)
    assert pace.left == pytest.approx(30)  # the last of three runs, of 40 s each, since 10 s
    assert (pace.done_steps, pace.steps) == (200, 300)


def test_a_pace_that_is_wrong_is_corrected_by_what_happens() -> None:
    clock = Clock()
    pace = Pace(RUNS, {spec.run_id: 1.0 for spec in RUNS}, 1, clock)
    pace.hear(event("finished", 0))
    for number in (1, 2):
        clock.now += 1000
        pace.hear(event("finished", number))
    assert pace.left is not None
    assert 100 < pace.left < 1000


def test_runs_that_others_do_or_that_fail_are_no_work() -> None:
    clock = Clock()
    pace = Pace(RUNS, {spec.run_id: 100.0 for spec in RUNS}, 1, clock)
    for number, kind_of in enumerate(("reused", "failed", "finished")):
        clock.now += 100 * (kind_of == "finished")
        pace.hear(event(kind_of, number))
    assert pace.left == pytest.approx(100.0)
    assert (pace.ended, pace.runs, pace.share) == (3, 4, 0.5)


def test_a_run_that_begins_again_starts_from_nothing() -> None:
    pace = Pace(RUNS, clock=Clock())
    for kind_of in ("started", "signals", "signals", "started"):
        pace.hear(event(kind_of, 0))
    assert (pace.share, pace.done_steps) == (0.0, 0.0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """With a run of source_only."""
    store = Store(tmp_path_factory.mktemp("store"))
    spec = spec_of("source_only")
    store.create()
    with store.locked(spec) as folder:
        execute(spec, folder, CPU)
        store.publish(spec)
    return store


def test_each_finished_run_is_a_line_where_there_is_no_terminal(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    specs = [spec_of("source_only"), spec_of("source_only", seed=1), spec_of("source_only", seed=2)]
    pace = Pace(specs, {spec.run_id: 60.0 for spec in specs}, 1, clock)

    def events() -> Iterator[Event]:
        yield Event("started", specs[0])
        clock.now += 61
        yield Event("finished", specs[0])
        yield Event("failed", specs[1], error="no good")
        yield Event("finished", specs[2])  # by a fake: without any score

    assert [failure.spec for failure in follow(events(), pace, store)] == [specs[1]]
    begin, *lines = capsys.readouterr().err.splitlines()
    assert begin == "3 runs, 60 steps: ~3:00 left"
    scores = json.loads((store.folder(specs[0]) / "scores.json").read_text())["checkpoints"][-1]
    accuracy = f"source accuracy {scores['source_test_accuracy']:.1%}"
    assert re.fullmatch(rf"\[1/3\] finished: {specs[0]}: {accuracy}, im \d\.\d\d; 1:01 gone, ~2:00 left", lines[0])
    assert lines[1:] == [f"failed: {specs[1]}: no good", f"[3/3] finished: {specs[2]}; 1:01 gone, ~0:00 left"]


def test_what_is_told_of_a_run_needs_no_target_label(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    spec = spec_of("source_only")
    kept = {path: path.read_bytes() for path in store.folder(spec).glob("oracle.*")}
    assert kept
    for path in kept:
        path.unlink()
    follow([Event("finished", spec)], Pace([spec]), store)
    for path, content in kept.items():
        path.write_bytes(content)
    line = capsys.readouterr().err.splitlines()[1]
    assert "source accuracy" in line
    assert "target" not in line


def test_configurations_are_one_kind_of_run_and_steps_make_another() -> None:
    searched = plan("toys", ["source_only", "dann"], ["toys/moons"], [0], search=Search(5))
    assert len({spec.protocol for spec in searched.specs}) == 5
    assert len(set(map(kind, searched.specs))) == 2
    assert kind(spec_of("dann", steps=20)) != kind(spec_of("dann", steps=30))


def test_what_is_not_known_is_guessed_by_the_samples_that_it_trains_on() -> None:
    source, dann, svm = (kind(spec_of(name)) for name in ("source_only", "dann", "svm"))
    longer = kind(spec_of("dann", steps=60))
    counts = {source: 2, dann: 1, svm: 1, longer: 1}
    known = Estimate(counts, training={source: 10.0}, evaluation={source[0]: 1.0})
    assert [known.of(each) for each in counts] == [11.0, 21.0, 11.0, 61.0]
    known.training[dann] = 30.0
    assert [known.of(each) for each in (dann, longer)] == [31.0, 1 + 3 * (20 + 30) / 2]
    known.recorded.add(dann)
    assert str(known) == "rough: of 4 kinds of run, 1 recorded, 1 timed, 2 guessed"
    assert in_words([60.0] * 4, 2, "cpu") == "about 2.5 min on 2 cores: 0.07 core-hours"
    assert in_words([1800.0] * 4, 1, "cuda:0") == "about 120.0 min on 1 GPU: 2.0 GPU-hours"


def test_finished_runs_of_the_same_kind_tell_how_long_others_take(store: Store) -> None:
    spec = spec_of("source_only")
    path = store.folder(spec) / "cost.json"
    kept, sealed = path.read_text(), (path.parent / DIGESTS).read_text()
    write_json(path, {**json.loads(kept), "training_seconds": 7.0, "evaluation_seconds": 3.0})
    write_json(path.parent / DIGESTS, digests(path.parent))
    rate = spec_of("source_only", seed=5, lr_new=1e-2)
    dann, longer = spec_of("dann"), spec_of("source_only", steps=30)
    known = recorded([rate, dann, longer], store, "cpu")
    assert (known.training, known.recorded) == ({kind(rate): 7.0}, {kind(rate)})
    assert known.of(kind(rate)) == 10.0
    assert expected([rate, dann], store, "cpu") == {rate.run_id: 10.0, dann.run_id: 17.0}
    path.write_text(kept)  # broken now, as its digest is another: whoever reads its scores tells
    assert expected([rate, dann], store, "cpu") == {}
    (path.parent / DIGESTS).write_text(sealed)


def test_records_of_another_machine_tell_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.records.clocks.machine", lambda device: "another")
    assert not recorded([spec_of("source_only", seed=5)], store, "cpu").known
