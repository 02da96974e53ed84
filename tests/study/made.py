"""A whole study as its data stand afterwards: participants who wrote through the real routes, and answered.

The participant's way itself is tested elsewhere; here steps and answers are put where it would put them, so that
what is made of the data can be tested by itself.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastapi import FastAPI
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.db.base import new_id, now
from app.study import design, protocol
from app.study.events import AnswerGiven, ConsentGiven, ParticipantJoined, StepEntered, StepLeft, note
from app.study.models import Answer, Consent, Note, Participant, Pause, Progress, Study
from app.study.protocol import Protocol
from app.study.questionnaires import Item
from app.study.types import Frozen, Place
from app.web.security import COOKIE
from app.writing import service
from app.writing.models import Draft, Writer
from app.writing.setting import Setting, Stamp
from tests.writing.desk import Desk, ok

ORIGIN = "http://testserver"
LABELS = ("use-analogy", "show-matters", "captivate", "enhance")


@dataclass
class Made:
    """`yaml` is what the study was made from."""

    app: FastAPI
    id: str
    protocol: Protocol


def study(app: FastAPI, people: int = 4, *, template: str = "two-conditions", seed: int = 7) -> Made:
    """The app has to be running. Everybody finishes; the same seed gives the same answers and clicks."""
    text = protocol.templates()[template]
    plan = protocol.parse(text)
    frozen = Frozen(
        protocol=plan.model_dump(mode="json"), protocol_sha256=protocol.sha256(text), app_version="0.1.0",
        model_id="scripted", backend="local", device="cpu", dtype="none", tuned_id=None, strategies_sha256="0" * 64,
        prompts_sha256="0" * 64, scorer_id="scripted", responses="live", opened_at=now().isoformat(),
    )  # fmt: skip
    with app.state.db.write() as session:
        row = Study(
            name=plan.name, title=plan.title, protocol=text, frozen=frozen.model_dump(mode="json"), state="open",
            people=people, opened_at=now(),
        )  # fmt: skip
        session.add(row)
        session.flush()
        session.add(Note(study_id=row.id, text="The air conditioning was loud."))
        made = Made(app, row.id, plan)
    taken: dict[int, int] = {}
    for i in range(people):
        cell = design.allot(plan.cells, taken, plan.seed)
        taken[cell.number] = taken.get(cell.number, 0) + 1
        arms = [{"condition": arm.condition, "topic": arm.topic} for arm in cell.arms]
        _Person(made, f"P{i + 1:02}", cell.number, arms, random.Random(f"{seed}:{i}")).take_part()
    return made


class _Person:
    def __init__(self, made: Made, code: str, cell: int, arms: list[dict[str, str]], rng: random.Random) -> None:
        self.made, self.rng, self.db = made, rng, made.app.state.db
        self.way = made.protocol.way(arms)
        with self.db.write() as session:
            writer, token = service.new_writer(session)
            session.flush()
            self.writer_id = writer.id
            person = Participant(
                study_id=made.id, code=code, kind="simulated", link_hash=new_id(), writer_id=writer.id,
                state="finished", cell=cell, arms=arms, number=len(self.way), joined_at=now(), finished_at=now(),
            )  # fmt: skip
            session.add(person)
            session.flush()
            self.id = person.id
            note(session, person, ParticipantJoined(code=code, cell=cell, arms=arms))
        self.client = TestClient(made.app, ORIGIN, headers={"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"})
        self.client.cookies.set(COOKIE, token)
        self.recorder, self.seq = str(uuid.UUID(int=rng.getrandbits(128), version=4)), 0

    def take_part(self) -> None:
        for place in self.way:
            with self.db.write() as session:
                progress = self._enter(session, place)
            if place.kind in ("task", "practice"):
                self._write(place, progress)
            with self.db.write() as session:
                self._leave(session, place, progress)

    def _stamp(self, place: Place) -> Stamp:
        return Stamp(participant_id=self.id, condition=place.condition, topic=place.topic, step=place.step)

    def _enter(self, session: Session, place: Place) -> str:
        person, stamp = session.get_one(Participant, self.id), self._stamp(place)
        writer = session.get_one(Writer, self.writer_id)
        writer.setting = Setting(stamp=stamp).model_dump()
        progress = Progress(
            participant_id=self.id, number=place.number, step=place.step, kind=place.kind, period=place.period,
            condition=place.condition, topic=place.topic, entered_at=now(),
        )  # fmt: skip
        session.add(progress)
        session.flush()
        entered = StepEntered(number=place.number, kind=place.kind, period=place.period, attempt=1, seconds=None)
        note(session, person, entered, stamp)
        return progress.id

    def _leave(self, session: Session, place: Place, progress_id: str) -> None:
        person, progress = session.get_one(Participant, self.id), session.get_one(Progress, progress_id)
        if place.kind == "consent":
            text = self.made.protocol.consent
            session.add(Consent(participant_id=self.id, version=text.version, text=text.text, agreed=True))
            told = ConsentGiven(version=text.version, text_sha256=protocol.sha256(text.text), agreed=True)
            note(session, person, told, self._stamp(place))
        if place.kind == "form":
            self._answer(session, person, place, progress_id)
        if place.kind == "task" and place.period == 1:
            began = progress.entered_at
            session.add(
                Pause(
                    progress_id=progress_id, reason="A fire alarm", by="Ada", started_at=began,
                    ended_at=began + timedelta(milliseconds=5),
                )
            )  # fmt: skip
        progress.left_at, progress.outcome = now(), "done"
        note(session, person, StepLeft(number=place.number, outcome="done", spent_ms=1), self._stamp(place))

    # ── the desk ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _write(self, place: Place, progress_id: str) -> None:
        topic = self.made.protocol.topic(str(place.topic))
        desk = Desk(self.client, topic.draft)
        with self.db.write() as session:
            draft = session.get_one(Draft, desk.id)
            draft.stamp = self._stamp(place).model_dump()
            session.get_one(Progress, progress_id).draft_id = desk.id
        if place.kind == "practice":
            return
        spatial = self.made.protocol.condition(str(place.condition)).base == "spatial"
        first, second, *_ = desk.paragraphs()
        if spatial:
            ok(self.client.post(f"/api/drafts/{desk.id}/place", json={"paragraph_ids": [first["id"], second["id"]]}))
        made: list[str] = []
        for _ in range(self.rng.randint(1, 3) if spatial else 1):
            more = (
                {"label": self.rng.choice(self._labels())} if spatial else {"label": "own-prompt", "prompt": "Shorter"}
            )
            told = desk.revise(first["head"], **more)
            made += [data["version"]["id"] for name, data in told if name == "version"]
        if spatial:
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

    def _answer(self, session: Session, person: Participant, place: Place, progress_id: str) -> None:
        for instrument_id in self.made.protocol.step(place.step).instruments:
            instrument = self.made.protocol.instrument(instrument_id)
            for item in instrument.items:
                revisions = 2 if item.id == "mental" else 1
                for revision in range(1, revisions + 1):
                    value = self._value(item)
                    session.add(
                        Answer(
                            participant_id=self.id, progress_id=progress_id, instrument=instrument.id,
                            instrument_version=instrument.version, item=item.id, value=value, revision=revision,
                        )
                    )  # fmt: skip
                    told = AnswerGiven(
                        instrument=instrument.id,
                        version=instrument.version,
                        item=item.id,
                        value=value,
                        revision=revision,
                    )
                    note(session, person, told, self._stamp(place))

    def _value(self, item: Item) -> Any:
        if item.kind in ("scale", "likert", "number"):
            return item.low + item.step * self.rng.randint(0, int((item.high - item.low) / item.step))
        if item.kind == "condition":
            return self.rng.choice(self.made.protocol.conditions).id
        if item.kind == "text":
            return '=HYPERLINK("http://example.org")\nand a second line'
        return self.rng.choice(item.options).value
