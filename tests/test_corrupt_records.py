"""Records that were damaged: found, named in one line, never believed, and the others load."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.commands.parser import main
from benchmarks.core.settings import UserError
from benchmarks.records.frame import load_records
from benchmarks.records.record import DIGESTS, VALIDATORS, WEIGHTS
from benchmarks.records.store import Store
from benchmarks.training import model
from benchmarks.training.run import execute
from tests.conftest import CPU, make_older, spec_of

SPECS = [spec_of("source_only"), spec_of("dann")]
FIRST, SECOND = SPECS
NUMBER = re.compile(rb"-?[0-9]+(\.[0-9]+)?(e-?[0-9]+)?")
Undamaged = tuple[dict[str, str], dict[str, bytes], dict[str, bytes]]
VALUES = [b"0.123", b"7", b"-1", b"1e999", b"NaN", b"true", b'"x"', b"[]", b"null", b"9" * 5000]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two records with their weights."""
    store = Store(tmp_path_factory.mktemp("whole"))
    store.create()
    for spec in SPECS:
        with store.locked(spec) as folder:
            execute(spec, folder, CPU, save_weights=True)
            store.publish(spec)
    rows(store.root)  # so that validators' scores are beside them
    return store


@pytest.fixture
def copy(whole: Store, tmp_path: Path) -> Store:
    shutil.copytree(whole.root, tmp_path / "copy")
    return Store(tmp_path / "copy")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rows(source: Any) -> tuple[dict[str, str], list[str]]:
    """Records by id, as JSON, and what was told of broken ones: a line each."""
    told: list[UserError] = []
    frame = load_records(source, broken=told.append, validators=["im"])
    assert all("\n" not in str(error) and len(str(error)) < 2000 for error in told)
    return {row["run_id"]: json.dumps(row) for row in frame.to_dict("records")}, list(map(str, told))


@pytest.fixture(scope="module")
def undamaged(whole: Store) -> Undamaged:
    """The first record as it loads, its files, and those of the second."""
    return rows([whole.folder(FIRST)])[0], *(contents(whole.folder(spec)) for spec in SPECS)


def verified(store: Store) -> bool:
    return main(["store", "verify", "--store", str(store.root)]) == 0


@st.composite
def damaged(draw: st.DrawFn, whole: dict[str, bytes], others: dict[str, bytes]) -> tuple[str, bytes | None]:
    """A file of a record, and what is there instead; None: nothing."""
    name = draw(st.sampled_from(sorted(whole)))
    content = whole[name]
    at = st.integers(0, len(content) - 1)
    kind = draw(st.sampled_from(["gone", "empty", "cut", "flipped", "swapped", "another's", "number"]))
    if kind == "gone":
        return name, None
    if kind == "empty":
        return name, b""
    if kind == "cut":
        return name, content[: draw(at)]
    if kind == "another's":
        return name, others[name]
    if kind == "number" and name.endswith(".json"):
        number = draw(st.sampled_from(list(NUMBER.finditer(content))))
        return name, content[: number.start()] + draw(st.sampled_from(VALUES)) + content[number.end() :]
    changed = bytearray(content)
    if kind == "swapped":
        i, j = draw(at), draw(at)
        changed[i], changed[j] = changed[j], changed[i]
    else:
        changed[draw(at)] ^= 1 << draw(st.integers(0, 7))
    return name, bytes(changed)


@settings(max_examples=200, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_damaged_record_is_left_out_or_its_numbers_are_as_they_were(
    whole: Store, undamaged: Undamaged, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    before, files, others = undamaged
    name, content = data.draw(damaged(files, others))
    store = Store(tmp_path_factory.mktemp("store"))
    folder = store.folder(FIRST)
    shutil.copytree(whole.folder(FIRST), folder)
    (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    loaded, told = rows(store.root)
    assert loaded in (before, {})
    assert len(loaded) + len(told) == 1
    assert all(str(folder) in line for line in told)
    if name not in (DIGESTS, VALIDATORS):
        assert verified(store) == (content == files[name])
    shutil.rmtree(store.root)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("oracle.json", lambda content: re.sub(rb"0\.[0-9]+", b"49.7", content)),
        ("curves.json", lambda _: b"[]"),
        (WEIGHTS, lambda content: content[:-9] + bytes([content[-9] ^ 16]) + content[-8:]),
        ("scores.json", lambda content: re.sub(rb"(accuracy\": )[0-9.]+", rb'\1"high"', content)),
        ("outputs/000010.npz", lambda content: content[:500] + b"x" + content[501:]),
        (DIGESTS, None),
    ],
)
def test_verify_finds_and_names_damage(
    copy: Store, capsys: pytest.CaptureFixture[str], name: str, change: Callable[[bytes], bytes] | None
) -> None:
    path = copy.folder(FIRST) / name
    path.write_bytes(change(path.read_bytes())) if change else path.unlink()
    assert not verified(copy)
    said = capsys.readouterr().out
    assert f"broken: the record {str(copy.folder(FIRST))!r} is broken: {name} is " in said
    assert "1 of 2 records are whole" in said


def test_files_swapped_between_records_are_found(copy: Store, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = (copy.folder(spec) / "oracle.json" for spec in SPECS)
    contents = one.read_bytes(), two.read_bytes()
    one.write_bytes(contents[1])
    two.write_bytes(contents[0])
    loaded, told = rows(copy.root)
    assert not loaded
    assert len(told) == 2
    assert not verified(copy)


def test_scores_swapped_between_records_are_made_again(copy: Store) -> None:
    before = rows(copy.root)
    one, two = (copy.folder(spec) / VALIDATORS for spec in SPECS)
    one.write_bytes(two.read_bytes())
    assert rows(copy.root) == before


@pytest.mark.parametrize(
    "name", ["seed1-{run_id}", "seed0-0123456789ab", "seed0-{run_id}.bak", "seedling", "kept"]
)
def test_a_renamed_record_is_found(copy: Store, capsys: pytest.CaptureFixture[str], name: str) -> None:
    folder = copy.folder(FIRST)
    renamed = folder.rename(folder.with_name(name.format(run_id=FIRST.run_id)))
    loaded, told = rows(copy.root)
    assert list(loaded) == [SECOND.run_id]
    assert str(renamed) in told[0]
    assert not verified(copy)
    assert str(renamed) in capsys.readouterr().out


def test_a_record_in_the_place_of_another_is_found(copy: Store) -> None:
    folder = copy.folder(FIRST)
    folder.rename(copy.folder(SECOND).with_name(folder.name))
    loaded, told = rows(copy.root)
    assert list(loaded) == [SECOND.run_id]
    assert f"belongs at {str(folder)!r}" in told[0]
    assert not verified(copy)


def test_a_file_that_no_run_wrote_is_found(copy: Store, capsys: pytest.CaptureFixture[str]) -> None:
    (copy.folder(FIRST) / "outputs" / "000015.npz").write_bytes(b"")
    assert len(rows(copy.root)[0]) == 2
    assert not verified(copy)
    assert "a file that no run wrote, 'outputs/000015.npz'" in capsys.readouterr().out


def test_a_model_is_not_made_of_damaged_weights(copy: Store) -> None:
    path = copy.folder(FIRST) / WEIGHTS
    content = path.read_bytes()
    path.write_bytes(content[:-9] + bytes([content[-9] ^ 16]) + content[-8:])
    with pytest.raises(UserError, match=f"{WEIGHTS} is not as the run wrote it"):
        model.load_model(copy.folder(FIRST))


def put_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def put_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def put_gigabytes(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**34)


@pytest.mark.parametrize("name", ["spec.json", "oracle.json", DIGESTS, VALIDATORS])
@pytest.mark.parametrize(
    "put",
    [
        put_pipe,
        put_folder,
        put_gigabytes,
        lambda path: path.write_bytes(b'{"a": "\xff"}'),
        lambda path: path.write_bytes(b"[" * 100_000),
        lambda path: path.write_bytes(b'{"a":' * 100_000),
        lambda path: path.write_text('{"a": ' + "9" * 5000 + "}"),
        lambda path: path.write_text('{"code": NaN}'),
        lambda path: path.write_text('{"code": "a", "code": "b"}'),
    ],
)
@pytest.mark.parametrize("digests", [True, False], ids=["now", "older"])
def test_whatever_is_in_a_files_place_is_one_line(
    copy: Store, put: Callable[[Path], None], name: str, digests: bool
) -> None:
    before, _ = rows(copy.root)
    if not digests:
        make_older(copy.folder(FIRST))
    if (path := copy.folder(FIRST) / name).exists():
        put(path)
    loaded, told = rows(copy.root)
    assert loaded in (before, {SECOND.run_id: before[SECOND.run_id]})
    assert len(loaded) + len(told) == 2


def test_records_of_older_versions_load_and_verify(copy: Store, capsys: pytest.CaptureFixture[str]) -> None:
    before = rows(copy.root)
    make_older(copy.folder(FIRST))
    assert rows(copy.root) == before
    assert verified(copy)
    said = capsys.readouterr().out
    assert said == "2 of 2 records are whole; 1 of them are of an older version and have no digests\n"


@pytest.mark.parametrize(
    ("name", "keys", "value"),
    [
        ("oracle.json", ("checkpoints", -1, "target_test_accuracy"), 49.7),
        ("oracle.json", ("checkpoints", -1, "target_test_accuracy"), "0.5"),
        ("oracle.json", ("checkpoints", 0, "target_test_accuracy"), -0.1),
        ("oracle.json", ("checkpoints", -1, "target_test_accuracy"), True),
        ("oracle.json", ("checkpoints", -1, "step"), 19),
        ("oracle.json", ("checkpoints", 0, "step"), "10"),
        ("oracle.json", ("checkpoints", 0), 1),
        ("oracle.json", ("checkpoints",), {}),
        ("oracle.json", ("right", "20"), "?"),
        ("oracle.json", ("right", "20"), 5),
        ("oracle.json", ("test_units",), "bm9uZQ=="),
        ("oracle.json", ("test_units",), None),
        ("oracle.json", ("last", "confusion"), 5),
        ("oracle.json", ("last", "confusion", 0), [1]),
        ("oracle.json", ("last", "confusion", 0, 0), -1),
        ("oracle.json", ("last", "target_test_n"), 10.5),
        ("scores.json", ("last", "proxy_a_distance"), [1.0]),
        ("scores.json", ("cost", "parameters"), -1),
        ("scores.json", ("cost", "parameters"), 10**400),
        ("cost.json", ("training_seconds",), -1.0),
        ("cost.json", ("training_seconds",), "fast"),
        ("spec.json", ("seed",), 1),
        ("spec.json", ("protocol", "steps"), 21),
        ("spec.json", ("protocol", "momentums"), 21),
        ("spec.json", ("run_id",), "0123456789ab"),
        ("spec.json", ("run_id",), ["0123456789ab"]),
        ("spec.json", ("task",), ["toys/moons"]),
        ("provenance.json", ("layout",), 3),
        ("provenance.json", ("layout",), 2),
        ("provenance.json", ("packages",), []),
        ("provenance.json", ("warnings",), [1]),
        ("provenance.json", ("code",), "\ud800"),
    ],
)
def test_impossible_values_of_older_records_are_named(
    copy: Store, name: str, keys: tuple[str | int, ...], value: Any
) -> None:
    folder = copy.folder(FIRST)
    make_older(folder)
    whole = json.loads((folder / name).read_text())
    part = whole
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    (folder / name).write_text(json.dumps(whole))
    loaded, told = rows(copy.root)
    assert list(loaded) == [SECOND.run_id]
    assert str(folder) in told[0]
    assert not verified(copy)
