"""From suites and flags to runs."""

import os
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from benchmarks.core.facts import Facts
from benchmarks.core.protocol import SGD, Adam, Inverse, Last, Protocol, SourceVal, Steps, StepsScale
from benchmarks.core.registry import DATASETS, METHODS, MethodInfo
from benchmarks.core.settings import OneOf, Settings, UserError, setting
from benchmarks.plan.grid import NotApplicable, plan
from benchmarks.plan.methods import groups, method_names
from benchmarks.plan.search import Search
from benchmarks.plan.suite import load_suite, suite_names, suite_search
from datasets import files
from datasets.base import DomainFamily, Samples, resolve
from datasets.base.loading import options_of
from datasets.readers.folders import ImageFamily
from methods.source_only import SourceOnly
from tests.conftest import CANDIDATES, all_tasks, spec_of, trained

SUITE = """
kind = "paper"
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


@pytest.mark.parametrize("suite", suite_names())
def test_any_draw_of_a_suites_task_has_the_suites_protocol(suite: str) -> None:
    for task in load_suite(suite).task:
        bare = resolve(task.name).without_dials
        third = f"{bare}{'&' if '?' in bare else '?'}split=3"
        own, drawn = plan(suite, ["source_only"], [task.name, third], [0]).specs
        assert own.protocol == drawn.protocol


@cache
def samples_of(family: str, domain: str) -> Samples:
    """Read once for all suites."""
    return DATASETS.get(family)().read_domain(domain)


MADE = ("mnist-m", "mnist-m-short")  # their images are made first, which takes half a minute
DRAWING = [
    pytest.param(name, marks=pytest.mark.thorough if name in MADE else ())
    for name in suite_names()
    if load_suite(name).kind == "fair"
]


@pytest.mark.parametrize("suite", DRAWING)
def test_fair_suites_draw_a_split_a_seed_where_the_data_have_none(suite: str) -> None:
    """Only of data that are here; a task that has all test splits of its own says nothing of it."""
    for task in load_suite(suite).task:
        spec = resolve(task.name)
        family = DATASETS.get(spec.family)()
        needed = family.files(spec.task)
        if isinstance(family, ImageFamily) or any(files.state(file) != "present" for file in needed):
            pytest.skip("no data")
        if isinstance(family, DomainFamily):
            names = [name for side in family.domain_names(spec.task) for name in side]
            domains = [samples_of(spec.family, name) for name in names]
        else:
            domains = [*family.read(spec.task, options_of(task.name, 0)).targets]
        drawn = any(samples.test is None for samples in domains)
        assert (spec.options.get("split") == "seed") == drawn, task.name


def test_a_task_outside_the_suite_takes_its_familys_protocol() -> None:
    (spec,) = plan("quick", ["source_only"], ["toys/covariate"], [0]).specs
    assert spec.protocol.backbone == "linear?width=16"
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
        ("seeds = 2", "seeds = 0", "greater than"),
        ("seeds = 2", "search = 0", "search.*greater than"),
        ("seeds = 2", "seeds = true", "seeds = True: input should not be true or false"),
        ("steps = 30", "steps = true", "steps = True: input should not be true or false"),
        ("steps = 30", "head_layers = [true]", "head_layers = .True.: input should not be true or false"),
        ("seeds = 2", "seeds = 2\nselect = 'oracle'", "unknown validator 'oracle'"),
        ("seeds = 2", "seeds = 2\nselect = 'target_test_accuracy'", "unknown validator 'target_test_accuracy'"),
        ("seeds = 2", "seeds = 2\ndefault_methods = 'dan,dan2'", "unknown method 'dan2'"),
        ("[protocol]", "[grid.nope]\nx = ['1']\n[protocol]", "unknown method 'nope'"),
        ("[protocol]", "[grid.protocol]\nsteps = ['1']\n[protocol]", "unknown method 'protocol'"),
        ("[protocol]", "[grid.dan]\nnope = ['1']\n[protocol]", "grid: dan: unknown setting 'nope'"),
        ("[protocol]", "[grid.dan]\ntrade_off = ['x']\n[protocol]", "trade_off = 'x'"),
        ("[protocol]", "[grid.dan]\ntrade_off = []\n[protocol]", "at least 1 item"),
        ("[protocol]", "[methods.cdan]\nnope = 1\n[protocol]", "cdan: unknown setting 'nope'"),
        ('backbone = "mlp"', 'backbone = "mlq"', "unknown backbone 'mlq'"),
        ('backbone = "mlp"', "backbone = [1]", "valid string"),
        ('[protocol]\nbackbone = "mlp"\nsteps = 30', "protocol = 3", "valid dictionary"),
        ("{ steps = 40 }", "'steps'", "valid dictionary"),
        ("{ steps = 40 }", "{ threads = 100000 }", "less than or equal to"),
        ('name = "toys/blobs"', 'name = "toys/moons?rotation=50"', "has the task toys/moons.rotation=50 2 times"),
        ('name = "toys/blobs"', 'name = ""', "expected family/task"),
        ('name = "toys/blobs"', "name = 5", "valid string"),
    ],
)
def test_a_wrong_suite_says_what_is_wrong(tmp_path: Path, before: str, after: str, message: str) -> None:
    (tmp_path / "mine.toml").write_text(SUITE.replace(before, after, 1))
    with pytest.raises(UserError, match=message):
        plan(str(tmp_path / "mine.toml"), method_names("dann"))


def test_a_suite_may_begin_with_the_mark_that_editors_write(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(SUITE, encoding="utf-8-sig")
    assert load_suite(str(tmp_path / "mine.toml")).seeds == 2


@pytest.mark.parametrize("cls", [Protocol, *(METHODS.get(name).settings for name in METHODS.names())])
def test_true_is_no_number(cls: type[Settings]) -> None:
    for name, field in cls.model_fields.items():
        if field.annotation is not bool:
            with pytest.raises(UserError, match=name):
                cls.parse({name: True}, "-")


def test_a_fair_suite_with_a_grid_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SUITE.replace("paper", "fair") + "[grid.dann]\ntrade_off = ['1', '3']\n")
    with pytest.raises(UserError, match=r"mine.toml': grid: a fair suite .*: write `search = N` instead$"):
        load_suite(str(path))


def test_a_fair_suite_that_searches_gives_every_method_as_many_configurations(tmp_path: Path) -> None:
    path = str(tmp_path / "mine.toml")
    Path(path).write_text(SUITE.replace("paper", "fair").replace("seeds = 2", "seeds = 2\nsearch = 4"))
    fixed = ["lda", "nearest_neighbour"]  # they have nothing to draw
    names = [name for name in CANDIDATES if name not in fixed and not METHODS.info(name).needs]
    search = suite_search(path, names)
    found = plan(path, [*names, *fixed], ["toys/blobs"], [0], search=search)
    counts = Counter(spec.method for spec in found.specs)
    assert counts == {**dict.fromkeys(names, 4), **dict.fromkeys(fixed, 1)}
    usual = {spec.run_id for spec in plan(path, names, ["toys/blobs"], [0]).specs}
    assert usual < {spec.run_id for spec in found.specs}


@pytest.mark.parametrize("suite", [name for name in suite_names() if load_suite(name).kind == "fair"])
def test_no_fair_suite_that_ships_searches_without_a_flag(suite: str) -> None:
    assert suite_search(suite, method_names("all")) == Search()


@pytest.mark.parametrize("method", ["source_only", "dann"])
def test_the_short_suite_has_the_runs_of_the_long_one_in_a_fifth_of_its_steps(method: str) -> None:
    short = plan("mnist-m-short", [method], seeds=[0]).specs
    long = plan("mnist-m", [method], seeds=[0], scale=StepsScale.parse("compress:0.2")).specs
    assert {spec.protocol.steps for spec in short} == {5622}
    assert [spec.run_id for spec in short] == [spec.run_id for spec in long]


def test_what_a_suite_names_is_checked_also_where_it_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(SUITE.replace("toys/blobs", "toys/blob"))
    with pytest.raises(UserError, match="did you mean 'blobs'"):
        plan(str(tmp_path / "mine.toml"), ["source_only"], ["toys/moons"])


def written(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (written(b"kind = 'fair'\ntask = []"), "at least 1 item"),
        (written(b"x = " + b"[" * 19_000), "nested too deep|not valid TOML"),
        (written(b"x = " + b"{a=" * 6_000), "nested too deep|not valid TOML"),
        (written(b"a." * 9_900 + b"b = 1"), "unknown setting 'a'|nested too deep"),
        (written(b"seeds = " + b"9" * 5000), "not valid TOML|seeds"),
        (written(b"kind = 'fair'\nseeds = 0x" + b"f" * 15_000 + b"\n[[task]]\nname = 'toys/moons'"), "seeds"),
        (written(b"kind = '\xff'"), "not valid TOML"),
        (written("# a\nkind = 'fair'  # é".encode("latin-1")), "line 2 is not UTF-8; save it as UTF-8"),
        (written(b"\0"), "not valid TOML"),
        (written(b""), "field required"),
        (written(b"#" * 20_001), "more than 20,000 bytes"),
        (Path.mkdir, "no regular file"),
        (os.mkfifo, "no regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "no regular file"),
        (lambda path: path.symlink_to(path), "unknown suite"),
        (lambda path: path.symlink_to("/dev/null/nowhere"), "unknown suite"),
        (lambda path: None, "unknown suite"),
    ],
)
def test_anything_in_the_place_of_a_suite_is_one_clear_error(
    tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    make(tmp_path / "mine.toml")
    with pytest.raises(UserError, match=message):
        load_suite(str(tmp_path / "mine.toml"))


@pytest.mark.parametrize(
    "name", ["../suites/quick", "quick.toml/x", "", "\0.toml", "\ud800.toml", "x" * 300 + ".toml"]
)
def test_a_name_that_is_no_suites_is_one_clear_error(name: str) -> None:
    with pytest.raises(UserError, match=r"unknown suite|not valid TOML|cannot be read"):
        load_suite(name)


@pytest.mark.parametrize(
    ("seeds", "search", "runs"),
    [
        (range(999_999_999), Search(), "5,999,999,994 runs"),
        (range(1), Search(999_999_999), "5,999,999,994 runs"),
        (
            range(3),
            Search(1, {"dann": {"gamma": ["1"] * 3000}, "protocol": {"steps": ["5"] * 3000}}),
            "81,027,018 runs",
        ),
    ],
)
def test_a_grid_of_millions_is_counted_and_not_made(seeds: range, search: Search, runs: str) -> None:
    with pytest.raises(UserError, match=f"that would be {runs}"):
        plan("quick", ["source_only", "dann"], ["toys/moons", "toys/blobs", "toys/scale"], seeds, search=search)


def test_a_grid_that_is_allowed_has_no_more_runs_than_are_counted() -> None:
    search = Search(2, {"dann": {"gamma": ["5", "10", "10"]}, "protocol": {"steps": ["5", "350"]}})
    found = plan("quick", ["source_only", "dann", "joint"], ["toys/moons"], range(2), search=search)
    assert search.most("dann") == 2 + 3 * 2
    assert search.most("source_only") == 2 + 2
    counts = Counter(spec.method for spec in found.specs)
    assert counts == {"source_only": 2 * 3, "dann": 2 * 5, "joint": 2}


def test_the_baseline_is_always_there_and_groups_expand() -> None:
    assert method_names("dann") == ["source_only", "dann"]
    assert method_names("core") == load_core()
    assert set(method_names("all")) == set(METHODS.names()) - set(groups()["references"])


def load_core() -> list[str]:
    return ["source_only", "reweighting", "dan", "coral", "dann", "adda", "cdan", "cdan_e"]


def test_a_method_that_cannot_run_a_task_says_why() -> None:
    class Picky(SourceOnly):
        @classmethod
        def unsupported(cls, facts: Facts, protocol: object) -> str | None:
            return "it needs 10 classes" if facts.n_classes < 10 else None

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
    from benchmarks.core.registry import DATASETS
    from datasets.base import resolve

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


class Before(Settings):
    weight: float = 1.0


class Between(Before):
    kernel: str = setting("linear", "a field that came later", before="linear")


class SaysNothing(Between):
    more: float = setting(0.0, "of its own", before=0.0)


class Now(Between):
    kernel: str = "gaussian"


def test_an_id_means_the_same_after_a_default_has_changed() -> None:
    """Records without the field keep their id and their meaning; the new default has an id of its own."""
    old = Before().identity()
    assert Between.of_identity(old, "x").identity() == Now.of_identity(old, "x").identity() == old
    assert Now.of_identity(old, "x").kernel == "linear"
    assert Now().identity() != old
    assert Now.of_identity(Now().identity(), "x") == Now()


def test_a_subclass_that_says_nothing_keeps_ids() -> None:
    assert SaysNothing().identity() == Between().identity() == Before().identity()
    assert SaysNothing(kernel="gaussian").identity() == {"weight": 1.0, "kernel": "gaussian"}
    assert not hasattr(Settings, "later")


@pytest.mark.parametrize(
    ("text", "steps", "horizon", "every"),
    [("truncate:0.1", 100, 1000, 200), ("compress:0.1", 100, None, 20)],
)
def test_another_number_of_steps_says_what_becomes_of_the_schedules(
    text: str, steps: int, horizon: int | None, every: int
) -> None:
    start = Protocol.parse({"steps": 1000, "schedule": "steps?every=200"}, "protocol")
    protocol = start.scaled(StepsScale.parse(text))
    assert (protocol.steps, protocol.horizon, protocol.schedule) == (steps, horizon, Steps(every=every))


@pytest.mark.parametrize(
    "text",
    [
        "truncate:1e300",
        "compress:inf",
        "compress:nan",
        "0.1",
        "truncate",
        "truncate:0",
        "truncate:x",
        "squeeze:0.1",
        "compress:-1",
    ],
)
def test_a_wrong_scale_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="expected truncate:FACTOR or compress:FACTOR"):
        StepsScale.parse(text)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("steps", 10**18),
        ("steps", "9" * 5000),
        ("horizon", 10**18),
        ("checkpoints", 10**9),
        ("source_batch", 10**9),
        ("target_batch", 10**9),
        ("threads", 100_000),
        ("head_layers", "1000000000"),
        ("head_layers", ",".join(["8"] * 1000)),
        ("discriminator_layers", [10**9]),
        ("discriminator_layers", ",".join(["8"] * 1000)),
    ],
)
def test_a_setting_that_no_machine_can_hold_is_refused_at_once(setting: str, value: object) -> None:
    with pytest.raises(UserError, match=rf"protocol\.{setting}.*(less than|at most|exceeded)") as error:
        Protocol.parse({setting: value}, "protocol")
    assert len(str(error.value)) < 500


def test_more_steps_than_a_run_may_have_are_refused_also_by_scale() -> None:
    with pytest.raises(UserError, match=r"--steps-scale: protocol\.steps"):
        Protocol(steps=10**7).scaled(StepsScale.parse("compress:1000"))


def test_a_task_keeps_every_digit_of_its_options() -> None:
    names = [resolve(f"toys/moons?rotation={text}").name for text in ("40", "40.0000001", "40.12345")]
    assert names == [f"toys/moons?rotation={text}" for text in ("40", "40.0000001", "40.12345")]


def protocol_of(**values: object) -> Protocol:
    return Protocol.parse(values, "protocol")


@pytest.mark.parametrize(
    ("setting", "short", "long", "value"),
    [
        ("optimizer", "sgd", "sgd?momentum=0.9", SGD()),
        ("optimizer", "adam", "adam?beta1_finetune=0.9", Adam()),
        ("schedule", "inverse", "inverse?adversary=true", Inverse()),
        ("schedule", "steps", "steps?every=1000&factor=0.5&adversary=True", Steps()),
        ("stopping", "last", "last", Last()),
        ("stopping", "source_val", "source_val?ties=first", SourceVal()),
    ],
)
def test_a_choice_is_one_value_however_it_is_written(setting: str, short: str, long: str, value: object) -> None:
    first, second = (protocol_of(**{setting: text}) for text in (short, long))
    assert first == second == protocol_of(**{setting: value})
    assert first.identity() == second.identity()
    assert Protocol.of_identity(first.identity(), "protocol") == first == first.replace({}, "protocol")
    assert str(getattr(first, setting)) == short


@pytest.mark.parametrize(
    ("setting", "text", "message"),
    [
        ("optimizer", "sgdd", "protocol: unknown optimizer 'sgdd'; did you mean 'sgd'"),
        ("optimizer", "sgd?momentums=0.5", "unknown setting 'momentums'; did you mean 'momentum'"),
        ("optimizer", "sgd?momentum=2", "protocol: optimizer 'sgd.momentum=2'.momentum = '2': .* less than 1"),
        ("optimizer", "adagrad?momentum=0.5", "optimizer 'adagrad.momentum=0.5': unknown setting 'momentum'"),
        ("optimizer", "sgd?momentum", "expected key=value"),
        ("optimizer", 5, "optimizer = 5: .*name.key=value"),
        ("schedule", "steps?every=1000000000000000000", "every = .* less than"),
        ("stopping", "source_val?patience=1000000000000000000", "patience = .* less than"),
        ("stopping", "last?patience=3", "unknown setting 'patience'"),
        ("momentum", "0.5", "unknown setting 'momentum'; it is an option: optimizer=sgd.momentum=VALUE"),
        ("patience", "3", "it is an option: stopping=source_val.patience=VALUE"),
    ],
)
def test_a_wrong_choice_says_what_is_wrong(setting: str, text: object, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        protocol_of(**{setting: text})
    assert "\n" not in str(error.value)


def test_a_horizon_of_all_steps_is_none() -> None:
    assert protocol_of(steps=70, horizon=70) == protocol_of(steps=70)
    assert protocol_of(steps="70", horizon="70").identity() == protocol_of(steps=70).identity()
    assert protocol_of(steps=70, horizon=71).horizon == 71


class Damped(SGD):
    dampening: float = setting(0.5, "an option that came later", before=0.0)


class Extended(Protocol):
    optimizer: OneOf[Adam | Damped]


def test_an_option_that_came_later_keeps_ids() -> None:
    old = Protocol.parse({"optimizer": "sgd"}, "x").identity()
    assert Extended.of_identity(old, "x").optimizer == Damped(dampening=0.0)
    assert Extended.of_identity(old, "x").identity() == old
    assert Extended.parse({"optimizer": "sgd"}, "x").identity() != old
