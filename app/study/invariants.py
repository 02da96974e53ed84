"""What must hold of studies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.check import Invariant
from app.study.models import Participant, Progress
from app.writing.models import LoggedEvent


class WhoTakesPartIsAtOneStep(Invariant):
    """A participant who takes part is at exactly one step, the one that their row names; nobody else is at any."""

    def broken(self, session: Session) -> Iterator[str]:
        open_stays = Counter[str]()
        numbers: dict[str, int] = {}
        for participant_id, number in session.execute(
            select(Progress.participant_id, Progress.number).where(Progress.outcome.is_(None))
        ):
            open_stays[participant_id] += 1
            numbers[participant_id] = number
        for participant in session.scalars(select(Participant)):
            wanted = 1 if participant.state == "active" else 0
            if open_stays[participant.id] != wanted:
                yield f"Participant {participant.id} is {participant.state} and at {open_stays[participant.id]} steps."
            elif wanted and numbers[participant.id] != participant.number:
                yield f"Participant {participant.id} is at another step than their row says."


class EventsAreOfParticipants(Invariant):
    """What is stamped with a participant is theirs, and theirs is stamped."""

    def broken(self, session: Session) -> Iterator[str]:
        joined = (
            select(LoggedEvent.id)
            .join(Participant, Participant.writer_id == LoggedEvent.writer_id, isouter=True)
            .where(LoggedEvent.participant_id.is_distinct_from(Participant.id))
        )
        for event_id in session.scalars(joined):
            yield f"Event {event_id} is stamped with another participant than its writer is."
