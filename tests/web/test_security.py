"""Every route is enrolled by itself: a new one is tried with hostile origins without anybody thinking of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient

from app.web import security
from tests.conftest import ORIGIN, OWN_PAGE
from tests.scripted import scripted_app

ANY_ID = "00000000-0000-4000-8000-000000000000"
HOSTILE = {
    "another site": {"Origin": "https://evil.example"},
    "another site, as the browser says": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    "a sibling of ours": {"Origin": "http://other.testserver", "Sec-Fetch-Site": "same-site"},
    "another port": {"Origin": f"{ORIGIN}:8443"},
    "a longer name": {"Origin": f"{ORIGIN}.evil.example"},
    "a name before ours": {"Origin": "http://evil.example@testserver"},
    "a sandboxed frame": {"Origin": "null"},
    "cross-site without an origin": {"Sec-Fetch-Site": "cross-site"},
    "neither header": {},
    "an empty origin": {"Origin": ""},
}


def routes(app: FastAPI) -> Iterator[tuple[str, str]]:
    """(method, path) of all, with ids filled in."""
    for context in iter_route_contexts(app.routes):
        path = re.sub(r"\{[^}]+\}", ANY_ID, str(context.path))
        for method in sorted(getattr(context, "methods", None) or ()):
            yield method, path


def unsafe(app: FastAPI) -> list[tuple[str, str]]:
    return [(method, path) for method, path in routes(app) if method not in security.SAFE_METHODS]


def test_the_walk_finds_the_routes(app):
    found = unsafe(app)
    assert ("POST", "/api/drafts") in found
    assert ("POST", "/csp-report") in found
    assert ("DELETE", f"/api/drafts/{ANY_ID}") in found
    assert len(found) > 15


@pytest.mark.parametrize("headers", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_unsafe_route_takes_a_request_from_elsewhere(app, client, headers):
    cookies = dict(client.cookies)
    with TestClient(app, ORIGIN, cookies=cookies, raise_server_exceptions=False) as attacker:
        before = client.get("/api/drafts").json()
        for method, path in unsafe(app):
            answer = attacker.request(method, path, json={}, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "foreign-origin"), (method, path)
            assert answer.headers["content-type"] == "application/problem+json"
        assert client.get("/api/drafts").json() == before


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": ORIGIN},
        {"Origin": ORIGIN.upper()},
        {"Origin": "https://write.example.org", "Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
def test_our_own_page_and_the_allowed_origins_come_through(settings, headers):
    settings = settings.model_copy(update={"allowed_origins": ["https://write.example.org/"]})
    with TestClient(scripted_app(settings), ORIGIN) as client:
        client.get("/")
        assert client.post("/api/drafts", json={"title": "Mine"}, headers=headers).status_code == 201


def test_every_answer_has_the_headers_and_only_the_editor_lets_plotly_style(app, client):
    editor = client.get("/").url.path
    paths = {path for method, path in routes(app) if method == "GET"}
    assert "/healthz" in paths
    for path in paths | {editor, "/static/js/main.js", "/none", "/api/none"}:
        answer = client.get(path, follow_redirects=False)
        policy = {part.split()[0]: part.split()[1:] for part in answer.headers["Content-Security-Policy"].split("; ")}
        assert policy["default-src"] == policy["script-src"] == ["'self'"], path
        assert policy["object-src"] == policy["base-uri"] == policy["frame-ancestors"] == ["'none'"], path
        assert ("'unsafe-inline'" in policy["style-src"]) == (path == editor), path
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        # A facilitator's pages tell their origin, without which no form of theirs would be taken over plain HTTP.
        allowed = {"no-referrer", "same-origin"} if path.startswith("/admin") else {"no-referrer"}
        assert answer.headers["Referrer-Policy"] in allowed, path


def test_a_refused_request_has_the_headers_too(client):
    answer = client.post("/api/drafts", json={}, headers={"Origin": "https://evil.example", "Sec-Fetch-Site": "x"})
    assert answer.status_code == 403
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]


def test_no_other_origin_may_read_an_answer(client):
    answer = client.get("/api/drafts", headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def chunks(size: int, piece: int = 50_000) -> Iterator[bytes]:
    """A body without a Content-Length."""
    yield b'{"title": "'
    for _ in range(size // piece):
        yield b"x" * piece
    yield b'"}'


def test_a_body_over_the_cap_is_refused_whether_or_not_its_length_is_told(app, client, settings):
    most = settings.max_body_bytes
    documents = ("/api/imports", "/api/projects", "/sources")  # these have a larger cap of their own
    posts = [path for method, path in unsafe(app) if method == "POST" and not path.endswith(documents)]
    posts = [path for path in posts if not path.startswith("/admin/studies")]  # protocols bring their sources
    assert len(posts) > 10
    for path in posts:
        told = client.post(path, content=b"x" * (most + 1))
        assert (told.status_code, told.json()["code"]) == (413, "too-large"), path
    untold = client.post("/api/drafts", content=chunks(most + 100_000), headers={"Content-Type": "application/json"})
    assert (untold.status_code, untold.json()["code"]) == (413, "too-large")
    assert untold.headers["content-type"] == "application/problem+json"


def test_a_length_that_lies_does_not_get_past_the_cap(client, settings):
    headers = {"Content-Type": "application/json", "Content-Length": "10"}
    answer = client.post("/api/drafts", content=chunks(settings.max_body_bytes + 100_000), headers=headers)
    assert answer.status_code == 413


def test_a_body_within_the_cap_comes_through(client):
    text = "word " * 100_000 + "end."
    answer = client.post("/api/drafts", json={"title": "Long", "text": text})
    assert answer.status_code == 201
    assert answer.json()["versions"][0]["text"] == text


def test_an_upload_has_a_cap_of_its_own(client, settings):
    def upload(size):
        return client.post("/api/imports", files={"file": ("draft.txt", b"word " * (size // 5))})

    assert upload(settings.max_body_bytes * 3).status_code == 200
    refused = upload(settings.max_upload_bytes + 1)
    assert (refused.status_code, refused.json()["code"]) == (413, "too-large")


def test_the_session_cookie_is_out_of_scripts_reach_and_unguessable(app):
    with TestClient(app, ORIGIN) as first, TestClient(app, ORIGIN) as second:
        cookies = [client.get("/", follow_redirects=False).headers["set-cookie"] for client in (first, second)]
    assert cookies[0] != cookies[1]
    for cookie in cookies:
        assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
        assert "Secure" not in cookie  # plain HTTP on this machine
        token = re.match(r"sb_writer=([\w-]+);", cookie)
        assert token
        assert len(token[1]) >= 43  # 256 bits in base 64


def test_the_cookie_is_for_tls_only_where_the_page_came_over_tls(app):
    with TestClient(app, "https://testserver") as client:
        assert "Secure" in client.get("/", follow_redirects=False).headers["set-cookie"]


def test_only_the_hash_of_a_token_is_stored(app, client):
    from sqlalchemy import text

    token = client.cookies[security.COOKIE]
    with app.state.db.read() as session:
        stored = session.execute(text("SELECT token_hash FROM writer")).scalars().all()
    assert stored == [security.token_hash(token)]
    assert token not in stored


def test_no_page_of_another_host_and_no_documentation_page(client):
    assert client.get("/docs").status_code == 404
    assert client.get("/redoc").status_code == 404
    page = client.get("/").text
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", page)
    assert not re.findall(r"<script(?![^>]*\bsrc=)", page)
    assert not re.findall(r"\bon\w+=", page)


def test_own_page_headers_are_what_the_other_tests_send(client):
    assert all(client.headers[name] == value for name, value in OWN_PAGE.items())
