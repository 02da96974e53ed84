"""A full canvas: words beside nodes when there is room, stacks, the minimap, and the search of the history."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import FloatRect, Locator, Page, expect

from tests.browser.conftest import Server
from tests.browser.desk import labels_wake_up, new_draft, node, place_all, press_and_wait

Editor = Callable[..., Page]
APART = """async () => {
  const { apart } = await import("/static/js/geometry.js");
  const spots = apart(Array.from({ length: 300 }, (_, i) => ({ x: 100 + (i % 7), y: 100 + (i % 5) })));
  const free = spots.filter((it) => !it.stacked);
  const gaps = free.flatMap((a, i) => free.slice(i + 1).map((b) => Math.hypot(a.x - b.x, a.y - b.y)));
  return { free: free.length, stacked: spots.length - free.length, nearest: Math.min(...gaps) };
}"""


def test_closer_up_a_node_says_more(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    place_all(page)
    node(page, 2).click()
    words = page.locator(".caption-words")
    expect(words).to_have_count(3)
    closer = page.get_by_role("button", name="Zoom in (+)")
    for _ in range(4):
        closer.click()
    expect(page.locator(".caption-line").first).to_contain_text("In 1974 Mario Molina")
    for _ in range(4):
        closer.click()
    expect(page.locator(".caption-text").first).to_contain_text("chlorofluorocarbons")


def box_of(of: Locator) -> FloatRect:
    box = of.bounding_box()
    assert box is not None
    return box


def overlap(a: FloatRect, b: FloatRect) -> bool:
    across = a["x"] < b["x"] + b["width"] and b["x"] < a["x"] + a["width"]
    return across and a["y"] < b["y"] + b["height"] and b["y"] < a["y"] + a["height"]


def test_words_beside_a_node_leave_room_for_the_mark_of_the_whole_draft(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    # The first has the more words: the mark comes to lie to its right, where its own words would stand.
    draft = new_draft(
        page, "Mosses hold the water of a whole winter on the roofs of old barns.", "Imagine a wooden spoon."
    )
    page = editor(scripted, context=page.context, path=draft)
    # Else the chart's library, or the next news of the model, would have the canvas drawn anew: the mark alone must.
    page.locator(".nsewdrag").wait_for(state="attached")
    page.route("**/api/model", lambda route: route.abort())
    place_all(page)
    words, mark = page.locator(".caption").filter(has_text="Mosses"), page.locator("circle.draft-mark")
    expect(mark).to_be_visible()
    expect(words).to_have_attribute("data-side", "left")
    marked = box_of(mark)
    assert not overlap(box_of(words), marked)
    name = box_of(page.locator(".draft-name"))
    assert not overlap(box_of(words), name)
    assert not overlap(box_of(node(page, 1)), name), "no node lies on the name of the mark"

    page.locator(".paragraph").nth(1).hover()
    page.get_by_role("button", name="Take paragraph 2 off the canvas").click()
    expect(page.locator(".handles .node")).to_have_count(1)
    expect(mark).to_have_count(0)
    expect(words).to_have_attribute("data-side", "right")
    assert overlap(box_of(words), marked), "the mark lay where they stand now"


def test_what_is_out_of_view_stands_on_the_minimap_and_comes_back(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    place_all(page)
    expect(page.locator(".minimap")).to_be_hidden()
    node(page, 2).click()
    for _ in range(9):
        page.get_by_role("button", name="Zoom in (+)").click()
    expect(page.locator(".minimap")).to_contain_text("out of view")
    expect(page.locator(".map circle")).to_have_count(3)
    before = node(page, 2).get_attribute("style")
    page.locator(".map").click(position={"x": 10, "y": 10})
    expect(node(page, 2)).not_to_have_attribute("style", str(before))
    page.locator(".minimap button").click()
    expect(page.locator(".minimap")).to_be_hidden()


def test_where_hundreds_lie_in_one_place_they_are_stacked(scripted: Server, editor: Editor) -> None:
    found = editor(scripted).evaluate(APART)
    assert found["free"] + found["stacked"] == 300
    assert found["stacked"] > 200
    assert found["nearest"] >= 22


def test_the_history_is_searched(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    place_all(page)
    node(page, 1).click()
    labels_wake_up(page)
    for name in ("Use an Analogy", "Tell a Story"):
        node(page, 1).click()
        press_and_wait(page, name)
    search = page.get_by_role("searchbox", name="Search the history")
    search.click()
    page.keyboard.type("tell story")
    lines = page.locator("#history li")
    expect(lines).to_have_count(3)
    expect(search).to_be_focused()
    search.fill("no such words")
    expect(page.locator("#history")).to_contain_text("Nothing like that here")
