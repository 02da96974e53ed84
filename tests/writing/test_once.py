"""The same request sent twice is done once."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient

from tests.writing.desk import Desk, ok, refused


def test_one_key_ten_times_at_once_is_one_row(client: TestClient) -> None:
    before = len(ok(client.get("/api/drafts"))["drafts"])
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    with ThreadPoolExecutor(10) as pool:
        answers = list(
            pool.map(lambda _: client.post("/api/drafts", json={"title": "Once"}, headers=headers), range(10))
        )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert len(ok(client.get("/api/drafts"))["drafts"]) == before + 1


def test_a_save_sent_again_gets_its_first_answer_even_when_more_came_after(client: TestClient) -> None:
    desk = Desk(client)
    paragraph = desk.paragraphs()[0]
    body = {"edits": [{"paragraph_id": paragraph["id"], "base": paragraph["head"], "text": "Once."}]}
    headers = {"Idempotency-Key": "a-save"}
    first = client.post(f"/api/drafts/{desk.id}/save", json=body, headers=headers)
    desk.type(desk.paragraphs()[0], "Then more.")
    again = client.post(f"/api/drafts/{desk.id}/save", json=body, headers=headers)
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert desk.texts()[0] == "Then more."
    assert desk.draft()["number"] == 4


@pytest.mark.parametrize("path", ["/api/drafts", "/api/drafts/{id}/score"])
def test_a_key_used_for_something_else_is_refused(client: TestClient, path: str) -> None:
    desk = Desk(client)
    headers = {"Idempotency-Key": "mine"}
    ok(client.post("/api/drafts", json={"title": "One"}, headers=headers), 201)
    answer = client.post(path.format(id=desk.id), json={"title": "Another"}, headers=headers)
    refused(answer, 422, "key-reused")


def test_keys_are_each_writers_own(app: object, client: TestClient) -> None:
    headers = {"Idempotency-Key": "the-same"}
    mine = ok(client.post("/api/drafts", json={"title": "Mine"}, headers=headers), 201)
    client.cookies.clear()
    client.get("/")
    theirs = ok(client.post("/api/drafts", json={"title": "Mine"}, headers=headers), 201)
    assert mine["id"] != theirs["id"]


def test_a_refusal_is_not_kept(client: TestClient) -> None:
    desk = Desk(client)
    paragraph = desk.paragraphs()[0]
    made = ok(client.post(f"/api/versions/{paragraph['head']}/edits", json={"text": "By hand."}), 201)
    ok(client.post(f"/api/versions/{made['id']}/discard"))
    headers, body = {"Idempotency-Key": "try"}, {"base": paragraph["head"]}
    refused(client.post(f"/api/versions/{made['id']}/confirm", json=body, headers=headers), 409, "discarded")
    ok(client.post(f"/api/versions/{made['id']}/restore"))
    ok(client.post(f"/api/versions/{made['id']}/confirm", json=body, headers=headers))


def test_what_stores_nothing_is_the_same_twice_without_a_key(client: TestClient) -> None:
    files = {"file": ("a.md", b"# Cells\n\nThey divide.", "text/markdown")}
    before = ok(client.get("/api/drafts"))
    assert ok(client.post("/api/imports", files=files)) == ok(client.post("/api/imports", files=files))
    assert ok(client.get("/api/drafts")) == before
    ready = ok(client.get("/api/model"))
    for _ in range(2):
        assert ok(client.post("/api/model/retry"), 202)["status"] == ready["status"]
