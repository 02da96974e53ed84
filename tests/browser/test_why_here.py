"""A point explained, put elsewhere by the writer, and measured again after the scorer was changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import Complaints, Server, running, scripted_server
from tests.browser.desk import (
    asked,
    at_rest,
    centre,
    labels_wake_up,
    node,
    paragraph,
    place_all,
    press_and_wait,
    saved,
    written,
)
from tests.browser.test_accessibility import no_violation

SELECTED = """() => {
  getSelection().selectAllChildren(document.querySelector("#opened .opened-text"));
  return String(getSelection());
}"""


def why(page: Page) -> Locator:
    return page.locator("#opened .why")


def opened(page: Page, number: int = 1) -> Page:
    """With a paragraph's version open and its reasons there."""
    place_all(page)
    node(page, number).click()
    expect(why(page).locator(".reasons li").first).to_be_visible()
    return page


def test_reasons_tint_halo_and_the_label_that_moves_most(
    scripted: Server, editor: Callable[..., Page], complaints: Complaints
) -> None:
    page = editor(scripted)
    paragraph(page, 3).fill("Ozone heals.")
    saved(page)
    opened(page)
    expect(why(page).locator(".reasons li")).to_have_count(3)
    expect(why(page).locator(".reasons .points").first).to_have_text(re.compile(r"^[+−]\d+ (exposition|engagement)$"))
    expect(why(page).locator(".spread")).to_have_text(re.compile(r"^Give or take [23] points\.$"))
    text = page.locator("#opened .opened-text")
    tinted = text.locator(".share")
    expect(tinted.first).to_be_visible()
    expect(tinted.first.locator(".unseen")).to_contain_text(re.compile(r"(adds|takes) \d+ points? (to|from)"))
    whole = paragraph(page, 1).input_value()
    assert page.evaluate(SELECTED).strip() == whole
    for tint, axis in (("Exposition", "exposition"), ("Engagement", "engagement")):
        why(page).get_by_role("button", name=tint).click()
        expect(why(page).get_by_role("button", name=tint)).to_have_attribute("aria-pressed", "true")
        other = "engagement" if axis == "exposition" else "exposition"
        expect(text.locator(f".share[data-axis={other}]")).to_have_count(0)
    why(page).get_by_role("button", name="None").click()
    expect(tinted).to_have_count(0)
    expect(text).to_have_text(whole)
    why(page).get_by_role("button", name="Both").click()
    no_violation(page, "why here")

    labels_wake_up(page)
    press_and_wait(page, "Use an Analogy")
    press_and_wait(page, "Use an Analogy")
    node(page, 1).click()
    most = why(page).locator(".move-most")
    expect(most).to_contain_text(
        re.compile(
            r"Use an Analogy would move it most: about \d+ points? (more|less) .*over [67] versions of this draft"
        )
    )
    with asked(page):
        most.get_by_role("button").click()
    written(page)

    page.locator(".handles .node[data-kind=proposed]").last.click()
    page.keyboard.press("a")
    expect(page.locator("#opened .tag")).to_have_text("archived")
    expect(page.locator(".handles .node:focus")).to_have_count(1)

    node(page, 3).click()
    expect(why(page).locator(".spread")).to_contain_text("Very uncertain: give or take 18 points")
    page.get_by_role("button", name="What the marks mean").click()
    expect(page.locator(".legend")).to_contain_text("halo: how far the point may be off")
    no_violation(page, "legend", covered=True)
    page.keyboard.press("Escape")
    expect(page.locator(".legend")).to_have_count(0)
    assert complaints.none(), complaints


def test_a_writer_puts_a_version_where_it_belongs_and_takes_it_back(
    scripted: Server, editor: Callable[..., Page], complaints: Complaints
) -> None:
    page = opened(editor(scripted))
    page.locator(".nsewdrag").wait_for(state="attached")
    at_rest(page, node(page, 1))
    measured = centre(node(page, 1))
    why(page).get_by_role("button", name="Correct the place").click()
    grip = page.locator(".correct-grip")
    expect(grip).to_be_focused()
    no_violation(page, "correcting", covered=True)
    page.keyboard.press("c")
    expect(page.locator("#opened .tag")).to_have_text("original"), "no key does anything to the versions meanwhile"
    page.keyboard.press("Escape")
    expect(grip).to_have_count(0)
    expect(page.locator("[data-key=correct]")).to_be_focused()
    expect(page.locator(".measured-ghost")).to_have_count(0)

    page.locator("[data-key=correct]").click()
    at_rest(page, grip)
    x, y = centre(grip)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 90, y - 60, steps=6)
    page.mouse.up()
    page.get_by_label("Why it belongs there").fill("It reads like a lecture.")
    page.get_by_role("button", name="Keep this place").click()
    expect(grip).to_have_count(0)  # kept: what is drawn from here on is what the server has
    expect(page.locator(".measured-ghost")).to_have_count(1)
    expect(page.locator(".corrected-line")).to_have_count(1)
    at_rest(page, node(page, 1))
    moved = centre(node(page, 1))
    assert abs(moved[0] - measured[0] - 90) < 3
    assert abs(moved[1] - measured[1] + 60) < 3
    ghost = centre(page.locator(".measured-ghost"))
    assert abs(ghost[0] - measured[0]) < 3
    assert abs(ghost[1] - measured[1]) < 3
    expect(node(page, 1)).to_have_attribute("aria-label", re.compile("put by you where it is"))
    expect(why(page).locator(".corrected")).to_contain_text("It reads like a lecture.")
    no_violation(page, "corrected")

    page.reload()
    node(page, 1).click()
    expect(page.locator(".measured-ghost")).to_have_count(1)
    page.get_by_role("button", name=re.compile("^Undo: the place of version 1")).click()
    expect(page.locator(".measured-ghost")).to_have_count(0)
    page.get_by_role("button", name=re.compile("^Redo: the place of version 1")).click()
    expect(page.locator(".measured-ghost")).to_have_count(1)
    why(page).get_by_role("button", name="Use the measured place").click()
    expect(page.locator(".measured-ghost")).to_have_count(0)

    page.keyboard.press("g")
    page.keyboard.press("w")
    expect(grip).to_be_focused()
    for key in ("ArrowUp", "ArrowUp", "Shift+ArrowRight"):
        page.keyboard.press(key)
    expect(grip).to_have_attribute("aria-label", re.compile(r"Version 1, at .*exposition \d+, engagement \d+"))
    page.keyboard.press("Enter")
    expect(page.locator(".measured-ghost")).to_have_count(1)
    expect(page.locator(".handles .node:focus, [data-key=correct]:focus")).to_have_count(1)
    assert complaints.none(), complaints


@pytest.fixture
def changing(tmp_path: Path) -> Iterator[Server]:
    """A server whose scorer is another one after it was started again."""
    server = scripted_server(tmp_path / "changing")
    with running(server):
        yield server


def test_what_comes_while_a_button_is_down_does_not_take_the_click(
    scripted: Server, editor: Callable[..., Page]
) -> None:
    page = editor(scripted)
    place_all(page)
    node(page, 1).click()
    expect(why(page).locator(".spread")).to_be_visible()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/why", hold)
    with page.expect_request("**/why"):
        node(page, 2).click()
    page.mouse.move(*centre(page.locator("#opened [data-key=confirm]")))
    page.mouse.down()
    with page.expect_response("**/why"):
        held[0].continue_()
    page.evaluate("new Promise((done) => setTimeout(done))")  # the page has seen the answer
    page.mouse.up()
    expect(page.locator("#opened .tag")).to_have_text("confirmed")
    expect(why(page).locator(".spread")).to_be_visible()


def test_after_a_change_of_the_scorer_the_draft_is_measured_again_when_the_writer_wants_it(
    changing: Server, editor: Callable[..., Page]
) -> None:
    page = opened(editor(changing))
    was = node(page, 1).get_attribute("aria-label")
    expect(page.locator(".scale-bar")).to_be_hidden()
    changing.stop()
    first = changing.command
    changing.command = lambda server: [*first(server), "--scale", "2"]
    changing.start()
    page.reload()
    bar = page.locator(".scale-bar")
    expect(bar).to_contain_text("3 versions were placed by an earlier scale.")
    node(page, 1).click()
    expect(node(page, 1)).to_have_attribute("aria-label", re.compile("placed by an earlier scale"))
    no_violation(page, "earlier scale")
    hold = changing.data / "hold-scorer"
    hold.touch()
    bar.get_by_role("button", name="Measure again").click()
    expect(bar).to_contain_text(re.compile(r"Measuring again: \d of 3"))
    bar.get_by_role("button", name="Stop").click()
    expect(bar.get_by_role("button", name="Measure again")).to_be_visible()
    hold.unlink()
    bar.get_by_role("button", name="Measure again").click()
    no_violation(page, "measuring again")
    expect(bar).to_be_hidden()
    expect(node(page, 1)).not_to_have_attribute("aria-label", str(was))
    expect(why(page).get_by_text(re.compile(r"^Earlier: .*, until just now\.$"))).to_be_visible()
