"""Whatever lies at a path ends in a domain or in one line: files broken at random, and files made to hurt."""

import io
import os
import random
import socket
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.core.settings import UserError
from datasets import files
from datasets.files import images
from datasets.files.images import ImageFiles
from datasets.readers.domains import Domain, read_domain

CORRUPTIONS = 200  # of each kind of file


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path / "cache"))


def domain_or_line(path: Path) -> Domain | str:
    """What a path holds, every image decoded; or the error's line."""
    try:
        domain = read_domain(path, "kind")
        if isinstance(domain.x, ImageFiles):
            np.asarray(domain.x)
    except UserError as error:
        line = str(error)
        return line if line.isprintable() and len(line) < 1000 else pytest.fail(f"no line: {line!r}")
    assert all(note.isprintable() for note in domain.notes)
    assert len(domain.x) == len(domain.names)
    assert len(domain.labels) == len(domain.x)
    assert all(name == name.strip() for name in domain.labels.tolist())
    assert domain.place(0).isprintable()
    if isinstance(domain.x, np.ndarray):
        assert np.isfinite(domain.x).all()
    return domain


def corrupted(content: bytes, draw: random.Random) -> bytes:
    """Flipped, cut, doubled, with bytes put in, or with bytes of the start written over."""
    place, length = draw.randrange(len(content)), draw.randrange(1, 40)
    other = draw.randbytes(length)
    change = draw.randrange(6)
    if change == 0:
        return content[:place]
    if change == 1:
        return content[:place] + other + content[place:]
    if change == 2:
        return content[:place] + content[place + length :]
    if change == 3:
        return content[:place] + content[max(0, place - length) :]
    if change == 4:
        place = draw.randrange(min(300, len(content)))
    flipped = bytearray(content)
    for i in range(place, min(place + draw.randrange(1, 5), len(flipped))):
        flipped[i] = draw.choice([flipped[i] ^ 1 << draw.randrange(8), draw.randrange(256), *b"0\n,\"';9-"])
    return bytes(flipped)


def valid_npz(*, compressed: bool) -> bytes:
    out, rng = io.BytesIO(), np.random.default_rng(0)
    save = np.savez_compressed if compressed else np.savez
    save(out, x=rng.normal(size=(20, 3)), y=np.array(["cat", "dog"])[np.arange(20) % 2])
    return out.getvalue()


def valid_csv() -> bytes:
    rows = [f'{i / 7:.3f},{i},"{("hen", "two words")[i % 2]}"' for i in range(20)]
    return "\n".join(["a,b,kind", *rows, ""]).encode()


def image(form: str) -> bytes:
    out, pixels = io.BytesIO(), np.random.default_rng(0).integers(256, size=(12, 9, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(out, form, exif=exif)
    return out.getvalue()


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("new.npz", valid_npz(compressed=False)),
        ("new.npz", valid_npz(compressed=True)),
        ("new.csv", valid_csv()),
        ("new.csv", valid_csv().decode().encode("utf-16")),
        *((f"cat/0.{form}", image(form)) for form in ("png", "jpeg", "tiff", "webp")),
    ],
    ids=["npz", "npz compressed", "csv", "csv utf-16", "png", "jpeg", "tiff", "webp"],
)
def test_a_file_broken_at_random_is_read_or_refused_in_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    root = path if path.parent == tmp_path else path.parent.parent / "cat"
    whole, results = domain_or_line(root), []
    assert isinstance(whole, Domain) or "UTF-16" in whole
    draw = random.Random(name)
    for _ in range(CORRUPTIONS):
        path.write_bytes(corrupted(content, draw))
        results.append(domain_or_line(root))
    assert any(isinstance(result, str) for result in results)


def member(name: str, content: bytes, **change: Any) -> Callable[[Path], None]:
    """An archive of one member beside a good y."""

    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", change.get("compression", zipfile.ZIP_STORED)) as archive:
            archive.writestr(name, content)
            archive.writestr("y.npy", array(np.arange(4) % 2))

    return write


def array(values: Any) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asanyarray(values), allow_pickle=False)
    return out.getvalue()


def header(shape: tuple[int, ...], descr: str = "<f8", data: bytes = b"\0" * 64) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": descr, "fortran_order": False, "shape": shape})
    return out.getvalue() + data


def claiming(size: int) -> Callable[[Path], None]:
    """An archive whose directory agrees with the header that it has terabytes."""

    def write(path: Path) -> None:
        content = header((size, 8))
        member("x.npy", content)(path)
        raw = path.read_bytes()
        real = len(content).to_bytes(4, "little")
        said = (len(content) - 64 + size * 64).to_bytes(4, "little")
        path.write_bytes(raw.replace(real, said))

    return write


def encrypted(path: Path) -> None:
    """Whose members say that they need a password."""
    member("x.npy", array(np.zeros((4, 2))))(path)
    raw = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := raw.find(mark, start + 1)) >= 0:
            raw[start + place] |= 1
    path.write_bytes(raw)


def unknown_compression(path: Path) -> None:
    member("x.npy", array(np.zeros((4, 2))))(path)
    raw = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        raw[raw.find(mark) + place] = 77
    path.write_bytes(raw)


def twice(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", array(np.zeros((4, 2))))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("x.npy", array(np.ones((4, 2))))


def arrays(**values: Any) -> Callable[[Path], None]:
    return lambda path: np.savez(path, **{"x": np.arange(8.0).reshape(4, 2), "y": np.arange(4) % 2, **values})


RECORDS = np.zeros(4, [("a", "f8"), ("naïve", "f8")])
HOSTILE: list[tuple[Callable[[Path], object], str]] = [
    (member("x.npy", header((10**12, 8))), "x is broken: float64 of shape .* would take 64000000000000 bytes"),
    (member("x.npy", header((-1, 8))), "x is broken"),
    (member("x.npy", header((-2, -4))), "x is broken"),
    (member("x.npy", header((3, 2))), "x is broken"),
    (member("x.npy", header((10**15, 0), data=b"")), "samples without a feature"),
    (member("x.npy", b"no array"), "x is no array that can be read"),
    (member("x", b""), "x is no array that can be read"),
    (member("x.npy", header((4, 2), "|O")), "x holds pickled objects"),
    (member("dir/x.npy", array(np.zeros((4, 2)))), "no array x; it has 'dir/x', 'y'"),
    (member("../x\n.npy", array(np.zeros((4, 2)))), r"no array x; it has '../x\\n', 'y'"),
    (claiming(10**6), "no .npz that can be read"),
    (encrypted, "password"),
    (unknown_compression, "compression"),
    (twice, "2 arrays x"),
    (arrays(x=RECORDS), "x is no array that can be read .version|it must be numbers"),
    (arrays(x=np.zeros((4, 2), complex)), "x is complex128 of shape .4, 2.; it must be numbers"),
    (arrays(x=np.zeros((4, 2), "M8[s]")), "it must be numbers"),
    (arrays(x=np.array(["a", "b"] * 2)), "it must be numbers"),
    (arrays(x=np.float64(3)), "it must be numbers"),
    (arrays(x=np.zeros((4, 2, 2, 2, 2))), "it must be numbers"),
    (arrays(x=np.zeros((0, 2)), y=np.zeros(0)), "it has no samples"),
    (arrays(y=np.array("cat")), r"y has shape \(\); it must be one label for each of the 4"),
    (arrays(y=np.zeros((4, 1))), r"y has shape \(4, 1\)"),
    (arrays(y=np.zeros(4, "M8[s]")), "whole numbers or texts"),
    (arrays(y=np.array([0, 1, np.inf, 1])), r"y\[2\] is inf; labels are whole numbers or texts"),
    (arrays(y=np.array([0, 1, 0.5, 1])), r"y\[2\] is 0.5"),
    (arrays(y=np.array([b"a", b"n\xe9", b"a", b"a"])), "bytes that are no UTF-8"),
    (arrays(y=np.array(["a", "b" * 300, "a", "a"])), r"y\[1\]: the label 'bbb.* is longer than 200 characters"),
    (arrays(y=np.array(["a", "\x1b[2J", "a", "a"])), r"the label '\\x1b\[2J' has control characters"),
]


@pytest.mark.parametrize(("write", "message"), HOSTILE, ids=[message for _, message in HOSTILE])
def test_an_archive_made_to_hurt_is_refused_in_one_line(
    tmp_path: Path, write: Callable[[Path], object], message: str
) -> None:
    path = tmp_path / "new.npz"
    write(path)
    with pytest.raises(UserError, match=message) as error:
        read_domain(path, "label")
    assert str(error.value).isprintable()


def test_an_archive_larger_than_the_memory_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(tmp_path / "new.npz", x=np.zeros((10_000, 100)))
    assert (tmp_path / "new.npz").stat().st_size < 20_000
    monkeypatch.setattr(files, "memory", lambda: 10_000_000)
    with pytest.raises(
        UserError, match=r"x is float64 of shape \(10000, 100\), 0.0 GB unpacked; this machine has"
    ):
        read_domain(tmp_path / "new.npz", "label")


@pytest.mark.parametrize("damage", [zlib.compress(b"x" * 9), b"\xff" * 30])
def test_a_broken_stream_is_one_line(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "new.npz"
    np.savez_compressed(path, x=np.random.default_rng(0).normal(size=(50, 3)))
    raw = path.read_bytes()
    path.write_bytes(raw[:200] + damage + raw[200 + len(damage) :])
    assert "no .npz that can be read" in str(domain_or_line(path))


@pytest.mark.parametrize(
    ("x", "kind"),
    [
        (np.asfortranarray(np.arange(8.0).reshape(4, 2)), np.float64),
        (np.arange(8, dtype=">f8").reshape(4, 2), np.float64),
        (np.arange(8, dtype=np.float16).reshape(4, 2), np.float32),
        (np.arange(8, dtype=np.longdouble).reshape(4, 2), np.float64),
        (np.arange(8, dtype=np.uint8).reshape(4, 2), np.float32),
        (np.arange(8, dtype=np.uint64).reshape(4, 2), np.float64),
        (np.arange(8, dtype=np.int64).reshape(4, 2), np.float64),
    ],
    ids=lambda value: getattr(value, "dtype", None) and str(value.dtype),
)
def test_numbers_of_any_type_keep_their_values(tmp_path: Path, x: np.ndarray, kind: type) -> None:
    np.savez(tmp_path / "NEW.NPZ.npz", x=x)
    (tmp_path / "NEW.NPZ.npz").rename(tmp_path / "NEW.NPZ")
    read = read_domain(tmp_path / "NEW.NPZ", "label").x
    assert read.dtype == kind
    assert read.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]


TABLES = [
    ("a,kind,b,kind\n1,x,2,x\n", r"the column 'kind' is there twice \(columns 2 and 4\)"),
    ("a,b ,kind, b\n1,2,x,3\n", r"the column 'b' is there twice \(columns 2 and 4\)"),
    ("e\u0301,é,kind\n1,2,x\n", "the column 'é' is there twice"),
    ("a,b,kind\n1,2,x\n3,4\n", "line 3 has 2 cells, and the header has 3"),
    ("a,b,kind\n1,2,x\n\n3,4,y,5\n", "line 4 has 4 cells, and the header has 3"),
    ('a,b,kind\n1,2,"x\ny"\n3,?,z\n', "line 4, column 'b' is not a number: '\\?'"),
    ('a,"b\nc",kind\n1,2,x\n3,?,y\n', "line 4, column 'b c' is not a number"),
    ('a,b,kind\n1,2,x\n3,"4,y\n', "line 3: unexpected end of data"),
    ('a,b,kind\n1,2,x\n3,"4"5,y\n', "line 3: .* expected after"),
    ("a,b,kind\n1,2,x\n3,,y\n", r"line 3, column 'b' has NaN, infinity or nothing \(''\)"),
    ("a,b,kind\n1,2,x\n3,-inf,y\n", "line 3, column 'b' has NaN, infinity or nothing"),
    ("a,b,kind\n1,2,x\n3,1e999,y\n", "line 3, column 'b' is not a number: '1e999'"),
    ("a,b,kind\n1,2,x\n3,1_000,y\n", "line 3, column 'b' is not a number: '1_000'"),
    ('a,b,kind\n1,2,x\n3,"1,000",y\n', "with a decimal point"),
    ("a,b,kind\n1,2,x\n3,\x00,y\n", r"line 3, column 'b' is not a number: '\\x00'"),
    ("a,b,kind\n1,2,0.5\n3,4,1\n", "line 2, column 'kind': '0.5' is no class"),
    ("a,b,kind\n1,2,0\n3,4,nan\n", "line 3, column 'kind': 'nan' is no class"),
    ("a,,kind\n1,2,x\n", r"a column has no name \(number 2\)"),
    ("Unnamed: 0,b,kind\n1,2,x\n", r"a column has no name \(number 1\)"),
    ("a;b;kind\n1;2;x\n", "separated by ';'"),
    ("a\tb\tkind\n1\t2\tx\n", r"separated by '\\t'"),
    ("# made by hand\na,b,kind\n1,2,x\n", "line 2 has 3 cells, and the header has 1"),
    ("a,b,kind\n", "it has no samples"),
    ("kind\nx\n", "no column besides 'kind'"),
    ("\n\n", "it is empty"),
    ("a,b,kind\n1," + "9" * 200_000 + ",x\n", "line 2: field larger than field limit"),
    ("a,b\n1,x\n", "column 'b' is not a number: 'x'.*; if it is the label, say --label b"),
]


@pytest.mark.parametrize(("text", "message"), TABLES, ids=[message for _, message in TABLES])
def test_a_table_that_is_not_one_says_where(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "new.csv").write_text(text, encoding="utf-8", newline="")
    with pytest.raises(UserError, match=message) as error:
        read_domain(tmp_path / "new.csv", "kind")
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n".encode("utf-16"), "it is UTF-16"),
        ("a,b\n1,2\n".encode("utf-16-le"), "zero bytes, as UTF-16 has; save it as UTF-8"),
        (b"a,kind\n1,x\n2,caf\xe9\n", "line 3 has the byte 0xe9, which is not UTF-8 .*iconv"),
    ],
)
def test_an_encoding_is_named_by_its_remedy(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "new.csv").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_domain(tmp_path / "new.csv", "kind")


@pytest.mark.parametrize(
    "text",
    [
        "a,b,kind\n1,2,x\n3,4,y\n",
        "\ufeffa,b,kind\r\n1,2,x\r\n3,4,y\r\n",
        " a , b, kind\n\n1, 2 ,x \n\n3,4, y\n\n",
        'a,b,kind\n"1","2","x"\n"3","4","y"',
        "kind,a,b\nx,1,2.0\ny,3e0,+4\n",
    ],
)
def test_what_a_table_means_does_not_hang_on_how_it_is_written(tmp_path: Path, text: str) -> None:
    (tmp_path / "new.CSV").write_text(text, encoding="utf-8", newline="")
    domain = read_domain(tmp_path / "new.CSV", "kind")
    assert domain.columns == ("a", "b")
    assert domain.x.tolist() == [[1, 2], [3, 4]]
    assert domain.labels.tolist() == ["x", "y"]


def spelt(folder: Path, form: str, labels: list[Any]) -> list[str]:
    """The names that labels have in a file of some form."""
    path = folder / f"new.{form}"
    if form == "npz":
        np.savez(path, x=np.zeros((len(labels), 2)), y=np.array(labels))
    elif form == "csv":
        path.write_text("a,label\n" + "".join(f"0,{label}\n" for label in labels))
    else:
        for label in labels:
            (path / str(label)).mkdir(parents=True)
            Image.new("RGB", (9, 9)).save(path / str(label) / "0.png")
    return sorted(read_domain(path, "label").labels.tolist())


@pytest.mark.parametrize("form", ["npz", "csv", "images"])
@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([-1, 1], ["-1", "1"]),
        ([0.0, 1.0, -2.0], ["-2", "0", "1"]),
        (["0.0", "+1"], ["0", "1"]),
        (["007", "12"], ["007", "12"]),
        (["cafe\u0301", "the"], ["café", "the"]),
        (["two  words", "ß"], ["two words", "ß"]),
        ([True, False], ["False", "True"]),
        (["²", "٣"], ["²", "٣"]),
        ([2**62, 2**62 + 1], [str(2**62), str(2**62 + 1)]),
    ],
    ids=str,
)
def test_a_label_is_one_class_in_every_form(
    tmp_path: Path, form: str, labels: list[Any], names: list[str]
) -> None:
    assert spelt(tmp_path, form, labels) == names


def test_bytes_are_read_as_utf_8(tmp_path: Path) -> None:
    assert spelt(tmp_path, "npz", ["né".encode(), b"b"]) == ["b", "né"]


@pytest.mark.parametrize("form", ["csv", "images"])
def test_labels_that_become_one_class_are_told_of(tmp_path: Path, form: str) -> None:
    assert spelt(tmp_path, form, ["é", "e\u0301", "b"]) == ["b", "é", "é"]
    (note,) = read_domain(tmp_path / f"new.{form}", "label").notes
    assert "are one class, 'é'" in note


def picture(path: Path, form: str = "PNG", size: tuple[int, int] = (9, 9), **more: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path, form, **more)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.jfif", "JPEG"),
        ("a.jpe", "JPEG"),
        ("a.JP2", "JPEG2000"),
        ("a.avif", "AVIF"),
        ("a.qoi", "QOI"),
        ("without", "PNG"),
        ("a.jpg_large", "JPEG"),
        ("a.heic", "WEBP"),
    ],
)
def test_whatever_pillow_opens_is_read(tmp_path: Path, name: str, form: str) -> None:
    picture(tmp_path / "_other" / name, form)
    domain = read_domain(tmp_path, "label")
    assert len(np.asarray(domain.x)) == 1
    assert domain.labels.tolist() == ["_other"]
    assert not domain.notes


def test_what_is_left_out_is_counted_in_one_line(tmp_path: Path) -> None:
    picture(tmp_path / "cat" / "0.png")
    picture(tmp_path / "cat" / "more" / "1.png")
    picture(tmp_path / "loose.png")
    for name in ("a.txt", "b.TXT", "c.heic", ".hidden", "d", "e.eps"):
        (tmp_path / "cat" / name).write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n" if name == "e.eps" else b"x" * 50)
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "cat" / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "cat" / "zero.png").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "cat" / "pipe.png")
    (tmp_path / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "cat" / "socket.png"))
        domain = read_domain(tmp_path, "label")
    note, other = domain.notes
    assert len(domain.x) == 2
    assert "1 images beside the classes' folders have no label" in other
    for what in (
        "13 left out",
        "pipes, devices or broken links (5)",
        ".txt (2)",
        ".heic (1)",
        ".eps (1)",
        "hidden (1)",
        "without an ending (1)",
        "folders within a class (1)",
        "folders without an image (1)",
    ):
        assert what in note
    assert note.isprintable()


def test_names_that_are_no_utf_8(tmp_path: Path) -> None:
    picture(tmp_path / "cat" / "0.png")
    os.rename(tmp_path / "cat" / "0.png", os.fsencode(tmp_path / "cat") + b"/caf\xe9.png")
    assert len(np.asarray(read_domain(tmp_path, "label").x)) == 1
    os.rename(tmp_path / "cat", os.fsencode(tmp_path) + b"/caf\xe9")
    with pytest.raises(UserError, match=r"caf\\udce9: the folder's name is its class's, and is not UTF-8"):
        read_domain(tmp_path, "label")


@pytest.mark.parametrize("name", ["new.npz", "new.csv", "new"])
def test_a_pipe_or_device_is_not_read_from(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    for path in (tmp_path / name, Path("/dev/zero")):
        with pytest.raises(UserError, match="it is a pipe or a device"):
            read_domain(path, "label")


def test_a_path_that_is_none_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path / "loop", tmp_path / "gone\n.npz", tmp_path / ("long" * 100)):
        assert isinstance(domain_or_line(path), str)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1)])
def test_images_of_any_shape_are_read(tmp_path: Path, size: tuple[int, int]) -> None:
    picture(tmp_path / "cat" / "0.png", size=size)
    assert isinstance(domain_or_line(tmp_path), Domain)


def test_an_image_too_large_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "cat" / "0.png", size=(300, 300))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    assert "could be decompression bomb" in str(domain_or_line(tmp_path))
    monkeypatch.setattr(images, "LARGEST", 100)
    assert "is larger than" in str(domain_or_line(tmp_path))


def test_a_table_that_no_memory_holds_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(UserError, match="this machine reads"):
        read_domain(path, "label")


MISSING: list[tuple[str, Callable[[Path], object], list[str]]] = [
    ("new.npz", arrays(y=np.array([0, np.nan, 1, 1])), ["0", "", "1", "1"]),
    ("new.npz", arrays(y=np.array([np.nan] * 4)), [""] * 4),
    ("new.npz", arrays(y=np.array(["a", "", " ", "b"])), ["a", "", "", "b"]),
    ("new.npz", lambda path: np.savez(path, x=np.zeros((2, 2))), ["", ""]),
    ("new.csv", lambda path: path.write_text("a,kind\n1,x\n2,\n3, \n"), ["x", "", ""]),
    ("new.csv", lambda path: path.write_text("a,kind\n1,0\n2,\n"), ["0", ""]),
    ("new.csv", lambda path: path.write_text("a\n1\n2\n"), ["", ""]),
]


@pytest.mark.parametrize(("name", "write", "labels"), MISSING)
def test_a_sample_may_have_no_label(
    tmp_path: Path, name: str, write: Callable[[Path], object], labels: list[str]
) -> None:
    write(tmp_path / name)
    domain = read_domain(tmp_path / name, "kind")
    assert domain.labels.tolist() == labels
    assert domain.numbers(sorted(set(labels) - {""})).tolist() == [
        sorted(set(labels) - {""}).index(label) if label else -1 for label in labels
    ]


def test_sorting_images_into_folders_of_classes_moves_no_sample(tmp_path: Path) -> None:
    """Labels are added under the same task: training must see the same images at the same places."""
    rng = np.random.default_rng(0)
    for number in range(6):
        pixels = Image.fromarray(rng.integers(256, size=(8, 8, 3), dtype=np.uint8))
        for folder in ("none", "some" if number % 2 else "some/cat", "all/dog" if number % 2 else "all/cat"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            pixels.save(tmp_path / folder / f"{number}.png")
    none, some, every = (read_domain(tmp_path / name, "label") for name in ("none", "some", "all"))
    assert none.labels.tolist() == [""] * 6
    assert some.labels.tolist() == ["cat", ""] * 3
    assert every.labels.tolist() == ["cat", "dog"] * 3
    for domain in (some, every):
        assert np.array_equal(np.asarray(domain.x), np.asarray(none.x))
        assert [Path(str(name)).name for name in domain.names] == none.names
