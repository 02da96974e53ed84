"""The canvas: what is dragged lands, what overlaps stays reachable, what is previewed moves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, expect

from tests.browser.conftest import Complaints, Server
from tests.browser.desk import (
    at_rest,
    label,
    labels_wake_up,
    new_draft,
    node,
    place_all,
    press_and_wait,
    results,
    type_into,
)

Editor = Callable[..., Page]
CENTRES = """() => [...document.querySelectorAll(".handles .node")].map((it) => {
  const box = it.getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
})"""


def centres_at_rest(page: Page) -> list[tuple[float, float]]:
    before = None
    while before != (centres := page.evaluate(CENTRES)):
        before = centres
        page.wait_for_timeout(400)
    return centres


@contextmanager
def nodes_put_elsewhere(page: Page) -> Iterator[None]:
    """Around what moves the view: a loaded machine may take longer to draw than the nodes are watched for."""
    before = node(page, 3).get_attribute("style")  # zooming keeps the selected one where it is
    yield
    expect(node(page, 3)).not_to_have_attribute("style", str(before))


def test_a_paragraph_is_dragged_onto_the_canvas_and_taken_off(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    expect(page.get_by_text("Drag a paragraph here, or press P.")).to_be_visible()
    page.locator(".nsewdrag").wait_for(state="attached")  # the chart is there: nothing moves under the pointer
    page.locator(".grip").nth(1).drag_to(page.locator("#frame"))
    expect(page.locator(".handles .node")).to_have_count(1)
    expect(node(page, 2)).to_be_visible()
    page.locator("#place-all").drag_to(page.locator("#frame"))
    expect(page.locator(".handles .node")).to_have_count(3)
    page.locator(".paragraph").nth(1).hover()
    page.get_by_role("button", name="Take paragraph 2 off the canvas").click()
    expect(page.locator(".handles .node")).to_have_count(2)
    page.reload()
    expect(page.locator(".handles .node")).to_have_count(2)


def test_one_selection_runs_through_all_panes(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    place_all(page)
    node(page, 3).click()
    expect(page.locator(".paragraph").nth(2)).to_have_attribute("data-selected", "true")
    expect(page.locator("#opened h3")).to_contain_text("Paragraph 3")
    page.get_by_role("textbox", name="Paragraph 1", exact=True).click()
    expect(node(page, 1)).to_have_attribute("data-selected", "true")
    expect(page.locator("#opened h3")).to_contain_text("Paragraph 1")
    expect(page.locator("#opened .spread")).to_be_visible()  # the reasons came: the history stays where it is now
    labels_wake_up(page)
    line = page.locator("#history li button").first
    at_rest(page, line)
    line.hover()
    expect(node(page, 1)).to_have_attribute("data-lit", "true")


def test_many_versions_stay_apart_and_in_reach(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    place_all(page)
    node(page, 1).click()
    labels_wake_up(page)
    for name in ("Use an Analogy", "Tell a Story", "Humanise", "Clarify Structure", "Enhance Understanding"):
        node(page, 1).click()
        press_and_wait(page, name)
    centres = centres_at_rest(page)
    assert len(centres) >= 15
    nearest = min(
        ((ax - bx) ** 2 + (ay - by) ** 2) ** 0.5 for i, (ax, ay) in enumerate(centres) for bx, by in centres[i + 1 :]
    )
    assert nearest > 16, "no handle covers another"


def test_handles_follow_pan_zoom_and_resize(scripted: Server, editor: Editor, complaints: Complaints) -> None:
    page = editor(scripted)
    place_all(page)
    page.locator(".nsewdrag").wait_for(state="attached")
    before = centres_at_rest(page)
    frame = page.locator("#frame").bounding_box()
    assert frame is not None
    x, y = frame["x"] + 60, frame["y"] + 60
    with nodes_put_elsewhere(page):
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 50, y + 30, steps=5)
        page.mouse.up()
    panned = centres_at_rest(page)
    for (ax, ay), (bx, by) in zip(before, panned, strict=True):
        assert abs(bx - ax - 50) < 3
        assert abs(by - ay - 30) < 3
    with nodes_put_elsewhere(page):
        page.get_by_role("button", name="Zoom in").click()
    with nodes_put_elsewhere(page):
        page.get_by_role("button", name="Show everything").click()
    for (ax, ay), (bx, by) in zip(before, centres_at_rest(page), strict=True):
        assert abs(bx - ax) < 3
        assert abs(by - ay) < 3
    with nodes_put_elsewhere(page):
        page.set_viewport_size({"width": 1100, "height": 700})
    centres = centres_at_rest(page)
    inside = page.locator("#frame").bounding_box()
    assert inside is not None
    for cx, cy in centres:
        assert inside["x"] < cx < inside["x"] + inside["width"]
        assert inside["y"] < cy < inside["y"] + inside["height"]
    assert complaints.none(), complaints


def test_a_preview_moves_nothing_and_a_label_shows_its_push(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    place_all(page)
    node(page, 1).click()
    labels_wake_up(page)
    label(page, "Tell a Story").hover()
    expect(page.locator(".overlay .push")).to_have_count(1)
    press_and_wait(page, "Tell a Story")
    tops = "() => [...document.querySelectorAll('.paragraph')].map((it) => it.getBoundingClientRect().top)"
    before = page.evaluate(tops)
    results(page).first.hover()
    expect(page.locator(".preview")).to_be_visible()
    assert page.evaluate(tops) == before
    page.mouse.move(5, 5)
    expect(page.locator(".preview")).to_have_count(0)


def test_typing_on_a_placed_paragraph_measures_it_again(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    place_all(page)
    was = node(page, 1).get_attribute("aria-label")
    type_into(page, 1, " Imagine you think like people every day, like you!")
    expect(node(page, 1)).to_have_attribute("data-kind", "typed")
    expect(node(page, 1)).to_have_attribute("data-measuring", "false")
    assert node(page, 1).get_attribute("aria-label") != was


def test_a_long_draft_comes_onto_the_canvas_piece_by_piece(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    texts = [f"Cell {i} divides." for i in range(23)]
    texts[:10] = ["2026"] * 10  # a whole piece without a word in it must not keep the others away
    page = editor(scripted, context=page.context, path=new_draft(page, *texts))
    asked: list[int] = []
    page.on(
        "request",
        lambda made: asked.append(len(made.post_data_json["paragraph_ids"])) if made.url.endswith("/place") else None,
    )
    page.locator("#place-all").click()
    expect(page.locator(".handles .node")).to_have_count(13)
    expect(page.get_by_text("This paragraph has no words yet")).to_have_count(1)
    expect(page.locator("#measuring")).to_be_hidden()
    assert asked == [10, 10, 3]
    with page.expect_request("**/place"):
        page.locator("#place-all").click()
    expect(page.locator("#measuring")).to_be_hidden()
    assert asked == [10, 10, 3, 10], "only those that are not there"
