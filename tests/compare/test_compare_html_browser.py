"""The page of a real run in a real browser, and that run's numbers in every output."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from whisperctl.compare.reports import html
from whisperctl.compare.result import CellInfo
from whisperctl.compare.statistics import BY_NAME, shown

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

    from tests.compare.conftest import Make, RealRun

pytestmark = pytest.mark.slow

BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--mute-audio",
)
QUIET_MS = 10_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium with a profile of its own."""
    named = os.environ.get("WHISPERCTL_CHROMIUM", "")
    path = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium or Chrome is here: run make browser, or set WHISPERCTL_CHROMIUM")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


class Visit:
    """A page that was opened, and all it asked for or complained about."""

    def __init__(self, browser: Browser, path: Path, **options: Any) -> None:
        self.context = browser.new_context(
            **{"viewport": {"width": 1200, "height": 900}, **options}
        )
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.set_default_timeout(QUIET_MS)
        self.page.goto(path.as_uri())

    def _heard(self, message: ConsoleMessage) -> None:
        self.complaints.append(message.text)

    def wait_for(self, script: str) -> None:
        """Wait until it is true; the page forbids what playwright would do it with."""
        for _ in range(QUIET_MS // 50):
            if self.page.evaluate(script):
                return
            self.page.wait_for_timeout(50)
        pytest.fail(f"never became true: {script}")

    def number(self, script: str) -> float:
        return float(self.page.evaluate(script))


@pytest.fixture
def visit(browser: Browser, real_run: RealRun) -> Iterator[Visit]:
    found = Visit(browser, real_run.html)
    yield found
    found.context.close()


def cell_of(real_run: RealRun, bar: dict[str, str]) -> dict[str, Any]:
    """The document's cell that a bar is of."""
    (cell,) = (
        cell
        for cell in real_run.json["cells"]
        if str(cell["recording"]) == bar["recording"] and str(cell["variant"]) == bar["variant"]
    )
    return dict(cell)


BARS = """charts => charts.flatMap(chart => [...chart.querySelectorAll('.bar')].map(bar => {
    const plot = bar.parentElement.getBoundingClientRect();
    const box = bar.getBoundingClientRect();
    return {...bar.dataset, chart: chart.dataset.chart, scale: chart.dataset.scale,
            kind: bar.classList[1], left: box.left - plot.left,
            center: box.left + box.width / 2 - plot.left,
            width: box.width, height: box.height, plot: plot.width};
}))"""


def test_it_opens_with_no_error_and_asks_the_network_for_nothing(visit: Visit) -> None:
    visit.wait_for("document.querySelector('audio').readyState >= 1")
    assert visit.complaints == []
    assert [url for url in visit.requests if not url.startswith(("file:", "data:"))] == []
    assert len(visit.requests) <= 3
    assert abs(visit.number("document.querySelector('audio').duration") - 11.0) < 0.1


def test_bars_are_as_long_as_the_documents_numbers(visit: Visit, real_run: RealRun) -> None:
    bars = visit.page.locator(".chart").evaluate_all(BARS)
    assert {bar["chart"] for bar in bars} == {
        "wall_ms",
        "cold_start_ms",
        "real_time_factor",
        "ratio",
        "peak_memory_bytes",
    }
    reached: dict[tuple[str, str], float] = {}
    for bar in bars:
        cell = cell_of(real_run, bar)
        value = float(bar["value"])
        length = bar["plot"] * value / float(bar["scale"])
        if bar["chart"] == "ratio":
            assert value == cell["ratios"]["wall_ms"]["value"]
            assert bar["center"] == pytest.approx(length, abs=1)
            continue
        assert value == cell["stats"][bar["name"]]["median"]
        assert bar["width"] == pytest.approx(length, abs=1)
        assert bar["height"] > 5
        if bar["kind"] == "part":  # each begins where the one before it ends
            row = bar["chart"], bar["variant"]
            assert bar["left"] == pytest.approx(reached.get(row, 0.0), abs=1)
            reached[row] = bar["left"] + bar["width"]
    for cell in real_run.json["cells"]:
        shown_phases = {bar["name"] for bar in bars if bar["variant"] == str(cell["variant"])}
        assert {"mel_ms", "encode_ms", "load_ms", "wall_ms"} <= shown_phases


def test_whiskers_span_the_runs_and_the_interval(visit: Visit, real_run: RealRun) -> None:
    whiskers = visit.page.locator(".chart").evaluate_all(
        """charts => charts.flatMap(chart => [...chart.querySelectorAll('.whisker')].map(it => {
            const plot = it.parentElement.getBoundingClientRect(), box = it.getBoundingClientRect();
            return {...it.dataset, chart: chart.dataset.chart, scale: chart.dataset.scale,
                    left: box.left - plot.left, width: box.width, plot: plot.width,
                    variant: it.closest('li').dataset.variant, recording: '0'};
        }))"""
    )
    assert len(whiskers) >= 6
    for whisker in whiskers:
        cell = cell_of(real_run, whisker)
        of = cell["ratios"]["wall_ms"] if whisker["chart"] == "ratio" else None
        of = of or cell["stats"][whisker["chart"]]
        low, high = float(whisker["low"]), float(whisker["high"])
        assert (low, high) == (of["low"], of["high"])
        step = whisker["plot"] / float(whisker["scale"])
        assert whisker["left"] == pytest.approx(low * step, abs=1)
        assert whisker["width"] == pytest.approx(max(1, (high - low) * step), abs=1)


def test_the_table_has_every_number(visit: Visit, real_run: RealRun) -> None:
    found = visit.page.locator(".numbers td[data-value]").evaluate_all(
        "all => all.map(it => ({...it.dataset, recording: '0', text: it.textContent}))"
    )
    for entry in found:
        stat = cell_of(real_run, entry)["stats"][entry["name"]]
        assert float(entry["value"]) == stat["median"]
        assert entry["text"].startswith(shown(stat["median"], BY_NAME[entry["name"]].unit))
    assert len(found) == sum(len(cell["stats"]) for cell in real_run.json["cells"])


TIME = "document.querySelector('audio').currentTime"


def test_clicking_a_word_plays_it(visit: Visit, real_run: RealRun) -> None:
    word = real_run.comparison.cells[0].segments[0].words[8]
    visit.page.locator(".text .w", has_text=re.compile(f"^{re.escape(word.text)}$")).first.click()
    # At once, and not because it got there from the beginning.
    assert word.start_s - 0.01 <= visit.number(TIME) < word.start_s + 1
    visit.wait_for(f"{TIME} > {word.start_s + 0.05}")
    assert visit.page.evaluate("document.querySelector('audio').paused") is False
    visit.wait_for("document.querySelectorAll('.w.now').length > 0")
    assert visit.complaints == []


def test_the_word_that_is_heard_is_marked(visit: Visit, real_run: RealRun) -> None:
    words = [word for one in real_run.comparison.cells[0].segments for word in one.words]
    word = next(word for word in words[5:] if word.end_s - word.start_s > 0.1)
    middle = (word.start_s + word.end_s) / 2
    visit.page.evaluate(f"document.querySelector('audio').currentTime = {middle}")
    now = visit.page.locator(".text .w.now").first
    now.wait_for()
    assert now.text_content() == word.text


def test_the_keyboard_gets_to_a_word_and_plays_it(visit: Visit, real_run: RealRun) -> None:
    words = [word for one in real_run.comparison.cells[0].segments for word in one.words]
    visit.page.locator("audio").focus()
    for _ in range(20):
        visit.page.keyboard.press("Tab")
        if visit.page.evaluate("document.activeElement.className") == "w":
            break
    else:
        pytest.fail("the Tab key does not get to a word")
    for _ in range(3):
        visit.page.keyboard.press("ArrowRight")
    assert visit.page.evaluate("document.activeElement.textContent") == words[3].text
    assert (
        visit.page.locator(".text .w[tabindex]").count()
        == visit.page.locator(".text:has(.w)").count()
    )
    visit.page.keyboard.press("End")
    visit.page.keyboard.press("Enter")
    assert words[-1].start_s - 0.01 <= visit.number(TIME) < words[-1].start_s + 1
    assert visit.page.evaluate("document.querySelector('audio').paused") is False


def test_what_differs_from_the_reference_is_marked(visit: Visit) -> None:
    removed = visit.page.locator(".text del").all_text_contents()
    added = visit.page.locator(".text ins").all_text_contents()
    assert "nation." in removed
    assert "country." in added


def test_dark_mode_is_dark_and_print_is_black_on_white(visit: Visit) -> None:
    colors = "(style => [style.backgroundColor, style.color])(getComputedStyle(document.body))"

    def brightness() -> tuple[float, float]:
        found = visit.page.evaluate(colors)
        first, second = (sum(map(int, re.findall(r"\d+", color)[:3])) / 3 for color in found)
        return first, second

    paper, ink = brightness()
    assert paper > 240
    assert ink < 60
    visit.page.emulate_media(color_scheme="dark")
    paper, ink = brightness()
    assert paper < 60
    assert ink > 200
    bar = "getComputedStyle(document.querySelector('.bar.encode_ms')).backgroundColor"
    color = visit.page.evaluate(bar)
    visit.page.emulate_media(color_scheme="dark", media="print")
    assert brightness() == (255, 0)
    assert visit.page.evaluate(bar) == color
    assert not visit.page.locator("audio").is_visible()
    assert visit.page.pdf().startswith(b"%PDF")


def test_a_phone_scrolls_down_only(
    browser: Browser, real_run: RealRun, make: Make, tmp_path: Path
) -> None:
    long = tmp_path / "long.html"
    names = [f"an-engine/of-{n}-with-a-rather-long-name tiny.en q8_0 2t" for n in range(7)]
    texts = ["Donaudampfschifffahrtsgesellschaftskapitän" * 5, "a " * 500, *["b"] * 5]
    long.write_text(html.page(make(names, texts, recordings=("x" * 200,)), [None]), "utf-8")
    for path in (real_run.html, long):
        phone = Visit(browser, path, viewport={"width": 390, "height": 844}, is_mobile=True)
        assert phone.number("document.documentElement.scrollWidth") == 390
        labels = phone.page.locator(".rows .label").first.bounding_box()
        assert labels is not None
        assert labels["width"] > 50
        phone.context.close()


def test_without_javascript_everything_is_still_read(browser: Browser, real_run: RealRun) -> None:
    page = Visit(browser, real_run.html, java_script_enabled=False)
    assert page.page.locator(".numbers tbody tr").count() > 15
    texts = page.page.locator(".text .lines").all_inner_texts()
    assert any("fellow" in text for text in texts)
    for bar in page.page.locator(".bar.whole").all():
        box = bar.bounding_box()
        assert box is not None
        assert box["width"] > 50
    page.context.close()


def test_hours_of_speech_stay_usable(browser: Browser, make: Make, tmp_path: Path) -> None:
    import numpy as np

    said = " ".join(f"word{n}" for n in range(9_000))
    path = tmp_path / "long.html"
    silence = np.zeros(16_000 * 20, np.float32)
    path.write_text(html.page(make(["native", "wasi"], [said, f"{said} more"]), [silence]), "utf-8")
    page = Visit(browser, path)
    page.page.locator(".w", has_text="word20").first.click()
    page.wait_for("document.querySelector('audio').currentTime > 10")
    assert page.number("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd") < (
        QUIET_MS
    )
    assert page.complaints == []
    page.context.close()


def figures(cell: CellInfo) -> Iterator[str]:
    for name, stat in cell.stats.items():
        yield shown(stat.median, BY_NAME[name].unit)
    for phase in cell.phases:
        if phase.count > 1:
            yield f"({phase.count} x {shown(phase.per_run_ms, 'ms')})"
    if cell.baseline != cell.variant:
        yield f"{shown(cell.ratios['wall_ms'].value, 'times')}x"
    assert cell.difference is not None
    yield shown(cell.difference.wer.rate, "share")
    yield shown(cell.difference.normalized_cer.rate, "share")


def test_all_outputs_of_one_run_have_the_same_numbers(real_run: RealRun) -> None:
    embedded = re.search(r'id="comparison">(.*?)</script>', real_run.html.read_text("utf-8"), re.S)
    assert embedded is not None
    assert json.loads(embedded[1]) == real_run.json
    table = " ".join(real_run.table.split())
    page = real_run.html.read_text("utf-8")
    for cell in real_run.comparison.cells:
        for figure in figures(cell):
            assert figure in table
            assert figure in real_run.markdown
        for name, stat in cell.stats.items():
            assert shown(stat.median, BY_NAME[name].unit) in page
    rows = list(csv.DictReader(io.StringIO(real_run.csv, newline="")))
    for cell in real_run.comparison.cells:
        label = real_run.comparison.variants[cell.variant].label
        (median,) = (r for r in rows if r["variant"] == label and r["row"] == "median")
        for name, stat in cell.stats.items():
            assert float(median[name]) == stat.median
