"""A full canvas: `python -m benchmarks.canvas`, frame times while 1,000 versions are panned and zoomed.

A real server on a new database that holds one draft of 12 paragraphs and 1,000 measured versions, in headless
Chromium. A frame's time is the distance between two animation frames of the page while the mouse drags the canvas or
turns its wheel; 16.7 ms is a frame missed by nobody.
"""

from __future__ import annotations

import json
import random
import statistics
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright
from sqlalchemy.orm import Session

from app.axes.types import Placement
from app.db import schema
from app.db.engine import Database
from app.settings import Settings
from app.web.security import COOKIE
from app.writing import service, store
from app.writing import views as v
from app.writing.models import Draft, Paragraph, Version
from benchmarks.editor import CHROMIUM, chromium, server, until
from benchmarks.machine import machine

VERSIONS = 1_000
PARAGRAPHS = 12
SEED = 5
MOVES = 150

WATCH = """() => {
  window.__frames = [];
  let last = performance.now();
  const tick = (now) => {
    window.__frames.push(now - last);
    last = now;
    window.__ticking = requestAnimationFrame(tick);
  };
  window.__ticking = requestAnimationFrame((now) => { last = now; window.__ticking = requestAnimationFrame(tick); });
}"""
STOP = "() => { cancelAnimationFrame(window.__ticking); return window.__frames; }"


def fill(data: Path) -> tuple[str, str]:
    """A draft with 1,000 versions in a new database; its id, and the token of its writer."""
    database = Database(Settings(data_dir=data).db_url)
    schema.upgrade(database)
    rng = random.Random(SEED)
    texts = [json.loads(line)["text"] for line in Path("benchmarks/paragraphs.jsonl").read_text("utf-8").splitlines()]
    with database.write() as session:
        writer, token = service.new_writer(session)
        text = "\n\n".join(texts[:PARAGRAPHS])
        draft_id = service.create_draft(session, writer.id, v.NewDraft(title="A full canvas", text=text)).id
        draft = session.get_one(Draft, draft_id)
        grown = {p.id: [_place(session, p, rng)] for p in store.paragraphs(session, draft_id)}
        for _ in range(VERSIONS - PARAGRAPHS):
            paragraph_id = rng.choice(list(grown))
            _grow(session, draft, paragraph_id, grown[paragraph_id], rng)
    database.close()
    return draft_id, token


def _place(session: Session, paragraph: Paragraph, rng: random.Random) -> Version:
    paragraph.on_canvas = True
    version = session.get_one(Version, str(paragraph.head_version_id))
    store.set_placement(version, Placement(rng.uniform(42, 58), rng.uniform(42, 58), 2.5, "benchmark"))
    return version


def _grow(session: Session, draft: Draft, paragraph_id: str, known: list[Version], rng: random.Random) -> None:
    parent = rng.choice(known)
    assert parent.exposition is not None
    assert parent.engagement is not None
    values = Version(
        paragraph_id=paragraph_id,
        operation="label",
        label="use-analogy",
        text=f"{parent.text} It is like the {draft.number}th bead on a string.",
        status=rng.choice(["proposed"] * 6 + ["confirmed", "discarded"]),
        flags=[],
    )
    version = store.add_version(session, draft, values, [parent.id])
    place = Placement(parent.exposition + rng.gauss(0, 4), parent.engagement + rng.gauss(1, 4), 2.5, "benchmark")
    store.set_placement(version, place)
    known.append(version)


def pan(page: Page, centre: tuple[float, float]) -> None:
    x, y = centre
    page.mouse.move(x, y)
    page.mouse.down()
    for i in range(MOVES):
        page.mouse.move(x + 120 * (i % 40 - 20) / 20, y + 80 * (i % 60 - 30) / 30)
    page.mouse.up()


def zoom(page: Page, centre: tuple[float, float]) -> None:
    page.mouse.move(*centre)
    for i in range(MOVES):
        page.mouse.wheel(0, 30 if i % 30 < 15 else -30)


def frames(page: Page, act: Any, centre: tuple[float, float]) -> dict[str, float]:
    page.wait_for_timeout(500)
    page.evaluate(WATCH)
    act(page, centre)
    times: list[float] = page.evaluate(STOP)[1:]
    cuts = statistics.quantiles(times, n=100)
    return {
        "frames": len(times),
        "median_ms": round(statistics.median(times), 1),
        "p95_ms": round(cuts[94], 1),
        "worst_ms": round(max(times), 1),
        "under_25_ms": round(sum(time < 25 for time in times) / len(times), 3),
    }


def free_spot(page: Page) -> tuple[float, float]:
    """Somewhere on the canvas where no handle lies, near its middle."""
    x, y = page.evaluate(
        """() => {
          const box = document.querySelector(".plot .nsewdrag").getBoundingClientRect();
          for (let ring = 0; ring < 200; ring += 5) for (let step = 0; step < 24; step += 1) {
            const x = box.x + box.width / 2 + ring * Math.cos(step), y = box.y + box.height / 2 + ring * Math.sin(step);
            if (document.elementFromPoint(x, y)?.classList.contains("nsewdrag")) return [x, y];
          }
          return [box.x + 40, box.y + 40];
        }"""
    )
    return x, y


def measure() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        draft_id, token = fill(Path(folder))
        with server(Path(folder)) as url, sync_playwright() as playwright:
            until(url + "/healthz")
            until(url + "/readyz")
            browser = playwright.chromium.launch(executable_path=chromium(), args=list(CHROMIUM))
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            context.add_cookies([{"name": COOKIE, "value": token, "url": url}])
            context.add_init_script("localStorage.setItem('tour', 'done')")
            page = context.new_page()
            page.goto(f"{url}/drafts/{draft_id}")
            page.locator(".plot .nsewdrag").wait_for(state="attached")
            expect(page.locator(".handles .node").first).to_be_visible()
            page.wait_for_timeout(2000)
            found = {
                "versions": VERSIONS,
                "handles": page.locator(".handles .node").count(),
                "pan": frames(page, pan, free_spot(page)),
                "zoom": frames(page, zoom, free_spot(page)),
            }
            browser.close()
    return machine() | found


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
