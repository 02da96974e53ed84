"""One history for typing and for what the model wrote: all of it back to the start, and forward to the end again."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Complaints, Server
from tests.browser.desk import labels_wake_up, node, paragraph, place_all, press_and_wait, results, saved, type_into

Editor = Callable[..., Page]


def next_undo(page: Page, words: str) -> None:
    expect(page.locator("#undo")).to_have_attribute("aria-label", re.compile(words))


def seen(page: Page) -> tuple[list[str], int, list[str], str]:
    """Texts, nodes, kinds of the nodes in the draft, title."""
    texts = page.locator(".paragraph textarea").evaluate_all("areas => areas.map((area) => area.value)")
    nodes = page.locator(".handles .node")
    kinds = nodes.evaluate_all("all => all.map((one) => one.dataset.kind).sort()")
    return texts, nodes.count(), kinds, page.locator("#title").input_value()


STORE = """async () => { window.__store = await import("/static/js/store.js"); }"""
NEXT = """([verb, before]) => {
  const next = window.__store.state.steps[verb]?.id ?? "none";
  return next === before ? null : next;
}"""


def turn(page: Page, key: str, verb: str) -> int:
    """Press the key until there is nothing left; how often. A slow machine parts typing into steps of one name."""
    page.evaluate(STORE)
    times, step = 0, page.evaluate(NEXT, [verb, ""])
    while step != "none":
        page.keyboard.press(key)
        step = page.wait_for_function(NEXT, arg=[verb, step]).json_value()
        times += 1
        assert times < 30
    return times


def test_everything_is_undone_to_the_start_and_redone_to_the_end(
    scripted: Server, editor: Editor, complaints: Complaints
) -> None:
    page = editor(scripted)
    expect(page.locator(".paragraph")).to_have_count(3)
    next_undo(page, "Nothing to undo")
    start = seen(page)

    type_into(page, 2, " Typed by hand.")
    saved(page)
    next_undo(page, "typing in paragraph 2")
    place_all(page)
    next_undo(page, "place paragraphs on the canvas")
    node(page, 2).click()
    labels_wake_up(page)
    press_and_wait(page, "Use an Analogy")
    next_undo(page, "Use an Analogy, for paragraph 2")
    made = results(page).count()
    results(page).first.click()
    page.get_by_role("button", name="Confirm", exact=True).click()
    next_undo(page, r"confirm version \d+ of paragraph 2")
    results(page).nth(1).click()
    page.get_by_role("button", name="Discard", exact=True).click()
    next_undo(page, r"discard version \d+ of paragraph 2")
    page.get_by_role("button", name="Archive", exact=True).click()
    next_undo(page, r"archive version \d+ of paragraph 2")
    expect(page.locator(".handles .node")).to_have_count(3 + made - 1)
    expect(page.locator("#opened .tag")).to_have_text("archived")
    page.locator("#title").fill("Undone and redone")
    page.keyboard.press("Enter")
    saved(page)
    next_undo(page, "rename the draft")
    type_into(page, 3, "\n")
    page.keyboard.press("Enter")
    page.keyboard.type("A paragraph of its own.")
    saved(page)
    next_undo(page, "typing in paragraph 4")
    end = seen(page)
    assert len(end[0]) == 4

    undone = turn(page, "Control+z", "undo")
    assert undone >= 8
    expect(page.locator(".handles .node")).to_have_count(0)
    assert seen(page) == start
    assert turn(page, "Control+Shift+z", "redo") == undone
    expect(page.locator(".handles .node")).to_have_count(end[1])
    assert seen(page) == end
    page.reload()
    expect(page.locator(".handles .node")).to_have_count(end[1])
    assert seen(page) == end
    assert complaints.none(), complaints


def test_the_caret_follows_and_other_fields_keep_their_own_undo(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    first = paragraph(page, 1)
    before = first.input_value()
    first.click()
    page.keyboard.press("Control+Home")
    page.keyboard.insert_text("At the start. ")
    page.keyboard.press("Control+z")  # not saved yet: it is first, and then taken back
    expect(first).to_have_value(before)
    expect(first).to_be_focused()
    assert first.evaluate("area => area.selectionStart") == 0
    expect(page.locator("#live")).to_have_text("Undone: typing in paragraph 1.")
    page.keyboard.press("Control+y")
    expect(first).to_have_value(f"At the start. {before}")
    assert first.evaluate("area => area.selectionStart") == len("At the start. ")

    page.locator("#title").click()
    page.keyboard.press("Control+a")
    page.keyboard.type("X")
    page.keyboard.press("Control+z")
    expect(page.locator("#title")).not_to_have_value("X")
    expect(first).to_have_value(f"At the start. {before}")


def test_of_two_tabs_one_undoes_and_the_other_is_told(
    scripted: Server, editor: Editor, writer: Callable[..., BrowserContext]
) -> None:
    context = writer()
    one = editor(scripted, context=context)
    type_into(one, 1, " First.")
    saved(one)
    one.wait_for_timeout(2100)  # a pause, so that they are two steps
    type_into(one, 2, " Second.")
    saved(one)
    next_undo(one, "typing in paragraph 2")
    other = editor(scripted, context=context, path=one.url.removeprefix(scripted.url))
    next_undo(other, "typing in paragraph 2")
    one.locator("#undo").click()
    next_undo(one, "typing in paragraph 1")
    other.locator("#undo").click()
    expect(other.locator("#notices")).to_contain_text("in another window")
    expect(paragraph(other, 2)).not_to_have_value(re.compile("Second"))
    expect(paragraph(other, 1)).to_have_value(re.compile("First"))
    next_undo(other, "typing in paragraph 1")


def test_what_was_not_kept_is_tidied_away_and_found_again(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    place_all(page)
    node(page, 1).click()
    labels_wake_up(page)
    press_and_wait(page, "Use an Analogy")
    nodes = page.locator(".handles .node").count()
    results(page).first.click()
    page.get_by_role("button", name="Confirm", exact=True).click()
    expect(page.locator("#opened .tag")).to_have_text("confirmed")
    page.get_by_role("button", name=re.compile("you have not kept")).click()
    expect(page.locator(".handles .node")).to_have_count(nodes - 2)
    listed = page.locator("#history li")
    kept = listed.count()
    page.get_by_label("Which versions").select_option("archived")
    expect(listed).to_have_count(2)
    listed.first.get_by_role("button").click()
    page.get_by_role("button", name="Bring back", exact=True).click()
    expect(listed).to_have_count(1)
    page.get_by_label("Which versions").select_option("all")
    expect(listed).to_have_count(kept + 1)
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    expect(page.locator(".handles .node")).to_have_count(nodes)
