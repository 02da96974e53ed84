"""The SQL behind what is made of a study's data: measures, analysis, replay and export. It reads only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.study import store
from app.study.models import Answer, Consent, Note, Participant, Pause, Progress, Study
from app.writing.models import Draft, LoggedEvent, Version

ROWS_AT_ONCE = 500


@dataclass(frozen=True)
class Task:
    """One period of one participant. `paused` are (from, to) in milliseconds since 1970, `to` None while it lasts."""

    participant: Participant
    progress: Progress
    paused: tuple[tuple[int, int | None], ...]


def study(session: Session, study_id: str) -> Study | None:
    """By its id or its name."""
    return session.get(Study, study_id) or store.study_named(session, study_id)


def participants(session: Session, study_id: str) -> Sequence[Participant]:
    """By code."""
    return session.scalars(select(Participant).where(Participant.study_id == study_id).order_by(Participant.code)).all()


def tasks(session: Session, study_id: str) -> Iterator[Task]:
    """Each participant's periods in order; of a task that was begun again, the last attempt."""
    last = (
        select(Progress.participant_id, Progress.number, func.max(Progress.attempt).label("attempt"))
        .where(Progress.kind == "task")
        .group_by(Progress.participant_id, Progress.number)
        .subquery()
    )
    rows = (
        select(Participant, Progress)
        .join(Progress, Progress.participant_id == Participant.id)
        .join(
            last,
            (last.c.participant_id == Progress.participant_id)
            & (last.c.number == Progress.number)
            & (last.c.attempt == Progress.attempt),
        )
        .where(Participant.study_id == study_id, Progress.draft_id.is_not(None))
        .order_by(Participant.code, Progress.number)
    )
    for participant, progress in session.execute(rows).all():
        yield Task(participant, progress, tuple(_paused(session, progress.id)))


def _paused(session: Session, progress_id: str) -> Iterator[tuple[int, int | None]]:
    for pause in session.scalars(
        select(Pause).where(Pause.progress_id == progress_id).order_by(Pause.started_at, Pause.id)
    ):
        yield (
            int(pause.started_at.timestamp() * 1000),
            int(pause.ended_at.timestamp() * 1000) if pause.ended_at else None,
        )


def answers(session: Session, study_id: str) -> Iterator[tuple[Participant, Progress, Answer]]:
    """Every answer in the order it was given, changed ones too: of an item the highest revision counts."""
    rows = (
        select(Participant, Progress, Answer)
        .join(Progress, Progress.id == Answer.progress_id)
        .join(Participant, Participant.id == Progress.participant_id)
        .where(Participant.study_id == study_id)
        .order_by(Participant.code, Progress.number, Progress.attempt, Answer.created_at, Answer.revision, Answer.id)
    )
    for row in session.execute(rows.execution_options(yield_per=ROWS_AT_ONCE)):
        yield row[0], row[1], row[2]


def progress(session: Session, study_id: str) -> Iterator[tuple[Participant, Progress]]:
    rows = (
        select(Participant, Progress)
        .join(Progress, Progress.participant_id == Participant.id)
        .where(Participant.study_id == study_id)
        .order_by(Participant.code, Progress.number, Progress.attempt)
    )
    for row in session.execute(rows.execution_options(yield_per=ROWS_AT_ONCE)):
        yield row[0], row[1]


def pauses(session: Session, study_id: str) -> Iterator[tuple[Participant, Progress, Pause]]:
    rows = (
        select(Participant, Progress, Pause)
        .join(Progress, Progress.id == Pause.progress_id)
        .join(Participant, Participant.id == Progress.participant_id)
        .where(Participant.study_id == study_id)
        .order_by(Participant.code, Pause.started_at, Pause.id)
    )
    for row in session.execute(rows):
        yield row[0], row[1], row[2]


def consents(session: Session, study_id: str) -> Iterator[tuple[Participant, Consent]]:
    rows = (
        select(Participant, Consent)
        .join(Consent, Consent.participant_id == Participant.id)
        .where(Participant.study_id == study_id)
        .order_by(Participant.code, Consent.created_at, Consent.id)
    )
    for row in session.execute(rows):
        yield row[0], row[1]


def notes(session: Session, study_id: str) -> Iterator[tuple[str | None, Note]]:
    """With the code of the participant they are about."""
    rows = (
        select(Participant.code, Note)
        .select_from(Note)
        .outerjoin(Participant, Participant.id == Note.participant_id)
        .where(Note.study_id == study_id)
        .order_by(Note.created_at, Note.id)
    )
    for row in session.execute(rows):
        yield row[0], row[1]


def _ids(study_id: str) -> Select[str]:
    return select(Participant.id).where(Participant.study_id == study_id)


def count_events(session: Session, study_id: str) -> int:
    own = LoggedEvent.participant_id.in_(_ids(study_id))
    return session.scalar(select(func.count()).select_from(LoggedEvent).where(own)) or 0


def events(session: Session, study_id: str, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """In the order they were stored, by column. Streamed: memory does not grow with the log."""
    rows = select(*(getattr(LoggedEvent, name) for name in columns)).order_by(LoggedEvent.id)
    own = rows.where(LoggedEvent.participant_id.in_(_ids(study_id))).execution_options(yield_per=ROWS_AT_ONCE)
    for row in session.execute(own):
        yield dict(zip(columns, row, strict=True))


def drafts(session: Session, study_id: str) -> Sequence[tuple[Participant, Draft]]:
    """Everything the participants wrote in: tasks, and practice too."""
    rows = (
        select(Participant, Draft)
        .join(Draft, Draft.writer_id == Participant.writer_id)
        .where(Participant.study_id == study_id)
        .order_by(Participant.code, Draft.created_at, Draft.id)
    )
    return [(row[0], row[1]) for row in session.execute(rows)]


def log(session: Session, draft_id: str) -> Iterator[dict[str, Any]]:
    """Everything noted about one draft, in the order it was stored."""
    columns = ("id", "type", "server_ms", "client_ms", "recorder", "seq", "version_id", "payload", "step")
    rows = select(*(getattr(LoggedEvent, name) for name in columns)).where(LoggedEvent.draft_id == draft_id)
    for row in session.execute(rows.order_by(LoggedEvent.id).execution_options(yield_per=ROWS_AT_ONCE)):
        yield dict(zip(columns, row, strict=True))


def versions(session: Session, draft_id: str) -> Sequence[Version]:
    return session.scalars(select(Version).where(Version.draft_id == draft_id).order_by(Version.number)).all()
