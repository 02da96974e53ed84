"""A draft leaves as a file of five kinds, and a project file comes back as the draft it was."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import docx
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Complaints, Server
from tests.browser.desk import (
    label,
    labels_wake_up,
    node,
    paragraph,
    place_all,
    press_and_wait,
    results,
    saved,
    type_into,
)

Editor = Callable[..., Page]


def export(page: Page, form: str) -> tuple[str, bytes]:
    """Through the menu; the file's name and content."""
    page.get_by_role("button", name="Export", exact=True).click()
    with page.expect_download() as download:
        page.locator(f".export-menu [data-form={form}]").click()
    expect(page.locator(".export-menu")).to_have_count(0)
    return download.value.suggested_filename, download.value.path().read_bytes()


def test_every_kind_of_file_and_the_way_back(
    scripted: Server, editor: Editor, writer: Callable[..., BrowserContext], complaints: Complaints, tmp_path: Path
) -> None:
    page = editor(scripted)
    place_all(page)
    node(page, 1).click()
    labels_wake_up(page)
    press_and_wait(page, "Use an Analogy")
    results(page).first.click()
    page.get_by_role("button", name="Confirm", exact=True).click()
    expect(page.locator(".handles .node[data-kind=confirmed]")).to_have_count(1)
    type_into(page, 3, " I was there myself.")

    # At once: what is not yet saved is waited for.
    name, plain = export(page, "md")
    assert name == "How the ozone layer was damaged and how it is recovering.md"
    assert "I was there myself." in plain.decode()
    assert "Who wrote" not in plain.decode()
    _, told = export(page, "md-provenance")
    assert re.search(r"\| 3 \| I was there myself\. \| The writer \|", told.decode())
    assert "scripted (Use an Analogy" in told.decode()
    name, word = export(page, "docx")
    assert name.endswith(".docx")
    assert any("I was there myself." in p.text for p in docx.Document(io.BytesIO(word)).paragraphs)
    _, word = export(page, "docx-provenance")
    assert len(docx.Document(io.BytesIO(word)).tables) == 1

    saved(page)
    # What was typed is measured before it is taken along, or the other page measures it.
    expect(page.locator(".handles .node[data-measuring=true]")).to_have_count(0)
    name, project = export(page, "spatial")
    assert name.endswith(".spatial")
    file = tmp_path / name
    file.write_bytes(project)

    # Another writer opens it by the import button, and another by dropping it.
    other = editor(scripted, context=writer())
    first = other.url
    other.locator("#file").set_input_files(file)
    other.wait_for_url(lambda url: url != first)
    expect(other.locator(".handles .node[data-kind=confirmed][data-head=true]")).to_have_count(1)
    expect(other.locator(".handles .node")).to_have_count(page.locator(".handles .node").count())
    for number in (1, 2, 3):
        assert paragraph(other, number).input_value() == paragraph(page, number).input_value()
    assert export(other, "spatial")[1] == project
    second = other.url
    other.evaluate(
        """([name, bytes]) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], name));
          dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
        }""",
        [name, list(project)],
    )
    other.wait_for_url(lambda url: url not in (first, second))
    assert complaints.none(), complaints


def test_a_damaged_project_file_is_told_and_the_draft_stays(
    scripted: Server, editor: Editor, complaints: Complaints, tmp_path: Path
) -> None:
    page = editor(scripted)
    url, text = page.url, paragraph(page, 1).input_value()
    file = tmp_path / "Mine.spatial"
    file.write_bytes(export(page, "spatial")[1][:-100])
    page.locator("#file").set_input_files(file)
    told = page.locator(".notice.bad")
    expect(told).to_contain_text("“Mine.spatial” was not opened. The project file is damaged")
    expect(told).to_contain_text("Nothing was imported.")
    assert (page.url, paragraph(page, 1).input_value()) == (url, text)
    complaints.errors = [error for error in complaints.errors if "422" not in error]
    assert complaints.none(), complaints


def test_the_menu_is_worked_by_keyboard(scripted: Server, editor: Editor, complaints: Complaints) -> None:
    page = editor(scripted)
    button = page.get_by_role("button", name="Export", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    items = page.get_by_role("group", name="Export the draft as").get_by_role("button")
    expect(items).to_have_count(5)
    expect(items.first).to_be_focused()
    expect(button).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowUp")
    expect(items.last).to_be_focused()
    page.keyboard.press("Escape")
    expect(items).to_have_count(0)
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+Tab")
    expect(button).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(items).to_have_count(0)
    button.focus()
    page.keyboard.press("Enter")
    with page.expect_download():
        page.keyboard.press("Enter")
    expect(button).to_be_focused()
    expect(label(page, "Use an Analogy")).to_be_visible()
    assert complaints.none(), complaints
