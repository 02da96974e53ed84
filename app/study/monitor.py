"""What a facilitator watches while a study runs: who is where and for how long, the model, the disk.

A fixed number of statements, whatever the number of participants: it is asked for every two seconds.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from datetime import datetime
from itertools import starmap
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from app.db.base import Base, now
from app.study import clocks, service
from app.study.models import Note, Participant, Pause, Progress, Study
from app.writing.models import LoggedEvent
from app.writing.studio import Studio

ONLINE_SECONDS = 20
"""A page tells that it is there every few seconds; one that did not for so long is away."""
DISK_LOW, DISK_OUT = 2_000_000_000, 500_000_000
"""Bytes left under which the disk is watched, and under which no session should begin."""


def disk(folder: Path) -> dict[str, Any]:
    """Of the disk that `folder` is or would be on; with a database elsewhere it may not have been made yet. `state`:
    ok, low or out."""
    usage = shutil.disk_usage(next(place for place in (folder, *folder.absolute().parents) if place.exists()))
    state = "out" if usage.free < DISK_OUT else "low" if usage.free < DISK_LOW else "ok"
    return {"free": usage.free, "total": usage.total, "state": state}


def snapshot(session: Session, study: Study, studio: Studio, folder: Path) -> dict[str, Any]:
    """Times in seconds. Each participant once, by code; those who finished or have not come yet, too."""
    at = now()
    protocol = service.protocol_of(study)
    asked = {"study_id": study.id}
    stays = {stay.participant_id: stay for stay in starmap(_Stay, session.execute(_STAYS, asked))}
    pauses: dict[str, list[_Pause]] = defaultdict(list)
    for pause in starmap(_Pause, session.execute(_PAUSES, asked)):
        pauses[pause.progress_id].append(pause)
    last = {str(who): (kind, server_ms) for who, kind, server_ms in session.execute(_LAST, asked)}
    notes = dict(session.execute(_NOTES, asked).all())
    way = len(protocol.way([{"condition": a.condition, "topic": a.topic} for a in protocol.cells[0].arms]))
    steps = {step.id: step for step in protocol.flow.steps}
    names = {condition.id: condition.name for condition in protocol.conditions}
    titles = {topic.id: topic.title for topic in protocol.every_topic}
    rows = []
    for person in starmap(_Person, session.execute(_PEOPLE, asked)):
        seen = _ago(person.seen_at, at)
        row: dict[str, Any] = {
            "id": person.id,
            "code": person.code,
            "kind": person.kind,
            "state": person.state,
            "cell": person.cell,
            "excluded": person.excluded,
            "online": seen is not None and seen <= ONLINE_SECONDS,
            "seen": seen,
            "notes": notes.get(person.id, 0),
            "of": way,
            "number": person.number,
            "last": None,
            "at": None,
        }
        if person.id in last:
            kind, server_ms = last[person.id]
            row["last"] = {"type": kind, "ago": max(0.0, at.timestamp() - server_ms / 1000)}
        stay = stays.get(person.id) if person.state == "active" else None
        if stay is not None:
            step = steps[stay.step]
            clock = clocks.read(stay, pauses.get(stay.id, ()), step, at)
            row["at"] = {
                "step": stay.step,
                "title": step.name(names.get(stay.condition or "")),
                "kind": stay.kind,
                "period": stay.period,
                "condition": names.get(stay.condition or ""),
                "topic": titles.get(stay.topic or ""),
                "attempt": stay.attempt,
                "spent": clock.spent,
                "left": clock.left,
                "warn": clock.warn,
                "hard_stop": clock.hard_stop,
                "paused": clock.paused,
                "blocked": stay.blocked,
            }
        rows.append(row)
    return {
        "at": at.isoformat(timespec="seconds"),
        "study": {"state": study.state},
        "model": studio.status(),
        "disk": disk(folder),
        "participants": rows,
    }


# Columns and no objects of the ORM: to make those of a hundred participants took most of a look's time.


class _Person(NamedTuple):
    id: str
    code: str
    kind: str
    state: str
    cell: int | None
    excluded: bool
    seen_at: datetime | None
    number: int


class _Stay(NamedTuple):
    participant_id: str
    id: str
    step: str
    kind: str
    period: int | None
    condition: str | None
    topic: str | None
    attempt: int
    seconds: int | None
    blocked: bool
    entered_at: datetime
    left_at: datetime | None


class _Pause(NamedTuple):
    progress_id: str
    reason: str
    started_at: datetime
    ended_at: datetime | None


def _columns(model: type[Base], row: type[NamedTuple]) -> list[Any]:
    return [getattr(model, name) for name in row._fields]


_IN_STUDY = Participant.study_id == bindparam("study_id")
_PEOPLE = select(*_columns(Participant, _Person)).where(_IN_STUDY).order_by(Participant.code)
_STAYS = (
    select(*_columns(Progress, _Stay))
    .join(Participant, Participant.id == Progress.participant_id)
    .where(_IN_STUDY, Progress.outcome.is_(None), Progress.number == Participant.number)
    .order_by(Progress.attempt)
)
_PAUSES = (
    select(*_columns(Pause, _Pause))
    .join(Progress, Progress.id == Pause.progress_id)
    .join(Participant, Participant.id == Progress.participant_id)
    .where(_IN_STUDY, Progress.outcome.is_(None))
    .order_by(Pause.started_at)
)
_NOTES = (
    select(Note.participant_id, func.count())
    .where(Note.study_id == bindparam("study_id"))
    .group_by(Note.participant_id)
)
# One look into the index for each participant.
_NEWEST = (
    select(func.max(LoggedEvent.id)).where(LoggedEvent.participant_id == Participant.id).correlate(Participant)
).scalar_subquery()
_LAST = select(LoggedEvent.participant_id, LoggedEvent.type, LoggedEvent.server_ms).where(
    LoggedEvent.id.in_(select(_NEWEST).where(_IN_STUDY))
)


def _ago(then: datetime | None, at: datetime) -> float | None:
    return None if then is None else max(0.0, (at - then).total_seconds())
