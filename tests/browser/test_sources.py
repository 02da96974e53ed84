"""Sources, kept prompts and the marks of the claim ledger, as a writer meets them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import Complaints, Server
from tests.browser.desk import label, labels_wake_up, paragraph, place_all, press_and_wait, results, saved


def test_a_source_is_attached_read_and_removed(
    scripted: Server, editor: Callable[..., Page], complaints: Complaints, tmp_path: Path
) -> None:
    page = editor(scripted)
    place_all(page)
    labels_wake_up(page)
    press_and_wait(page, "Strengthen Credibility")
    expect(page.locator("#candidates .message")).to_contain_text("No source is attached")
    page.locator("#candidates").get_by_role("button", name="Attach a source").click()
    dialog = page.locator("dialog#sources")
    expect(dialog).to_contain_text("No source yet")
    dialog.get_by_role("button", name="Attach", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("Paste the text")
    dialog.get_by_label("Title of the source").fill("Field notes")
    dialog.get_by_label("Text of the source").fill("Ozone was measured with 12 balloons in 1984.")
    dialog.get_by_role("button", name="Attach", exact=True).click()
    expect(dialog.get_by_role("list", name="Attached sources")).to_contain_text("Field notes")
    expect(dialog.get_by_label("Text of the source")).to_have_value("")

    paper = tmp_path / "paper.md"
    paper.write_text("# A paper\n\nClouds were seen over Halley.\n")
    dialog.locator("input[type=file]").set_input_files(paper)
    expect(dialog.get_by_role("list", name="Attached sources").get_by_role("listitem")).to_have_count(2)
    dialog.get_by_role("button", name="A paper", exact=True).click()
    expect(dialog).to_contain_text("Clouds were seen over Halley.")
    dialog.get_by_role("button", name="Back to the list").click()
    dialog.get_by_role("button", name="Remove “A paper”").click()
    dialog.get_by_role("button", name="Remove", exact=True).click()
    expect(dialog.get_by_role("list", name="Attached sources").get_by_role("listitem")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("#sources-button")).to_have_attribute("aria-label", "Sources: 1 attached")
    expect(page.locator("#sources-button")).to_be_focused()
    page.reload()
    expect(page.locator("#sources-button")).to_have_attribute("aria-label", "Sources: 1 attached")
    assert complaints.none()


def test_a_new_claim_is_marked_in_the_text_in_a_list_and_on_the_node(
    scripted: Server, editor: Callable[..., Page], complaints: Complaints
) -> None:
    page = editor(scripted)
    place_all(page)
    labels_wake_up(page)
    press_and_wait(page, "Enhance Understanding")
    results(page).filter(has_text="a new claim").first.click()
    opened = page.locator("#opened")
    expect(opened.locator("mark.claim").first).to_be_visible()
    expect(opened.locator(".claim-word").first).to_have_text("new claim")
    expect(opened.get_by_role("list", name="New claims")).to_contain_text("neither the text before nor a source")
    marked = opened.locator("mark.claim ins").first.inner_text()
    assert marked.endswith(".")
    node = page.locator(".handles .node[data-selected=true]")
    expect(node.locator(".mark")).to_have_text("+")
    expect(node).to_have_accessible_name(re.compile("a new claim"))
    assert complaints.none()


def test_a_prompt_is_kept_reused_and_pinned_as_a_label(
    scripted: Server, editor: Callable[..., Page], complaints: Complaints
) -> None:
    page = editor(scripted)
    place_all(page)
    labels_wake_up(page)
    saved(page)
    paragraph(page, 1).click()
    own = page.get_by_role("textbox", name="Your own prompt")
    own.fill("Say it as a letter to a child.")
    page.get_by_role("button", name="Your prompts").click()
    menu = page.get_by_role("group", name="Your prompts")
    menu.get_by_label("Name of the prompt").fill("Letter")
    page.keyboard.press("Enter")
    kept = menu.get_by_role("list", name="Kept prompts")
    expect(kept).to_contain_text("Letter")
    kept.get_by_role("button", name="Pin Letter").click()
    expect(label(page, "Letter").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Your prompts")).to_be_focused()
    own.fill("")

    page.reload()
    paragraph(page, 1).click()
    labels_wake_up(page)
    page.locator("[data-prompt]").click()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(0, timeout=60_000)
    expect(results(page).first).to_be_visible()
    page.get_by_role("button", name="Your prompts").click()
    kept.get_by_role("button", name="Letter", exact=True).click()
    expect(own).to_have_value("Say it as a letter to a child.")
    page.get_by_role("button", name="Your prompts").click()
    kept.get_by_role("button", name="Rename Letter").click()
    menu.get_by_label("New name of Letter").fill("Postcard")
    page.keyboard.press("Enter")
    expect(page.locator("[data-prompt]")).to_have_text("Postcard")
    kept.get_by_role("button", name="Unpin Postcard").click()
    expect(page.locator("[data-prompt]")).to_have_count(0)
    kept.get_by_role("button", name="Remove Postcard").click()
    expect(kept).to_have_count(0)
    assert complaints.none()
