"""No violation that axe can find, in light and dark; and the whole path without a pointer."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Server
from tests.browser.desk import (
    asked,
    fault,
    label,
    labels_wake_up,
    node,
    place_all,
    press_and_wait,
    results,
    type_into,
    written,
)

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def no_violation(page: Page, where: str, *, covered: bool = False) -> None:
    """`covered`: a menu lies over other buttons, which axe would take for small ones."""
    rules = {"target-size": {"enabled": not covered}}
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}, "rules": rules})
    assert found.violations_count == 0, f"{where}: {found.generate_report()}"


@pytest.mark.parametrize(("scheme", "size"), [("light", (1440, 900)), ("dark", (1024, 768))])
def test_axe_finds_nothing(scripted: Server, editor: Callable[..., Page], scheme: str, size: tuple[int, int]) -> None:
    page = editor(scripted, color_scheme=scheme, viewport={"width": size[0], "height": size[1]})
    no_violation(page, "first visit")
    page.get_by_role("button", name="Your drafts").click()
    expect(page.locator(".drafts-menu a").first).to_be_visible()
    no_violation(page, "drafts menu", covered=True)
    page.keyboard.press("Escape")
    page.locator("#model").click()
    no_violation(page, "model", covered=True)
    page.keyboard.press("Escape")
    page.locator("#help").click()
    no_violation(page, "help")
    page.keyboard.press("Escape")
    place_all(page)
    node(page, 1).click()
    labels_wake_up(page)
    no_violation(page, "placed")
    label(page, "Strategies of Enhance Understanding").click()
    no_violation(page, "strategies", covered=True)
    page.keyboard.press("Escape")
    fault(scripted, kind="stall", at=20, times=1)
    label(page, "Use an Analogy").click()
    expect(page.locator("#candidates .words").first).to_have_text(re.compile(r"\w+ \w+"))
    no_violation(page, "writing")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator("#candidates")).to_contain_text("Stopped before it was done")
    no_violation(page, "stopped")
    page.locator("#candidates").get_by_role("button", name="Try again").click()
    written(page)
    no_violation(page, "landed")
    results(page).first.click()
    expect(page.locator("#opened ins").first).to_be_visible()
    expect(page.locator("#opened .reasons")).to_be_visible()
    page.get_by_text("How it was made").click()
    no_violation(page, "opened")
    page.locator("[data-key=correct]").click()
    page.keyboard.press("ArrowUp")
    no_violation(page, "correcting", covered=True)
    page.keyboard.press("Enter")
    expect(page.locator("#opened .corrected")).to_be_visible()
    no_violation(page, "corrected")
    page.get_by_role("button", name="Confirm", exact=True).click()
    expect(page.locator("#opened .tag")).to_have_text("confirmed")
    no_violation(page, "confirmed")
    results(page).last.click()
    page.get_by_role("button", name="Discard", exact=True).click()
    expect(page.locator("#opened .tag")).to_have_text("discarded")
    no_violation(page, "discarded")
    page.context.set_offline(True)
    type_into(page, 2, " Offline.")
    expect(page.locator("#save")).to_have_attribute("data-state", "offline")
    no_violation(page, "offline")
    page.context.set_offline(False)


def test_axe_finds_nothing_in_narrow_tabs(scripted: Server, editor: Callable[..., Page]) -> None:
    page = editor(scripted, viewport={"width": 390, "height": 800})
    for pane in ("Draft", "Canvas", "Version"):
        page.locator(".tabs").get_by_role("button", name=pane).click()
        no_violation(page, f"narrow {pane}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{pane} is cut off"


@pytest.mark.parametrize("width", [1024, 1280, 1440])
def test_nothing_is_cut_off(scripted: Server, editor: Callable[..., Page], width: int) -> None:
    page = editor(scripted, viewport={"width": width, "height": 768})
    place_all(page)
    node(page, 1).click()
    expect(page.locator("#opened .reasons")).to_be_visible()
    cut = page.evaluate(
        """() => [...document.querySelectorAll("button, .axis span, .axis b, h2, h3")]
          .filter((it) => it.checkVisibility() && !it.closest(".model, .history"))
          .filter((it) => getComputedStyle(it).clipPath === "none")
          .filter((it) => it.scrollWidth > it.clientWidth + 1 && getComputedStyle(it).display !== "inline"
            || it.getBoundingClientRect().right > innerWidth + 1)
          .map((it) => it.textContent || it.ariaLabel)"""
    )
    assert cut == []


def test_the_path_by_keyboard_alone(scripted: Server, editor: Callable[..., Page]) -> None:
    page = editor(scripted)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the draft")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+P")
    expect(page.locator(".handles .node")).to_have_count(3)
    page.keyboard.press("g")
    focused = page.locator(".handles .node:focus")
    expect(focused).to_have_attribute("aria-label", re.compile(r"^Paragraph \d, version \d+, original"))
    labels_wake_up(page)
    names = set()
    for _ in range(3):
        names.add(focused.get_attribute("aria-label"))
        page.keyboard.press("ArrowRight")
    assert len(names) > 1, "arrow keys move between nodes"
    with asked(page):
        page.keyboard.press("5")
    written(page)
    page.keyboard.press("End")
    expect(focused).to_have_attribute("aria-label", re.compile("proposed"))
    page.keyboard.press("Enter")
    expect(page.locator("#opened h3:focus")).to_have_count(1)
    page.keyboard.press("c")
    expect(page.locator("#opened .tag")).to_have_text("confirmed")
    page.keyboard.press("?")
    expect(page.locator("#help-dialog")).to_be_visible()
    page.get_by_label("Single-key shortcuts").press("Space")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("#help-dialog")).not_to_be_visible()


def test_a_screen_reader_is_told_in_summaries(scripted: Server, editor: Callable[..., Page]) -> None:
    page = editor(scripted)
    place_all(page)
    node(page, 1).click()
    labels_wake_up(page)
    page.evaluate(
        """() => {
          const live = document.querySelector("#live");
          window.__told = [];
          new MutationObserver(() => { if (live.textContent) window.__told.push(live.textContent); })
            .observe(live, { childList: true, characterData: true, subtree: true });
        }"""
    )
    press_and_wait(page, "Use an Analogy")
    page.wait_for_timeout(300)
    told = page.evaluate("window.__told")
    assert any("asking for 3 versions" in it for it in told)
    assert len(told) < 12, "not every word is announced"
