"""The command `site`: an index whose links work, beside the page of each suite that has records."""

import re
import shutil
from pathlib import Path

import pytest

from benchmarks.commands.parser import main

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a fair suite, of a paper's, and of records that fit no suite."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "records").mkdir()
    for name in ("toys", "digits-2000"):
        shutil.copy(ROOT / f"results/records/{name}.csv", folder / "records")
    (folder / "records" / "har.csv").write_text("no record")
    assert main(["site", "--records", str(folder / "records"), "--out", str(folder / "site")]) == 2, (
        "har is broken"
    )
    return folder / "site"


def test_each_suite_has_its_page_and_every_link_leads_to_a_file(site: Path) -> None:
    assert sorted(path.name for path in site.iterdir()) == ["digits-2000.html", "index.html", "toys.html"]
    assert "Samples of source of moons" in (site / "toys.html").read_text()
    links = re.findall(r'href="([^"#]+)"', (site / "index.html").read_text())
    assert set(links) == {"digits-2000.html", "toys.html"}


def test_a_leaderboard_is_of_a_family_with_intervals_and_a_papers_settings_are_not_ranked(site: Path) -> None:
    html = (site / "index.html").read_text()
    assert re.findall(r"<h2[^>]*>(.*?)</h2>", html) == ["toys"]
    assert "never ranked" in html
    rows = re.findall(r'<th scope="row">([^<]*)</th><td>([\d.]+) ± [\d.]+</td>', html)
    methods = [(name, float(accuracy)) for name, accuracy in rows if "(reference)" not in name]
    assert [accuracy for _, accuracy in methods] == sorted((accuracy for _, accuracy in methods), reverse=True)
    assert "source_only" in dict(methods)
    assert all("(reference)" in name for name, _ in rows[len(methods) :])


def test_files_of_others_stay_and_a_folder_without_records_is_one_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["site", "--records", str(tmp_path), "--out", str(tmp_path / "site")]) == 2
    assert "has no SUITE.csv" in capsys.readouterr().err
    shutil.copy(ROOT / "results/records/toys.csv", tmp_path)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("mine")
    assert main(["site", "--records", str(tmp_path), "--out", str(tmp_path / "site")]) == 2
    assert "was not written by this program" in capsys.readouterr().err
    assert (tmp_path / "site" / "index.html").read_text() == "mine"
