"""Withdrawing and deleting: no row and no text is left anywhere, and nothing of anybody else goes."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from starlette.testclient import TestClient

from app.db.base import Base
from app.db.check import check
from app.study import erase, service
from app.study.models import Answer, Participant, Progress, Receipt, Study
from app.web.errors import storage_problem
from app.writing.models import Generation
from tests.scripted import ScriptedEngine
from tests.study.people import Person, invited, opened
from tests.writing.desk import ok, refused, told

SECRET = "xanthous quokka"


@pytest.fixture
def study(app: FastAPI, client: TestClient) -> Study:
    return opened(app)


def busy(app: FastAPI, study: Study, secret: str) -> tuple[Person, Participant]:
    """Someone who has left traces wherever there are any."""
    (participant, token), *_ = invited(app, study)
    person = Person(app, token)
    person.begin()
    person.until("before")
    ok(person.try_answer(effort__demand=5, effort__why=f"Because of a {secret}."))
    person.until("task", 1)
    if 'data-chat="on"' in person.client.get("/study").text:
        person.until("task", 2)  # the desk with everything
    client, draft = person.client, person.draft_id()
    head = ok(client.get(f"/api/drafts/{draft}"))["paragraphs"][0]
    edits = [{"paragraph_id": head["id"], "base": head["head"], "text": f"A {secret} was seen. Cells divide."}]
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    ok(client.post(f"/api/drafts/{draft}/save", json={"edits": edits}, headers=headers))
    head = ok(client.get(f"/api/drafts/{draft}"))["paragraphs"][0]
    ok(client.post(f"/api/drafts/{draft}/place", json={"paragraph_ids": [head["id"]]}))
    asked = {"version_id": head["head"], "label": "own-prompt", "prompt": f"Mention the {secret} again."}
    generation = ok(client.post("/api/generations", json=asked), 201)
    events = told(client.get(f"/api/generations/{generation['id']}/stream"))
    made = [data["version"]["id"] for name, data in events if name == "version"]
    ok(client.post(f"/api/versions/{made[0]}/confirm", json={"base": head["head"]}))
    edits = [{"paragraph_id": head["id"], "base": made[0], "text": f"A {secret} left long ago. Cells divide."}]
    ok(client.post(f"/api/drafts/{draft}/save", json={"edits": edits}, headers={"Idempotency-Key": str(uuid.uuid4())}))
    other = ok(client.get(f"/api/drafts/{draft}"))["paragraphs"][0]["head"]
    ok(client.post("/api/generations", json={"version_id": made[0], "other_version_id": other, "mix": 0.5}), 201)
    ok(client.post("/api/prompts", json={"name": secret, "text": f"As the {secret} would."}), 201)
    told(client.get(f"/api/drafts/{draft}/muse/stream"))
    event = {"seq": 1, "client_ms": 0, "type": "text.edit", "draft_id": draft, "paragraph_id": head["id"]}
    event |= {"at": 0, "removed": "", "inserted": secret}
    ok(client.post("/api/events", json={"recorder": str(uuid.uuid4()), "events": [event]}))
    with app.state.db.write() as session:
        service.write_note(session, study.id, f"Saw the {secret}.", participant_id=participant.id)
        service.pause(session, participant.id, f"a {secret} came in", "Ada")
        return person, session.get_one(Participant, participant.id)


def rows(app: FastAPI) -> dict[str, Counter[str]]:
    with app.state.db.read() as session:
        return {
            name: Counter(repr(tuple(row)) for row in session.execute(select(table)))
            for name, table in Base.metadata.tables.items()
        }


def traces(app: FastAPI, *words: str | None) -> list[str]:
    return [
        f"{name}: {row[:200]}"
        for name, found in rows(app).items()
        for row in found
        if any(w and w in row for w in words)
    ]


def in_file(app: FastAPI, *words: str | None) -> list[str]:
    """What the database's own files still hold, with their log."""
    if app.state.db.path is None:
        return []
    files = app.state.db.path.parent.glob(app.state.db.path.name + "*")
    whole = b"".join(path.read_bytes() for path in files)
    return [w for w in words if w and w.encode() in whole]


def test_a_deleted_participant_leaves_nothing_and_the_others_everything(app: FastAPI, study: Study) -> None:
    _, bystander = busy(app, study, "viridian okapi")
    before = rows(app)
    person, gone = busy(app, study, SECRET)
    words = (SECRET, gone.id, gone.writer_id, person.token)
    assert len({line.split(":")[0] for line in traces(app, *words)}) >= 12  # so many tables would have to be thought of
    with app.state.db.write() as session:
        receipt = erase.delete_participant(session, gone.id)
    erase.scrub(app.state.db)
    assert traces(app, *words) == []
    assert in_file(app, *words) == []
    after = rows(app)
    assert after.pop("receipt").total() == 1
    before.pop("receipt")
    people = {name: found for name, found in after.items() if name != "study"}
    assert people == {name: found for name, found in before.items() if name != "study"}
    assert receipt.kind == "deleted"
    assert receipt.counts["participant"] == 1
    assert check(app.state.db) == []
    refused(person.post("state", person.page()), 401, "no-session")
    refused(person.client.get("/api/drafts"), 401, "no-session")
    assert person.client.get(f"/s/{person.token}").status_code == 404
    with app.state.db.write() as session:  # and no code is given twice
        (new, _), *_ = service.add_participants(session, study.id, [None])
        assert new.code not in (gone.code, bystander.code)


def test_a_participant_erases_what_was_kept_and_gets_a_receipt(app: FastAPI, study: Study) -> None:
    person, gone = busy(app, study, SECRET)
    answer = ok(person.post("withdraw", {"keep": False}))
    assert answer["kind"] == "withdrawn-erase"
    assert traces(app, SECRET, gone.id, gone.writer_id) == []
    with app.state.db.read() as session:
        receipts: list[Any] = list(session.scalars(select(Receipt)))
        assert [(r.code, r.kind) for r in receipts] == [(answer["code"], "withdrawn-erase")]
        assert service.taken(session, study.id) == {}
    refused(person.post("withdraw", {"keep": False}), 401, "no-session")


@pytest.mark.parametrize("db_url", ["sqlite"], indirect=True)
def test_a_participant_stops_and_lets_it_be_used(app: FastAPI, study: Study) -> None:
    person, kept = busy(app, study, SECRET)
    answer = ok(person.post("withdraw", {"keep": True}))
    assert answer["kind"] == "withdrawn-keep"
    assert traces(app, SECRET)
    with app.state.db.read() as session:
        found = session.get_one(Participant, kept.id)
        assert found.state == "withdrawn"
        assert service.taken(session, study.id) == {}
    refused(person.post("withdraw", {"keep": True}), 409, "over")
    refused(person.post("advance", person.page()), 409, "over")
    assert person.client.get("/study").status_code == 200
    assert "stopped" in person.client.get(f"/s/{person.token}").text


@pytest.mark.parametrize("db_url", ["postgresql"], indirect=True)
def test_what_comes_between_a_look_and_a_deletion_is_told_as_gone(app: FastAPI, study: Study) -> None:
    (gone, token), *_ = invited(app, study)
    Person(app, token).begin()

    def save_late() -> None:
        with app.state.db.write() as late:
            stay = late.scalars(select(Progress).where(Progress.participant_id == gone.id)).one()
            with app.state.db.write() as session:
                erase.delete_participant(session, gone.id)
            about = {"instrument": "effort", "instrument_version": "1", "item": "why", "value": SECRET}
            late.add(Answer(participant_id=gone.id, progress_id=stay.id, **about))

    with pytest.raises(IntegrityError) as raised:
        save_late()
    told_as = storage_problem(raised.value)
    assert told_as is not None
    assert (told_as.status_code, told_as.code) == (410, "gone")
    assert traces(app, SECRET, gone.id) == []


@pytest.mark.parametrize("db_url", ["sqlite"], indirect=True)
def test_who_is_deleted_while_the_model_writes_leaves_nothing_either(
    app: FastAPI, study: Study, engine: ScriptedEngine
) -> None:
    (gone, token), *_ = invited(app, study)
    person = Person(app, token)
    person.begin()
    person.until("task", 1)
    head = ok(person.client.get(f"/api/drafts/{person.draft_id()}"))["paragraphs"][0]["head"]
    asked = {"version_id": head, "label": "own-prompt", "prompt": f"Mention the {SECRET}."}
    generation = ok(person.client.post("/api/generations", json=asked), 201)["id"]
    engine.hold_at = 5
    with ThreadPoolExecutor(1) as pool:
        stream = pool.submit(lambda: told(person.client.get(f"/api/generations/{generation}/stream")))
        while not engine_is_at_work(app, generation):
            time.sleep(0.02)
        with app.state.db.write() as session:
            ids = (gone.id, session.get_one(Participant, gone.id).writer_id)
            erase.delete_participant(session, gone.id)
        engine.hold_at = None
        assert stream.result(30)[-1][0] == "error"
    assert traces(app, SECRET, *ids) == []


def engine_is_at_work(app: FastAPI, generation_id: str) -> bool:
    with app.state.db.read() as session:
        return session.get_one(Generation, generation_id).status == "running"
