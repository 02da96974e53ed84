"""The page speaks to its own server only, breaks no policy, and text is never anything but text."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Complaints, Server
from tests.browser.desk import label, labels_wake_up, node, paragraph, place_all, press_and_wait, results, saved

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "javascript:alert(1)",
    "<a href='javascript:alert(1)'>click</a>",
    "<iframe srcdoc='<script>parent.alert(1)</script>'></iframe>",
    "</textarea><script>alert(1)</script>",
    "</title><img src=https://example.invalid/x.png>",
    "{{7*7}} ${7*7} <%= 7*7 %>",
    "<b onmouseover=alert(1)>Nature</b> <style>*{display:none}</style>",
    "<math><mtext></p><script>alert(1)</script>",
    "<sub>2</sub><br><a href='https://example.invalid'>Plotly pseudo-HTML</a>",
]


def test_a_whole_session_speaks_to_no_other_host(
    scripted: Server, editor: Callable[..., Page], complaints: Complaints
) -> None:
    page = editor(scripted)
    place_all(page)
    node(page, 1).click()
    labels_wake_up(page)
    page.locator(".nsewdrag").wait_for(state="attached")
    press_and_wait(page, "Use an Analogy")
    results(page).first.click()
    page.get_by_role("button", name="Confirm", exact=True).click()
    page.locator("#theme").click()
    page.mouse.move(700, 300)
    page.mouse.wheel(0, -300)
    page.get_by_role("button", name="Show numbers").click()
    page.wait_for_timeout(500)
    assert complaints.none(), complaints


def test_hostile_text_is_only_text(scripted: Server, editor: Callable[..., Page], complaints: Complaints) -> None:
    page = editor(scripted)
    for text in HOSTILE:
        hostile = f"{text} Ozone absorbs light. {text}"
        paragraph(page, 1).fill(hostile)
        page.get_by_label("Title of the draft").fill(text[:100])
        page.keyboard.press("Enter")
        saved(page)
        page.reload()
        expect(paragraph(page, 1)).to_have_value(hostile)
    place_all(page)
    node(page, 1).click()
    labels_wake_up(page)
    press_and_wait(page, "Use an Analogy")
    results(page).first.hover()
    results(page).first.click()
    page.get_by_role("button", name="Confirm", exact=True).click()
    page.get_by_role("textbox", name="Your own prompt").fill(HOSTILE[1])
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Your drafts").click()
    expect(page.locator(".drafts-menu a").first).to_be_visible()
    page.wait_for_timeout(500)
    assert page.locator("main img, main iframe, main script, header img").count() == 0
    assert complaints.none(), complaints


def test_the_words_of_the_model_are_only_text(
    scripted: Server, editor: Callable[..., Page], complaints: Complaints
) -> None:
    """The scripted writer repeats the paragraph's own words, hostile ones included, in answers to a free prompt."""
    page = editor(scripted)
    hostile = HOSTILE[1] + " Ozone is a gas."
    paragraph(page, 2).fill(hostile)
    saved(page)
    place_all(page)
    node(page, 2).click()
    labels_wake_up(page)
    press_and_wait(page, "Tell a Story")
    for k in range(results(page).count()):
        results(page).nth(k).click()
        expect(page.locator("#opened .opened-text")).to_contain_text("onerror=alert(1)")
    assert label(page, "Tell a Story").is_visible()
    assert complaints.none(), complaints
