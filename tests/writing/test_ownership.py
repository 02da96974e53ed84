"""What is another's does not exist: every route that takes an id, with the ids of somebody else. New routes enrol
themselves; one whose id is of a new kind fails here until it is named."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from tests.writing.desk import Desk, ok, refused, told

NOBODYS = "00000000-0000-4000-8000-000000000000"
BODIES: dict[str, Any] = {
    "/save": {"edits": []},
    "/place": {"paragraph_ids": ["{paragraph}"]},
    "/confirm": {"base": "{version}"},
    "/edits": {"text": "x"},
    "/undo": {"step": "{version}"},
    "/redo": {"step": "{version}"},
    "/drafts/{draft_id}/archive": {"version_ids": ["{version}"]},
    "/goals": {"audience": "Students", "engagement": [40, 60], "exposition": [40, 60]},
    "/sources": {"text": "Mine now."},
    "/drafts/{draft_id}": {"title": "Mine now"},
    "/merges": {"a": "{version}", "b": "{version}"},
    "/compare/accept": {"base": "{version}", "other": "{version}", "accepted": [0]},
}
QUERIES = {
    "/merges": "?a={version_id}&b={version_id}",
    "/compare": "?version={version_id}&version={version_id}",
}


def operations(app: FastAPI) -> list[tuple[str, str]]:
    found = []
    schema = app.openapi()["paths"]
    for path, methods in schema.items():
        if "{" in path:
            found += [(method.upper(), path) for method in methods]
    pages = [route for route in app.routes if isinstance(route, APIRoute) and not route.include_in_schema]
    # A participant's link is a key, not an id; tests/study/test_flow.py tries those.
    pages = [route for route in pages if not route.path.startswith("/s/")]
    found += [(method, route.path) for route in pages if "{" in route.path for method in route.methods or ()]
    return sorted(set(found))


def body_of(path: str, ids: dict[str, str]) -> Any:
    for end, body in BODIES.items():
        if path.endswith(end):
            filled = repr(body)
            for kind, value in ids.items():
                filled = filled.replace("{" + kind + "}", value)
            return eval(filled)
    return {}


def address(path: str, ids: dict[str, str]) -> str:
    query = next((query for end, query in QUERIES.items() if path.endswith(end)), "")
    # A KeyError here: a route takes an id of a new kind.
    return (path + query).format(**{f"{kind}_id": value for kind, value in ids.items()}, given="never")


@pytest.fixture
def theirs(client: TestClient) -> dict[str, str]:
    desk = Desk(client)
    paragraph = desk.paragraphs()[0]
    asked = desk.ask(paragraph["head"])["id"]
    goal = {"audience": "Students", "engagement": [90, 95], "exposition": [90, 95]}
    ok(client.post(f"/api/drafts/{desk.id}/place", json={"paragraph_ids": [paragraph["id"]]}))
    goals = ok(client.post(f"/api/drafts/{desk.id}/goals", json=goal), 201)["goals"]
    cards = [data["card"] for name, data in told(client.get(f"/api/drafts/{desk.id}/muse/stream")) if name == "card"]
    return {
        "goal": goals[0]["id"],
        "card": cards[0]["id"],
        "draft": desk.id,
        "paragraph": paragraph["id"],
        "version": paragraph["head"],
        "generation": asked,
        "source": ok(client.post(f"/api/drafts/{desk.id}/sources", json={"text": "Cells age."}), 201)["id"],
        "prompt": ok(client.post("/api/prompts", json={"name": "Shorter", "text": "Say less."}), 201)["id"],
    }


def test_there_are_routes_to_try(app: FastAPI) -> None:
    assert len(operations(app)) >= 14


def test_anothers_ids_and_nobodys_are_answered_alike(app: FastAPI, client: TestClient, theirs: dict[str, str]) -> None:
    before = ok(client.get(f"/api/drafts/{theirs['draft']}"))
    cookies = dict(client.cookies)
    client.cookies.clear()
    client.get("/")
    for method, path in operations(app):
        answers = []
        for ids in (theirs, dict.fromkeys(theirs, NOBODYS)):
            body = None if method == "GET" else body_of(path, ids)
            answer = client.request(method, address(path, ids), json=body)
            refused(answer, 404, "not-found")
            answers.append(answer.json())
        assert answers[0] == answers[1], (method, path)
    client.cookies.clear()
    client.cookies.update(cookies)
    assert ok(client.get(f"/api/drafts/{theirs['draft']}")) == before, "nothing was changed on the way"


def test_without_a_session_there_is_nothing(app: FastAPI, client: TestClient, theirs: dict[str, str]) -> None:
    client.cookies.clear()
    for method, path in operations(app):
        body = None if method == "GET" else body_of(path, theirs)
        answer = client.request(method, address(path, theirs), json=body)
        assert answer.status_code == (401 if path.startswith("/api/") else 404), (method, path)


def test_in_ones_own_draft_anothers_paragraph_or_version_is_nobodys(client: TestClient, theirs: dict[str, str]) -> None:
    client.cookies.clear()
    client.get("/")
    mine = Desk(client)
    head = mine.paragraphs()[0]["head"]
    for base in (None, theirs["version"]):
        edit = {"paragraph_id": theirs["paragraph"], "base": base, "text": "Mine now."}
        refused(mine.try_save(edit), 404, "not-found")
    place = {"paragraph_ids": [theirs["paragraph"]]}
    refused(client.post(f"/api/drafts/{mine.id}/place", json=place), 404, "not-found")
    ask = {"version_id": theirs["version"], "label": "use-analogy"}
    refused(client.post("/api/generations", json=ask), 404, "not-found")
    refused(client.post(f"/api/versions/{head}/confirm", json={"base": theirs["version"]}), 409, "stale")


@pytest.mark.parametrize("wrong", ["x", "../../etc/passwd", "%00", "1 or 1=1", "A" * 5000, NOBODYS.upper() + "0"])
def test_what_is_no_id_is_nobodys(client: TestClient, wrong: str) -> None:
    assert client.get(f"/api/drafts/{wrong}").status_code == 404
