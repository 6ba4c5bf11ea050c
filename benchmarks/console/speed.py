"""First map, slider step, drag of an offset, and memory, in headless Chromium.

``python -m benchmarks.console.speed ROOT RESULT.json``: the latest night below ROOT is shown.
A step's time is from the event to the end of the frame that shows it.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.console.server import PASSWORD, Server, console

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
STEPS = 40
SLIDE = """async (steps) => {
  const slider = document.getElementById("bin"), found = [];
  for (let i = 0; i < steps; i += 1) {
    const start = performance.now();
    slider.value = (i * 7) % (Number(slider.max) + 1);
    slider.dispatchEvent(new Event("input"));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
    found.push(performance.now() - start);
  }
  return found;
}"""
DRAG = """async (steps) => {
  const svg = document.getElementById("diagram"), found = [];
  const grip = () => document.querySelector(".grip");
  const box = grip().getBoundingClientRect(), x = box.x + 300, y = box.y + box.height / 2;
  svg.setPointerCapture = () => {};
  const send = (name, at) => (name === "pointerdown" ? grip() : svg).dispatchEvent(
    new PointerEvent(name, { clientX: at, clientY: y, pointerId: 1, bubbles: true }));
  send("pointerdown", x);
  for (let i = 1; i <= steps; i += 1) {
    const start = performance.now();
    send("pointermove", x + 4 * i);
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
    found.push(performance.now() - start);
  }
  send("pointerup", x);
  return found;
}"""


def measure(server: Server) -> dict[str, Any]:
    """All figures of the latest night."""
    from playwright.sync_api import sync_playwright

    start = time.monotonic()
    night = json.loads(server.get("/api/nights"))[0]["night_id"]
    size = len(server.get(f"/api/nights/{night}/map"))
    warm_s = time.monotonic() - start
    corridor = json.loads(server.get(f"/api/nights/{night}/corridors"))[0]["corridor_id"]
    server.get(f"/api/nights/{night}/corridors/{corridor}")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{server.url}/login")
        page.fill("#name", "reader")
        page.fill("#password", PASSWORD)
        page.click("#login button")
        page.wait_for_url("**/morning")
        maps = []
        for _ in range(5):
            page.goto(f"{server.url}/nights/{night}/map")
            page.wait_for_selector("#map[data-ready=true]", timeout=60_000)
            maps.append(float(page.get_attribute("#map", "data-ready-ms") or "nan"))
        links = page.evaluate(
            "fetch(document.getElementById('map-page').dataset.source)"
            ".then((a) => a.json()).then((m) => [m.ids.length, m.bins.length])"
        )
        slides = page.evaluate(SLIDE, STEPS)
        page.goto(f"{server.url}/nights/{night}/corridors/{corridor}")
        page.wait_for_selector("#diagram[data-ready=true]")
        page.select_option("#set", "running")
        page.wait_for_selector("#diagram[data-seen]", timeout=60_000)
        seen = int(page.get_attribute("#diagram", "data-seen") or 0)
        drags = page.evaluate(DRAG, STEPS)
        page.wait_for_selector("#diagram[data-confirmed=true]", timeout=60_000)
        browser.close()
    return {
        "links": links[0],
        "bins": links[1],
        "map_bytes": size,
        "warm_up_s": round(warm_s, 1),
        "first_map_ms": _figures(maps),
        "slider_step_ms": _figures(slides),
        "drag_ms": _figures(drags),
        "trajectories": seen,
        "server_memory_mb": round(server.memory_mb()),
    }


def _figures(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "median": round(median(ordered), 1),
        "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 1),
        "worst": round(ordered[-1], 1),
    }


if __name__ == "__main__":
    with console(Path(sys.argv[1])) as running:
        result = measure(running)
    Path(sys.argv[2]).write_text(json.dumps(result, indent=1), encoding="utf-8")
    print(json.dumps(result, indent=1))
