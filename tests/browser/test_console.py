"""The planner's whole path in a real browser: from the password to the exported plan."""

from __future__ import annotations

import re
import shutil
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.browser.test_page import SAFE_AND_QUIET
from tests.unit.console.conftest import PASSWORD
from tests.unit.console.hand_made_night import hand_made_night
from tests.unit.console_night import console_night_in
from traffic_brain.console.accounts import Role
from traffic_brain.console.app import create_app
from traffic_brain.console.settings import Settings
from traffic_brain.console.views.emergency import Asked, work_out

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.browser
RUN_S = 480
"""The longest that a run on a busy machine may take."""
PAGE_S = 120
"""… and a page: how fast pages are is measured elsewhere."""


MOST_CLICKS = 10
"""From the log-in to an approved plan."""
COUNT_CLICKS = """
addEventListener('click', (event) => {
  if (event.isTrusted) {
    sessionStorage.setItem('clicks', Number(sessionStorage.getItem('clicks')) + 1);
  }
}, true);
"""


@dataclass(frozen=True)
class Console:
    """A console that listens."""

    url: str
    root: Path


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=SAFE_AND_QUIET)
        yield running
        running.close()


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[Console]:
    """Two nights: one that can be optimised, and one with queues and script in its names."""
    import uvicorn

    root = tmp_path_factory.mktemp("nights") / "root"
    root.mkdir()
    console_night_in(root)
    hand_made_night(root / "second")
    app = create_app(Settings(root))
    desk = app.state.desk
    desk.accounts.add("wang", Role.APPROVE, PASSWORD)
    night = desk.library.complete("second")
    asked = Asked(speed_kmh=50, depart_s=27_600, corridor_id="C01")
    desk.emergencies.save(night, work_out(desk.library, night, asked))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Console(f"http://127.0.0.1:{port}", root)
    server.should_exit = True
    thread.join()


class Visit:
    """A planner's window, with everything that it asked for or complained about."""

    def __init__(self, browser: Any, console: Console, language: str) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 900})
        self.context.add_init_script(COUNT_CLICKS)
        self.context.set_default_timeout(PAGE_S * 1000)
        self.page = self.context.new_page()
        self.url = console.url
        self.language = language
        self.strange: list[str] = []
        self.page.on("request", lambda request: self._note(request.url))
        self.page.on("console", lambda message: self._complain(message.type, message.text))
        self.page.on("pageerror", lambda error: self.strange.append(str(error)))
        self.page.on("dialog", lambda dialog: self.strange.append(dialog.message))

    def _note(self, url: str) -> None:
        if not url.startswith((self.url, "data:", "blob:")):
            self.strange.append(url)

    def _complain(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.strange.append(text)

    def open(self, path: str) -> None:
        self.page.goto(f"{self.url}{path}?lang={self.language}")

    def log_in(self) -> None:
        self.open("/login")
        self.page.fill("#name", "wang")
        self.page.fill("#password", PASSWORD)
        self.page.click("#login button")
        self.page.wait_for_url("**/morning")


@pytest.fixture(params=["zh", "en"])
def visit(request: pytest.FixtureRequest, browser: Any, console: Console) -> Iterator[Visit]:
    opened = Visit(browser, console, request.param)
    opened.log_in()
    yield opened
    opened.context.close()
    assert opened.strange == []


def drag(page: Any, junction_id: str, pixels: int) -> None:
    grip = page.locator(f".grip[data-id='{junction_id}']").bounding_box()
    x, y = grip["x"] + grip["width"] / 2, grip["y"] + grip["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 6):
        page.mouse.move(x + pixels * step / 5, y)
    page.mouse.up()


def test_the_planners_whole_path(visit: Visit, console: Console, tmp_path: Path) -> None:
    page = visit.page
    visit.open("/nights/first/morning")
    # the worst bottleneck, its corridor
    page.click(".bottleneck-link")
    page.click(".button.main")
    page.wait_for_selector("#diagram[data-confirmed=true]")
    # an offset is dragged, then typed: bands follow, and the server agrees
    row = page.locator("#offsets tr").nth(1)
    before = page.inner_html("#diagram"), row.locator("input").input_value()
    drag(page, row.get_attribute("data-id"), 60)
    assert page.inner_html("#diagram") != before[0]
    assert row.locator("input").input_value() != before[1]
    assert float(page.get_attribute("#diagram", "data-draw-ms")) < 100
    page.wait_for_selector("#diagram[data-confirmed=true]")
    row.locator("input").fill("7")
    assert "changed" in row.get_attribute("class")
    page.click("#reset")
    assert row.locator("input").input_value() == before[1]
    # an optimisation is started; once it is cancelled, once it goes on to its verdict
    page.click("#optimise")
    page.fill("#candidates", "1")
    page.click("#start button")
    if visit.language == "en":
        page.click("tr[data-status=running] .cancel")
        page.wait_for_selector("tr[data-status=cancelled]")
        return
    page.wait_for_selector("tr[data-status=done], tr[data-status=failed]", timeout=RUN_S * 1000)
    page.click("a.result")
    assert page.inner_text("#decision") == "建议下发", page.inner_text(".verdict")
    page.wait_for_selector("#figure-check[data-ready=true]")
    # approved, and taken away as GA/T 1049.2
    page.click("#note")
    page.fill("#note", "按夜间评判结果下发")
    page.click("#approve")
    page.locator("#state", has_text="已批准").wait_for()
    assert int(page.evaluate("sessionStorage.getItem('clicks')")) <= MOST_CLICKS
    with page.expect_download() as download:
        page.click("a.export[data-form=ga1049]")
    archive = tmp_path / "plans.zip"
    download.value.save_as(archive)
    messages = [n for n in zipfile.ZipFile(archive).namelist() if n.endswith(".xml")]
    assert messages
    shutil.rmtree(console.root / "first" / "runs", ignore_errors=True)


def test_the_map_and_its_list_are_in_step(visit: Visit) -> None:
    page = visit.page
    visit.open("/nights/second/map")
    page.wait_for_selector("#map[data-ready=true]")
    assert float(page.get_attribute("#map", "data-ready-ms")) < 5000
    page.locator("#bin").fill("3")
    page.locator("#bin-label", has_text="07:45").wait_for()
    assert float(page.get_attribute("#map", "data-draw-ms")) < 150
    page.locator("#ranked button").nth(1).click()
    assert page.get_attribute("#ranked li[aria-current=true]", "data-rank") == "2"
    page.fill("#filter", "no such road")
    assert page.locator("#ranked li:visible").count() == 0
    page.fill("#filter", "")
    page.fill("#search", "hsl")
    page.wait_for_selector("#hits a")
    page.press("#search", "Enter")
    page.wait_for_url(re.compile("/nights/second/(junctions|corridors)/"))


PAGES = (
    *("morning", "map", "zones", "zones/W", "corridors", "corridors/C01", "junctions/J2"),
    *("bottlenecks/B001", "plans", "runs", "emergency", "emergency/E001", "effect", "log"),
)


def test_a_vehicle_is_led_through_and_what_was_seen_lies_over_the_lamps(visit: Visit) -> None:
    page = visit.page
    visit.open("/nights/second/emergency")
    page.click("#ask button")
    page.wait_for_url(re.compile("/nights/second/emergency/E00[23]"))
    assert page.locator(".emergency-chart .vehicle").count() == 1
    assert page.locator(".holds tbody tr").count() == 3
    visit.open("/nights/second/corridors/C01")
    page.select_option("#set", "running")
    page.wait_for_selector("#diagram[data-seen]:not([data-seen='0']) path.seen")
    assert page.locator("#diagram path.seen").count() == 2  # one layer for each direction
    drag(page, "J2", 40)
    assert float(page.get_attribute("#diagram", "data-draw-ms")) < 100
    page.click("#observed")
    assert page.locator("#diagram path.seen").count() == 0


def test_no_page_is_cut_or_too_wide(visit: Visit) -> None:
    """1280 pixels: no sideways scrolling, no cell whose text is cut, nothing over anything else."""
    for name in PAGES:
        visit.open(f"/nights/second/{name}")
        visit.page.wait_for_load_state("networkidle")
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 1280, name
        cut = visit.page.evaluate(
            """[...document.querySelectorAll('th, td, .tile, dd, button, .button, nav a, h1, h2')]
            .filter(e => e.offsetParent && e.clientWidth && e.scrollWidth > e.clientWidth + 1)
            .map(e => e.tagName + ' ' + e.textContent.trim().slice(0, 40))"""
        )
        assert cut == [], name


def test_a_page_prints_on_a4(visit: Visit) -> None:
    for name in ("plans", "zones/W", "emergency/E001"):
        visit.open(f"/nights/second/{name}")
        printed = visit.page.pdf(prefer_css_page_size=True)
        assert b"/MediaBox [0 0 594" in printed or b"/MediaBox [0 0 595" in printed


def test_the_policy_stops_what_a_stranger_might_add(browser: Any, console: Console) -> None:
    opened = Visit(browser, console, "en")
    opened.log_in()
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
    assert any("Content Security Policy" in text for text in opened.strange)
    opened.context.close()
