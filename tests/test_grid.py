"""From suites and flags to runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from benchmarks.grid import GROUPS, NotApplicable, load_suite, method_names, plan
from benchmarks.protocol import Protocol, StepsScale
from benchmarks.registry import METHODS, MethodInfo
from benchmarks.settings import Settings, UserError
from methods.source_only import SourceOnly
from tests.conftest import all_tasks, spec_of, trained

SUITE = """
kind = "fair"
seeds = 2
[protocol]
backbone = "mlp"
steps = 30
[methods.dann]
gamma = 5
[[task]]
name = "toys/moons?rotation=50"
protocol = { steps = 40 }
[[task]]
name = "toys/blobs"
"""


@pytest.fixture
def suite(tmp_path: Path) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(SUITE)
    return str(path)


def test_settings_go_from_suite_to_task_to_flag(suite: str) -> None:
    specs = plan(suite, method_names("dann")).specs
    assert len(specs) == 2 * 2 * 2
    dann = {spec.task: spec for spec in specs if spec.method == "dann"}
    assert {task: spec.protocol.steps for task, spec in dann.items()} == {
        "toys/moons?rotation=50": 40,
        "toys/blobs": 30,
    }
    assert all(spec.variant == "dann" and spec.params["gamma"] == 5 for spec in dann.values())
    flags = {"dann": {"gamma": "7"}, "protocol": {"steps": "5"}}
    changed = plan(suite, method_names("dann"), ["toys/blobs"], [3], flags).specs
    assert [(s.variant, s.protocol.steps, s.seed) for s in changed] == [
        ("source_only", 5, 3),
        ("dann?gamma=7", 5, 3),
    ]


def test_another_draw_of_the_splits_keeps_the_suites_protocol() -> None:
    first, other = plan(
        "amazon-jmlr", ["source_only"], ["amazon/books-dvd", "amazon/books-dvd?split=1"], [0]
    ).specs
    assert first.protocol == other.protocol
    assert first.run_id != other.run_id


def test_a_task_outside_the_suite_takes_its_familys_protocol() -> None:
    (spec,) = plan("quick", ["source_only"], ["toys/covariate"], [0]).specs
    assert spec.protocol.backbone == "linear"
    assert spec.protocol.steps == 350


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("kind", "kinds", "did you mean 'kind'"),
        ("steps = 30", "stepps = 30", "did you mean 'steps'"),
        ("steps = 30", "steps = -1", "greater than"),
        ("toys/blobs", "toys/blob", "did you mean 'blobs'"),
        ("methods.dann", "methods.dan2", "did you mean"),
        ("gamma", "gama", "did you mean 'gamma'"),
        ("[[task]]", "[[task", "not valid TOML"),
    ],
)
def test_a_wrong_suite_says_what_is_wrong(tmp_path: Path, before: str, after: str, message: str) -> None:
    (tmp_path / "mine.toml").write_text(SUITE.replace(before, after, 1))
    with pytest.raises(UserError, match=message):
        plan(str(tmp_path / "mine.toml"), method_names("dann"))


def test_the_baseline_is_always_there_and_groups_expand() -> None:
    assert method_names("dann") == ["source_only", "dann"]
    assert method_names("core") == load_core()
    assert set(method_names("all")) == set(METHODS.names()) - set(GROUPS["references"])


def load_core() -> list[str]:
    return ["source_only", "reweighting", "dan", "coral", "dann", "adda", "cdan", "cdan_e"]


def test_a_method_that_cannot_run_a_task_says_why() -> None:
    class Picky(SourceOnly):
        @classmethod
        def unsupported(cls, n_classes: int, protocol: object) -> str | None:
            return "it needs 10 classes" if n_classes < 10 else None

    METHODS.register("picky", MethodInfo("prototype", 2026, "-", "-"))(Picky)
    try:
        grid = plan("quick", ["source_only", "picky"], seeds=range(2))
    finally:
        METHODS.remove("picky")
    assert grid.not_applicable == [
        NotApplicable(task, "picky", "it needs 10 classes") for task in ("toys/blobs", "toys/moons")
    ]
    assert sum(spec.method == "picky" for spec in grid.specs) == 6


@pytest.mark.parametrize("task", [*all_tasks(), "digits/mnist5k+optdigits-mnist5k_m"])
def test_every_task_trains_with_its_own_protocol(task: str) -> None:
    """Two steps of an alignment on the backbone that its family asks for."""
    from datasets.base import DATASETS, resolve

    spec = resolve(task)
    own = DATASETS.get(spec.family)().protocol(spec.task)
    trainer = trained(spec_of("dann", task, **{**own, "steps": 2, "source_batch": 8, "target_batch": 8}))
    assert trainer.progress.backward_passes == 2


def test_shipped_suites_say_what_they_are() -> None:
    assert load_suite("quick").kind == "fair"
    assert len(load_suite("quick").task) == 5


def test_a_setting_that_came_later_counts_only_where_it_is_set() -> None:
    (usual, *_), (warm, *_) = (
        [
            spec
            for spec in plan("quick", method_names("cdan"), ["toys/blobs"], [0], each).specs
            if spec.method == "cdan"
        ]
        for each in ({}, {"cdan": {"warmup": "0.1"}, "protocol": {"horizon": "1000"}})
    )
    assert "warmup" not in usual.params
    assert "horizon" not in usual.to_dict()["protocol"]
    assert warm.params["warmup"] == 0.1
    assert warm.to_dict()["protocol"]["horizon"] == 1000
    assert usual.run_id != warm.run_id


def test_an_id_means_the_same_after_a_default_has_changed() -> None:
    """Records without the field keep their id and their meaning; the new default has an id of its own."""

    class Before(Settings):
        weight: float = 1.0

    class Between(Before):
        later: ClassVar[Mapping[str, Any]] = {"kernel": "linear"}
        kernel: str = "linear"

    class Now(Between):
        kernel: str = "gaussian"

    old = Before().identity()
    assert Between.of_identity(old, "x").identity() == Now.of_identity(old, "x").identity() == old
    assert Now.of_identity(old, "x").kernel == "linear"
    assert Now().identity() != old
    assert Now.of_identity(Now().identity(), "x") == Now()


@pytest.mark.parametrize(
    ("text", "steps", "horizon", "decay_steps"),
    [("truncate:0.1", 100, 1000, 200), ("compress:0.1", 100, None, 20)],
)
def test_another_number_of_steps_says_what_becomes_of_the_schedules(
    text: str, steps: int, horizon: int | None, decay_steps: int
) -> None:
    protocol = Protocol(steps=1000, decay_steps=200).scaled(StepsScale.parse(text))
    assert (protocol.steps, protocol.horizon, protocol.decay_steps) == (steps, horizon, decay_steps)


@pytest.mark.parametrize("text", ["0.1", "truncate", "truncate:0", "truncate:x", "squeeze:0.1", "compress:-1"])
def test_a_wrong_scale_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="expected truncate:FACTOR or compress:FACTOR"):
        StepsScale.parse(text)
