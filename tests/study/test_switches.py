"""What a condition lacks is refused by the server, not only left out of the page."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.db.check import check
from tests.study.people import SHORT, Person, invited, opened
from tests.writing.desk import ok, refused, told

pytestmark = pytest.mark.parametrize("db_url", ["sqlite"], indirect=True)
LABELS_ONLY = SHORT.replace(
    "name: the map\n", "name: the labels\n    canvas: false\n    scores: false\n    muse: false\n"
)


def at_task(app: FastAPI, condition: str, protocol: str = SHORT) -> tuple[Person, str, Any]:
    """A participant at the task of a condition, the draft's id, and its first paragraph."""
    study = opened(app, protocol)
    for _, token in invited(app, study, 4):
        person = Person(app, token)
        person.begin()
        person.until("task", 1)
        draft = person.draft_id()
        if f'data-chat="{"on" if condition == "baseline" else "off"}"' in person.client.get("/study").text:
            return person, draft, ok(person.client.get(f"/api/drafts/{draft}"))["paragraphs"][0]
    raise AssertionError(condition)


def run(person: Person, body: dict[str, Any]) -> Any:
    generation = ok(person.client.post("/api/generations", json=body), 201)
    return told(person.client.get(f"/api/generations/{generation['id']}/stream"))


def test_the_baseline_has_a_chat_and_nothing_else(app: FastAPI, client: TestClient) -> None:
    person, draft, head = at_task(app, "baseline")
    client, version = person.client, head["head"]
    for method, path, body in [
        ("POST", f"/api/drafts/{draft}/place", {"paragraph_ids": [head["id"]]}),
        ("POST", f"/api/drafts/{draft}/score", None),
        ("POST", f"/api/drafts/{draft}/goals", {"audience": "x", "engagement": [1, 9], "exposition": [1, 9]}),
        ("GET", f"/api/drafts/{draft}/trajectory", None),
        ("GET", f"/api/drafts/{draft}/muse/digest", None),
        ("GET", f"/api/drafts/{draft}/compare?version={version}&version={version}", None),
        ("POST", "/api/generations", {"version_id": version, "label": "use-analogy"}),
        ("POST", "/api/generations", {"version_id": version, "other_version_id": version, "mix": 0.5}),
        ("POST", "/api/prompts", {"name": "x", "text": "x"}),
    ]:
        answer = client.request(method, path, json=body) if body else client.request(method, path)
        refused(answer, 403, "not-here")
    for method, path, body in [
        ("POST", "/api/drafts", {"title": "Mine"}),
        ("PATCH", f"/api/drafts/{draft}", {"title": "Mine"}),
        ("DELETE", f"/api/drafts/{draft}", None),
        ("POST", f"/api/drafts/{draft}/sources", {"text": "Mine."}),
        ("GET", f"/api/drafts/{draft}/export.md", None),
    ]:
        answer = client.request(method, path, json=body) if body else client.request(method, path)
        refused(answer, 403, "in-a-study")

    asked = {"version_id": version, "label": "own-prompt", "prompt": "Add a comparison.", "n": 1}
    events = run(person, asked)
    made = next(data["version"] for name, data in events if name == "version")
    assert made["operation"] == "prompt"
    assert made["placement"] is None
    turn = ok(client.get(f"/api/drafts/{draft}/turns"))["turns"]
    assert [(t["prompt"], t["status"], t["versions"]) for t in turn] == [
        ("Add a comparison.", "done", {"0": made["id"]})
    ]
    ok(client.post(f"/api/versions/{made['id']}/confirm", json={"base": version}))
    shown = ok(client.get(f"/api/drafts/{draft}"))
    assert shown["goals"] == []
    assert [s["title"] for s in shown["sources"]]
    assert all(v["placement"] is None and "wrong-way" not in v["flags"] for v in shown["versions"])
    assert shown["steps"]["undo"]["kind"] == "confirm"
    assert check(app.state.db) == []


def test_labels_without_canvas_tell_no_scores(app: FastAPI, client: TestClient) -> None:
    person, draft, head = at_task(app, "spatial", LABELS_ONLY)
    events = run(person, {"version_id": head["head"], "label": "use-analogy"})
    versions = [data["version"] for name, data in events if name == "version"]
    assert versions
    assert all(v["placement"] is None and "wrong-way" not in v["flags"] for v in versions)
    assert events[-1][1]["message"] == ""
    a, b = versions[0]["id"], head["head"]
    pairs = ok(person.client.get(f"/api/drafts/{draft}/compare?version={a}&version={b}"))["pairs"]
    assert all(pair["move"] is None for pair in pairs)
    merges = ok(person.client.get(f"/api/drafts/{draft}/merges?a={a}&b={b}"))["merges"]
    assert all(merge["placement"] is None for merge in merges)
    refused(person.client.get(f"/api/drafts/{draft}/muse/digest"), 403, "not-here")
    refused(person.client.post(f"/api/drafts/{draft}/place", json={"paragraph_ids": [head["id"]]}), 403, "not-here")


def test_what_a_draft_begins_with_cant_be_undone(app: FastAPI, client: TestClient) -> None:
    person, draft, _ = at_task(app, "spatial")
    shown = ok(person.client.get(f"/api/drafts/{draft}"))
    assert shown["steps"] == {"undo": None, "redo": None}
    assert [(g["audience"], g["active"]) for g in shown["goals"]] == [("readers of a magazine", True)]
    assert check(app.state.db) == []


def test_a_finished_step_takes_no_press_and_an_old_draft_no_new_version(app: FastAPI, client: TestClient) -> None:
    person, draft, head = at_task(app, "spatial")
    late = ok(person.client.post("/api/generations", json={"version_id": head["head"], "label": "use-analogy"}), 201)
    person.do()
    events = told(person.client.get(f"/api/generations/{late['id']}/stream"))
    assert events[-1][0] == "error"
    assert events[-1][1]["problem"]["code"] == "closed"
    refused(
        person.client.post("/api/generations", json={"version_id": head["head"], "label": "use-analogy"}), 409, "closed"
    )
    assert len(ok(person.client.get(f"/api/drafts/{draft}"))["versions"]) == 2
