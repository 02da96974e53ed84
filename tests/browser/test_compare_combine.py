"""Two versions side by side and made into one: by picking, by dragging, by keyboard, and when the model fails."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Complaints, Server
from tests.browser.desk import at_rest, centre, fault, labels_wake_up, node, place_all, press_and_wait

Editor = Callable[..., Page]


@pytest.fixture
def page(scripted: Server, editor: Editor) -> Page:
    """The first paragraph, placed, with versions to choose from."""
    page = editor(scripted)
    place_all(page)
    node(page, 1).click()
    labels_wake_up(page)
    for name in ("Use an Analogy", "Tell a Story"):
        node(page, 1).click()
        press_and_wait(page, name)
    page.mouse.move(5, 5)
    return page


def version(page: Page, number: int) -> Locator:
    return page.locator(f".handles .node[aria-label*='version {number},']")


def pick(page: Page, *numbers: int) -> Locator:
    for number in numbers:
        version(page, number).click(modifiers=["Shift"])
    return page.locator(".picked-bar")


def drag(page: Page, start: Locator, end: Locator) -> None:
    """Over `end`, not yet let go."""
    at_rest(page, start, end)
    page.mouse.move(*centre(start))
    page.mouse.down()
    page.mouse.move(*centre(end), steps=8)


def drop(page: Page, end: Locator) -> None:
    """Let go, as a hand does, once `end` is the one lit."""
    for _ in range(10):
        if end.get_attribute("data-drop"):
            break
        page.wait_for_timeout(200)
        page.mouse.move(*centre(end), steps=2)
    expect(end).to_have_attribute("data-drop", "true")
    page.mouse.up()


def opened(page: Page) -> Locator:
    return page.locator("#opened")


def test_single_changes_are_taken_over_and_make_a_version(page: Page, complaints: Complaints) -> None:
    bar = pick(page, 4, 7)
    expect(bar).to_contain_text("2 picked")
    expect(version(page, 4)).to_have_attribute("data-picked", "true")
    bar.get_by_role("button", name="Compare").click()
    sheet = page.locator("#compare")
    expect(sheet.get_by_role("heading", name="Version 4")).to_be_visible()
    hunks = sheet.get_by_role("checkbox")
    expect(hunks.first).to_be_visible()
    before = sheet.locator(".result-text").inner_text()
    hunks.first.focus()
    page.keyboard.press("Space")
    expect(hunks.first).to_have_attribute("aria-checked", "true")
    expect(hunks.first).to_be_focused()
    taken = sheet.locator(".result-text").inner_text()
    assert taken != before, "the result is shown as it becomes"
    sheet.get_by_role("button", name="Make a new version").click()
    expect(sheet).to_be_hidden()
    expect(opened(page).locator("h3").first).to_contain_text("version 10")
    expect(opened(page).locator(".tag")).to_contain_text("combined")
    made = page.locator(".handles .node[data-kind=combined]")
    expect(made).to_have_count(1)
    expect(made).to_have_attribute("aria-label", re.compile("combined from versions 4 and 7"))
    assert complaints.none(), complaints


def test_a_node_dropped_on_another_is_combined_with_it_a_click_stays_a_click(
    page: Page, complaints: Complaints
) -> None:
    drag(page, version(page, 4), version(page, 7))
    drop(page, version(page, 7))
    sheet = page.locator("#combine")
    expect(sheet.get_by_role("heading", name="Combine versions 4 and 7")).to_be_visible()
    slider = sheet.get_by_role("slider")
    expect(slider).to_have_attribute("aria-valuetext", "as much of version 4 as of version 7")
    expect(sheet.locator(".merged .sentence").first).to_be_visible()
    # Where the two say something else at the same place, the mix takes one of them.
    assert {"both"} < set(sheet.locator(".merged .origin").all_inner_texts()) <= {"version 4", "version 7", "both"}
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuetext", "mostly version 4")
    expect(slider).to_be_focused()
    sheet.get_by_role("button", name="Combine", exact=True).click()
    expect(page.locator("#candidates")).to_contain_text("Combining versions 4 and 7: 1 version")
    page.locator("#candidates .result").click()
    expect(opened(page).locator(".origins .sentence").first).to_be_visible()
    expect(opened(page).locator(".origins")).to_contain_text("both")
    expect(page.locator("#history")).to_contain_text("Combined v4 + v7")

    version(page, 5).click()
    expect(page.locator("#combine")).to_be_hidden()
    expect(version(page, 5)).to_have_attribute("data-selected", "true")
    drag(page, version(page, 5), node(page, 2))
    page.mouse.up()
    expect(page.locator("#combine")).to_be_hidden()
    assert complaints.none(), complaints


def test_when_the_model_fails_the_sentence_merge_is_offered_and_made(page: Page, scripted: Server) -> None:
    version(page, 4).focus()
    page.keyboard.press("x")
    version(page, 7).focus()
    page.keyboard.press("x")
    fault(scripted, kind="reset", at=1, times=1)
    page.locator(".picked-bar").get_by_role("button", name="Combine").click()
    page.locator("#combine").get_by_role("button", name="Combine", exact=True).click()
    expect(page.locator("#candidates [role=alert]")).to_be_visible()
    page.locator("#candidates").get_by_role("button", name="Sentence merge, without the model").click()
    expect(page.locator(".handles .node[data-kind=combined]")).to_have_count(1)
    expect(opened(page)).to_contain_text("combined")
    opened(page).locator("details.how summary").click()
    expect(opened(page).locator("details.how")).to_contain_text("sentence merge")
