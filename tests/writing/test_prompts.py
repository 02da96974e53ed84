"""The writer's own prompts: kept, renamed, pinned, thrown away, and remembered by draft."""

from __future__ import annotations

import uuid

import pytest
from starlette.testclient import TestClient

from app.db.check import check
from app.writing import prompts
from tests.writing.desk import Desk, log, ok, refused

SHORT = {"name": "Shorter", "text": "Say it in fewer words."}


def kept(client: TestClient) -> list[dict[str, object]]:
    prompts: list[dict[str, object]] = ok(client.get("/api/prompts"))["prompts"]
    return prompts


def test_kept_renamed_pinned_and_removed(client: TestClient) -> None:
    prompt = ok(client.post("/api/prompts", json=SHORT), 201)
    assert kept(client) == [{**SHORT, "id": prompt["id"], "pinned": False}]
    address = f"/api/prompts/{prompt['id']}"
    assert ok(client.patch(address, json={"pinned": True}))["pinned"]
    changed = ok(client.patch(address, json={"name": "  Much   shorter "}))
    assert (changed["name"], changed["text"], changed["pinned"]) == ("Much shorter", SHORT["text"], True)
    ok(client.patch(address, json={"name": "Much shorter"}))
    ok(client.delete(address), 204)
    assert kept(client) == []
    refused(client.delete(address), 404, "not-found")
    assert [payload["name"] for _, payload in log(client, "prompt.saved")] == ["Shorter", "Shorter", "Much shorter"]
    assert len(log(client, "prompt.removed")) == 1
    assert check(client.app.state.db) == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": " ", "text": "Do it."}, 422, "no-name"),
        ({"name": "N", "text": "\n "}, 422, "no-prompt"),
        ({"name": "N", "text": "x" * 2_001}, 422, "invalid"),
        ({"name": "shorter", "text": "Another."}, 409, "name-taken"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_words(
    client: TestClient, body: dict[str, str], status: int, code: str
) -> None:
    ok(client.post("/api/prompts", json=SHORT), 201)
    answer = client.post("/api/prompts", json=body)
    refused(answer, status, answer.json()["code"] if code == "invalid" else code)
    assert len(kept(client)) == 1


def test_a_name_is_free_again_and_the_number_is_bounded(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "MOST", 6)
    first = ok(client.post("/api/prompts", json=SHORT), 201)
    ok(client.delete(f"/api/prompts/{first['id']}"), 204)
    for i in range(6):
        ok(client.post("/api/prompts", json={"name": f"Prompt {i}", "text": "Do it."}), 201)
    refused(client.post("/api/prompts", json=SHORT), 409, "too-many-prompts")
    refused(client.patch(f"/api/prompts/{kept(client)[0]['id']}", json={"name": "Prompt 5"}), 409, "name-taken")


def test_sent_twice_it_is_kept_once(client: TestClient) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    for _ in range(2):
        ok(client.post("/api/prompts", json=SHORT, headers=headers), 201)
    assert len(kept(client)) == 1


def test_another_writers_prompts_do_not_exist(client: TestClient) -> None:
    prompt = ok(client.post("/api/prompts", json=SHORT), 201)
    with TestClient(client.app, str(client.base_url), headers=dict(client.headers)) as other:
        other.get("/")
        assert kept(other) == []
        refused(other.patch(f"/api/prompts/{prompt['id']}", json={"pinned": True}), 404, "not-found")
        refused(other.delete(f"/api/prompts/{prompt['id']}"), 404, "not-found")
        refused(other.get(f"/api/prompts?draft_id={Desk(client).id}"), 404, "not-found")


def test_recent_ones_are_the_drafts_own_latest_first(client: TestClient) -> None:
    desk = Desk(client)
    head = desk.paragraphs()[0]["head"]
    for text in ("First.", "Second.", "First."):
        desk.ask(head, label="own-prompt", prompt=text)
    assert ok(client.get(f"/api/prompts?draft_id={desk.id}"))["recent"] == ["First.", "Second."]
    assert ok(client.get(f"/api/prompts?draft_id={Desk(client).id}"))["recent"] == []
