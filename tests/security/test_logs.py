"""What a log must never hold: session tokens, keys, cookies."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.settings import Settings
from app.writing.models import Version
from tests.conftest import ORIGIN, OWN_PAGE
from tests.reliability.server import Server
from tests.scripted import scripted_app


def test_tokens_and_keys_are_in_no_log_and_not_in_the_database(tmp_path: Path) -> None:
    secret = "sk-spatial-secret-0123456789"
    with Server(tmp_path, None, "--delay", "0", SPATIAL_LLM_KEY=secret) as server:
        with server.client() as client:
            client.get("/")
            token = client.cookies["sb_writer"]
            assert len(token) >= 22, "128 bits in base64 are 22 characters"
            client.post("/api/drafts", json={"title": "Log", "text": "One."})
            client.post("/api/drafts", content=b"{", headers={"Content-Type": "application/json"})
            client.get(f"/drafts/{token}")
            client.get("/api/drafts/unknown", headers={"Authorization": f"Bearer {secret}"})
            client.post("/csp-report", json={"csp-report": {"document-uri": f"{server.url}/?t=1"}})
            client.post(
                "/api/drafts",
                json={"title": "x"},
                headers={"Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"},
            )
            shown = [client.get(path).text for path in ("/", "/api/model", "/readyz", "/api/drafts")]
        server.stop()
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert server.log in files
        for path in files:
            held = path.read_bytes()
            assert secret.encode() not in held, path
            if path == server.log:
                # The address is the writer's own mistake above; a log of paths would hold it.
                held = held.replace(f"/drafts/{token}".encode(), b"")
            assert token.encode() not in held, path
        assert all(secret not in text and token not in text for text in shown)


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(tmp_path: Path) -> None:
    with Server(tmp_path) as server, server.client() as client:
        given = client.get("/", follow_redirects=False).headers.get_list("set-cookie")
        cookie = next(one for one in given if one.startswith("sb_writer="))
        attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert "httponly" in attributes
        assert "samesite=lax" in attributes
        assert "path=/" in attributes


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("of_the_database", [True, False])
def test_a_fault_is_logged_without_what_the_writer_wrote(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    terminal: bool, of_the_database: bool,
) -> None:  # fmt: skip
    def fall_over(session: Session, _draft: object, version: Version, *_: object, **__: object) -> None:
        text = version.text
        if of_the_database:  # PostgreSQL quotes the whole row it refused
            session.execute(update(Version).values(status=None, text=text))
        raise RuntimeError(f"fell over\n{text}")

    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    with TestClient(scripted_app(settings), ORIGIN, headers=OWN_PAGE, raise_server_exceptions=False) as client:
        client.get("/")
        monkeypatch.setattr("app.writing.service.note_version", fall_over)
        assert client.post("/api/drafts", json={"text": "Only for my own eyes."}).status_code == 500
    logged = capsys.readouterr().err
    assert "fall_over" in logged, "the frames are there"
    assert "only for my own eyes" not in logged.lower()
