"""Sets of image files: what is decoded, what is cached, and what a broken folder or list says."""

import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from benchmarks.core import atomic
from benchmarks.core.registry import DATASETS, DatasetInfo
from benchmarks.core.settings import UserError
from benchmarks.training.run import execute
from datasets import files
from datasets.base import Options
from datasets.files import images
from datasets.files.images import ImageFiles, concatenate
from datasets.office_caltech import ARCHIVE, OfficeCaltech
from datasets.readers.folders import ImageFamily, read_folder, read_list
from tests import test_datasets
from tests.conftest import CPU, spec_of

SIDE = 28  # squares of 32 pixels


class Pets(ImageFamily):
    name = "pets"
    folder = files.DataFile("pets")
    domains = ("photo", "sketch")
    labels = "cat dog"


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set of two domains, a cat and two dogs each, in a data directory; and an empty cache."""
    monkeypatch.setenv(files.VARIABLE, str(tmp_path))
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for domain in ("Photo", "sketch"):
        for name in ("cat/1.png", "dog/1.png", "dog/2.jpg"):
            path = tmp_path / "pets" / domain / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(256, size=(40, 30, 3), dtype=np.uint8)).save(path)
    return tmp_path / "pets"


def photos(root: Path) -> ImageFiles:
    return ImageFiles(sorted((root / "Photo").rglob("*.*g")), SIDE, "photos")


def test_a_domain_is_listed_once_for_each_data_directory(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A grid with a split for each seed reads it for each of its runs."""
    once = Pets().read_domain("photo")
    assert Pets().read_domain("photo") is once
    elsewhere = root.parent / "elsewhere"
    shutil.copytree(root, elsewhere / "pets")
    monkeypatch.setenv(files.VARIABLE, str(elsewhere))
    x = Pets().read_domain("photo").x
    assert isinstance(x, ImageFiles)
    assert {str(path.parents[2]) for path in x.sets[0].paths} == {str(elsewhere / "pets")}


def test_image_files_stand_in_for_an_array(root: Path) -> None:
    x = photos(root)
    assert x.shape == (3, 3, SIDE, SIDE)
    assert (x.dtype, x.ndim, len(x)) == (np.uint8, 4, 3)
    whole = np.asarray(x)
    for part in (np.array([2, 0, 0]), np.array([True, False, True]), slice(1, None)):
        assert np.array_equal(x[part], whole[part])
    assert np.array_equal(np.stack(list(x)), whole)
    both = concatenate([x[1:], x[:1], x])
    assert np.array_equal(both[2:], np.concatenate([whole[:1], whole]))
    assert np.array_equal(concatenate([whole[1:], whole[:1]]), np.asarray(both)[:3])


def test_evaluation_sees_the_middle_of_the_resized_square(root: Path) -> None:
    path = root / "Photo" / "cat" / "1.png"
    square = np.asarray(Image.open(path).resize((32, 32), Image.Resampling.BICUBIC))
    assert np.array_equal(photos(root).decode(np.array([0]))[0], square[2:30, 2:30].transpose(2, 0, 1))


@pytest.mark.parametrize(("side", "scale"), [(60, 1), (70, 2), (130, 4), (300, 8)])
@pytest.mark.parametrize("limit", [images.CACHE_LIMIT, 0], ids=["cached", "each time"])
def test_a_large_jpeg_is_decoded_at_a_scale_of_its_own_by_one_rule(
    tmp_path: Path, side: int, scale: int, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cached or not, alone or among others: a model sees a new image as those that it was trained on."""
    monkeypatch.setattr(images, "CACHE_LIMIT", limit)
    noise = np.random.default_rng(0).integers(256, size=(side, side + 9, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg")
    Image.fromarray(noise).save(tmp_path / "b.png")
    image = Image.open(tmp_path / "a.jpg")
    image.draft("RGB", (32, 32))
    assert image.width == -(-(side + 9) // scale)
    kernel = Image.Resampling.BICUBIC if scale == 1 else Image.Resampling.HAMMING
    square = np.asarray(image.resize((32, 32), kernel))[2:30, 2:30].transpose(2, 0, 1)
    both = ImageFiles([tmp_path / "a.jpg", tmp_path / "b.png"], SIDE)
    for x in (both, both, ImageFiles([tmp_path / "a.jpg"], SIDE)):
        assert np.array_equal(x.decode(np.array([0]))[0], square)
    png = np.asarray(Image.fromarray(noise).resize((32, 32), Image.Resampling.BICUBIC))
    assert np.array_equal(both.decode(np.array([1]))[0], png[2:30, 2:30].transpose(2, 0, 1))
    assert images.decoded(tmp_path / "a.jpg", (3, side, side + 9)).shape == (3, side, side + 9)


def test_augmentation_is_a_function_of_seed_and_place(root: Path) -> None:
    x, same = photos(root), np.zeros(64, np.int64)
    first = x.decode(same, seed=1)
    assert np.array_equal(first, x.decode(same, seed=1))
    assert np.array_equal(first[:7], x.decode(same[:7], seed=1))
    assert not np.array_equal(first, x.decode(same, seed=2))
    assert len({image.tobytes() for image in first}) == 64


def test_random_crops_are_torchvisions() -> None:
    """8 to 100% of the area, proportions of 3/4 to 4/3, within the square; and half are mirrored."""
    rng = np.random.default_rng(0)
    left, top, width, height = np.array([images._random_crop(256, rng) for _ in range(2000)]).T
    assert min(left.min(), top.min()) >= 0
    assert max((left + width).max(), (top + height).max()) <= 256
    assert 0.07 < (width * height).min() / 256**2 < 0.1
    assert (width * height).max() / 256**2 > 0.9
    assert 0.73 < (width / height).min() < 0.77
    assert 1.3 < (width / height).max() < 1.37
    ramp = np.broadcast_to(np.arange(32, dtype=np.uint8)[None, :, None], (32, 32, 3))
    made = [images._augmented(ramp, SIDE, np.random.default_rng(seed)) for seed in range(400)]
    assert 0.4 < np.mean([image[0, 0, 0] > image[0, -1, 0] for image in made]) < 0.6


@pytest.mark.parametrize("mode", ["L", "CMYK", "P", "RGBA", "LA", "1"])
def test_other_kinds_of_image_become_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / f"image{'.jpg' if mode == 'CMYK' else '.png'}"
    Image.new("RGB", (32, 32), "white").convert(mode).save(path)
    assert ImageFiles([path], SIDE).decode(np.array([0])).min() >= 250


def corners(path: Path) -> list[tuple[int, ...]]:
    """Which of red, green and blue are in the four corners that networks see."""
    x = np.asarray(ImageFiles([path], SIDE))[0].astype(int)
    return [tuple((x[:, row, column] > 127).tolist()) for row, column in ((2, 2), (2, -3), (-3, 2), (-3, -3))]


@pytest.mark.parametrize("form", ["jpeg", "png", "tiff", "webp", "avif", "mpo"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_upright_as_in_a_viewer(tmp_path: Path, form: str, orientation: int) -> None:
    """Stored as a camera held so stores it, and turned back by its EXIF; Pillow's own function is the judge."""
    pixels = np.full((40, 48, 3), 255, np.uint8)
    pixels[:20, :24], pixels[:20, 24:], pixels[20:, :24] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "stored.png", exif=exif)
    shown = ImageOps.exif_transpose(Image.open(tmp_path / "stored.png"))
    shown.save(tmp_path / "upright.png")
    Image.fromarray(pixels).save(tmp_path / f"a.{form}", form.upper(), exif=exif, quality=95)
    assert corners(tmp_path / f"a.{form}") == corners(tmp_path / "upright.png")
    stored = Image.fromarray(pixels).size
    assert shown.size == (stored if orientation < 5 else stored[::-1])
    assert len(set(corners(tmp_path / "upright.png"))) == 4


def test_broken_exif_leaves_an_image_as_it_is(tmp_path: Path) -> None:
    pixels = Image.new("RGB", (40, 40), "red")
    exif = Image.Exif()
    exif[0x0112], exif[0x9286] = 6, "a comment"
    pixels.save(tmp_path / "a.jpeg", exif=exif)
    content = (tmp_path / "a.jpeg").read_bytes()
    place = content.index(b"Exif\0\0")
    (tmp_path / "a.jpeg").write_bytes(content[: place + 10] + b"\xff" * 8 + content[place + 18 :])
    assert len(ImageFiles([tmp_path / "a.jpeg"], SIDE).decode(np.array([0]))) == 1


@pytest.mark.parametrize("form", ["png", "gif", "webp", "tiff"])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(tmp_path: Path, form: str, mode: str) -> None:
    image = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    if mode == "P":
        image = Image.new("P", (32, 32), 0)
        image.putpalette([0, 0, 0, 9, 9, 9])
        image.info["transparency"] = 0
    elif mode == "LA":
        image = image.convert("LA")
    if (form, mode) in (("webp", "LA"), ("gif", "LA"), ("tiff", "P")):
        pytest.skip("Pillow writes no such file")
    image.save(tmp_path / f"a.{form}")
    assert np.asarray(ImageFiles([tmp_path / f"a.{form}"], SIDE)).min() == 255


@pytest.mark.parametrize("form", ["gif", "png", "webp", "tiff"])
def test_the_first_picture_of_several_is_read(tmp_path: Path, form: str) -> None:
    first, second = Image.new("RGB", (32, 32), "white"), Image.new("RGB", (32, 32), "black")
    first.save(tmp_path / f"a.{form}", save_all=True, append_images=[second])
    assert np.asarray(ImageFiles([tmp_path / f"a.{form}"], SIDE)).min() > 250


def test_grey_arrays_and_squares_are_decoded_alike(tmp_path: Path) -> None:
    """`predict` on arrays of images takes what networks on files would see, upright and on white."""
    pixels = np.zeros((28, 28, 2), np.uint8)
    pixels[:14, :, 1] = 255
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(pixels, "LA").save(tmp_path / "a.png", exif=exif)
    for shape in ((1, 28, 28), (3, 28, 28)):
        x = images.decoded(tmp_path / "a.png", shape)
        assert x.shape == shape
        assert (x[:, :14] == 255).all()
        assert (x[:, 14:] == 0).all()


def test_another_decoder_is_another_cache(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos(root).open()
    monkeypatch.setattr(images, "DECODER", images.DECODER + 1)
    photos(root).open()
    assert len(list(files.cache().glob("*.npy"))) == 2


def test_what_a_data_set_leaves_out_is_told_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "Photo/cat/notes.txt").touch()
    (root / "Photo/__MACOSX").mkdir()
    files.tell.cache_clear()
    for _ in range(2):
        Pets().read_domain("photo")
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "2 left out: folders without an image (1), .txt (1)" in said


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_an_image_that_does_not_decode_is_named_and_leaves_no_cache(root: Path, content: bytes | None) -> None:
    path = root / "Photo" / "dog" / "2.jpg"
    path.write_bytes(path.read_bytes()[:300] if content is None else content)
    with pytest.raises(UserError, match=r"dog/2.jpg is no image that can be read"):
        photos(root).decode(np.array([0]))
    assert not [path for path in files.cache().iterdir() if path.suffix != ".lock"]


@pytest.mark.parametrize("ending", ["png", "tif", "pgm", "jp2"])
def test_sixteen_bits_become_eight(tmp_path: Path, ending: str) -> None:
    Image.fromarray(np.full((32, 32), 40000, np.uint16)).save(tmp_path / f"deep.{ending}")
    assert set(np.asarray(ImageFiles([tmp_path / f"deep.{ending}"], SIDE)).ravel()) == {40000 // 256}


def test_bytes_that_were_saved_in_32_bits_stay_as_they_are(tmp_path: Path) -> None:
    Image.fromarray(np.full((32, 32), 200, np.int32)).save(tmp_path / "wide.tif")
    assert set(np.asarray(ImageFiles([tmp_path / "wide.tif"], SIDE)).ravel()) == {200}


def test_what_killed_processes_left_in_the_cache_is_removed(root: Path) -> None:
    photos(root).open()
    (cached,) = files.cache().glob("*.npy")
    cached.rename(cached.with_name(f".{cached.name}.0123456789ab{atomic.ASIDE}"))
    photos(root).open()
    assert list(files.cache().glob("*.npy")) == [cached]
    assert not list(files.cache().glob(f".*{atomic.ASIDE}"))


@pytest.mark.parametrize("values", [np.float32(0.5), np.int32(70000), np.int32(-1)])
def test_values_that_no_viewer_has_a_range_for_are_refused(tmp_path: Path, values: np.generic) -> None:
    Image.fromarray(np.full((32, 32), values)).save(tmp_path / "deep.tif")
    with pytest.raises(UserError, match="more than 16 bits"):
        ImageFiles([tmp_path / "deep.tif"], SIDE).decode(np.array([0]))


def test_a_second_start_decodes_nothing_and_a_changed_file_is_decoded(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = np.asarray(photos(root))
    with monkeypatch.context() as patch:
        patch.setattr(Image, "open", lambda *_: pytest.fail("an image was decoded"))
        assert np.array_equal(photos(root), first)
    Image.new("RGB", (32, 32), "red").save(root / "Photo" / "cat" / "1.png")
    assert not np.array_equal(photos(root), first)


def test_a_set_too_large_for_the_cache_is_read_from_its_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = photos(root).decode(np.arange(3), seed=5)
    monkeypatch.setattr(images, "CACHE_LIMIT", 0)
    monkeypatch.setenv(files.CACHE_VARIABLE, str(root / "other"))
    assert np.array_equal(photos(root).decode(np.arange(3), seed=5), cached)
    assert not (root / "other").exists()


def test_a_cache_that_cannot_be_written_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(files.CACHE_VARIABLE, str(root / "Photo" / "cat" / "1.png" / "cache"))
    with pytest.raises(UserError, match=r"cache folder .* name another with \$BENCHMARKS_CACHE"):
        photos(root).decode(np.array([0]))


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: b"",
        lambda whole: whole[:-1],
        lambda whole: whole.replace(b"(3, 32", b"(2, 32"),
        lambda whole: whole.replace(b"|u1", b"|b1"),
        lambda whole: whole.replace(b"(3, 32", b"((((32"),
    ],
)
def test_a_cache_broken_from_outside_is_named(root: Path, change: Callable[[bytes], bytes]) -> None:
    photos(root).open()
    (cached,) = files.cache().glob("*.npy")
    cached.write_bytes(change(cached.read_bytes()))
    with pytest.raises(UserError, match=rf"{cached.name} is broken .* remove it"):
        photos(root).open()


def test_folders_are_domains_and_classes(root: Path) -> None:
    domains = Pets().read("photo-sketch", Options())
    for samples in (*domains.sources, *domains.targets):
        assert sorted(samples.y.tolist()) == [0, 1, 1]
        assert len(samples.x) == 3
        assert samples.test is None


def test_lists_count_before_folders(root: Path) -> None:
    (root / "image_list").mkdir()
    (root / "image_list" / "photo.txt").write_text("Photo/dog/1.png 1\n\nPhoto/cat/1.png 0\n")
    assert Pets().read_domain("photo").y.tolist() == [1, 0]
    (root / "sketch_train.txt").write_text("sketch/dog/1.png 1\nsketch/cat/1.png 0\n")
    (root / "sketch_test.txt").write_text("sketch/dog/2.jpg 1\n")
    sketch = Pets().read_domain("sketch")
    assert sketch.test is not None
    assert sketch.test.tolist() == [False, False, True]
    assert np.array_equal(sketch.x[2:].decode(np.array([0])), ImageFiles([root / "sketch/dog/2.jpg"]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Photo/dog/1.png 2", r"line 1: label 2 is outside 0..1"),
        ("Photo/dog/1.png 1\nPhoto/dog/1.png -1", "line 2: expected 'path label'"),
        ("Photo/dog/1.png", "expected 'path label'"),
        ("Photo/dog/1.png ²", "expected 'path label', got 'Photo/dog/1.png ²'"),
        ("Photo/dog/1.png " + "9" * 5000, "label 9999.* is outside 0..1"),
        ("Photo/dog/1.png 0", "label 0 is 'cat', but the image is in the folder 'dog'"),
        ("\n", "it lists no image"),
    ],
)
def test_a_wrong_list_says_where(root: Path, text: str, message: str) -> None:
    (root / "photo.txt").write_text(text)
    with pytest.raises(UserError, match=message):
        read_list(root / "photo.txt", root, ("cat", "dog"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: (root / "Photo/cat/1.png").unlink(), "photo has no image of 1 of 2 classes, such as 'cat'"),
        (lambda root: [path.unlink() for path in (root / "Photo").rglob("*.*g")], "no images; expected"),
        (lambda root: (root / "Photo/cat").rename(root / "Photo/cow"), "'cow' is none of the 2 classes"),
        (lambda root: (root / "Photo").rename(root / "pictures"), "no folder 'photo'"),
        (lambda root: root.rename(root.with_name("cats")), "pets is missing; `data check`"),
    ],
)
def test_a_wrong_folder_says_what_is_missing(root: Path, change: object, message: str) -> None:
    change(root)  # type: ignore[operator]
    with pytest.raises(UserError, match=message):
        Pets().read_domain("photo")


def test_a_zip_is_read_as_it_is(root: Path, tmp_path: Path) -> None:
    archive = tmp_path / "photo.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted((root / "Photo").rglob("*.*g")):
            packed.write(path, str(path.relative_to(root)))
    found = read_folder(zipfile.Path(archive) / "Photo")
    assert found.labels == ["cat", "dog", "dog"]
    assert np.array_equal(ImageFiles(found.paths, SIDE), photos(root))


def test_office_caltech_is_read_from_its_zip(monkeypatch: pytest.MonkeyPatch, real_data: str) -> None:
    monkeypatch.setenv(files.VARIABLE, real_data)
    if files.state(ARCHIVE) != "present":
        pytest.skip(f"no {ARCHIVE.path} in ${files.VARIABLE}")
    sizes = {domain: len(OfficeCaltech().read_domain(domain).x) for domain in OfficeCaltech.domains}
    assert sizes == {"amazon": 958, "caltech": 1123, "dslr": 157, "webcam": 295}
    monkeypatch.setattr(images, "CACHE_LIMIT", 0)  # CI need not decode all of it
    assert OfficeCaltech().read_domain("dslr").x.decode(np.arange(4)).std() > 30


@pytest.fixture(scope="module")
def real_data() -> str:
    """The data directory that the tests were started with."""
    return str(files.directory() or "")


@pytest.fixture
def pets(root: Path) -> Iterator[str]:
    """The small data set, with copies of an image, as a task."""
    rng = np.random.default_rng(1)
    for number in range(40):
        domain, name = ("Photo", "sketch")[number % 2], ("cat", "dog")[number // 2 % 2]
        image = Image.fromarray(rng.integers(256, size=(8, 8, 3), dtype=np.uint8))
        image.save(root / domain / name / f"more{number}.png")
    for number in range(5):
        shutil.copy(root / "Photo/cat/1.png", root / f"Photo/cat/copy{number}.png")
    DATASETS.register("pets", DatasetInfo(version=1, summary="an example", licence="none"))(Pets)
    yield "pets/photo-sketch"
    DATASETS.remove("pets")


@pytest.mark.parametrize(
    "check",
    [
        test_datasets.test_no_sample_is_on_two_sides,
        test_datasets.test_a_task_is_the_same_every_time,
        test_datasets.test_a_reversed_task_swaps_the_domains_and_never_reads_target_labels,
    ],
)
def test_a_task_of_images_keeps_to_what_every_task_must(pets: str, check: Callable[[str], None]) -> None:
    check(pets)


def test_target_splits_of_images_are_blind_to_labels(pets: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test_datasets.test_target_splits_are_blind_to_labels(monkeypatch, pets)


def test_a_run_on_images_repeats_to_the_bit(pets: str, tmp_path: Path) -> None:
    """Decoded ahead by threads, augmented, and evaluated in parts: two runs have the same outputs."""
    spec = spec_of("dann", pets, steps=3, checkpoints=1, source_batch=4, target_batch=4, augmentation="standard")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        execute(spec, tmp_path / name, CPU)
    a, b = (next((tmp_path / name / "outputs").iterdir()).read_bytes() for name in ("a", "b"))
    assert a == b


@pytest.mark.parametrize(("value", "seen"), [(200, 200), (200 << 8, 200)])
def test_grey_images_of_32_bits_show_8_or_the_first_8_of_16(value: int, seen: int, tmp_path: Path) -> None:
    Image.fromarray(np.full((40, 40), value, np.int32)).save(tmp_path / "a.tif")
    assert abs(int(np.asarray(ImageFiles([tmp_path / "a.tif"])).mean()) - seen) <= 1


def test_the_order_of_images_says_nothing_of_their_classes(tmp_path: Path) -> None:
    """Training draws its batches by place: relabelled target images must come in the order that they came in."""
    rng = np.random.default_rng(0)
    for number in range(6):
        for here, there in (("a", "b"), ("b", "a")):
            for folder, name in ((tmp_path / "one", here), (tmp_path / "other", there)):
                (folder / name).mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(256, size=(8, 8, 3), dtype=np.uint8)
            for path in (tmp_path / "one" / here, tmp_path / "other" / there):
                Image.fromarray(pixels).save(path / f"{number}.png")
    one, other = (read_folder(tmp_path / name) for name in ("one", "other"))
    assert [path.read_bytes() for path in one.paths] == [path.read_bytes() for path in other.paths]
    assert one.labels == [{"a": "b", "b": "a"}[label] for label in other.labels]
