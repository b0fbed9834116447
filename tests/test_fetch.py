"""`data fetch`: whole files are put in place, cut ones wait beside it, others are refused."""

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from benchmarks.commands.parser import main
from benchmarks.core.registry import DATASETS, DataFile, DatasetInfo
from datasets import files
from datasets.base import DomainFamily
from datasets.files import download

CONTENT = bytes(range(256)) * 400


class Server(HTTPServer):
    """Serves CONTENT, ranges of it too; ``cut`` ends each answer early."""

    cut: int | None = None
    ranges = True
    asked: list[str | None]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.server.asked.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        if start >= len(CONTENT):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start:][: self.server.cut])
        return None

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def file(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the file of a data set called `mine` should be."""
    monkeypatch.setenv(files.VARIABLE, str(tmp_path))
    url = f"http://127.0.0.1:{server.server_port}/data.bin"
    offered = DataFile("mine/data.bin", hashlib.sha256(CONTENT).hexdigest(), url)
    by_hand = DataFile("mine/rest.bin", "0" * 64)
    info = DatasetInfo(version=1, summary="an example", licence="none", files=(offered, by_hand), get="ask for it")
    DATASETS.register("mine", info)(type("Mine", (DomainFamily,), {"__module__": __name__}))
    yield tmp_path / "mine" / "data.bin"
    DATASETS.remove("mine")


def fetch() -> int:
    return main(["data", "fetch", "mine"])


def part(file: Path) -> Path:
    return file.with_name("data.bin.part")


def test_a_file_is_fetched_once(file: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert fetch() == 0
    assert file.read_bytes() == CONTENT
    assert not part(file).exists()
    assert "fetched  mine/data.bin\nmissing  mine/rest.bin; ask for it" in capsys.readouterr().out
    assert fetch() == 2  # what is left has no address
    assert "get it by hand: ask for it" in capsys.readouterr().err
    assert len(server.asked) == 1


@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_download_goes_on(
    file: Path, server: Server, ranges: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    server.cut, server.ranges = 1000, ranges
    assert fetch() == 2
    message = capsys.readouterr().err
    assert "cut after 1000 of 102400 bytes" in message
    assert "the same command goes on from there" in message
    assert not file.exists()
    assert part(file).read_bytes() == CONTENT[:1000]
    server.cut = None
    assert fetch() == 0
    assert file.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000-"]


def test_another_file_than_expected_is_not_kept(
    file: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    file.parent.mkdir()
    part(file).write_bytes(b"x" * 1000)
    assert fetch() == 2
    assert "gave another file than expected" in capsys.readouterr().err
    assert not file.exists()
    assert not part(file).exists()
    assert fetch() == 0


def test_two_downloads_at_once_are_one(file: Path, server: Server) -> None:
    with ThreadPoolExecutor(4) as pool:
        (offered, _) = DATASETS.info("mine").files
        list(pool.map(lambda _: download.fetch(offered, file.parents[1]), range(4)))
    assert file.read_bytes() == CONTENT
    assert len(server.asked) == 1
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_part_that_is_whole_is_put_in_place(file: Path, server: Server) -> None:
    file.parent.mkdir()
    part(file).write_bytes(CONTENT)
    assert fetch() == 0
    assert file.read_bytes() == CONTENT


def test_a_corrupt_file_is_replaced(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"?")
    assert fetch() == 0
    assert file.read_bytes() == CONTENT


def test_without_a_network_there_is_one_clear_error(
    file: Path, server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr("socket.create_connection", refuse)
    assert fetch() == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"error: http://127.0.0.1:{server.server_port}/data.bin could not be downloaded:")
    assert "Network is unreachable" in error
    assert list(file.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data", "fetch"], "fetch needs the name of a data set"),
        (["data", "fetch", "office"], "did you mean 'office"),
        (["data", "check", "digits"], "check takes no name"),
        (["data", "fetch", "visda"], "get it by hand: unpack"),
    ],
)
def test_wrong_use_is_said(
    arguments: list[str], message: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_data_directory_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(files.VARIABLE, raising=False)
    assert main(["data", "fetch", "visda"]) == 2
    assert "--data-dir or $BENCHMARKS_DATA" in capsys.readouterr().err


def test_check_says_what_can_be_fetched(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check"]) == 0
    out = capsys.readouterr().out
    assert "get it: `data fetch mine`; or ask for it" in out
    assert "missing  visda, a folder" in out
