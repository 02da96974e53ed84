"""Muse: nothing before it is asked, then the digest, cards, and answers that do what they say."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import Complaints, Server, running, scripted_server
from tests.browser.desk import fault, label, labels_wake_up, node, place_all, press_and_wait

Editor = Callable[..., Page]


def worked_on(page: Page) -> None:
    place_all(page)
    node(page, 1).click()
    labels_wake_up(page)
    press_and_wait(page, "Tell a Story")


def test_digest_cards_and_never(scripted: Server, editor: Editor, complaints: Complaints) -> None:
    page = editor(scripted)
    worked_on(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/muse" in request.url else None)
    expect(page.locator("#muse")).to_be_hidden()
    page.keyboard.press("m")
    expect(page.locator("#muse .digest li").first).to_be_visible()
    expect(page.get_by_role("button", name="Look again")).to_be_visible()
    cards = page.locator("#muse article")
    expect(cards.first).to_be_visible()
    assert 1 <= cards.count() <= 3
    quote = cards.first.locator(".quote").first
    number = quote.locator("b").inner_text().removeprefix("v")
    quote.click()
    expect(page.locator("#opened h3")).to_contain_text(f"version {number}")
    topic = cards.first.get_attribute("data-topic")
    count = cards.count()
    cards.first.get_by_role("button", name="Never").click()
    expect(cards).to_have_count(count - 1)
    page.get_by_role("button", name="Look again").click()
    expect(page.get_by_role("button", name="Look again")).to_be_visible()
    assert topic not in [card.get_attribute("data-topic") for card in cards.all()]
    page.get_by_role("button", name="Close Muse").click()
    expect(page.locator("#muse")).to_be_hidden()
    assert len([url for url in asked if url.endswith("/stream")]) == 2, "only when asked"
    assert complaints.none(), complaints


def test_apply_presses_the_label(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    worked_on(page)
    page.locator("#muse-button").click()
    expect(page.get_by_role("button", name="Look again")).to_be_visible()
    card = page.locator("#muse article[data-topic='unused:exposition']")
    with page.expect_request(lambda request: request.url.endswith("/api/generations")) as asked:
        card.get_by_role("button", name="Apply: Enhance Understanding").click()
    assert '"label":"enhance-understanding"' in (asked.value.post_data or "")
    expect(card).to_have_count(0)
    expect(label(page, "Stop")).to_have_count(0)


def test_stop_keeps_the_digest_and_frees_the_place(tmp_path: Path, editor: Editor) -> None:
    with running(scripted_server(tmp_path / "slow")) as server:
        page = editor(server)
        place_all(page)
        labels_wake_up(page)
        goal = {"audience": "Students", "engagement": [90, 99], "exposition": [90, 99]}
        draft = page.url.rsplit("/", 1)[1]
        made = page.request.post(f"{server.url}/api/drafts/{draft}/goals", data=goal, headers={"Origin": server.url})
        assert made.ok, made.text()
        fault(server, kind="stall", at=2, times=1)
        page.locator("#muse-button").click()
        expect(page.locator("#muse .seen")).to_be_visible()
        page.locator("#muse").get_by_role("button", name="Stop").click()
        expect(page.locator("#muse")).to_contain_text("Stopped. What had arrived is kept.")
        expect(page.locator("#muse .digest li")).not_to_have_count(0)
        until = time.monotonic() + 30
        while page.request.get(f"{server.url}/api/model").json()["queue"]["running"]:
            assert time.monotonic() < until
