"""The page in a real browser, opened as a file and without a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import dist
from pathlib import Path

import pytest

from tests.unit.report_night import BOTTLENECKS, PROPOSED, write_night
from traffic_brain.report import page as report

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.browser

SAFE_AND_QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def night_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folders = write_night(tmp_path_factory.mktemp("night"))
    report.write(**folders.arguments())
    return folders.out / "index.html"


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=SAFE_AND_QUIET)
        yield running
        running.close()


class Visit:
    """An open page, with everything that it asked for or complained about."""

    def __init__(self, browser: playwright.Browser, file: Path, language: str = "") -> None:
        self.page = browser.new_page(viewport={"width": 1280, "height": 900}, offline=True)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.url = file.as_uri() + language
        self.page.goto(self.url)
        self.page.wait_for_selector("html[data-ready=true]")

    def visible(self, selector: str) -> str:
        text: str = self.page.locator(selector).inner_text()
        return text


@pytest.fixture
def visit(browser: playwright.Browser, night_page: Path) -> Iterator[Visit]:
    yield from _visited(browser, night_page)


@pytest.fixture(scope="module")
def reading(browser: playwright.Browser, night_page: Path) -> Iterator[Visit]:
    """One visit for all tests that only look, in Chinese: opening the page takes seconds."""
    yield from _visited(browser, night_page)


def _visited(browser: playwright.Browser, night_page: Path) -> Iterator[Visit]:
    opened = Visit(browser, night_page)
    yield opened
    opened.page.close()
    local = (night_page.as_uri(), "blob:", "data:")
    assert [url for url in opened.requests if not url.startswith(local)] == []
    assert opened.complaints == []


def test_every_figure_is_drawn(reading: Visit) -> None:
    for figure in ("map", "corridor-1", "check", "world"):
        drawn = reading.page.locator(f"#figure-{figure} .main-svg")
        assert drawn.first.is_visible(), figure
    assert reading.page.locator("#figure-map .scatterlayer path.js-line").count() >= 5
    assert reading.page.locator("#figure-corridor-1 .scatterlayer path.js-fill").count() == 4


def test_it_opens_in_chinese_and_switches_to_english_and_back(visit: Visit) -> None:
    assert visit.visible("#summary h1") == "建议下发"
    assert "时间（秒）" in visit.page.locator("#figure-corridor-1").text_content()
    visit.page.get_by_role("button", name="English").click()
    visit.page.wait_for_function(
        "document.querySelector('#figure-corridor-1').textContent.includes('Time (s)')"
    )
    assert visit.visible("#summary h1") == "Deploy"
    assert visit.page.url.endswith("#en")
    assert visit.page.evaluate("document.documentElement.lang") == "en"
    assert visit.page.get_attribute("#plan-filter", "placeholder") == (
        "Filter by junction name or id"
    )
    assert "建议下发" not in visit.visible("main")
    visit.page.get_by_role("button", name="中文").click()
    assert visit.visible("#summary h1") == "建议下发"


def test_the_hash_remembers_the_language(browser: playwright.Browser, night_page: Path) -> None:
    opened = Visit(browser, night_page, "#en")
    assert opened.visible("#summary h1") == "Deploy"
    assert opened.complaints == []
    opened.page.close()


def test_the_slider_moves_the_map_through_the_day(visit: Visit) -> None:
    def drawn() -> str:
        paths = visit.page.locator("#figure-map .scatterlayer path.js-line")
        return "".join(paths.evaluate_all("all => all.map(p => p.getAttribute('d'))"))

    visit.page.locator("#bin").fill("0")
    first = drawn()
    visit.page.locator("#bin").fill("3")
    assert visit.visible("#bin-label") == "07:45"
    visit.page.wait_for_timeout(50)
    assert drawn() != first


def test_choosing_a_bottleneck_shows_its_queue_and_zooms(visit: Visit) -> None:
    before = visit.page.evaluate("document.getElementById('figure-map').layout.xaxis.range")
    visit.page.locator(".bottleneck[data-rank='1']").click()
    after = visit.page.evaluate("document.getElementById('figure-map').layout.xaxis.range")
    assert after[1] - after[0] < before[1] - before[0]
    queue = visit.page.evaluate("document.getElementById('figure-map').data[0].x")
    assert len([x for x in queue if x is not None]) == 4
    assert visit.page.locator(".bottleneck[aria-current=true]").count() == 1
    visit.page.locator("#whole").click()
    whole = visit.page.evaluate("document.getElementById('figure-map').layout.xaxis.range")
    assert whole[1] - whole[0] == pytest.approx(before[1] - before[0], rel=0.01)
    assert visit.page.locator(".bottleneck[aria-current=true]").count() == 0


def test_numbers_on_the_map_do_not_cover_each_other(
    browser: playwright.Browser, tmp_path: Path
) -> None:
    """Four heads of queues at one junction, seen from afar and from near."""
    links = ("J1-J2", "N-J2", "S-J2", "J3-J2")
    crowd = [replace(BOTTLENECKS[0], link_id=i, bottleneck_id=i) for i in links]
    folders = write_night(tmp_path, bottlenecks=crowd)
    report.write(**folders.arguments())
    opened = Visit(browser, folders.out / "index.html")
    for zoom in ("[-4000, 5000]", "[300, 700]"):
        opened.page.evaluate(
            f"Plotly.relayout('figure-map', {{'xaxis.range': {zoom}, 'yaxis.range': [-300, 300]}})"
        )
        opened.page.wait_for_timeout(200)
        points = opened.page.locator("#figure-map .scatterlayer .trace:last-child .point")
        boxes = [box for box in (p.bounding_box() for p in points.all()) if box]
        assert len(boxes) == 4
        centres = [(b["x"] + b["width"] / 2, b["y"] + b["height"] / 2) for b in boxes]
        assert min(dist(a, b) for i, a in enumerate(centres) for b in centres[:i]) >= 19
    assert opened.complaints == []
    opened.page.close()


def test_the_table_of_plans_sorts_and_filters(reading: Visit) -> None:
    def names() -> list[str]:
        rows = reading.page.locator("#plan-table tbody tr:visible td:first-child b")
        return [text.strip() for text in rows.all_inner_texts()]

    assert names() == ["<script>alert('路口')</script>", "黄山路与科学大道", "J3"]
    offset = reading.page.locator("#plan-table th").nth(2)
    offset.click()
    assert offset.get_attribute("aria-sort") == "descending"
    offset.click()
    assert names() == ["黄山路与科学大道", "J3", "<script>alert('路口')</script>"]
    reading.page.fill("#plan-filter", "科学")
    assert names() == ["黄山路与科学大道"]
    assert reading.visible("#plan-count") == f"显示 1 / {len(PROPOSED)}"


def test_no_button_sends_a_figure_away(visit: Visit) -> None:
    """Plotly's own default has a button that uploads; here only these may appear."""
    titles = visit.page.locator(".modebar-btn").evaluate_all("all => all.map(b => b.dataset.title)")
    assert set(titles) == {"放大", "缩小", "复位", "框选放大", "平移", "存为图片"}
    visit.page.get_by_role("button", name="English").click()
    visit.page.wait_for_selector(".modebar-btn[data-title='Save as a picture']", state="attached")


def test_a_figure_can_be_saved_as_a_picture(reading: Visit) -> None:
    with reading.page.expect_download() as download:
        reading.page.locator("#figure-check").hover()
        reading.page.locator("#figure-check .modebar-btn[data-title='存为图片']").click()
    assert download.value.suggested_filename.endswith(".png")


def test_names_in_figures_stay_text(reading: Visit) -> None:
    assert "<script>a" in reading.page.locator("#figure-corridor-1").text_content()


@pytest.mark.parametrize("language", ["#zh", "#en"])
def test_nothing_is_wider_than_a_small_screen(
    browser: playwright.Browser, night_page: Path, language: str
) -> None:
    """1280 pixels: no sideways scrolling, and no cell whose text is cut."""
    opened = Visit(browser, night_page, language)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 1280
    cut = opened.page.evaluate(
        """[...document.querySelectorAll('.tile, th, td, .bottleneck, nav, .tools button, h3')]
        .filter(e => e.offsetParent && e.scrollWidth > e.clientWidth + 1 && e.clientWidth)
        .map(e => e.className + ' ' + e.textContent.trim().slice(0, 40))"""
    )
    assert cut == []
    opened.page.close()


def test_the_policy_stops_what_a_stranger_might_add(
    browser: playwright.Browser, night_page: Path
) -> None:
    """Scripts that are not ours do not run, and nothing can be fetched."""
    opened = Visit(browser, night_page)
    ran = opened.page.evaluate(
        """async () => {
          const script = document.createElement('script');
          script.textContent = 'window.strange = true';
          document.body.append(script);
          const fetched = await fetch('https://example.org/').then(() => true, () => false);
          return Boolean(window.strange) || fetched;
        }"""
    )
    assert ran is False
    assert any("Content Security Policy" in text for text in opened.complaints)
    opened.page.close()


def test_it_prints_on_a4(browser: playwright.Browser, night_page: Path) -> None:
    opened = Visit(browser, night_page)
    printed = opened.page.pdf(prefer_css_page_size=True, print_background=True)
    assert printed.startswith(b"%PDF")
    assert b"/MediaBox [0 0 841.9" in printed or b"/MediaBox [0 0 842" in printed
    assert opened.complaints == []
    opened.page.close()
