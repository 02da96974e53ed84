"""The typed log: numbered by its recorder, stored once, acknowledged as far as it has no holes."""

from __future__ import annotations

import random
import uuid
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.writing.desk import Desk, log, ok, refused


def event(seq: int, kind: str = "focus.lost", **more: Any) -> dict[str, Any]:
    return {"seq": seq, "client_ms": 1_700_000_000_000 + seq, "type": kind, **more}


def send(client: TestClient, recorder: str, *events: dict[str, Any]) -> Any:
    return ok(client.post("/api/events", json={"recorder": recorder, "events": events}))["acked"]


@pytest.fixture
def recorder() -> str:
    return str(uuid.uuid4())


def test_acknowledged_as_far_as_there_is_no_hole(client: TestClient, recorder: str) -> None:
    assert send(client, recorder) == 0
    assert send(client, recorder, event(2), event(3)) == 0
    assert send(client, recorder, event(1)) == 3
    assert send(client, recorder, event(6), event(7)) == 3
    assert send(client, recorder, event(4), event(5)) == 7


def test_sent_twice_is_stored_once_and_never_changed(client: TestClient, recorder: str) -> None:
    assert send(client, recorder, event(1, "copy", chars=5)) == 1
    assert send(client, recorder, event(1, "copy", chars=9), event(2, "copy", chars=7)) == 2
    assert [payload["chars"] for _, payload in log(client, "copy")] == [5, 7]


def test_batches_in_any_order_and_again_end_up_whole(client: TestClient, recorder: str) -> None:
    rng = random.Random(3)
    batches = [[event(seq) for seq in range(first, first + 10)] for first in range(1, 200, 10)]
    deliveries = [*batches, *rng.sample(batches, 10)]
    rng.shuffle(deliveries)
    acked = [send(client, recorder, *batch) for batch in deliveries]
    assert acked[-1] == 200
    assert acked == sorted(acked)
    assert len(log(client, "focus.lost")) == 200


def test_every_kind_the_page_sends_is_taken(client: TestClient, recorder: str) -> None:
    desk = Desk(client)
    paragraph = desk.paragraphs()[0]
    shared = {"draft_id": desk.id}
    node = {**shared, "version_id": paragraph["head"]}
    kinds = [
        ("text.edit", {**shared, "paragraph_id": paragraph["id"], "at": 3, "removed": "a\n", "inserted": "<b>"}),
        ("label.pressed", {**node, "label": "use-analogy", "strategy": None}),
        ("node.opened", node),
        ("node.hovered", {**node, "ms": 420}),
        ("canvas.panned", {**shared, "range": [30.5, 70, 30, 70]}),
        ("canvas.zoomed", {**shared, "range": [30.5, 70, 30, 70]}),
        ("copy", {"chars": 4}),
        ("paste", {"chars": 4}),
        ("focus.lost", {}),
        ("focus.gained", shared),
        ("page.hidden", shared),
    ]
    batch = [event(seq, kind, **payload) for seq, (kind, payload) in enumerate(kinds, 1)]
    assert send(client, recorder, *batch) == len(kinds)
    assert log(client, "node.hovered") == [(paragraph["head"], {"ms": 420})]


@pytest.mark.parametrize(
    "wrong",
    [
        event(1, "no.such.kind"),
        event(1, "copy"),
        event(1, "copy", chars=-1),
        event(1, "focus.lost", extra="field"),
        event(0),
        event(1, "canvas.panned", range=[1, 2, 3]),
        event(1, "text.edit", paragraph_id=str(uuid.uuid4()), at=0, removed="", inserted="x" * 300_000),
        event(1, "draft.deleted"),
    ],
)
def test_what_is_not_in_the_codebook_is_refused(client: TestClient, recorder: str, wrong: dict[str, Any]) -> None:
    answer = client.post("/api/events", json={"recorder": recorder, "events": [event(2), wrong]})
    refused(answer, 422, "invalid")
    assert send(client, recorder, event(1)) == 1, "nothing of the refused batch was stored"


def test_an_event_about_anothers_draft_is_refused(client: TestClient, recorder: str) -> None:
    desk = Desk(client)
    head = desk.paragraphs()[0]["head"]
    client.cookies.clear()
    client.get("/")
    for about in ({"draft_id": desk.id}, {"version_id": head}):
        answer = client.post("/api/events", json={"recorder": recorder, "events": [event(1, **about)]})
        refused(answer, 404, "not-found")


def test_what_no_text_has_and_what_is_too_long_is_told_as_that(client: TestClient, recorder: str) -> None:
    desk = Desk(client)
    edit = event(1, "text.edit", paragraph_id=desk.paragraphs()[0]["id"], at=0, removed="", inserted="a\0b")
    goal = {"audience": "x" * 81, "engagement": [1, 9], "exposition": [1, 9]}
    for answer, sentence in (
        (
            client.post("/api/events", json={"recorder": recorder, "events": [edit]}),
            "It holds a character that no text has (NUL). Paste it as plain text.",
        ),
        (
            client.post("/api/drafts", json={"title": "A", "text": "a\0b"}),
            "It holds a character that no text has (NUL). Paste it as plain text.",
        ),
        (
            client.post(f"/api/drafts/{desk.id}/goals", json=goal),
            "The audience is too long: at most 80 characters are taken. Shorten it.",
        ),
        (
            client.patch(f"/api/drafts/{desk.id}", json={"title": "x" * 201}),
            "The title is too long: at most 200 characters are taken. Shorten it.",
        ),
    ):
        assert refused(answer, 422, "invalid")["detail"] == sentence
