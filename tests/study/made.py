"""A whole study as its data stand afterwards: participants who went all the way, wrote through the real routes, and
answered every question."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.testclient import TestClient

from app.db.base import now
from app.study import flow, protocol, service
from app.study import views as v
from app.study.models import Participant
from app.study.protocol import Protocol
from app.study.questionnaires import Instrument, Item
from app.web.security import COOKIE
from tests.writing.desk import Desk, ok

ORIGIN = "http://testserver"
OWN_PAGE = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
FORMULA = '=HYPERLINK("http://example.org")'


@dataclass
class Made:
    app: FastAPI
    id: str
    protocol: Protocol


def study(app: FastAPI, people: int = 4, *, template: str = "two-conditions", seed: int = 7) -> Made:
    """The app has to be running. Everybody finishes; the same seed gives the same answers and clicks."""
    text = protocol.templates()[template]
    with app.state.db.write() as session:
        row = service.create(session, text)
        service.open_study(session, row.id, service.freeze(app.state.studio, text))
        added = service.add_participants(session, row.id, [None] * people, kind="simulated")
        service.write_note(session, row.id, "The air conditioning was loud.")
        made = Made(app, row.id, service.protocol_of(row))
        tokens = [token for _, token in added]
    for i, token in enumerate(tokens):
        _Person(made, token, random.Random(f"{seed}:{i}")).take_part()
    return made


class _Person:
    def __init__(self, made: Made, token: str, rng: random.Random) -> None:
        self.made, self.rng, self.db = made, rng, made.app.state.db
        self.recorder, self.seq = self._uuid(), 0
        self.tab, self.load = self._uuid(), self._uuid()
        with self.db.write() as session:
            person, cookie = flow.begin(session, token, self.tab)
            self.id, self.writer_id = person.id, str(person.writer_id)
            self.way = made.protocol.way(person.arms)
        self.client = TestClient(made.app, ORIGIN, headers=OWN_PAGE)
        self.client.cookies.set(COOKIE, cookie)

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def take_part(self) -> None:
        for place in self.way:
            about: dict[str, Any] = {"tab": self.tab, "load": self.load, "number": place.number}
            if place.kind == "task":
                if place.period == 1:
                    self._wait_for_a_fire_alarm()
                self._write(place.condition or "")
            with self.db.write() as session:
                if place.kind == "consent":
                    version = self.made.protocol.consent.version
                    flow.consent(session, self.writer_id, v.ConsentIn(**about, version=version, agreed=True))
                here = flow.at(session, session.get_one(Participant, self.id))
                asked = flow.instruments(here) if here and place.kind in ("form", "interview") else []
                if asked:
                    # One answer is changed afterwards: the last one counts.
                    for answers in (self._answers(asked), self._answers(asked)[:1]):
                        flow.answer(session, self.writer_id, v.AnswersIn(**about, answers=answers))
                told = {**about, "recorders": {self.recorder: self.seq} if self.seq else {}}
                if place.kind == "debrief":
                    flow.finish(session, self.writer_id, v.Told(**told))
                else:
                    flow.advance(session, self.writer_id, v.Advance(**told))

    def _wait_for_a_fire_alarm(self) -> None:
        with self.db.write() as session:
            service.pause(session, self.id, "A fire alarm", "Ada")
        with self.db.write() as session:
            service.resume(session, self.id)

    # ── the desk ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _write(self, condition: str) -> None:
        with self.db.read() as session:
            here = flow.at(session, session.get_one(Participant, self.id))
            assert here is not None
            draft_id = str(here.stay.draft_id)
        desk = Desk.__new__(Desk)
        desk.client, desk.id = self.client, draft_id
        there = self.made.protocol.condition(condition).switches
        first, second, *_ = desk.paragraphs()
        if there.canvas:
            ok(self.client.post(f"/api/drafts/{desk.id}/place", json={"paragraph_ids": [first["id"], second["id"]]}))
        made: list[str] = []
        for _ in range(self.rng.randint(1, 3) if there.labels else 1):
            more = (
                {"label": self.rng.choice(self._labels())}
                if there.labels
                else {"label": "own-prompt", "prompt": "Shorter"}
            )
            told = desk.revise(first["head"], **more)
            made += [data["version"]["id"] for name, data in told if name == "version"]
        if there.labels:
            self._note(desk, [{"type": "label.pressed", "label": "use-analogy"}])
        seen = [*made[:2], made[0]]
        self._note(desk, [{"type": "node.opened", "version_id": version} for version in seen])
        ok(self.client.post(f"/api/versions/{made[0]}/confirm", json={"base": first["head"]}))
        if self.rng.random() < 0.5:
            ok(self.client.post(f"/api/versions/{made[-1]}/discard"))
        old = desk.version(second["head"])["text"]
        added = " =SUM(A1) is what I typed."
        self._note(
            desk,
            [{"type": "text.edit", "paragraph_id": second["id"], "at": len(old), "removed": "", "inserted": added}],
        )
        desk.type(second, old + added)

    def _labels(self) -> list[str]:
        from app.writing.strategies import load_book

        return [label.id for label in load_book().labels if label.id != "own-prompt"]

    def _note(self, desk: Desk, events: list[dict[str, Any]]) -> None:
        """In batches as the page sends them."""
        at = int(now().timestamp() * 1000)
        batch = []
        for event in events:
            self.seq += 1
            batch.append({"seq": self.seq, "client_ms": at, "draft_id": desk.id, **event})
        ok(self.client.post("/api/events", json={"recorder": self.recorder, "events": batch}))

    # ── forms ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _answers(self, asked: list[Instrument]) -> list[v.AnswerIn]:
        return [
            v.AnswerIn(instrument=instrument.id, item=item.id, value=self._value(item))
            for instrument in asked
            for item in instrument.items
        ]

    def _value(self, item: Item) -> Any:
        if item.kind in ("scale", "likert", "number"):
            return item.low + item.step * self.rng.randint(0, int((item.high - item.low) / item.step))
        if item.kind == "condition":
            return self.rng.choice(self.made.protocol.conditions).id
        if item.kind == "text":
            return f"{FORMULA}\nand a second line"
        return self.rng.choice(item.options).value
