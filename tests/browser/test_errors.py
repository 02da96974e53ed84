"""When things go wrong: what happened is said, what was written is kept, and there is a way on."""

from __future__ import annotations

import re
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Server, running, scripted_server
from tests.browser.desk import (
    fault,
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


def save_light(page: Page, state: str, seconds: float = 30) -> None:
    expect(page.locator("#save")).to_have_attribute("data-state", state, timeout=seconds * 1000)


def started(page: Page, name: str = "Use an Analogy") -> None:
    place_all(page)
    node(page, 1).click()
    labels_wake_up(page)
    label(page, name).click()
    expect(page.locator("#candidates .words").first).to_have_text(re.compile(r"\w+ \w+"))


def test_without_a_model_all_that_needs_none_works(tmp_path: Path, editor: Editor) -> None:
    with running(scripted_server(tmp_path, "--broken-model")) as server:
        page = editor(server)
        chip = page.locator("#model")
        expect(chip).to_have_attribute("data-status", "error")
        expect(page.locator("#labels-why")).to_contain_text("model")
        expect(label(page, "Use an Analogy")).to_have_attribute("aria-disabled", "true")
        chip.click()
        expect(page.get_by_text("The default model is not installed.")).to_be_visible()
        expect(page.get_by_text("make setup")).to_be_visible()
        expect(page.locator(".model-pop").get_by_role("button", name="Try again")).to_be_visible()
        type_into(page, 1, " Still writing.")
        saved(page)
        page.reload()
        expect(paragraph(page, 1)).to_have_value(re.compile("Still writing"))


def test_what_is_placed_while_all_is_loading_lands_when_it_can_and_labels_wake_up(
    tmp_path: Path, editor: Editor
) -> None:
    scorer, model = tmp_path / "hold-scorer", tmp_path / "hold-model"
    scorer.touch()
    model.touch()
    with running(scripted_server(tmp_path)) as server:
        page = editor(server)
        page.locator("#place-all").click()
        expect(page.locator("#frame")).to_contain_text("Measuring 3 paragraphs as soon as the scorer is loaded")
        scorer.unlink()
        expect(page.locator(".handles .node")).to_have_count(3)
        expect(page.locator(".notice.bad")).to_have_count(0)
        expect(page.locator("#model")).to_contain_text("loading")
        paragraph(page, 1).click()
        expect(page.locator("#labels-why")).to_contain_text("loading")
        model.unlink()
        labels_wake_up(page)
        expect(page.locator("#model")).to_contain_text("scripted")


def test_two_tabs_are_offered_both_texts(
    scripted: Server, editor: Editor, writer: Callable[..., BrowserContext]
) -> None:
    context = writer()
    first = editor(scripted, context=context)
    second = editor(scripted, context=context, path=first.url.removeprefix(scripted.url))
    type_into(first, 1, " From the first tab.")
    saved(first)
    type_into(second, 1, " From the second tab.")
    dialog = second.locator("#conflict")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text("From the first tab.")
    expect(dialog).to_contain_text("From the second tab.")
    save_light(second, "unsaved")
    second.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Keep mine").click()
    expect(dialog).not_to_be_visible()
    saved(second)

    type_into(first, 1, " Again the first.")
    dialog = first.locator("#conflict")
    expect(dialog).to_contain_text("From the second tab.")
    dialog.get_by_role("button", name="Keep theirs").click()
    saved(first)
    expect(paragraph(first, 1)).to_have_value(re.compile("From the second tab."))
    first.reload()
    expect(paragraph(first, 1)).to_have_value(re.compile("From the second tab."))


def test_offline_typing_survives_a_reload_and_is_delivered(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    page.context.set_offline(True)
    type_into(page, 2, " Typed in a tunnel.")
    save_light(page, "offline")
    page.wait_for_timeout(3000)
    save_light(page, "offline")
    page.context.set_offline(False)
    saved(page, 30)
    page.reload()
    expect(paragraph(page, 2)).to_have_value(re.compile("Typed in a tunnel."))


def test_typing_survives_a_server_that_is_gone_and_a_closed_tab(tmp_path: Path, editor: Editor) -> None:
    server = scripted_server(tmp_path)
    with running(server):
        page = editor(server)
        context, path = page.context, page.url.removeprefix(server.url)
        saved(page)
        server.stop()
        type_into(page, 1, " Nobody listens.")
        save_light(page, "offline")
        page.wait_for_timeout(1000)  # what is promised: nothing is lost that was typed a second ago
        page.close()
        server.start()
        again = editor(server, context=context, path=path)
        expect(paragraph(again, 1)).to_have_value(re.compile("Nobody listens."))
        saved(again)
        again.reload()
        expect(paragraph(again, 1)).to_have_value(re.compile("Nobody listens."))


def test_a_full_disk_is_said_and_everything_is_delivered_afterwards(tmp_path: Path, editor: Editor) -> None:
    """The server process may not let a file grow: that is what a full disk is to its database."""
    with running(scripted_server(tmp_path)) as server:
        page = editor(server)
        saved(page)
        assert server.process is not None
        pid = server.process.pid
        unlimited = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, unlimited[1]))
        type_into(page, 1, " No room for this.")
        save_light(page, "unsaved", 30)
        expect(page.locator("#notices")).to_contain_text("Not saved")
        expect(page.locator("#notices")).to_contain_text("kept on this computer")
        resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
        saved(page, 40)
        page.reload()
        expect(paragraph(page, 1)).to_have_value(re.compile("No room for this."))


def test_stop_keeps_what_had_arrived_and_frees_the_labels(tmp_path: Path, editor: Editor) -> None:
    with running(scripted_server(tmp_path, "--delay", "0.3")) as server:
        page = editor(server)
        fault(server, kind="stall", at=12, times=1)  # it goes no further before the test does
        started(page)
        page.get_by_role("button", name="Stop", exact=True).click()
        panel = page.locator("#candidates")
        expect(panel).to_contain_text("Stopped before it was done")
        expect(panel).to_contain_text("Unfinished, not a version")
        expect(page.locator(".ghost")).to_have_count(0)
        panel.get_by_role("button", name="Try again").click()
        expect(page.locator(".ghost").first).to_be_visible()


def test_a_reload_in_mid_stream_ends_in_a_retry(tmp_path: Path, editor: Editor) -> None:
    with running(scripted_server(tmp_path, "--delay", "0.3")) as server:
        page = editor(server)
        fault(server, kind="stall", at=12, times=1)  # it goes no further before the test does
        started(page)
        page.reload()
        node(page, 1).click()
        panel = page.locator("#candidates")
        expect(panel).to_contain_text(re.compile("Stopped|lost|left", re.I))
        panel.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
        expect(results(page).first).to_be_visible(timeout=60_000)


@pytest.mark.parametrize("at", [0, 10, "last"])
def test_a_model_that_breaks_off_is_told_and_tried_again(scripted: Server, editor: Editor, at: int | str) -> None:
    page = editor(scripted)
    place_all(page)
    node(page, 2).click()
    labels_wake_up(page)
    fault(scripted, kind="reset", at=at, times=1)
    label(page, "Tell a Story").click()
    panel = page.locator("#candidates")
    expect(panel.get_by_role("alert")).to_contain_text("The model broke off in the middle of an answer.")
    if at:
        expect(panel).to_contain_text("Unfinished, not a version")
    panel.get_by_role("button", name="Try again").click()
    expect(panel.get_by_role("alert")).to_have_count(0)
    expect(results(page).first).to_be_visible()


def test_a_file_that_cannot_be_read_changes_nothing(scripted: Server, editor: Editor, tmp_path: Path) -> None:
    page = editor(scripted)
    before = paragraph(page, 1).input_value()
    for name, data in {"picture.docx": b"\x89PNG not a document", "notes.md": b"\xff\xfe\x00binary\x00\x01"}.items():
        (tmp_path / name).write_bytes(data)
        page.locator("#file").set_input_files(tmp_path / name)
        notice = page.locator(".notice.bad", has_text=name)
        expect(notice).to_contain_text("was not imported")
        expect(notice).to_contain_text("Your draft is unchanged")
        notice.get_by_role("button", name="Dismiss").click()
    assert paragraph(page, 1).input_value() == before


def test_an_import_is_offered_as_a_new_draft_or_added(scripted: Server, editor: Editor, tmp_path: Path) -> None:
    page = editor(scripted)
    (tmp_path / "reefs.md").write_text("# Reefs\n\nCorals are animals.\n\nThey live with algae.\n", encoding="utf-8")
    page.locator("#file").set_input_files(tmp_path / "reefs.md")
    count = page.locator(".paragraph").count()
    page.get_by_role("button", name="Add to this draft").click()
    expect(page.locator(".paragraph")).to_have_count(count + 2)
    saved(page)
    page.locator("#file").set_input_files(tmp_path / "reefs.md")
    page.get_by_role("button", name="Open as a new draft").click()
    expect(page.locator(".paragraph")).to_have_count(2)
    expect(paragraph(page, 1)).to_have_value("Corals are animals.")


def test_odd_texts_come_back_as_they_went_in(scripted: Server, editor: Editor) -> None:
    texts = [
        "<b>not bold</b> & <script>alert(1)</script>",
        "الكيمياء علم يدرس المادة \u200f 42",
        "A family 👩‍👩‍👧‍👦, a flag 🇪🇺, zero\u200bwidth, and a long word " + "x" * 300,
        "word " * 4000,
    ]
    page = editor(scripted)
    for text in texts:
        paragraph(page, 3).fill(text)
        saved(page)
        page.reload()
        expect(paragraph(page, 3)).to_have_value(text)
    press_paragraph = page.locator(".paragraph").nth(2)
    assert press_paragraph.evaluate("it => it.scrollWidth <= it.clientWidth")


def test_enter_splits_backspace_joins_and_paste_makes_paragraphs(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    count = page.locator(".paragraph").count()
    paragraph(page, 1).fill("One sentence. Another one.")
    paragraph(page, 1).evaluate("it => it.setSelectionRange(13, 13)")
    page.keyboard.press("Enter")
    expect(page.locator(".paragraph")).to_have_count(count + 1)
    expect(paragraph(page, 2)).to_be_focused()
    saved(page)
    page.reload()
    expect(paragraph(page, 1)).to_have_value("One sentence.")
    expect(paragraph(page, 2)).to_have_value(" Another one.")
    paragraph(page, 2).click()
    page.keyboard.press("Control+Home")
    page.keyboard.press("Backspace")
    expect(page.locator(".paragraph")).to_have_count(count)
    expect(paragraph(page, 1)).to_have_value("One sentence. Another one.")
    saved(page)
    paragraph(page, 1).evaluate(
        """it => {
          const data = new DataTransfer();
          data.setData("text/plain", "alpha\\n\\nbeta\\n\\ngamma");
          it.focus();
          it.setSelectionRange(0, it.value.length);
          it.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
        }"""
    )
    expect(page.locator(".paragraph")).to_have_count(count + 2)
    saved(page)
    page.reload()
    for number, text in enumerate(("alpha", "beta", "gamma"), 1):
        expect(paragraph(page, number)).to_have_value(text)


def test_discard_restore_and_edit_by_hand(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    place_all(page)
    node(page, 1).click()
    labels_wake_up(page)
    press_and_wait(page, "Use an Analogy")
    results(page).last.click()
    page.get_by_role("button", name="Discard", exact=True).click()
    chosen = page.locator(".handles .node[data-selected=true]")
    expect(chosen).to_have_attribute("data-kind", "discarded")
    page.reload()
    expect(page.locator(".handles .node[data-kind=discarded]")).to_have_count(1)
    page.locator(".handles .node[data-kind=discarded]").click()
    page.get_by_role("button", name="Restore", exact=True).click()
    expect(page.locator(".handles .node[data-kind=discarded]")).to_have_count(0)
    page.get_by_role("button", name="Edit by hand", exact=True).click()
    page.locator(".hand").fill("Written by hand, from a proposal.")
    page.get_by_role("button", name="Save as a new version").click()
    expect(page.locator("#opened .tag")).to_have_text("typed by hand")
    page.get_by_role("button", name="Confirm", exact=True).click()
    expect(paragraph(page, 1)).to_have_value("Written by hand, from a proposal.")


def test_a_draft_is_deleted_after_a_question_and_can_be_had_back(scripted: Server, editor: Editor) -> None:
    page = editor(scripted)
    page.get_by_role("button", name="Your drafts").click()
    page.get_by_role("button", name="New draft").click()
    expect(page.locator(".paragraph")).to_have_count(1)
    paragraph(page, 1).fill("A short-lived draft.")
    page.get_by_label("Title of the draft").fill("Short-lived")
    page.keyboard.press("Enter")
    saved(page)
    page.get_by_role("button", name="Your drafts").click()
    page.get_by_role("button", name="Delete “Short-lived”").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Undo", exact=True).click()
    page.wait_for_timeout(8000)
    page.reload()
    expect(paragraph(page, 1)).to_have_value("A short-lived draft.")
    page.get_by_role("button", name="Your drafts").click()
    page.get_by_role("button", name="Delete “Short-lived”").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.wait_for_url(re.compile("/drafts/"))
    expect(page.get_by_label("Title of the draft")).not_to_have_value("Short-lived")
    expect(page.locator(".drafts-menu")).to_have_count(0)
