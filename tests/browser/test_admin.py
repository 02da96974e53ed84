"""A facilitator and a participant, each in a browser, through a whole short study; the console by keyboard and axe."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from app.study.verify import verify
from tests.browser import test_study as there
from tests.browser.conftest import ROOT, Complaints, Server, scripted_server

PASSWORD = "three words in a row"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = scripted_server(tmp_path_factory.mktemp("admin"), "--delay", "0.005")
    server.seconds = 120  # a first start reads the language data
    server.start()
    employ(server)
    yield server
    server.stop()


def employ(server: Server) -> None:
    """Ada may run studies there."""
    command = [sys.executable, "-m", "app", "admin", "create", "Ada", "--password-stdin"]
    environment = {"SPATIAL_DATA_DIR": str(server.data), "PATH": "/usr/bin:/bin"}
    subprocess.run(command, cwd=ROOT, env=environment, input=f"{PASSWORD}\n", text=True, check=True)


def sound(page: Page) -> None:
    """No fault that axe finds, in light and in dark."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        told = [(v["id"], [node["target"] for node in v["nodes"]][:3]) for v in found]
        assert told == [], f"{page.url} {scheme}"


def sign_in(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/admin")
    # By keyboard alone: the first field has the focus.
    expect(page.get_by_role("textbox", name="Name")).to_be_focused()
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


@pytest.fixture
def facilitator(writer: Callable[..., BrowserContext], server: Server, complaints: Complaints) -> Page:
    page = writer().new_page()
    complaints.watch(page, server.url)
    sign_in(page, server)
    return page


def period(page: Page, seconds: float) -> str:
    """One condition: read, practise, write (the model has so many seconds for each thing it is asked), answer."""
    there.at(page, "Working with")
    there.go_on(page)
    there.at(page, "Practise")
    there.desk(page)
    there.done(page)
    there.at(page, "Write")
    desk = there.write(page, seconds)
    there.done(page)
    there.at(page, "After writing")
    there.fill_in(page)
    there.go_on(page)
    return desk


def end(page: Page) -> str:
    """Preference, interview, debrief; the completion code."""
    there.at(page, "The two compared")
    page.locator(".item-choices label").first.click()
    expect(page.locator("#study-save")).to_have_text("Saved")
    there.go_on(page)
    there.at(page, "In your own words")
    there.go_on(page)
    there.at(page, "Thank you")
    code = page.locator("#study-code.study-code-word")
    expect(code).to_have_text(re.compile(r"^(\w{4}-){2}\w{4}$"))
    return code.inner_text()


def whole_study(
    page: Page,
    writer: Callable[..., BrowserContext],
    server: Server,
    complaints: Complaints,
    protocol: str,
    people: int,
    *,
    look: Callable[[Page], None],
    seconds: float,
) -> list[list[str]]:
    """From the facilitator's empty list to the page of the export, with so many participants, one after the other.
    `look` is shown each page. Gives the desks that each of them sat at."""
    expect(page.get_by_text("Nothing here yet.")).to_be_visible()
    look(page)
    page.get_by_role("link", name="Import it").click()
    page.get_by_label("Or pasted, or edited here").fill(protocol)
    page.get_by_role("button", name="Check and save").click()
    expect(page.get_by_role("status").first).to_contain_text("The study is there.")
    page.get_by_role("button", name="Open the study").click()
    expect(page.get_by_text("Frozen with the study")).to_be_visible()
    look(page)
    page.get_by_role("link", name="Participants", exact=True).click()
    page.get_by_label("How many").fill(str(people))
    page.get_by_role("button", name="Make links").first.click()
    expect(page.locator("[data-link]")).to_have_count(people)
    links = page.locator("[data-link]").all_inner_texts()
    look(page)

    desks = []
    for number, link in enumerate(links, 1):
        code = f"P{number:02d}"
        page.get_by_role("link", name="Live", exact=True).click()
        row = page.locator("#rows tr").filter(has_text=code)
        expect(row).to_contain_text("not come yet")
        person = writer(viewport={"width": 1366, "height": 800}).new_page()
        complaints.watch(person, server.url)
        there.begin(person, link)
        # The monitor finds out by itself.
        expect(row).to_contain_text("About you")
        look(page)
        there.fill_in(person)
        there.go_on(person)
        sat_at = [period(person, seconds)]
        there.at(person, "Take a break")
        there.go_on(person)
        expect(row).to_contain_text("8 of 14")
        row.get_by_role("button", name=f"Pause {code}").click()
        page.get_by_label("Reason").fill("fire alarm")
        page.get_by_role("button", name="Pause", exact=True).last.click()
        expect(row).to_contain_text("paused: fire alarm")
        row.get_by_role("button", name=f"Resume {code}").click()
        expect(row.get_by_role("button", name=f"Pause {code}")).to_be_visible()
        sat_at.append(period(person, seconds))
        completion = end(person)
        expect(row).to_contain_text("finished")
        row.get_by_role("link", name=code).click()
        expect(page.locator(".facts code")).to_have_text(completion)
        look(page)
        person.context.close()
        desks.append(sat_at)

    page.get_by_role("link", name="Analysis", exact=True).click()
    expect(page.locator(".plot .main-svg").first).to_be_visible()
    expect(page.locator(".stats tbody tr").first).to_contain_text("too few")
    look(page)
    page.get_by_role("link", name="Sessions", exact=True).click()
    page.get_by_role("link", name=re.compile("^Play P01, task")).first.click()
    expect(page.locator("#replay")).to_contain_text("version 1 came to be")
    page.get_by_role("link", name="Export", exact=True).click()
    look(page)
    complaints.errors = [error for error in complaints.errors if "409" not in error]  # the code, asked for too early
    assert complaints.none(), complaints
    return desks


def exported(page: Page, path: Path) -> dict[str, Any]:
    """Save the study's zip from the page of the export; its manifest."""
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("^Export ")).last.click()
    expect(page.locator("#export-words")).to_contain_text("Whole:")
    download.value.save_as(path)
    assert verify(path) == []
    with zipfile.ZipFile(path) as archive:
        manifest: dict[str, Any] = json.loads(archive.read("manifest.json"))
    return manifest


def test_a_facilitator_and_a_participant_go_through_a_whole_study(
    facilitator: Page, writer: Callable[..., BrowserContext], server: Server, complaints: Complaints, tmp_path: Path
) -> None:
    whole_study(facilitator, writer, server, complaints, there.SHORT, 1, look=sound, seconds=30)
    assert exported(facilitator, tmp_path / "study.zip")["participants"] == {"person": 1}


@pytest.mark.model
def test_both_orders_on_the_real_model(
    real: Server, writer: Callable[..., BrowserContext], complaints: Complaints, tmp_path: Path
) -> None:
    """As above, on the application as a newcomer gets it: two participants, of whom each has the other's order."""
    employ(real)
    page = writer().new_page()
    complaints.watch(page, real.url)
    sign_in(page, real)
    # Topics that don't change places leave two orders, those of the conditions.
    protocol = f"{there.SHORT}design: {{order: balanced, topics: fixed}}\n"
    desks = whole_study(page, writer, real, complaints, protocol, 2, look=lambda _: None, seconds=120)
    assert sorted(desks) == [["chat", "map"], ["map", "chat"]]
    manifest = exported(page, tmp_path / "study.zip")
    assert (manifest["participants"], manifest["responses"]) == ({"person": 2}, "live")


@pytest.mark.parametrize("width", [1440, 1024, 760])
def test_no_page_of_the_console_is_wider_than_its_window(facilitator: Page, server: Server, width: int) -> None:
    facilitator.set_viewport_size({"width": width, "height": 900})
    for path in ("/admin", "/admin/studies/new", "/admin/studies/import", "/admin/account"):
        facilitator.goto(server.url + path)
        wide = facilitator.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, (path, width)
