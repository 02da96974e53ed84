"""The replay page plays a session's feed: the scrubber, the keys, the filter and the list lead to the same moments."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Complaints, Server

PAGE = """<!doctype html><html lang="en"><title>Replay</title><link rel="stylesheet" href="/static/css/tokens.css">
<link rel="stylesheet" href="/static/css/base.css"><link rel="stylesheet" href="/static/css/replay.css">
<body class="admin"><main><h1>Session</h1><div id="replay" data-feed="/feed.json"></div></main>
<div id="live" aria-live="polite"></div><script type="module" src="/static/js/replay.js"></script></body></html>"""


def event(t: int, kind: str, words: str, **change: Any) -> dict[str, Any]:
    return {"t": t, "id": t, "type": kind, "words": words, "change": change}


def version(number: int, text: str, at: list[float] | None, **more: Any) -> dict[str, Any]:
    plain = {"number": number, "paragraph": "p", "operation": "label", "label": None, "parents": [], "text": text}
    return {**plain, "at": at, **more}


FEED = {
    "draft": "d", "title": "Cells", "began": 0, "lasted": 600_000, "findings": [], "typing": {"saves": 1, "agree": 1},
    "kinds": {"text.edit": "The writer changed a paragraph's text."},
    "versions": {
        "one": version(1, "A cell divides.", [45, 45], operation="import"),
        "two": version(2, "Picture a cell.", [58, 47], parents=["one"]),
        "three": version(3, "Picture a 🧫 cell!", None, operation="manual", parents=["two"]),
    },
    "events": [
        event(0, "draft.created", "draft created", title="Cells"),
        event(
            0, "version.created", "version 1 came to be (import)",
            status={"one": "written"}, heads={"p": "one"}, order=["p"],
        ),
        event(5_000, "paragraph.placed", "paragraph placed", canvas={"p": True}),
        event(60_000, "generation.created", "asked for use-analogy of version 1"),
        event(63_000, "version.created", "version 2 came to be (label)", status={"two": "proposed"}),
        event(120_000, "version.confirmed", "version 2 was confirmed", status={"two": "confirmed"}, heads={"p": "two"}),
        event(300_000, "text.edit", "typed “🧫 ”", edit=["p", 10, 0, "🧫 "]),
        event(301_000, "text.edit", "typed “!”, deleted “.”", edit=["p", 17, 1, "!"]),
        event(
            600_000, "version.created", "version 3 came to be (manual)",
            status={"three": "written"}, heads={"p": "three"},
        ),
    ],
}  # fmt: skip


@pytest.fixture
def open_replay(
    writer: Callable[..., BrowserContext], scripted: Server, complaints: Complaints
) -> Iterator[Callable[..., Page]]:
    def opened(feed: dict[str, Any] = FEED, **options: Any) -> Page:
        page = writer(**options).new_page()
        complaints.watch(page, scripted.url)
        page.route("**/replay", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
        answer = json.dumps(feed)
        page.route("**/feed.json", lambda route: route.fulfill(body=answer, content_type="application/json"))
        page.goto(f"{scripted.url}/replay")
        return page

    yield opened
    assert complaints.none(), complaints


def scrub(page: Page, ms: int) -> None:
    page.get_by_role("slider").fill(str(ms))


def test_any_moment_is_the_same_from_both_sides(open_replay: Callable[..., Page]) -> None:
    page = open_replay()
    text, dots = page.locator(".replay-text p"), page.locator(".replay-map circle")
    expect(text).to_have_text("A cell divides.")
    for ms, wanted, count in (
        (600_000, "Picture a 🧫 cell!", 2),
        (300_500, "Picture a 🧫 cell.", 2),
        (70_000, "A cell divides.", 2),
    ):
        scrub(page, ms)
        expect(text).to_contain_text(wanted)
        expect(dots).to_have_count(count)
    scrub(page, 130_000)
    expect(text).to_contain_text("✓ version 2, confirmed")
    expect(page.locator(".dot.confirmed.head")).to_have_count(1)
    expect(page.locator(".replay-time")).to_have_text("2:10 / 10:00")


def test_keys_list_and_filter(open_replay: Callable[..., Page]) -> None:
    page = open_replay()
    expect(page.locator(".replay-events button")).not_to_have_count(0)  # before, no key does anything
    page.locator("main").click(position={"x": 5, "y": 5})
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    expect(page.locator("[aria-current=step]")).to_contain_text("asked for use-analogy")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("[aria-current=step]")).to_contain_text("paragraph placed")
    page.get_by_role("combobox", name="Which events").select_option("typing")
    expect(page.locator(".replay-events button")).to_have_count(2)
    page.locator(".replay-events button").last.click()
    expect(page.locator(".replay-text p")).to_contain_text("Picture a 🧫 cell!")
    expect(page.locator(".replay-time")).to_have_text("5:01 / 10:00")


def test_playing_passes_over_times_without_an_event(open_replay: Callable[..., Page]) -> None:
    page = open_replay()
    page.get_by_role("combobox", name="Speed").select_option("50")
    page.locator("main").click(position={"x": 5, "y": 5})
    page.keyboard.press(" ")
    expect(page.locator(".replay-time")).to_have_text("10:00 / 10:00")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()


def test_a_session_that_is_not_true_to_its_log_says_so(open_replay: Callable[..., Page]) -> None:
    page = open_replay({**FEED, "findings": ["Draft d: its heads differs from what its events tell."]})
    expect(page.get_by_role("alert")).to_contain_text("Don’t use this session")
    page = open_replay({**FEED, "events": [], "versions": {}})
    expect(page.locator("#replay")).to_contain_text("Nothing happened in this session yet")
