"""Goal mode: a region dragged or chosen by keyboard, and what the nodes say about it."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Complaints, Server
from tests.browser.desk import at_rest, node, place_all

Editor = Callable[..., Page]


def test_a_goal_is_dragged_named_and_told(scripted: Server, editor: Editor, complaints: Complaints) -> None:
    page = editor(scripted)
    place_all(page)
    page.locator(".nsewdrag").wait_for(state="attached")
    at_rest(page, node(page, 1))
    before = node(page, 1).bounding_box()
    page.keyboard.press("o")
    expect(page.locator(".goal-pad")).to_be_visible()
    frame = page.locator("#frame").bounding_box()
    assert frame is not None
    page.mouse.move(frame["x"] + 60, frame["y"] + 40)
    page.mouse.down()
    page.mouse.move(frame["x"] + 180, frame["y"] + 120, steps=4)
    page.mouse.up()
    field = page.get_by_role("textbox", name="For whom the draft is meant")
    expect(field).to_be_focused()
    field.fill("Beekeepers")
    page.keyboard.press("Enter")
    expect(page.locator(".goal-pad")).to_have_count(0)
    expect(page.locator(".goal-region.set")).to_have_count(1)
    expect(page.locator(".goal-name")).to_have_text("Beekeepers")
    assert node(page, 1).bounding_box() == before, "drawing a goal pans nothing"
    name = re.compile("(below|above|left of|right of).* the goal: needs (more|less)|inside the goal")
    expect(node(page, 1)).to_have_attribute("aria-label", name)
    node(page, 1).click()
    expect(page.locator("#opened .move-row")).to_contain_text(re.compile("the goal", re.IGNORECASE))
    page.reload()
    expect(page.locator(".goal-name")).to_have_text("Beekeepers")
    expect(page.locator(".draft-name")).to_have_text("whole draft")
    page.locator("#goal-button").click()
    expect(page.locator(".goal-now")).to_contain_text("The whole draft is")
    page.get_by_role("button", name="Beekeepers the goal now").click()
    expect(page.locator(".goal-region")).to_have_count(0)
    assert complaints.none(), complaints


def test_a_goal_by_keyboard_and_escape_leaves(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    place_all(page)
    page.keyboard.press("o")
    menu = page.get_by_role("combobox", name="Start from an audience")
    expect(menu).to_be_focused()
    menu.select_option("Students")
    region = page.locator(".goal-grip")
    expect(region).to_be_focused()
    said = region.get_attribute("aria-label") or ""
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    expect(region).not_to_have_attribute("aria-label", said)
    page.keyboard.press("Escape")
    expect(page.locator(".goal-card")).to_have_count(0)
    expect(page.locator(".goal-region")).to_have_count(0)
    page.keyboard.press("o")
    page.get_by_role("combobox", name="Start from an audience").select_option("Policy makers")
    page.keyboard.press("Shift+Tab")
    page.get_by_role("button", name="Set goal").press("Enter")
    expect(page.locator(".goal-name")).to_have_text("Policy makers")


def test_a_long_audience_is_told_in_lines_within_its_region(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    place_all(page)
    page.keyboard.press("o")
    expect(page.locator(".goal-pad")).to_be_visible()
    frame = page.locator("#frame").bounding_box()
    assert frame is not None
    page.mouse.move(frame["x"] + 60, frame["y"] + 40)
    page.mouse.down()
    page.mouse.move(frame["x"] + 180, frame["y"] + 160, steps=4)
    page.mouse.up()
    page.get_by_role("textbox", name="For whom the draft is meant").fill("readers of a science magazine")
    page.keyboard.press("Enter")
    name = page.locator(".goal-name")
    expect(name).to_have_text("readers of a science magazine")
    region, words = page.locator(".goal-region.set").bounding_box(), name.bounding_box()
    assert region is not None
    assert words is not None
    assert region["x"] <= words["x"]
    assert words["x"] + words["width"] <= region["x"] + region["width"]
