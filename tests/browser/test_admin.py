"""A facilitator and a participant, each in a browser, through a whole short study; the console by keyboard and axe."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from app.study.verify import verify
from tests.browser import test_study as there
from tests.browser.conftest import ROOT, Complaints, Server, scripted_server

PASSWORD = "three words in a row"


@pytest.fixture(autouse=True)
def _patience() -> Iterator[None]:
    expect.set_options(timeout=20_000)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = scripted_server(tmp_path_factory.mktemp("admin"), "--delay", "0.005")
    server.seconds = 120  # a first start reads the language data
    server.start()
    command = [sys.executable, "-m", "app", "admin", "create", "Ada", "--password-stdin"]
    environment = {"SPATIAL_DATA_DIR": str(server.data), "PATH": "/usr/bin:/bin"}
    subprocess.run(command, cwd=ROOT, env=environment, input=f"{PASSWORD}\n", text=True, check=True)
    yield server
    server.stop()


def sound(page: Page) -> None:
    """No fault that axe finds, in light and in dark."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        told = [(v["id"], [node["target"] for node in v["nodes"]][:3]) for v in found]
        assert told == [], f"{page.url} {scheme}"


@pytest.fixture
def facilitator(writer: Callable[..., BrowserContext], server: Server, complaints: Complaints) -> Page:
    page = writer().new_page()
    complaints.watch(page, server.url)
    page.goto(f"{server.url}/admin")
    # By keyboard alone: the first field has the focus.
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin")
    return page


def period(page: Page) -> None:
    """One condition: read, practise, write, answer."""
    there.at(page, "Working with")
    there.go_on(page)
    there.at(page, "Practise")
    there.desk(page)
    there.done(page)
    there.at(page, "Write")
    there.write(page)
    there.done(page)
    there.at(page, "After writing")
    there.fill_in(page)
    there.go_on(page)


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


def test_a_facilitator_and_a_participant_go_through_a_whole_study(
    facilitator: Page, writer: Callable[..., BrowserContext], server: Server, complaints: Complaints, tmp_path: Path
) -> None:
    page = facilitator
    expect(page.get_by_text("Nothing here yet.")).to_be_visible()
    sound(page)
    page.get_by_role("link", name="Import it").click()
    page.get_by_label("Or pasted, or edited here").fill(there.SHORT)
    page.get_by_role("button", name="Check and save").click()
    expect(page.get_by_role("status").first).to_contain_text("The study is there.")
    page.get_by_role("button", name="Open the study").click()
    expect(page.get_by_text("Frozen with the study")).to_be_visible()
    sound(page)
    page.get_by_role("link", name="Participants", exact=True).click()
    page.get_by_label("How many").fill("1")
    page.get_by_role("button", name="Make links").first.click()
    link = page.locator("[data-link]").inner_text()
    sound(page)

    page.get_by_role("link", name="Live", exact=True).click()
    row = page.locator("#rows tr")
    expect(row).to_contain_text("not come yet")
    person = writer(viewport={"width": 1366, "height": 800}).new_page()
    complaints.watch(person, server.url)
    there.begin(person, link)
    # The monitor finds out by itself.
    expect(row).to_contain_text("About you")
    sound(page)
    there.fill_in(person)
    there.go_on(person)
    period(person)
    there.at(person, "Take a break")
    there.go_on(person)
    expect(row).to_contain_text("8 of 14")
    row.get_by_role("button", name="Pause P01").click()
    page.get_by_label("Reason").fill("fire alarm")
    page.get_by_role("button", name="Pause", exact=True).last.click()
    expect(row).to_contain_text("paused: fire alarm")
    row.get_by_role("button", name="Resume P01").click()
    expect(row.get_by_role("button", name="Pause P01")).to_be_visible()
    period(person)
    code = end(person)
    expect(row).to_contain_text("finished")
    row.get_by_role("link", name="P01").click()
    expect(page.locator(".facts code")).to_have_text(code)
    sound(page)

    page.get_by_role("link", name="Analysis", exact=True).click()
    expect(page.locator(".plot .main-svg").first).to_be_visible()
    sound(page)
    page.get_by_role("link", name="Sessions", exact=True).click()
    page.get_by_role("link", name=re.compile("^Play P01, task")).first.click()
    expect(page.locator("#replay")).to_contain_text("version 1 came to be")
    page.get_by_role("link", name="Export", exact=True).click()
    sound(page)
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("^Export ")).last.click()
    expect(page.locator("#export-words")).to_contain_text("Whole:")
    download.value.save_as(tmp_path / "study.zip")
    assert verify(tmp_path / "study.zip") == []
    with zipfile.ZipFile(tmp_path / "study.zip") as archive:
        assert json.loads(archive.read("manifest.json"))["participants"] == {"person": 1}
    complaints.errors = [error for error in complaints.errors if "409" not in error]  # the code, asked for too early
    assert complaints.none(), complaints


@pytest.mark.parametrize("width", [1440, 1024, 760])
def test_no_page_of_the_console_is_wider_than_its_window(facilitator: Page, server: Server, width: int) -> None:
    facilitator.set_viewport_size({"width": width, "height": 900})
    for path in ("/admin", "/admin/studies/new", "/admin/studies/import", "/admin/account"):
        facilitator.goto(server.url + path)
        wide = facilitator.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, (path, width)
