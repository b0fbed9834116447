"""What a budget of time affords, and the list of it that commands follow."""

import contextlib
import io
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.commands.parser import main
from benchmarks.commands.shared.budget import BudgetFlags
from benchmarks.core.settings import UserError
from benchmarks.plan.budget import affordable, in_units, within
from benchmarks.plan.cost import Estimate, kind, wall_time
from benchmarks.plan.grid import Grid, plan
from benchmarks.plan.search import Search
from benchmarks.plan.spec import RunSpec
from benchmarks.records.budgets import Listing, listing, place
from benchmarks.records.store import Store
from tests.conftest import EngineHere

METHODS = ["source_only", "dann", "coral", "svm", "adda", "cdan"]
TASKS = ["toys/moons", "toys/blobs"]
GRID = plan("toys", METHODS, TASKS, range(4), search=Search(3), reverse=True)
COSTS = st.floats(0.0, 100.0)


def drawn(most: dict[str, float], seed: int) -> dict[str, float]:
    """Seconds of each run, up to those of its method."""
    return {spec.run_id: most[spec.method] * random.Random(f"{seed}{spec.run_id}").random() for spec in GRID.runs}


def wall(seconds: dict[str, float], runs: Sequence[RunSpec], workers: int) -> float:
    times = [seconds[spec.run_id] for spec in runs]
    return wall_time(sum(times), max(times), workers)


@given(
    st.fixed_dictionaries(dict.fromkeys(METHODS, COSTS)), st.integers(), st.integers(1, 8), st.integers(1, 20_000)
)
def test_what_is_afforded_fits_and_has_the_baseline_and_grows_with_the_budget(
    most: dict[str, float], seed: int, workers: int, budget: int
) -> None:
    seconds = drawn(most, seed)
    least = [s for s in GRID.runs if (s.method, s.configuration, s.seed) == ("source_only", 0, 0)]
    try:
        kept = affordable(GRID, seconds, budget, workers)
    except UserError:
        assert wall(seconds, least, workers) > budget
        return
    assert kept == affordable(GRID, seconds, budget, workers)
    assert wall(seconds, kept, workers) <= budget
    ids = {spec.run_id for spec in kept}
    assert {spec.run_id for spec in least} <= ids
    assert ids <= {spec.run_id for spec in affordable(GRID, seconds, budget + 100, workers)}
    # All methods get the same seeds and tasks, and as many configurations as any; judges go with what they judge.
    cut = within(GRID, ids, budget)
    for method in {spec.method for spec in cut.specs}:
        own = [spec for spec in cut.specs if spec.method == method]
        assert {s.seed for s in own} == {s.seed for s in cut.specs}
        assert {s.task for s in own} == set(TASKS)
        tried = {s.configuration for s in GRID.specs if s.method == method}
        assert {s.configuration for s in own} == tried & {s.configuration for s in cut.specs}
    assert {spec.reverse_of for spec in cut.reverse} == {r.reverse_of for r in GRID.reverse} & ids


def sizes(runs: Sequence[RunSpec]) -> tuple[int, int, int]:
    """Methods, seeds and configurations."""
    return (
        len({spec.method for spec in runs}),
        len({spec.seed for spec in runs}),
        len({spec.configuration for spec in runs}),
    )


def test_methods_are_cut_first_then_configurations_then_seeds_down_to_a_floor() -> None:
    grid = plan("toys", METHODS, TASKS, range(4), search=Search(3))
    seconds = {spec.run_id: 1.0 for spec in grid.specs}
    found = [affordable(grid, seconds, budget, 1) for budget in range(len(grid.specs), 1, -1)]
    assert list(dict.fromkeys(map(sizes, found))) == [
        (6, 4, 3),
        (5, 4, 3),
        (4, 4, 3),
        (4, 4, 2),
        (4, 4, 1),
        (4, 3, 1),
        (4, 2, 1),
        (3, 2, 1),
        (2, 2, 1),
        (2, 1, 1),
        (1, 1, 1),
    ]
    assert all({spec.method for spec in kept} == set(METHODS[: sizes(kept)[0]]) for kept in found)


@pytest.mark.parametrize(("budget", "least"), [(4, "5s"), (59, "2m"), (119, "2m")])
def test_a_budget_too_small_for_the_baseline_says_what_the_least_would_be(budget: int, least: str) -> None:
    seconds = {spec.run_id: {4: 1.25, 59: 22.5, 119: 29.95}[budget] for spec in GRID.runs}
    with pytest.raises(UserError, match=f"--budget {in_units(budget)}: source_only alone, .* about {least};"):
        affordable(GRID, seconds, budget, 1)


def test_a_cut_grid_says_what_is_left_out() -> None:
    seconds = {spec.run_id: 1.0 for spec in GRID.runs}

    def told(budget: int) -> str:
        return within(GRID, [spec.run_id for spec in affordable(GRID, seconds, budget, 1)], budget).budget

    assert told(30) == "budget 30s: 3 of 6 methods, 1 of 3 configurations, 2 of 4 seeds: svm, adda, cdan left out"
    assert told(3600) == ""


def guesses(monkeypatch: pytest.MonkeyPatch, seconds: float) -> list[int]:
    """Every estimate finds these seconds of each run; what it returns grows by one with each."""
    made: list[int] = []

    def fake(specs: Sequence[RunSpec], known: Estimate, *_: Any) -> Estimate:
        made.append(len(specs))
        known.training.update(dict.fromkeys(map(kind, specs), seconds))
        return known

    monkeypatch.setattr("benchmarks.training.estimate.estimate", fake)
    return made


def cut(store: Store, to_do: bool = True) -> Grid:
    with contextlib.redirect_stderr(io.StringIO()):
        return BudgetFlags(600).within(GRID, lambda _: to_do, store, ["cpu", "cpu"])[0]


def test_a_later_command_follows_the_list_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    made = guesses(monkeypatch, 10.0)
    first = cut(store)
    assert 0 < len(first.specs) < len(GRID.specs)
    guesses(monkeypatch, 0.001)
    assert cut(store) == cut(store, to_do=False) == first
    assert made == [len(GRID.runs)]
    with contextlib.redirect_stderr(io.StringIO()):
        assert BudgetFlags(1200).within(GRID, lambda _: True, store, ["cpu"])[0] != first  # another list


def test_what_has_a_record_takes_nothing_of_a_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert guesses(monkeypatch, 10.0) == []
    assert cut(Store(tmp_path), to_do=False).runs == GRID.runs


def test_a_command_that_is_killed_in_its_estimate_leaves_no_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> Estimate:
        raise KeyboardInterrupt

    store = Store(tmp_path)
    monkeypatch.setattr("benchmarks.training.estimate.estimate", killed)
    with pytest.raises(KeyboardInterrupt):
        cut(store)
    assert not place(store, GRID, 600).exists()


@pytest.mark.parametrize(("budget", "seconds"), [(60, 30.0), (3600, 360.0)])
def test_a_larger_budget_waits_longer_for_its_first_timing(
    budget: int, seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large images on a busy machine need more than half a minute for their first steps."""
    waited = []

    def fake(specs: Sequence[RunSpec], known: Estimate, device: str, patience: float, start: float) -> Estimate:
        waited.append((patience, start))
        return known

    monkeypatch.setattr("benchmarks.training.estimate.estimate", fake)
    with (
        pytest.raises(UserError, match="no kind of run could be timed"),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        BudgetFlags(budget).within(GRID, lambda _: True, Store(tmp_path), ["cpu"])
    assert [start for _, start in waited] == [seconds]
    assert waited[0][0] <= 30


def some(number: int) -> Listing:
    """The first runs of the grid."""
    ids = [spec.run_id for spec in GRID.runs]
    kept, out = dict.fromkeys(ids[:number], 1.0), dict.fromkeys(ids[number:], 1.0)
    return Listing(budget=9, workers=1, basis="", runs=kept, left_out=out)


def test_of_two_commands_at_once_the_first_to_write_decides(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def slow() -> Listing:
        assert listing(store, GRID, 9, lambda: some(5)) == some(5)  # another command, from begin to end
        return some(7)

    assert listing(store, GRID, 9, slow) == some(5)
    assert len(list((tmp_path / "budgets").iterdir())) == 1


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", "cut", "lost", "text"])
def test_a_damaged_list_is_one_clear_message(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    path = place(store, GRID, 9)
    path.parent.mkdir()
    whole = some(5).model_dump_json(indent=1)
    (_, lost, *_) = some(5).runs
    damaged = {
        "cut": whole[:200],
        "lost": "\n".join(line for line in whole.splitlines() if lost not in line),
        "text": whole.replace("1.0", '"much"', 1),
    }
    path.write_text(damaged.get(damage, damage))
    with pytest.raises(UserError, match=r"^the budget's list of runs .* is damaged \(.*\); delete it") as error:
        listing(store, GRID, 9, lambda: some(5))
    assert "\n" not in str(error.value)


def test_run_keeps_to_its_budget_and_its_table_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.engines.local.LocalEngine", EngineHere)
    guesses(monkeypatch, 4.0)
    words = ["run", "--methods", "coral,dann", "--tasks", "toys/moons", "--seeds", "2", "--store", str(tmp_path)]
    words += ["--set", "protocol.steps=5", "--jobs", "1", "--budget"]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main([*words, "3s"]) == 2
        assert main([*words, "17s", "--dry-run"]) == 0
        assert main([*words, "17s"]) == 0
    assert "error: --budget 3s: source_only alone, with one seed of each task, takes about 4s; " in err.getvalue()
    assert "budget 17s: 2 of 3 methods, 2 seeds: dann left out; about 16 s on 1 core" in err.getvalue()
    assert "4 of 4 runs to do, 1 at a time: about 16 s on 1 core" in out.getvalue()
    assert "- Missing runs: budget 17s: 2 of 3 methods, 2 seeds: dann left out." in out.getvalue()
    assert {path.parent.name for path in Store(tmp_path).record_folders()} == {"source_only", "coral"}
