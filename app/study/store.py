"""The SQL of studies and participants. Who signs in is in auth.py, erasing in erase.py, what is read for measures and
the export in records.py, and what is watched in monitor.py."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.study.models import Answer, Consent, Facilitator, Note, Participant, Pause, Progress, Receipt, Study
from app.web.errors import Problem
from app.writing.models import LoggedEvent

UNKNOWN_STUDY = "There is no such study. It may have been deleted."
UNKNOWN_PARTICIPANT = "There is no such participant. They may have been deleted."


def study(session: Session, study_id: str) -> Study:
    found = session.get(Study, study_id)
    if found is None:
        raise Problem(404, "no-study", UNKNOWN_STUDY)
    return found


def hold_study(session: Session, study_id: str) -> Study:
    """The study, and nobody else joins or changes it until the transaction ends."""
    statement = select(Study).where(Study.id == study_id).with_for_update()
    session.scalar(statement.execution_options(populate_existing=True))
    return study(session, study_id)


def studies(session: Session) -> Sequence[Study]:
    """In the order in which they were made."""
    return session.scalars(select(Study).order_by(Study.created_at)).all()


def open_study(session: Session) -> Study | None:
    return session.scalar(select(Study).where(Study.state == "open").order_by(Study.created_at).limit(1))


def study_named(session: Session, name: str) -> Study | None:
    return session.scalar(select(Study).where(Study.name == name))


def people(session: Session, study_id: str) -> Sequence[Participant]:
    """By code, without those of dry runs."""
    own = select(Participant).where(Participant.study_id == study_id, Participant.kind != "dry-run")
    return session.scalars(own.order_by(Participant.code)).all()


def people_by_state(session: Session) -> dict[str, Counter[str]]:
    """By study how many are in each state, without those of dry runs."""
    counted = (
        select(Participant.study_id, Participant.state, func.count())
        .where(Participant.kind != "dry-run")
        .group_by(Participant.study_id, Participant.state)
    )
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for study_id, state, count in session.execute(counted):
        found[study_id][state] = count
    return found


def participant(session: Session, participant_id: str) -> Participant:
    found = session.get(Participant, participant_id)
    if found is None:
        raise Problem(404, "no-participant", UNKNOWN_PARTICIPANT)
    return found


def replacement(session: Session, participant_id: str) -> Participant | None:
    """Who was given this participant's cell."""
    return session.scalar(select(Participant).where(Participant.replaces == participant_id))


def notes_about(session: Session, participant_id: str) -> list[tuple[Note, str | None]]:
    """The latest first, each with the name of who wrote it."""
    rows = (
        select(Note, Facilitator.name)
        .outerjoin(Facilitator, Facilitator.id == Note.facilitator_id)
        .where(Note.participant_id == participant_id)
        .order_by(Note.created_at.desc())
    )
    return [(note, name) for note, name in session.execute(rows)]


def receipt(session: Session, study_id: str, receipt_id: str) -> Receipt:
    found = session.get(Receipt, receipt_id)
    if found is None or found.study_id != study_id:
        raise Problem(404, "not-found", "There is no such receipt.")
    return found


def hold_participant(session: Session, participant_id: str) -> Participant:
    """The participant, and nobody else moves them until the transaction ends."""
    statement = select(Participant).where(Participant.id == participant_id).with_for_update()
    found = session.scalar(statement.execution_options(populate_existing=True))
    if found is None:
        raise Problem(404, "no-participant", UNKNOWN_PARTICIPANT)
    return found


def participant_by_link(session: Session, link_hash: str) -> Participant | None:
    return session.scalar(select(Participant).where(Participant.link_hash == link_hash))


def participant_of(session: Session, writer_id: str) -> Participant | None:
    return session.scalar(select(Participant).where(Participant.writer_id == writer_id))


def hold_participant_of(session: Session, writer_id: str) -> Participant:
    """Raises Problem 404 for a writer who takes part in no study."""
    found = participant_of(session, writer_id)
    if found is None:
        raise Problem(404, "no-participant", "This browser takes part in no study. Open the link you were given.")
    return hold_participant(session, found.id)


def codes(session: Session, study_id: str) -> set[str]:
    return set(session.scalars(select(Participant.code).where(Participant.study_id == study_id)))


def taken(session: Session, study_id: str, kind: str) -> dict[int, int]:
    """How many participants of a kind hold each cell."""
    held = (
        select(Participant.cell, func.count())
        .where(
            Participant.study_id == study_id,
            Participant.kind == kind,
            Participant.cell.is_not(None),
            Participant.excluded.is_(False),
            Participant.state != "withdrawn",
        )
        .group_by(Participant.cell)
    )
    return {cell: count for cell, count in session.execute(held) if cell is not None}


def stays(session: Session, participant_id: str) -> Sequence[Progress]:
    """All of a participant's, in the order in which they were begun."""
    own = select(Progress).where(Progress.participant_id == participant_id)
    return session.scalars(own.order_by(Progress.number, Progress.attempt)).all()


def stay(session: Session, participant: Participant) -> Progress | None:
    """At the step the participant is at."""
    own = select(Progress).where(
        Progress.participant_id == participant.id,
        Progress.number == participant.number,
        Progress.outcome.is_(None),
    )
    return session.scalar(own.order_by(Progress.attempt.desc()).limit(1))


def attempts(session: Session, participant_id: str, number: int) -> int:
    own = select(func.max(Progress.attempt)).where(Progress.participant_id == participant_id, Progress.number == number)
    return session.scalar(own) or 0


def pauses(session: Session, progress_id: str) -> Sequence[Pause]:
    return session.scalars(select(Pause).where(Pause.progress_id == progress_id).order_by(Pause.started_at)).all()


def answers(session: Session, progress_id: str) -> dict[tuple[str, str], Answer]:
    """The latest by instrument and item."""
    own = select(Answer).where(Answer.progress_id == progress_id).order_by(Answer.revision)
    return {(answer.instrument, answer.item): answer for answer in session.scalars(own)}


def consented(session: Session, participant_id: str) -> Consent | None:
    """What the participant said last."""
    own = select(Consent).where(Consent.participant_id == participant_id)
    return session.scalar(own.order_by(Consent.created_at.desc()).limit(1))


def latest_event_ms(session: Session) -> int:
    """The server's time of the latest event, milliseconds since 1970; 0 where there is none."""
    return session.scalar(select(func.max(LoggedEvent.server_ms))) or 0


def stored(session: Session, recorders: Iterable[str]) -> dict[str, int]:
    """How many events of each recorder are in the log."""
    counts = (
        select(LoggedEvent.recorder, func.count())
        .where(LoggedEvent.recorder.in_(list(recorders)))
        .group_by(LoggedEvent.recorder)
    )
    found: dict[str, int] = defaultdict(int)
    for recorder, count in session.execute(counts):
        found[str(recorder)] = count
    return found
