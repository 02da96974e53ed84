"""What a writer waits for: `python -m benchmarks.editor`.

A real server with the default model, a new writer in headless Chromium. Times are of the browser's own clock, from the
click: the ghost (in its place on the canvas), the first word beyond the opening that the strategy gives, each version.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

from app.settings import Settings
from benchmarks.machine import machine

LABELS = ("Use an Analogy", "Captivate & Immerse", "Sharpen the Finding")
CHROMIUM = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")

WATCH = """() => {
  window.__press = {};
  const seen = window.__press;
  document.addEventListener("click", () => { seen.click = performance.now(); }, { capture: true, once: true });
  const words = (it) => it.textContent.trim().split(/\\s+/).length;
  new MutationObserver(() => {
    if (!seen.click) return;
    const now = performance.now();
    if (document.querySelector(".ghost")) seen.ghost ??= now;
    const live = [...document.querySelectorAll("#candidates .candidate.live .words")];
    if (live.some((it) => words(it) > 6)) seen.word ??= now;
    if (document.querySelectorAll("#candidates .result").length) seen.version ??= now;
  }).observe(document.body, { childList: true, subtree: true, characterData: true });
}"""


@contextmanager
def server(data: Path) -> Iterator[str]:
    """The app on a free port, with its database in `data` and the models of the project's data directory."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    models = Settings().model_dir
    models.mkdir(parents=True, exist_ok=True)
    (data / "models").symlink_to(models)
    env = {**os.environ, "HOST": "127.0.0.1", "PORT": str(port), "SPATIAL_DATA_DIR": str(data)}
    command = [sys.executable, "-m", "app", "serve"]
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def chromium() -> str:
    """Where Debian, or whoever else, put it."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        raise SystemExit("Chromium is not installed; `apt-get install chromium` brings it.")
    return found


def until(url: str, seconds: float = 300) -> float:
    """Seconds until the address answers with 200."""
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return time.perf_counter() - start
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise TimeoutError(url)


def press(page: Page, label: str) -> dict[str, float]:
    page.evaluate(WATCH)
    page.get_by_role("button", name=label, exact=True).click()
    live = page.locator("#candidates .candidate.live")
    live.first.wait_for()
    expect(live).to_have_count(0, timeout=120_000)
    seen = page.evaluate("window.__press")
    done = page.evaluate("performance.now()")
    return {name: seen[name] - seen["click"] for name in ("ghost", "word", "version") if name in seen} | {
        "all": done - seen["click"]
    }


def measure() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as url, sync_playwright() as playwright:
        open_after, ready_after = until(url + "/healthz"), until(url + "/readyz")
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(CHROMIUM))
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.add_init_script("localStorage.setItem('tour', 'done')")
        page.goto(url)
        page.wait_for_load_state("networkidle")
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        sizes = page.evaluate(
            "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
            ".map(it => [it.name.replace(location.origin, '').split('?')[0], it.transferSize])"
        )
        page.locator("#place-all").click()
        expect(page.locator(".handles .node")).to_have_count(3, timeout=60_000)
        page.locator(".handles .node").first.click()
        times = [press(page, label) for label in LABELS for _ in range(2)]
        browser.close()
    plotly = sum(size for name, size in sizes if "plotly" in name)
    return machine() | {
        "open_seconds": round(open_after, 1),
        "ready_seconds": round(open_after + ready_after, 1),
        "first_contentful_paint_ms": round(paint),
        "page_kb_without_plotly": round((sum(size for _, size in sizes) - plotly) / 1024),
        "plotly_kb": round(plotly / 1024),
        "presses": len(times),
        **{
            f"{name}_ms_median": round(statistics.median(t[name] for t in times if name in t))
            for name in ("ghost", "word", "version", "all")
        },
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
