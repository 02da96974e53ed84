"""What a writer does and sees, in their words; the tests speak through these."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import FloatRect, Locator, Page, expect

from tests.browser.conftest import Server

NEW_DRAFT = """async (text) => {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch("/api/drafts", { method: "POST", headers, body: JSON.stringify({ text }) });
  return `/drafts/${(await answer.json()).id}`;
}"""


def new_draft(page: Page, *paragraphs: str) -> str:
    """Of these paragraphs, for the same writer; the path of its page."""
    return str(page.evaluate(NEW_DRAFT, "\n\n".join(paragraphs)))


def paragraph(page: Page, number: int) -> Locator:
    return page.get_by_role("textbox", name=f"Paragraph {number}", exact=True)


def node(page: Page, number: int) -> Locator:
    """The node of the paragraph's text in the draft."""
    return page.locator(".handles .node[data-head=true]").filter(has_text=str(number)).first


def place_all(page: Page, seconds: float = 30) -> None:
    page.locator("#place-all").click()
    expect(page.locator(".handles .node")).not_to_have_count(0, timeout=seconds * 1000)


def label(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def labels_wake_up(page: Page, seconds: float = 30) -> None:
    expect(page.locator("[data-label]").first).not_to_have_attribute("aria-disabled", "true", timeout=seconds * 1000)


def results(page: Page) -> Locator:
    return page.locator("#candidates .result")


def centre(of: Locator) -> tuple[float, float]:
    box = of.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def at_rest(page: Page, *nodes: Locator) -> None:
    """Until the canvas has stopped moving them."""
    before: list[FloatRect | None] = []
    while before != (places := [node.bounding_box() for node in nodes]):
        before = places
        page.wait_for_timeout(400)


def saved(page: Page, seconds: float = 30) -> None:
    expect(page.locator("#save")).to_have_attribute("data-state", "saved", timeout=seconds * 1000)


def type_into(page: Page, number: int, text: str) -> None:
    """Type at the end of a paragraph."""
    field = paragraph(page, number)
    field.click()
    page.keyboard.press("Control+End")
    page.keyboard.type(text)


@contextmanager
def asked(page: Page) -> Iterator[None]:
    """Around what asks the model. A *Stop* that shows for half a second may be over before it is looked for."""
    with page.expect_request(lambda request: request.url.endswith("/api/generations")):
        yield


def written(page: Page, seconds: float = 60) -> None:
    """The last version has landed, the ranking stands, and the canvas has drawn them."""
    expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(0, timeout=seconds * 1000)
    expect(results(page).first).to_be_visible()
    for key in results(page).evaluate_all("all => all.map((it) => it.dataset.key.replace('result-', ''))"):
        expect(page.locator(f".handles .node[data-id='{key}']")).to_have_count(1)


def press_and_wait(page: Page, name: str, seconds: float = 60) -> None:
    """Press a label once it is awake, and wait for what comes of it."""
    expect(label(page, name)).not_to_have_attribute("aria-disabled", "true", timeout=seconds * 1000)
    with asked(page):
        label(page, name).click()
    written(page, seconds)


def fault(server: Server, **what: object) -> None:
    """The next generation goes wrong like this (see tests/scripted.py)."""
    (server.data / "fault.json").write_text(json.dumps(what))
