"""A participant in a real browser: a whole short study, with a reload, a second tab and a killed server in the task."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from app.db import schema
from app.db.engine import Database
from app.settings import Settings
from app.study import service
from app.study.models import Participant
from app.writing.studio import Studio
from tests.browser.conftest import Complaints, Server, scripted_server
from tests.browser.desk import paragraph, place_all, press_and_wait, saved, type_into
from tests.scripted import ScriptedEngine, ScriptedMeaning, ScriptedScorer

SHORT = (Path(__file__).parents[1] / "study" / "short.yaml").read_text("utf-8")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = scripted_server(tmp_path_factory.mktemp("study"))
    server.start()
    yield server
    server.stop()


def links(server: Server, n: int, protocol: str = SHORT) -> list[str]:
    """A study that is open, and the addresses of its participants' links."""
    settings = Settings(data_dir=server.data)
    database = Database(settings.db_url)
    schema.upgrade(database)
    studio = Studio(settings, ScriptedEngine(), ScriptedScorer(), ScriptedMeaning())
    studio._load_scorer()
    studio._load_model()
    studio._model.status = studio._measure.status = "ready"
    with database.write() as session:
        study = service.create(session, protocol)
        service.open_study(session, study.id, service.freeze(studio, protocol))
        made = service.add_participants(session, study.id, [None] * n)
    database.close()
    return [f"{server.url}/s/{token}" for _, token in made]


def participants(server: Server) -> list[Participant]:
    database = Database(Settings(data_dir=server.data).db_url)
    with database.read() as session:
        found = list(session.query(Participant).order_by(Participant.code))
    database.close()
    return found


def at(page: Page, title: str) -> None:
    """The page of this step has come, and works."""
    expect(page.locator("h1, .study-title").filter(has_text=title).first).to_be_visible()


def begin(page: Page, link: str) -> None:
    page.goto(link)
    page.get_by_role("button", name="Begin").click()
    at(page, "Before you begin")
    page.get_by_role("button", name="I have read this and agree").click()


def fill_in(page: Page) -> None:
    page.wait_for_load_state()  # all of its questions are there
    for slider in page.locator(".item-scale input").all():
        slider.focus()
        page.keyboard.press("ArrowRight")
    for likert in page.locator(".item-likert").all():
        likert.get_by_role("radio").nth(4).check(force=True)
    expect(page.locator("#study-save")).to_have_text("Saved")


def go_on(page: Page) -> None:
    page.locator("#study-next").click()


def done(page: Page) -> None:
    page.get_by_role("button", name="Done", exact=True).click()
    page.get_by_role("button", name="Done, go on").click()


def desk(page: Page) -> str:
    """Which condition's, once it is ready."""
    expect(paragraph(page, 1)).to_be_visible()
    return "chat" if page.locator("body").get_attribute("data-chat") == "on" else "map"


def write(page: Page, seconds: float = 30) -> str:
    """Get one text from the model into the draft, the way the desk has it: which condition's."""
    found, waiting = desk(page), seconds * 1000
    if found == "chat":
        expect(page.locator("#place-all")).to_be_hidden()
        expect(page.locator(".handles, [data-label], #muse-button:visible, #goal-button:visible")).to_have_count(0)
        page.get_by_role("textbox", name="Message").fill("Add an everyday comparison.")
        expect(page.get_by_role("button", name="Send")).to_be_enabled(timeout=waiting)
        page.keyboard.press("Enter")
        # A small model may find nothing that passes the guards; then one asks again.
        insert = page.get_by_role("button", name=re.compile("^Insert into paragraph 1"))
        for _ in range(5):
            again = page.locator(".chat-turn").last.get_by_role("button", name="Ask again")
            expect(again).to_be_visible(timeout=waiting)
            if insert.count():
                break
            turns = page.locator(".chat-turn").count()
            again.click()
            expect(page.locator(".chat-turn")).to_have_count(turns + 1)
        insert.click()
        expect(page.locator(".chat-in")).to_have_text("In the draft")
        expect(page.locator("#plain")).to_contain_text("from the chat")
    else:
        place_all(page, seconds)
        paragraph(page, 1).click()
        press_and_wait(page, "Use an Analogy", max(60, seconds))
        page.locator("#candidates .result").first.click()
        page.locator("#opened [data-key=confirm]").click()
        expect(page.locator(".paragraph[data-confirmed=true]")).to_have_count(1)
    return found


def test_a_whole_study_in_the_browser(
    server: Server, writer: Callable[..., BrowserContext], complaints: Complaints
) -> None:
    """With a reload in a form and in a task, a second tab, and the server killed and started again in a task."""
    (link,) = links(server, 1)
    refused: list[str] = []
    context = writer()
    page = context.new_page()
    complaints.watch(page, server.url)
    begin(page, link)

    at(page, "About you")
    go_on(page)
    expect(page.locator("#study-trouble")).to_contain_text("2 questions are still open.")
    complaints.errors.clear()  # the browser's own word about the 422
    fill_in(page)
    page.reload()
    at(page, "About you")
    expect(page.get_by_role("radio", name="5")).to_be_checked()
    go_on(page)

    seen = []
    for period in (1, 2):
        at(page, "Working with")
        go_on(page)
        at(page, "Practise")
        seen.append(desk(page))
        done(page)
        at(page, "Write")
        expect(page.locator("#study-clock")).to_have_text("10 min left")
        expect(page.locator("#study-brief")).to_contain_text("For readers of a magazine.")
        page.get_by_role("button", name="The task").click()
        expect(page.locator("#study-brief")).to_be_hidden()
        write(page)
        type_into(page, 2, " Nobody knows why.")
        saved(page)
        if period == 1:
            page.reload()
            at(page, "Write")
            expect(paragraph(page, 2)).to_have_value(re.compile("Nobody knows why"))
            second = context.new_page()
            second.goto(f"{server.url}/study")
            expect(second.get_by_role("heading", name="The study is open in another window")).to_be_visible()
            second.get_by_role("button", name="Go on here").click()
            expect(paragraph(second, 2)).to_have_value(re.compile("Nobody knows why"))
            expect(page.get_by_role("heading", name="The study is open in another window")).to_be_visible()
            page.close()
            page = second
            complaints.watch(page, server.url)
            page.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
        else:
            assert server.process is not None
            server.process.kill()
            server.process.wait()
            type_into(page, 2, " Typed while it was down.")
            server.start()
            saved(page, 30)
            complaints.errors.clear()  # the connection was refused meanwhile
        done(page)
        at(page, "After writing")
        fill_in(page)
        go_on(page)
        if period == 1:
            at(page, "Take a break")
            go_on(page)
    assert sorted(seen) == ["chat", "map"]

    at(page, "The two compared")
    page.locator(".item-choices label").first.click()
    expect(page.locator("#study-save")).to_have_text("Saved")
    go_on(page)
    at(page, "In your own words")
    page.locator("textarea").fill("It was fine.")
    expect(page.locator("#study-save")).to_have_text("Saved")
    go_on(page)
    at(page, "Thank you")
    code = page.locator("#study-code.study-code-word")
    expect(code).to_have_text(re.compile(r"^(\w{4}-){2}\w{4}$"))
    text = code.text_content()
    page.reload()
    expect(page.get_by_text(text or "?")).to_be_visible()
    found = participants(server)[-1]
    assert (found.state, found.completion_code) == ("finished", text)
    # The code may be asked for before the last event has come, and is given then.
    assert set(refused) <= {f"{server.url}/api/study/finish"}
    complaints.errors = [error for error in complaints.errors if "409" not in error]
    assert complaints.none(), complaints


def test_a_narrow_window_a_pause_and_a_withdrawal(server: Server, writer: Callable[..., BrowserContext]) -> None:
    protocol = SHORT.replace("name: short", "name: short-two").replace("minutes: 10", "minutes: 0.05")
    (link,) = links(server, 1, protocol)
    page = writer(viewport={"width": 1100, "height": 800}).new_page()
    page.goto(link)
    expect(page.locator("#study-width")).to_contain_text("1,100 pixels")
    begin(page, link)
    at(page, "About you")
    fill_in(page)
    go_on(page)
    at(page, "Working with")
    go_on(page)
    expect(page.get_by_role("heading", name="Please make the window wider")).to_be_visible()
    expect(page.locator("#study-block p")).to_have_text(
        [re.compile("1,280 pixels wide; this one has 1,100"), re.compile("kept")]
    )
    page.set_viewport_size({"width": 1300, "height": 800})
    expect(page.get_by_role("heading", name="Please make the window wider")).to_be_hidden()
    done(page)
    at(page, "After writing")  # three seconds, and the task ended by itself
    page.get_by_role("button", name="Stop taking part…").click()
    page.get_by_role("button", name="Stop, and erase all of it").click()
    expect(page.get_by_role("heading", name="It is erased")).to_be_visible()
    expect(page.locator(".study-code-word")).to_have_text(re.compile(r"^(\w{4}-){2}\w{4}$"))
    assert all(p.state == "finished" for p in participants(server))
    page.goto(link)
    expect(page.get_by_text("This link is not known.")).to_be_visible()
