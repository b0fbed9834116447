"""From a record to predictions on new data: weights are kept, a model is made of them, wrong input is named."""

import json
import os
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from benchmarks.commands.parser import main
from benchmarks.core.facts import TrainFacts
from benchmarks.core.settings import UserError
from benchmarks.engines.ray import RayEngine
from benchmarks.engines.work import train
from benchmarks.evaluation.outputs import Outputs
from benchmarks.plan.spec import RunSpec
from benchmarks.records.frame import load_records
from benchmarks.records.provenance import spec_digest
from benchmarks.records.record import DIGESTS, WEIGHTS, seal
from benchmarks.records.store import Store
from benchmarks.training import model, weights
from benchmarks.training.build import facts_of
from benchmarks.training.loop import Trainer
from benchmarks.training.predictions import class_numbers
from benchmarks.training.run import execute
from datasets.base import Samples, Task, load_task
from datasets.files.images import ImageFiles
from datasets.own import make_task
from tests.conftest import CPU, RUNNING, EngineHere, spec_of, trained

MOONS = spec_of("adda")  # each domain has an encoder of its own: predictions must be the target's
IMAGES = spec_of("dann", backbone="lenet", steps=2)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A record of MOONS with its weights."""
    store = Store(tmp_path_factory.mktemp("store"))
    store.create()
    with store.locked(MOONS) as folder:
        execute(MOONS, folder, CPU, save_weights=True)
        store.publish(MOONS)
    return store


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trainer]:
    """Of a record of IMAGES what a model is made of, and the trainer that says what it must say."""
    return kept_images(IMAGES, tmp_path_factory.mktemp("images"))


def kept_images(spec: RunSpec, folder: Path) -> tuple[Path, Trainer]:
    rng = np.random.default_rng(0)
    noise = Samples(rng.integers(256, size=(60, 1, 28, 28), dtype=np.uint8), rng.integers(3, size=60))
    task = Task("noise", ("cat", "dog", "hen"), [noise], [noise])
    trainer = trained(spec, task)
    keep(trainer, spec, task, folder)
    return folder, trainer


def keep(trainer: Trainer, spec: RunSpec, task: Task, folder: Path) -> None:
    """What a record has of its model, without the evaluation of a run."""
    save_weights(trainer, task, folder, spec)
    (folder / "spec.json").write_text(json.dumps({**spec.to_dict(), "run_id": spec.run_id}))


def save_weights(trainer: Any, task: Task, folder: Path, spec: RunSpec = MOONS) -> None:
    weights.write(folder, trainer, spec, task)


@pytest.fixture
def copy(store: Store, tmp_path: Path) -> Path:
    """The record of MOONS to break, in a store of its own."""
    shutil.copytree(store.root, tmp_path / "copy")
    return Store(tmp_path / "copy").folder(MOONS)


def target_test(task: Task) -> tuple[np.ndarray, np.ndarray]:
    x, y = task.evaluation_view().target_test_x, task.oracle().target_test_y
    return x, y


def test_a_model_says_what_its_run_said_to_the_bit(store: Store) -> None:
    torch.set_flush_denormal(True)  # as in training
    loaded = model.load_model(store.folder(MOONS))
    said = Outputs.load(store.folder(MOONS) / "outputs" / "000040.npz")["target_test.logits"]
    assert np.array_equal(loaded.logits(target_test(load_task(MOONS.task))[0]), said)
    assert not loaded.training


def test_a_model_scales_images_as_training_did(images: tuple[Path, Trainer]) -> None:
    folder, trainer = images
    loaded, x = model.load_model(folder), trainer.target.x
    assert x.dtype == torch.uint8
    assert torch.equal(loaded(x), trainer.outputs(x, "target")[1])
    assert torch.equal(loaded(x), loaded(x / 127.5 - 1))


def test_a_model_subtracts_the_mean_of_its_training(tmp_path: Path) -> None:
    spec = spec_of("adda", backbone="lenet", steps=2, normalisation="channel_mean")
    folder, trainer = kept_images(spec, tmp_path)
    x = trainer.target.x[:7]
    assert torch.equal(model.load_model(folder)(x), trainer.outputs(x, "target")[1])


@pytest.mark.filterwarnings("ignore::methods.base.MethodWarning")
@pytest.mark.parametrize("method", RUNNING)
def test_every_method_comes_back(method: str, tmp_path: Path) -> None:
    spec = spec_of(method, steps=4)
    trainer, task = trained(spec), load_task(spec.task)
    keep(trainer, spec, task, tmp_path)
    x = torch.from_numpy(target_test(task)[0])
    assert torch.equal(model.load_model(tmp_path)(x), trainer.outputs(x, "target")[1])


def test_tensors_of_any_kind_are_kept(tmp_path: Path) -> None:
    """Shared ones, slices, scalars, booleans, and images' channels-last layout: the format itself refuses some."""
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Conv2d(2, 3, 3))
    net[1].weight = net[0].weight
    net.to(memory_format=torch.channels_last)
    net.register_buffer("slice", net[0].weight.detach()[:, 1])
    net.register_buffer("adapting", torch.tensor(True))
    task = load_task(MOONS.task)
    net.facts = facts = facts_of(task.train_view(), task.facts)
    save_weights(SimpleNamespace(method=net), task, tmp_path)
    read, state = weights.read(tmp_path)
    assert read == weights.Signature(facts=facts, inputs="float32", classes=("0", "1"), preprocessing=None)
    assert facts == TrainFacts(input_shape=(2,), n_classes=2, source_size=900, target_size=1000)
    assert state.keys() == net.state_dict().keys()
    assert all(torch.equal(state[name], value) for name, value in net.state_dict().items())


def test_pretrained_weights_are_not_read_again(tmp_path: Path) -> None:
    noise = Samples(
        np.random.default_rng(0).integers(256, size=(12, 3, 32, 32), dtype=np.uint8), np.arange(12) % 2
    )
    task, spec = (
        Task("noise", ("no", "yes"), [noise], [noise]),
        spec_of("source_only", backbone="resnet18", steps=1),
    )
    trainer = trained(spec, task)
    gone = replace(spec, protocol=spec.protocol.replace({"backbone": "resnet18?weights=gone.pth"}, "protocol"))
    save_weights(trainer, task, tmp_path, spec)
    (tmp_path / "spec.json").write_text(json.dumps({**gone.to_dict(), "run_id": gone.run_id}))
    model.load_model(tmp_path)


def test_a_record_without_weights_is_done_again_where_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.engines.local.LocalEngine", EngineHere)
    monkeypatch.setenv("BENCHMARKS_STORE", str(tmp_path))
    command = ["run", "--methods", "source_only", "--tasks", "toys/moons", "--seeds", "1"]
    command += ["--set", "protocol.steps=2", "--set", "protocol.checkpoints=1"]
    said = []
    for flags in ([], ["--save-weights"], ["--save-weights"], []):
        assert main([*command, *flags]) == 0
        said.append(capsys.readouterr().err.splitlines()[0])
    assert said[0].startswith("1 runs, 2 steps")
    assert said[1] == "1 runs have a record without weights: they are done again to keep them."
    assert said[2:] == ["1 runs have a record and are reused."] * 2
    (folder,) = Store(tmp_path).record_folders()
    assert (folder / WEIGHTS).exists()


def test_a_ray_node_must_have_the_same_code_also_where_weights_are_kept(tmp_path: Path) -> None:
    engine = RayEngine(Store(tmp_path), execute=partial(train, save_weights=True))
    assert engine._code(MOONS) == spec_digest(MOONS)


def predict(store: Store, run: object, path: Path, out: Path, *flags: str) -> int:
    out.unlink(missing_ok=True)
    return main(["predict", str(run), "--input", str(path), "--out", str(out), "--store", str(store.root), *flags])


@pytest.mark.parametrize("form", ["npz", "csv"])
def test_features_are_predicted_with_their_accuracy(
    form: str, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x, y = target_test(load_task(MOONS.task))
    path, out = tmp_path / f"new.{form}", tmp_path / "out.csv"
    if form == "npz":
        np.savez(path, x=x, y=y)
    else:
        pd.DataFrame(x, columns=["a", "b"]).assign(kind=y).to_csv(path, index=False)
    assert predict(store, MOONS.run_id[:7], path, out, *["--label", "kind"] * (form == "csv")) == 0
    accuracy = load_records([store.folder(MOONS)])["target_test_accuracy"][0]
    assert capsys.readouterr().out == f"accuracy {accuracy:.1%} of 1000 labelled samples\n"
    table = pd.read_csv(out)
    assert list(table) == ["sample", "predicted", "probability", "p(0)", "p(1)"]
    assert table["sample"].tolist() == list(range(1000))
    assert (table["predicted"] == y).mean() == pytest.approx(accuracy)
    assert (table["p(0)"] + table["p(1)"]).to_numpy() == pytest.approx(1, abs=1e-5)
    assert table["probability"].tolist() == table[["p(0)", "p(1)"]].max(axis=1).tolist()


@pytest.mark.parametrize("labelled", [False, True])
def test_a_folder_of_images_gives_what_the_array_gives(
    labelled: bool,
    store: Store,
    images: tuple[Path, Trainer],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, trainer = images
    x = trainer.target.x[:6].numpy()
    names = [f"{('dog', 'hen')[number % 2]}/{number}.png"[0 if labelled else 4 :] for number in range(6)]
    for name, image in zip(names, x, strict=True):
        (tmp_path / "new" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0]).save(tmp_path / "new" / name)
    np.savez(tmp_path / "new.npz", x=x)
    tables = []
    for path in (tmp_path / "new", tmp_path / "new.npz"):
        assert predict(store, folder, path, tmp_path / "out.csv") == 0
        tables.append(pd.read_csv(tmp_path / "out.csv"))
        assert ("accuracy" in capsys.readouterr().out) == (labelled and path.suffix == "")
    assert sorted(tables[0]["sample"]) == sorted(names)
    in_order = tables[0].set_index("sample").loc[names]
    assert in_order.to_numpy().tolist() == tables[1].drop(columns="sample").to_numpy().tolist()


def test_image_files_are_resized_as_for_training(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHMARKS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "new").mkdir()
    rng = np.random.default_rng(0)
    paths = [tmp_path / "new" / f"{number}.png" for number in range(9)]
    for path in paths:
        Image.fromarray(rng.integers(256, size=(50, 40, 3), dtype=np.uint8)).save(path)
    domain = Samples(ImageFiles(paths, 28), np.arange(9) % 2)
    task = Task("noise", ("cat", "dog"), [domain], [domain])
    trainer = trained(IMAGES, task)
    keep(trainer, IMAGES, task, tmp_path)
    assert predict(store, tmp_path, tmp_path / "new", tmp_path.with_suffix(".csv")) == 0
    expected = trainer.outputs(ImageFiles(paths, 28), "target")[1].softmax(dim=1)
    said = pd.read_csv(tmp_path.with_suffix(".csv"))
    assert said["p(cat)"].to_numpy() == pytest.approx(expected[:, 0].numpy(), abs=1e-5)


def own_record(folder: Path, kind: str = ".csv") -> Path:
    """A record of the user's own data: one feature far from zero, and the class in its last digits."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        y = np.arange(100) % 2
        x = np.c_[1.7e9 + 20 * y + rng.normal(size=100), rng.normal(size=100)]
        if kind == ".npz":
            np.savez(folder / f"{name}.npz", x=x, y=np.array(["cat", "dog"])[y])
        else:
            table = pd.DataFrame(x, columns=["time", "noise"]).assign(kind=np.array(["cat", "dog"])[y])
            table.to_csv(folder / f"{name}.csv", index=False)
    task = make_task(folder / f"a{kind}", folder / f"b{kind}", "kind")
    spec = spec_of("source_only", task, lr_backbone=0.01)
    keep(trained(spec), spec, load_task(task), folder)
    return folder


@pytest.mark.parametrize("kind", [".csv", ".npz"])
def test_a_record_is_enough_where_neither_cache_nor_data_are(
    kind: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCHMARKS_CACHE", str(tmp_path / "cache"))
    own_record(tmp_path, kind)
    monkeypatch.setenv("BENCHMARKS_CACHE", str(tmp_path / "elsewhere"))
    (tmp_path / f"a{kind}").unlink()
    assert predict(store, tmp_path, tmp_path / f"b{kind}", tmp_path.with_suffix(".csv")) == 0
    assert capsys.readouterr().out == "accuracy 100.0% of 100 labelled samples\n"
    how = model.load_model(tmp_path).preprocessing
    assert how is not None
    assert (how.label, how.columns) == ("kind", ("time", "noise") if kind == ".csv" else ())
    assert how.mean[0] == pytest.approx(1.7e9 + 10, abs=2)


def test_weights_of_another_version_are_one_clear_error(copy: Path) -> None:
    older = {"input_shape": [2], "classes": ["0", "1"], "source_size": 1, "inputs": "float32"}
    save_file(load_file(copy / WEIGHTS), copy / WEIGHTS, {"model": json.dumps(older)})
    seal(copy)
    with pytest.raises(UserError, match="is of another version of this program; delete it and run again"):
        model.load_model(copy)


def test_nothing_is_overwritten_without_force(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x, _ = target_test(load_task(MOONS.task))
    path = tmp_path / "in.csv"
    pd.DataFrame(x, columns=["a", "b"]).to_csv(path, index=False)
    (tmp_path / "link.csv").symlink_to(path)
    (tmp_path / "mine.txt").write_text("precious")
    before = path.read_bytes()
    command = ["predict", MOONS.run_id, "--store", str(store.root), "--input", str(path), "--out"]
    for out, message in [
        (path, "is an input of this command"),
        (tmp_path / "link.csv", "is an input of this command"),
        (tmp_path / "mine.txt", "was not written by this program; write to another file, or replace it with"),
        (tmp_path, "is a folder"),
        (tmp_path / "mine.txt" / "out.csv", "cannot be written"),
    ]:
        assert main([*command, str(out)]) == 2
        assert message in capsys.readouterr().err
    assert path.read_bytes() == before
    assert (tmp_path / "mine.txt").read_text() == "precious"
    assert main([*command, str(tmp_path / "mine.txt"), "--force"]) == 0
    assert (tmp_path / "mine.txt").read_text().startswith("sample,predicted")
    assert main([*command, str(tmp_path / "mine.txt")]) == 0  # ours by now
    assert main([*command, "/dev/null"]) == 0


def test_predictions_are_not_written_into_the_folder_that_is_read(
    store: Store, images: tuple[Path, Trainer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("L", (28, 28)).save(tmp_path / "a.png")
    out = tmp_path / "out.csv"
    command = ["predict", str(images[0]), "--input", str(tmp_path), "--out", str(out), "--store", str(store.root)]
    assert main(command) == 2
    assert "is an input of this command, or in one" in capsys.readouterr().err


def test_names_of_files_are_one_cell_and_no_formula(
    store: Store, images: tuple[Path, Trainer], tmp_path: Path
) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    for name in ("=1+1.png", "two\nlines.png", os.fsdecode(b"caf\xe9.png"), "-1"):
        Image.new("L", (28, 28)).save(folder / name, "PNG")
    assert predict(store, images[0], folder, tmp_path / "out.csv") == 0
    samples = sorted(pd.read_csv(tmp_path / "out.csv", dtype=str)["sample"])
    assert samples == ["'=1+1.png", "-1", "caf\\udce9.png", "two\\nlines.png"]


def test_a_model_in_colour_takes_grey_images(store: Store, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    colour = Samples(rng.integers(256, size=(60, 3, 28, 28), dtype=np.uint8), np.arange(60) % 2)
    task = Task("noise", ("cat", "dog"), [colour], [colour])
    keep(trained(IMAGES, task), IMAGES, task, tmp_path)
    grey = rng.integers(256, size=(5, 28, 28), dtype=np.uint8)
    tables = []
    for x in (grey, np.repeat(grey[:, None], 3, axis=1)):
        np.savez(tmp_path / "new.npz", x=x)
        assert predict(store, tmp_path, tmp_path / "new.npz", tmp_path.with_suffix(".csv")) == 0
        tables.append((tmp_path.with_suffix(".csv")).read_text())
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    ("classes", "labels", "numbers"),
    [
        (("cat", "dog"), ["1", "0"], [1, 0]),  # positions: no class is called by a number
        (("3", "5"), ["5", "3"], [1, 0]),
        (("1", "2", "3"), ["1", "0"], None),  # positions would take the label 1 for the class 2
    ],
)
def test_labels_are_positions_only_where_no_class_is_a_number(
    classes: tuple[str, ...], labels: list[str], numbers: list[int] | None
) -> None:
    if numbers is None:
        with pytest.raises(UserError, match="no class '0'"):
            class_numbers(np.array(labels), classes, Path("new.csv"))
    else:
        assert class_numbers(np.array(labels), classes, Path("new.csv")).tolist() == numbers


GOOD = np.zeros((3, 2), np.float32)
WRONG: list[tuple[dict[str, Any] | str, list[str], str]] = [
    ({"x": np.zeros((3, 5))}, [], "inputs have shape (5,); the model was trained on (2,)"),
    ({"x": np.array([[0, 0], [0, np.nan]])}, [], "x[1] has NaN, infinity or nothing"),
    ({"x": np.array([[0, 1e39]])}, [], "x[0] is too large for numbers of 32 bits"),
    ({"x": np.zeros((0, 2))}, [], "it has no samples"),
    ({"x": np.array([["a", "b"]])}, [], "it must be numbers"),
    ({"x": np.array([[Path(), 2]])}, [], "x holds pickled objects"),
    ({"z": GOOD}, [], "it has no array x; it has 'z'"),
    ({"x": GOOD, "y": np.zeros(2, int)}, [], "for each of the 3"),
    ({"x": GOOD, "y": np.array([0, 1, 2])}, [], "no class '2'"),
    ({"x": GOOD}, ["--label", "kind"], "--label names a column of a .csv"),
    ("a,b,kind\n1,2,0\n", [], "model was trained on (2,)"),
    ("a,b,kind\n1,2,up\n", [], "if it is the label, say --label kind"),
    ("a,b,kind\n1,2,0\n", ["--label", "kinds"], "no labels in a column 'kinds'; did you mean 'kind'"),
    ("a,b,kind\n1,2,\n", ["--label", "kind"], "no labels in a column 'kind'"),
    ("a,b\n1,\n", [], "line 2, column 'b' has NaN, infinity or nothing"),
    ("", [], "no .csv that can be read"),
]


@pytest.mark.parametrize(("content", "flags", "message"), WRONG, ids=[message for *_, message in WRONG])
def test_wrong_input_is_one_clear_error(
    content: dict[str, Any] | str,
    flags: list[str],
    message: str,
    store: Store,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / ("new.csv" if isinstance(content, str) else "new.npz")
    if isinstance(content, str):
        path.write_text(content)
    else:
        np.savez(path, **content)
    assert predict(store, MOONS.run_id, path, tmp_path / "out.csv", *flags) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out.csv").exists()


def test_wrong_paths_and_runs_are_named(
    store: Store, images: tuple[Path, Trainer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "new.npz", x=GOOD)
    np.savez(tmp_path / "floats.npz", x=np.zeros((3, 1, 28, 28)))
    (tmp_path / "broken.npz").write_bytes((tmp_path / "new.npz").read_bytes()[:100])
    (tmp_path / "empty").mkdir()
    (tmp_path / "images").mkdir()
    (tmp_path / "small").mkdir()
    Image.new("L", (9, 9)).save(tmp_path / "small" / "a.png")
    (tmp_path / "images" / "a.png").write_text("no image")
    here, out = tmp_path, tmp_path / "out.csv"
    for run, path, where, message in [
        ("zzz", here / "new.npz", out, "no such record in the store"),
        (MOONS.run_id, here / "gone.npz", out, "no such file or folder"),
        (MOONS.run_id, here / "broken.npz", out, "no .npz that can be read"),
        (MOONS.run_id, here / "images", out, "the model takes inputs of shape (2,)"),
        (images[0], here / "new.npz", out, "the model was trained on (1, 28, 28)"),
        (images[0], here / "floats.npz", out, "trained on images in uint8"),
        (images[0], here / "empty", out, "it has no samples"),
        (images[0], here / "images", out, "a.png is no image that can be read"),
        (images[0], here / "small", out, "a.png is 9x9, and must be 28x28"),
    ]:
        assert predict(store, run, path, where) == 2
        assert message in capsys.readouterr().err


def test_two_records_that_begin_alike_are_not_guessed_between(tmp_path: Path) -> None:
    for name in ("ab1200000000", "ab3400000000"):
        (tmp_path / "toys_moons" / "dann" / f"seed0-{name}").mkdir(parents=True)
    assert Store(tmp_path).find("ab3").name == "seed0-ab3400000000"
    with pytest.raises(UserError, match="2 records of the store"):
        Store(tmp_path).find("ab")


def test_verify_reads_the_weights(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / WEIGHTS).write_bytes((copy / WEIGHTS).read_bytes()[:-10])
    seal(copy)
    assert main(["store", "verify", "--store", str(copy.parents[2])]) == 1
    assert f"{WEIGHTS} is truncated" in capsys.readouterr().out


def test_weights_that_are_missing_broken_or_anothers_are_named(copy: Path, images: tuple[Path, Trainer]) -> None:
    path = copy / WEIGHTS
    whole = path.read_bytes()
    (copy / DIGESTS).unlink()  # as an older version left it
    (copy / "provenance.json").unlink()
    for content in (whole[:-10], whole[:50], b"", b"no weights"):
        path.write_bytes(content)
        with pytest.raises(UserError, match="truncated, or no file of weights"):
            model.load_model(copy)
    path.write_bytes((images[0] / WEIGHTS).read_bytes())
    with pytest.raises(UserError, match=r"does not fit toys/moons adda seed 0: .*Missing key"):
        model.load_model(copy)
    path.write_bytes(whole)
    save_file(load_file(path), path)  # without the signature
    with pytest.raises(UserError, match="no file of weights"):
        model.load_model(copy)
    path.unlink()
    with pytest.raises(UserError, match="has no weights; do its run again with --save-weights"):
        model.load_model(copy)
