"""A real server in a process of its own, and Debian's Chromium in front of it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 30_000
"""Milliseconds that a page is waited for: many tests run at once."""
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """One server process on one port and one data directory; it can be stopped and started again."""

    data: Path
    command: Callable[[Server], list[str]]
    ready_path: str = "/healthz"
    seconds: float = 60
    port: int = field(default_factory=_free_port)
    process: subprocess.Popen[bytes] | None = None
    scripted: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.data / "server.log"

    def start(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "HOST": "127.0.0.1", "PORT": str(self.port), "SPATIAL_DATA_DIR": str(self.data)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(self), cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(self.url + self.ready_path, timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.stop()
        pytest.fail(f"The server did not come up: {self.log.read_text()[-2000:]}")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def scripted_server(data: Path, *options: str) -> Server:
    """The real application with an engine and a scorer that follow a script (see tests/scripted.py)."""

    def command(server: Server) -> list[str]:
        port, folder = str(server.port), str(server.data)
        return [sys.executable, "-m", "tests.scripted", "--port", port, "--data-dir", folder, *options]

    return Server(data, command, scripted=True)


@pytest.fixture(scope="session")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = scripted_server(tmp_path_factory.mktemp("scripted"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The application as a newcomer gets it, with the default model.

    The converted model is shared between runs through the project's data directory, the database is not.
    """
    data = tmp_path_factory.mktemp("real")
    models = ROOT / "data" / "models"
    models.mkdir(parents=True, exist_ok=True)
    (data / "models").symlink_to(models, target_is_directory=True)
    server = Server(data, lambda _: [sys.executable, "-m", "app", "serve"], ready_path="/readyz", seconds=300)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        reason = "Chromium is not installed; `apt-get install chromium` brings it."
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Complaints:
    """What a page must never do: throw, log an error, break the policy, or speak to another host."""

    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    policy: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def watch(self, page: Page, origin: str) -> None:
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)

        def request(made: object) -> None:
            url: str = made.url  # type: ignore[attr-defined]
            if not url.startswith((origin, "data:", "blob:")):
                self.foreign.append(url)
            if url.endswith("/csp-report"):
                self.policy.append(str(made.post_data))  # type: ignore[attr-defined]

        page.on("request", request)
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))

    def none(self) -> bool:
        return not (self.errors or self.foreign or self.policy or self.dialogs)


Opener = Callable[..., Page]


@pytest.fixture
def complaints() -> Complaints:
    return Complaints()


@pytest.fixture
def writer(chromium: Browser, complaints: Complaints) -> Iterator[Callable[..., BrowserContext]]:
    """Makes writers: each has a browser profile, and so a session, of their own. They have seen the tour, unless
    `tour` is true."""
    contexts: list[BrowserContext] = []

    def make(*, tour: bool = False, **options: object) -> BrowserContext:
        settings: dict[str, object] = {"viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce"}
        context = chromium.new_context(**{**settings, **options})  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE)
        if not tour:
            context.add_init_script("try { localStorage.setItem('tour', 'seen'); } catch {}")
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def editor(writer: Callable[..., BrowserContext], complaints: Complaints) -> Callable[..., Page]:
    """Opens the editor for a new writer (or in `context`, for one there is) and waits until it is ready to use."""
    seeded: set[int] = set()

    def open_editor(
        server: Server, *, context: BrowserContext | None = None, path: str = "/", **options: object
    ) -> Page:
        if server.scripted and server.port not in seeded:
            # The words of this test are the same whichever tests the server saw before.
            (server.data / "seed").write_text("0")
            seeded.add(server.port)
        page = (context or writer(**options)).new_page()
        complaints.watch(page, server.url)
        page.goto(server.url + path)
        page.locator(".paragraph textarea").first.wait_for(state="attached")
        page.locator("[data-label]").first.wait_for(state="attached")
        return page

    return open_editor


@contextmanager
def running(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.stop()
