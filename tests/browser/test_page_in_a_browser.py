"""A report's page in Chromium: drawn, quiet, usable by mouse and by keyboard, fit for a phone and for paper."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.report.page.confusion import confusion
from benchmarks.report.page.maps import maps
from benchmarks.report.page.page import page
from benchmarks.report.page.samples import samples
from tests.test_page import contents
from tests.test_page_pictures import LABELS, store_of
from tests.test_report import ACCURACY, grid_of, records_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
CURVES = [{"step": step, "loss/task": 1 / step, "source_accuracy": 0.5} for step in (1, 2, 3)]
OF_MOONS = [{**signals, "strength": 0.5} for signals in CURVES]


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install -e '.[browser]'")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, "--disable-sync"])
        yield started
        started.close()


def curves_of(task: str) -> list[dict[str, float]]:
    return OF_MOONS if task == "toys/moons" else CURVES


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page with every section that needs no advice."""
    folder = tmp_path_factory.mktemp("page")
    grid = grid_of(5)
    records = records_of(grid, ACCURACY).assign(training_seconds=2.0, peak_memory_mb=100.0, device="cpu")
    whole = contents(grid, records, curves={spec.run_id: curves_of(spec.task) for spec in grid.specs})
    cells = whole.cells
    pictures = [samples(cells), maps(cells, [store_of(grid, folder, LABELS)]), confusion(cells)]
    path = folder / "report.html"
    path.write_text(page(whole, pictures=pictures), encoding="utf-8")
    return path.as_uri()


def opened(browser: "Browser", address: str, width: int = 1400, scheme: str = "light") -> "Page":
    """The page once all its charts are drawn; ``complaints`` are what the browser said and asked for meanwhile."""
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab.complaints = []
    tab.on("console", lambda said: tab.complaints.append(said.text) if said.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
    tab.on("request", lambda asked: tab.complaints.append(asked.url) if is_outside(asked.url, address) else None)
    tab.goto(address)
    tab.wait_for_function("[...document.querySelectorAll('.chart')].every((place) => place.querySelector('svg'))")
    return tab


def is_outside(url: str, address: str) -> bool:
    return url.partition("#")[0] != address and not url.startswith("data:")


@pytest.fixture
def tab(browser: "Browser", address: str) -> "Iterator[Page]":
    found = opened(browser, address)
    yield found
    found.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_it_is_quiet_asks_for_nothing_and_fits(browser: "Browser", address: str, width: int, scheme: str) -> None:
    tab = opened(browser, address, width, scheme)
    assert tab.complaints == []
    widest = "(() => { const page = document.documentElement; return page.scrollWidth - page.clientWidth; })()"
    assert tab.evaluate(widest) == 0
    ink = tab.evaluate("getComputedStyle(document.body).color")
    paper = tab.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert contrast(ink, paper) > 7
    assert (brightness(paper) > 0.5) == (scheme == "light")
    tab.close()


def brightness(colour: str) -> float:
    """Relative luminance of ``rgb(r, g, b)`` (WCAG 2.2)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted(map(brightness, (one, other)))
    return (high + 0.05) / (low + 0.05)


def column(tab: "Page", number: int) -> list[str]:
    """Texts of a column of the first table's candidates."""
    return tab.locator(f".sortable >> nth=0 >> tbody >> nth=0 >> tr > :nth-child({number})").all_inner_texts()


def test_a_click_sorts_and_another_sorts_the_other_way(tab: "Page") -> None:
    heading = tab.locator(".sortable >> nth=0 >> th .sort >> nth=1")
    heading.click()
    assert [float(text.split()[0]) for text in column(tab, 2)] == [90.2, 60.2, 50.2]
    assert tab.locator(".sortable >> nth=0 >> th >> nth=1").get_attribute("aria-sort") == "descending"
    heading.click()
    assert [float(text.split()[0]) for text in column(tab, 2)] == [50.2, 60.2, 90.2]


def test_the_keyboard_sorts_and_shows_what_is_behind_a_number(tab: "Page") -> None:
    tab.locator(".sortable >> nth=0 >> th .sort >> nth=0").focus()
    tab.keyboard.press("Enter")
    assert column(tab, 1) == ["coral", "dann", "source_only"]
    tab.locator(".sortable >> nth=0 >> .cell >> nth=0").focus()
    assert "5" in tab.locator("#tip").inner_text()
    tab.keyboard.press("Escape")
    assert tab.locator("#tip").is_hidden()
    tab.keyboard.press("Enter")
    assert tab.locator("dialog#runs").is_visible()
    tab.keyboard.press("Escape")
    assert tab.locator("dialog#runs").is_hidden()


def test_a_number_tells_what_it_covers_and_opens_its_runs(tab: "Page") -> None:
    cell = tab.locator(".sortable >> nth=0 >> .cell >> nth=0")
    cell.hover()
    assert tab.locator("#tip").is_visible()
    cell.click()
    runs = tab.locator("dialog#runs tbody tr")
    assert runs.count() == 5
    specs = {spec.run_id for spec in grid_of(5).specs}
    assert set(tab.locator("dialog#runs tbody th").all_inner_texts()) <= specs
    tab.wait_for_selector("#runs-chart svg")
    assert tab.complaints == []


def test_a_point_of_a_chart_has_a_tooltip(tab: "Page") -> None:
    tab.locator("#maps .chart >> nth=0 >> .mark-symbol path >> nth=0").hover(force=True)
    tab.wait_for_selector("#vg-tooltip-element.visible")
    assert "source" in tab.locator("#vg-tooltip-element").inner_text()


def test_a_map_is_of_the_method_that_the_reader_chooses(tab: "Page") -> None:
    chosen = tab.locator("#maps select >> nth=0")
    chart = tab.locator("#maps .chart >> nth=1")
    for method in ("coral", "dann"):
        chosen.select_option(method)
        tab.wait_for_function(
            "(name) => document.querySelectorAll('#maps .chart')[1].textContent.includes(name)", arg=method
        )
        assert chart.locator(".mark-symbol path").count() > 100
    assert tab.complaints == []


def test_curves_that_no_run_of_the_chosen_task_has_are_hidden(tab: "Page") -> None:
    strength = tab.locator("#curves figure", has_text="λ, the weight of alignment")
    strength.wait_for(state="hidden")  # of the first task, blobs
    tab.locator("#curves select[data-signal=task]").select_option("toys/moons")
    strength.wait_for(state="visible")
    assert tab.locator("#curves figure:visible").count() == tab.locator("#curves figure").count()
    width = "() => new Set([...document.querySelectorAll('#curves svg')].map((svg) => svg.clientWidth)).size === 1"
    tab.wait_for_function(width)
    assert tab.complaints == []


def test_every_picture_says_in_words_what_it_shows(tab: "Page") -> None:
    pictures = tab.locator("figure img, .chart svg")
    assert pictures.count() > 8
    for picture in pictures.all():
        assert (
            picture.get_attribute("alt")
            or picture.get_attribute("aria-label")
            or picture.locator("[aria-label]").count()
        )


def test_it_prints(tab: "Page", tmp_path: Path) -> None:
    printed = tab.pdf(format="A4")
    assert printed.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) > 3
