"""A newcomer's first revision, on the real default model: from the sample draft to a confirmed version."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Complaints, Server
from tests.browser.desk import label, labels_wake_up, node, paragraph, place_all, press_and_wait, results, saved

pytestmark = pytest.mark.model


def test_from_the_sample_to_a_confirmed_version(
    real: Server, editor: Callable[..., Page], complaints: Complaints
) -> None:
    page = editor(real)
    expect(page.locator(".paragraph")).to_have_count(3)
    place_all(page, 90)
    expect(page.locator(".handles .node")).to_have_count(3, timeout=60_000)
    node(page, 2).click()
    expect(page.get_by_role("heading", name=re.compile(r"Paragraph 2, version \d+"))).to_be_visible()
    expect(page.locator("#opened .reasons li").first).to_be_visible()
    expect(page.locator("#opened .move-most")).to_contain_text("versions of test paragraphs")
    labels_wake_up(page, 120)

    page.evaluate(
        """() => {
          const seen = {};
          window.__seen = seen;
          document.addEventListener("click", () => { seen.click ??= performance.now(); }, true);
          new MutationObserver(() => { if (document.querySelector(".ghost")) seen.ghost ??= performance.now(); })
            .observe(document.querySelector("#frame"), { childList: true, subtree: true });
        }"""
    )
    label(page, "Use an Analogy").click()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    seen = page.evaluate("window.__seen")
    assert seen["ghost"] >= seen["click"], "the ghost is there before any word; benchmarks/editor.py says how soon"

    live = page.locator("#candidates .candidate.live .words").first
    expect(live).to_have_text(re.compile(r"\w+ \w+"), timeout=60_000)
    expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(0, timeout=120_000)
    expect(page.locator(".ghost")).to_have_count(0)
    landed = results(page).count()
    assert landed >= 1
    expect(page.locator(".handles .node")).to_have_count(3 + landed)

    before = paragraph(page, 2).input_value()
    results(page).first.hover()
    expect(page.locator(".preview")).to_contain_text("not in the draft")
    assert paragraph(page, 2).input_value() == before, "a preview commits nothing"

    results(page).first.click()
    expect(page.locator("#opened ins").first).to_be_visible()
    page.get_by_role("button", name="Confirm", exact=True).click()
    chosen = page.locator(".handles .node[data-selected=true]")
    expect(chosen).to_have_attribute("data-kind", "confirmed")
    expect(chosen).to_have_attribute("data-head", "true")
    expect(chosen.locator(".badge svg")).to_have_count(1)
    expect(page.locator("#opened .tag")).to_have_text("confirmed")
    assert chosen.evaluate("it => getComputedStyle(it, '::before').backgroundColor") == "rgb(107, 47, 179)"
    confirmed = paragraph(page, 2).input_value()
    assert confirmed != before
    saved(page)

    page.reload()
    expect(paragraph(page, 2)).to_have_value(confirmed)
    expect(page.locator(".handles .node")).to_have_count(3 + landed)
    expect(page.locator(".handles .node[data-kind=confirmed][data-head=true]")).to_have_count(1)
    expect(page.locator(".paragraph[data-confirmed=true]")).to_have_count(1)

    with page.expect_download() as download:
        page.get_by_role("button", name="Export", exact=True).click()
        page.locator(".export-menu [data-form=md]").click()
    exported = download.value.path().read_text(encoding="utf-8")
    paragraphs = exported.strip().split("\n\n")
    assert confirmed in paragraphs
    # As a paragraph of its own: a version that only adds a last sentence begins with the old text.
    assert before not in paragraphs
    assert complaints.none(), complaints


def test_on_from_there_combined_prompted_and_looked_back_on(
    real: Server, editor: Callable[..., Page], complaints: Complaints
) -> None:
    """The paper's A to F: drag, revise, confirm, combine, a prompt of one's own, Muse."""
    page = editor(real)
    page.locator(".nsewdrag").wait_for(state="attached")  # the chart is there: nothing moves under the pointer
    page.locator(".grip").nth(1).drag_to(page.locator("#frame"))
    expect(page.locator(".handles .node")).to_have_count(1, timeout=60_000)
    page.locator("#place-all").drag_to(page.locator("#frame"))
    expect(page.locator(".handles .node")).to_have_count(3, timeout=60_000)
    node(page, 2).click()
    labels_wake_up(page, 120)
    press_and_wait(page, "Captivate & Immerse", 120)
    results(page).first.click()
    page.get_by_role("button", name="Confirm", exact=True).click()
    expect(page.locator(".handles .node[data-kind=confirmed][data-head=true]")).to_have_count(1)

    press_and_wait(page, "Use an Analogy", 120)
    made = [results(page).nth(i).get_attribute("data-key") for i in range(results(page).count())]
    assert len(made) >= 2, "two to combine"
    for key in made[:2]:
        page.locator(f".handles .node[data-id='{str(key).removeprefix('result-')}']").click(modifiers=["Shift"])
    page.get_by_role("button", name="Combine", exact=True).first.click()
    sheet = page.locator("#combine")
    expect(sheet).to_contain_text("both")
    sheet.get_by_role("button", name="Combine", exact=True).click()
    combined = page.locator(".handles .node[data-kind=combined]")
    expect(combined).to_have_count(1, timeout=120_000)
    expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(0, timeout=120_000)
    expect(combined).to_have_attribute("aria-label", re.compile(r"combined from versions \d+ and \d+"))
    expect(combined).to_have_attribute("data-selected", "true")

    page.get_by_role("textbox", name="Your own prompt").fill("Say why this matters to a farmer.")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(0, timeout=120_000)
    expect(results(page).first).to_be_visible()

    page.locator("#muse-button").click()
    items = page.locator("#muse .digest li")
    expect(items).not_to_have_count(0)
    expect(page.locator("#muse").get_by_role("button", name="Stop")).to_have_count(0, timeout=120_000)
    items.first.get_by_role("button").first.click()
    expect(page.locator(".handles .node[data-selected=true]")).to_have_count(1)
    saved(page)
    assert complaints.none(), complaints
