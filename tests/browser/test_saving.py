"""What is typed reaches the server, whatever stands in its way, and lies where the writer put it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Server, running, scripted_server
from tests.browser.desk import (
    fault,
    label,
    labels_wake_up,
    node,
    paragraph,
    place_all,
    press_and_wait,
    saved,
    type_into,
)

Editor = Callable[..., Page]


DISMISSED = """async () => {
  const disk = await import("/static/js/disk.js");
  for (let looks = 0; looks < 300; looks += 1) {
    if ((await disk.all("notes")).some((it) => it.key.startsWith("hidden:"))) return true;
    await new Promise((resolve) => { setTimeout(resolve, 100); });
  }
  return false;
}"""


def stored(page: Page) -> Any:
    return page.request.get(page.url.replace("/drafts/", "/api/drafts/")).json()


def stored_texts(page: Page) -> list[str]:
    draft = stored(page)
    texts = {version["id"]: version["text"] for version in draft["versions"]}
    return [texts[p["head"]] for p in draft["paragraphs"] if not p["removed"]]


def test_a_label_pressed_right_after_typing_revises_what_was_typed(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    paragraph(page, 2).click()
    labels_wake_up(page)
    type_into(page, 2, " Only just typed.")
    press_and_wait(page, "Use an Analogy")
    draft = stored(page)
    texts = {version["id"]: version["text"] for version in draft["versions"]}
    made = [version for version in draft["versions"] if version["operation"] == "label"]
    assert made
    assert all(texts[version["parents"][0]].endswith("Only just typed.") for version in made)


def test_a_cleared_paragraph_typed_anew_stays_in_its_place(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    count = page.locator(".paragraph").count()
    paragraph(page, 2).click()
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    saved(page)
    assert len(stored_texts(page)) == count - 1
    page.keyboard.type("Typed anew.")
    saved(page)
    assert stored_texts(page)[1] == "Typed anew."
    page.reload()
    expect(paragraph(page, 2)).to_have_value("Typed anew.")


def test_a_text_the_server_refuses_holds_up_no_other(
    tmp_path: Path, editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPATIAL_MAX_BODY_BYTES", "20000")
    with running(scripted_server(tmp_path)) as server:
        page = editor(server)
        paragraph(page, 1).fill("word " * 5_000)
        expect(page.locator("#notices")).to_contain_text("Not saved")
        with page.expect_response(lambda it: it.ok and "Goes through." in (it.request.post_data or "")):
            type_into(page, 3, " Goes through.")
        assert stored_texts(page)[2].endswith("Goes through.")
        expect(page.locator("#save")).to_have_attribute("data-state", "unsaved")
        page.get_by_role("button", name="Export", exact=True).click()
        page.locator(".export-menu [data-form=md]").click()
        expect(page.locator("#notices")).to_contain_text("would be missing")
        paragraph(page, 1).fill("Short again.")
        saved(page)
        assert stored_texts(page)[0] == "Short again."


def test_a_long_import_goes_in_several_requests(scripted: Server, editor: Editor, tmp_path: Path) -> None:
    page = editor(scripted)
    texts = [f"Chapter {k}." + " It goes on." * 10_000 for k in range(9)]
    (tmp_path / "book.md").write_text("\n\n".join(texts), encoding="utf-8")
    page.locator("#file").set_input_files(tmp_path / "book.md")
    before = page.url
    page.get_by_role("button", name="Open as a new draft").click()
    page.wait_for_url(lambda url: url != before, timeout=60_000)
    assert stored_texts(page) == texts


def test_saving_goes_on_without_the_browsers_storage(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    saved(page)
    page.evaluate(
        """() => {
          IDBDatabase.prototype.transaction = () => { throw new DOMException("lost", "InvalidStateError"); };
        }"""
    )
    type_into(page, 1, " Stored nowhere here.")
    saved(page)
    type_into(page, 2, " And once more.")
    saved(page)
    first, second, *_ = stored_texts(page)
    assert first.endswith("Stored nowhere here.")
    assert second.endswith("And once more.")


def test_a_title_on_its_way_is_not_yet_saved(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    saved(page)
    flying = {"now": 0, "most": 0}

    def slow(route: Any) -> None:
        if route.request.method == "PATCH":
            page.wait_for_timeout(1500)
        route.continue_()

    def begun(request: Any) -> None:
        if request.url.endswith("/save"):
            flying["now"] += 1
            flying["most"] = max(flying.values())

    def ended(request: Any) -> None:
        flying["now"] -= request.url.endswith("/save")

    page.on("request", begun)
    page.on("requestfinished", ended)
    page.route("**/api/drafts/*", slow)
    page.get_by_label("Title of the draft").fill("Another title")
    page.keyboard.press("Enter")
    type_into(page, 1, " While the title flies.")
    saved(page)
    assert stored(page)["title"] == "Another title"
    assert stored_texts(page)[0].endswith("While the title flies.")
    assert flying["most"] == 1


def test_enter_before_a_paragraph_keeps_its_node(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    place_all(page)
    text = paragraph(page, 2).input_value()
    count = page.locator(".paragraph").count()
    paragraph(page, 2).click()
    page.keyboard.press("Control+Home")
    page.keyboard.press("Enter")
    expect(page.locator(".paragraph")).to_have_count(count + 1)
    expect(paragraph(page, 3)).to_have_value(text)
    expect(paragraph(page, 3)).to_be_focused()
    expect(page.locator(".handles .node")).to_have_count(count)
    page.keyboard.press("ArrowUp")
    page.keyboard.type("In between.")
    saved(page)
    page.reload()
    expect(paragraph(page, 2)).to_have_value("In between.")
    expect(paragraph(page, 3)).to_have_value(text)


def test_what_another_tab_writes_ends_here_too_and_stays_away_once_dismissed(scripted: Server, editor: Editor) -> None:
    first = editor(scripted)
    place_all(first)
    node(first, 1).click()
    labels_wake_up(first)
    fault(scripted, kind="stall", at=5, times=1)
    label(first, "Use an Analogy").click()
    expect(first.locator("#candidates .words").first).to_have_text(re.compile(r"\w+"))
    second = editor(scripted, context=first.context, path=first.url.removeprefix(scripted.url))
    node(second, 1).click()
    panel = second.locator("#candidates")
    expect(panel).to_contain_text("Writing")
    first.get_by_role("button", name="Stop", exact=True).click()
    expect(panel).to_contain_text("Stopped before it was done")
    panel.get_by_role("button", name="Dismiss").click()
    expect(panel).not_to_contain_text("Stopped")
    assert second.evaluate(DISMISSED), "this browser has noted it"
    second.reload()
    node(second, 1).click()
    expect(second.locator("#opened h3")).to_contain_text("Paragraph 1")
    expect(label(second, "Use an Analogy")).to_be_visible()  # the page has all it begins with
    expect(panel).not_to_contain_text("Stopped")


def test_large_edits_are_cut_between_characters(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    pieces, fitted = page.evaluate(
        """async () => {
          const { pieces, fitting } = await import("/static/js/textwork.js");
          const cut = pieces({ at: 7, removed: "", inserted: "a" + "😀".repeat(5) }, 4);
          const asked = [[["aaaa", "b", "c"], 10, 5], [["a".repeat(99), "b"], 10, 5], [["a", "b", "c"], 99, 2]];
          return [cut, asked.map((it) => fitting(...it).length)];
        }"""
    )
    assert "".join(piece["inserted"] for piece in pieces) == "a" + "😀" * 5
    assert all("\ufffd" not in piece["inserted"] for piece in pieces)
    assert [piece["at"] for piece in pieces] == [7, 10, 14]
    assert fitted == [2, 1, 2]
