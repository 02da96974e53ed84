"""The tour of a first visit: it follows what the writer does, can be left at any time, never comes unasked again."""

from __future__ import annotations

import re
from collections.abc import Callable

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Complaints, Server
from tests.browser.desk import label, labels_wake_up, node, results, type_into, written

Editor = Callable[..., Page]
TITLES = (
    "Your draft", "Press Place all", "The canvas is a map of your text", "Press a label",
    "Open a version, then confirm it", "Nothing is lost",
)  # fmt: skip


def at(page: Page, step: int) -> None:
    expect(page.locator("#tour-title")).to_have_text(TITLES[step])


def test_it_goes_along_with_what_the_writer_does(
    scripted: Server, editor: Editor, writer: Callable[..., BrowserContext], complaints: Complaints
) -> None:
    page = editor(scripted, context=writer(tour=True))
    at(page, 0)
    next_button = page.locator(".tour").get_by_role("button", name="Next")
    expect(next_button).to_be_focused()
    assert not Axe().run(page).response["violations"]
    type_into(page, 1, " More.")  # nothing is locked
    next_button.click()
    at(page, 1)
    expect(page.locator("#place-all")).to_have_class("quiet tour-here")
    page.locator("#place-all").click()
    at(page, 2)
    expect(page.locator(".tour").get_by_role("button", name="Next")).not_to_be_focused()
    expect(page.locator("#live")).to_contain_text(TITLES[2])
    node(page, 1).click()
    at(page, 2)
    next_button.click()
    at(page, 3)
    labels_wake_up(page)
    label(page, "Use an Analogy").click()
    at(page, 4)
    written(page)  # until then the list is drawn anew with each version that lands
    results(page).first.click()
    page.get_by_role("button", name="Confirm", exact=True).click()
    at(page, 5)
    page.get_by_role("button", name="Done").click()
    expect(page.locator(".tour")).to_have_count(0)
    expect(page.locator(".tour-here")).to_have_count(0)
    page.reload()
    page.locator(".handles .node").first.wait_for()
    expect(page.locator(".tour")).to_have_count(0)
    assert complaints.none(), complaints


def test_whoever_is_ahead_of_it_is_not_held_up(
    scripted: Server, editor: Editor, writer: Callable[..., BrowserContext]
) -> None:
    page = editor(scripted, context=writer(tour=True))
    at(page, 0)
    page.locator("#place-all").click()
    at(page, 2)
    node(page, 1).click()


def test_it_can_be_left_and_brought_back(
    scripted: Server, editor: Editor, writer: Callable[..., BrowserContext], complaints: Complaints
) -> None:
    context = writer(tour=True, viewport={"width": 760, "height": 900})
    page = editor(scripted, context=context)
    at(page, 0)
    # A menu's Escape is the menu's.
    page.get_by_role("button", name="Export", exact=True).click()
    page.keyboard.press("Escape")
    at(page, 0)
    page.keyboard.press("Escape")
    expect(page.locator(".tour")).to_have_count(0)
    again = editor(scripted, context=context)
    again.locator(".paragraph").first.wait_for()
    expect(again.locator(".tour")).to_have_count(0)
    again.get_by_role("button", name="Keys and help").click()
    again.get_by_role("button", name="Show the tour").click()
    for step in range(6):
        at(again, step)
        expect(again.locator(".tour")).to_have_attribute("style", re.compile("left"))  # it has been put in its place
        box = again.locator(".tour").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["y"] >= 0
        assert box["x"] + box["width"] <= 760
        assert box["y"] + box["height"] <= 900
        again.locator(".tour .button.primary").click()
    expect(again.locator(".tour")).to_have_count(0)
    again.keyboard.press("?")
    again.get_by_role("button", name="Show the tour").click()
    again.get_by_role("button", name="Skip the tour").click()
    expect(again.locator(".tour")).to_have_count(0)
    expect(again.locator(".paragraph textarea, .paragraph button").first).to_be_visible()
    assert complaints.none(), complaints
