"""What a facilitator watches while a study runs: who is where and for how long, the model, the disk.

A fixed number of statements, whatever the number of participants: it is asked for every two seconds.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db.base import now
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
    of_study = Participant.study_id == study.id
    people = session.scalars(select(Participant).where(of_study).order_by(Participant.code)).all()
    stays = {
        stay.participant_id: stay
        for stay in session.scalars(
            select(Progress)
            .join(Participant, Participant.id == Progress.participant_id)
            .where(of_study, Progress.outcome.is_(None), Progress.number == Participant.number)
            .order_by(Progress.attempt)
        )
    }
    pauses: dict[str, list[Pause]] = defaultdict(list)
    open_stays = (
        select(Pause)
        .join(Progress, Progress.id == Pause.progress_id)
        .join(Participant, Participant.id == Progress.participant_id)
        .where(of_study, Progress.outcome.is_(None))
        .order_by(Pause.started_at)
    )
    for pause in session.scalars(open_stays):
        pauses[pause.progress_id].append(pause)
    last = _last_events(session, study.id)
    counted = select(Note.participant_id, func.count()).where(Note.study_id == study.id).group_by(Note.participant_id)
    notes: dict[str | None, int] = dict(session.execute(counted).all())
    steps = len(protocol.way([{"condition": a.condition, "topic": a.topic} for a in protocol.cells[0].arms]))
    names = {condition.id: condition.name for condition in protocol.conditions}
    titles = {topic.id: topic.title for topic in protocol.every_topic}
    rows = []
    for person in people:
        stay = stays.get(person.id) if person.state == "active" else None
        row: dict[str, Any] = {
            "id": person.id,
            "code": person.code,
            "kind": person.kind,
            "state": person.state,
            "cell": person.cell,
            "excluded": person.excluded,
            "online": _ago(person.seen_at, at) is not None and (_ago(person.seen_at, at) or 0) <= ONLINE_SECONDS,
            "seen": _ago(person.seen_at, at),
            "notes": notes.get(person.id, 0),
            "of": steps,
            "number": person.number,
            "last": None,
            "at": None,
        }
        if person.id in last:
            kind, server_ms = last[person.id]
            row["last"] = {"type": kind, "ago": max(0.0, at.timestamp() - server_ms / 1000)}
        if stay is not None:
            step = protocol.step(stay.step)
            clock = clocks.read(stay, pauses[stay.id], step, at)
            row["at"] = {
                "step": stay.step,
                "title": step.title.replace("{condition}", names.get(stay.condition or "", "")) or step.kind,
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


def _ago(then: datetime | None, at: datetime) -> float | None:
    return None if then is None else max(0.0, (at - then).total_seconds())


def _last_events(session: Session, study_id: str) -> dict[str, tuple[str, int]]:
    """Type and server's time of each participant's last event, by participant: one look into the index for each."""
    newest = (
        select(func.max(LoggedEvent.id)).where(LoggedEvent.participant_id == Participant.id).correlate(Participant)
    ).scalar_subquery()
    wanted = select(newest).where(Participant.study_id == study_id)
    rows = session.execute(
        select(LoggedEvent.participant_id, LoggedEvent.type, LoggedEvent.server_ms).where(LoggedEvent.id.in_(wanted))
    )
    return {str(participant): (kind, server_ms) for participant, kind, server_ms in rows}
