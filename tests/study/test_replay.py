"""A session told again from its log ends as it was stored, and the keystrokes stand where they fell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.study import auth, records, replay
from app.study.replay import Typing, in_order
from app.writing import store
from app.writing.models import LoggedEvent
from tests.study.made import ORIGIN, OWN_PAGE, Made


def row(n: int, kind: str, server_ms: int, client_ms: int | None = None, **more: Any) -> dict[str, Any]:
    recorder = None if client_ms is None else "r"
    return {
        "id": n, "type": kind, "server_ms": server_ms, "client_ms": client_ms, "recorder": recorder, "seq": n,
        "version_id": None, "payload": {}, "step": None, **more,
    }  # fmt: skip


def test_a_keystroke_stands_before_the_save_that_holds_it_whatever_the_browsers_clock() -> None:
    """The browser's clock is an hour fast, and its batch came after the save."""
    hour = 3_600_000
    log = [
        row(1, "focus.gained", 1_010, 1_000 + hour),
        row(2, "version.created", 5_000),
        row(3, "text.edit", 5_600, 4_900 + hour),
        row(4, "node.opened", 5_600, 5_200 + hour),
    ]
    assert [(r.id, r.at) for r in in_order(log)] == [(1, 1_010), (3, 4_910), (2, 5_000), (4, 5_210)]


def test_edits_count_utf_16_units_as_the_browser_does() -> None:
    typing = Typing({"p": "A 🧫 dish"})
    typing.edit({"paragraph_id": "p", "at": 5, "removed": "dish", "inserted": "plate"})
    typing.edit({"paragraph_id": "p", "at": 2, "removed": "🧫 ", "inserted": ""})
    assert typing.texts["p"] == "A plate"


def a_task(session: Session, made: Made) -> str:
    return next(
        str(task.progress.draft_id) for task in records.tasks(session, made.id) if task.progress.condition == "spatial"
    )


def played(feed: dict[str, Any]) -> dict[str, Any]:
    """As the player does it (static/js/replay.js): every change put on top of the ones before."""
    seen: dict[str, Any] = {"title": "", "order": [], "heads": {}, "canvas": {}, "status": {}, "archived": {}}
    for event in feed["events"]:
        for name, change in event["change"].items():
            if name in ("heads", "canvas", "status", "archived"):
                seen[name].update(change)
            elif name in ("title", "order"):
                seen[name] = change
    return seen


def test_the_feed_played_to_its_end_is_what_is_stored(finished: Made) -> None:
    with finished.app.state.db.read() as session:
        draft_id = a_task(session, finished)
        feed = replay.feed(session, draft_id)
        paragraphs = store.paragraphs(session, draft_id)
        versions = {version.id: version for version in records.versions(session, draft_id)}
    end = played(feed)
    assert end["order"] == [p.id for p in paragraphs if not p.removed]
    assert end["heads"] == {p.id: p.head_version_id for p in paragraphs}
    assert {p for p, there in end["canvas"].items() if there} == {p.id for p in paragraphs if p.on_canvas}
    assert end["status"] == {version.id: version.status for version in versions.values()}
    assert {v: one["text"] for v, one in feed["versions"].items()} == {v: one.text for v, one in versions.items()}
    assert feed["findings"] == []
    assert feed["typing"] == {"saves": 1, "agree": 1}, "the keystrokes made the text that was saved"
    assert [event["t"] for event in feed["events"]] == sorted(event["t"] for event in feed["events"])
    assert {event["type"] for event in feed["events"]} <= set(feed["kinds"])
    assert any(event["words"].startswith("typed “=SUM(A1)") for event in feed["events"])


def test_every_session_is_true_to_its_log(finished: Made) -> None:
    with finished.app.state.db.read() as session:
        found = {draft.id: replay.findings(session, draft.id) for _, draft in records.drafts(session, finished.id)}
    assert len(found) == 16
    assert not any(found.values())


@pytest.mark.parametrize("damage", ["lost", "changed"])
def test_a_damaged_log_is_found(finished: Made, damage: str) -> None:
    with Session(finished.app.state.db.engine) as session:  # never committed
        draft_id = a_task(session, finished)
        kind = "version.confirmed" if damage == "lost" else "version.created"
        one = select(LoggedEvent.id).where(LoggedEvent.draft_id == draft_id, LoggedEvent.type == kind).limit(1)
        event_id = session.scalar(one)
        if damage == "lost":
            session.execute(delete(LoggedEvent).where(LoggedEvent.id == event_id))
        else:
            payload = {**session.get_one(LoggedEvent, event_id).payload, "text_sha256": "0" * 64}
            session.execute(update(LoggedEvent).where(LoggedEvent.id == event_id).values(payload=payload))
        assert replay.findings(session, draft_id)
        session.rollback()


def test_a_draft_that_is_not_there(finished: Made) -> None:
    with finished.app.state.db.read() as session, pytest.raises(KeyError, match="no draft"):
        replay.feed(session, "nowhere")


def test_a_facilitator_plays_it_and_nobody_else(finished: Made) -> None:
    anybody = TestClient(finished.app, ORIGIN, headers=OWN_PAGE, follow_redirects=False)
    with finished.app.state.db.read() as session:
        draft_id = a_task(session, finished)
        wanted = replay.feed(session, draft_id)
    page = f"/admin/studies/{finished.id}/sessions/{draft_id}"
    for path in (page, f"{page}.json"):
        assert anybody.get(path).status_code in (303, 401)
    with finished.app.state.db.write() as session:
        auth.create(session, "Replayer", "three words in a row")
    signed = anybody.post("/admin/sign-in", data={"name": "replayer", "password": "three words in a row"})
    assert signed.status_code == 303
    assert page in anybody.get(f"/admin/studies/{finished.id}/sessions").text
    assert f'data-feed="{page}.json"' in anybody.get(page).text
    assert anybody.get(f"{page}.json").json() == json.loads(json.dumps(wanted))
    other = f"/admin/studies/{finished.id}/sessions/{'0' * 8}-0000-4000-8000-{'0' * 12}"
    assert anybody.get(f"{other}.json").status_code == 404
