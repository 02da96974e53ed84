"""What a facilitator does with studies and participants. Each function is one transaction's work and raises Problem
when it refuses. What a participant does is in flow.py, erasing in erase.py."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.study.models import Note, Participant, Pause, Study
from app.study.protocol import Protocol
from app.study.types import Clock, Frozen, Kind
from app.writing.studio import Studio


def create(session: Session, protocol_yaml: str, facilitator_id: str | None = None) -> Study:
    """A study in state draft. Raises Problem 422 bad-protocol (its detail names the line; `line` is beside it) and 409
    name-taken."""
    raise NotImplementedError


def change_protocol(session: Session, study_id: str, protocol_yaml: str) -> Study:
    """Only while nobody has joined and the study is a draft. Raises Problem 404, 409 frozen, 422 bad-protocol."""
    raise NotImplementedError


def protocol_of(study: Study) -> Protocol:
    """The frozen one when the study was opened, else what the YAML says."""
    raise NotImplementedError


def freeze(studio: Studio, protocol_yaml: str) -> Frozen:
    """What the study would be run with now. Raises Problem 503 while the model or the scorer is not ready."""
    raise NotImplementedError


def open_study(session: Session, study_id: str, frozen: Frozen) -> Study:
    """From now on participants may join. An open one stays as it is; a closed one opens again with what was frozen
    first, and is refused (409 changed) when model, prompts, strategies or scorer are others than then."""
    raise NotImplementedError


def close_study(session: Session, study_id: str) -> Study:
    """Nobody may join or go on; what was written stays."""
    raise NotImplementedError


def add_participants(
    session: Session, study_id: str, codes: list[str | None], *, kind: Kind = "person", replaces: str | None = None
) -> list[tuple[Participant, str]]:
    """New participants with the tokens of their links (the address is /s/TOKEN). A code of None becomes P01, P02 …

    `replaces` is the id of a participant whose cell the new one is to take. Raises Problem 404, 409 code-taken, 422.
    """
    raise NotImplementedError


def new_link(session: Session, participant_id: str) -> tuple[Participant, str]:
    """Another link in place of the one before, which no longer works; what was written stays."""
    raise NotImplementedError


def revoke_link(session: Session, participant_id: str) -> Participant:
    """The link no longer works, and the browser that came by it is signed out."""
    raise NotImplementedError


def pause(session: Session, participant_id: str, reason: str, by: str) -> Pause:
    """Stop the clock of the step the participant is at, and the desk with it. Raises Problem 404, 409, 422."""
    raise NotImplementedError


def resume(session: Session, participant_id: str) -> Pause:
    raise NotImplementedError


def unblock(session: Session, participant_id: str) -> Participant:
    """Let a participant go on whom a reload of a step with policy block has stopped."""
    raise NotImplementedError


def write_note(
    session: Session, study_id: str, text: str, *, participant_id: str | None = None, facilitator_id: str | None = None
) -> Note:
    """Stamped with time and, for a participant, the step they are at."""
    raise NotImplementedError


def exclude(session: Session, participant_id: str, *, excluded: bool, why: str | None = None) -> Participant:
    """From the analysis and from the counts of the cells."""
    raise NotImplementedError


def taken(session: Session, study_id: str, kind: Kind = "person") -> dict[int, int]:
    """How many participants of a kind hold each cell: those who joined, but for excluded and withdrawn ones."""
    raise NotImplementedError


def clock(session: Session, participant: Participant) -> Clock | None:
    """Of the step the participant is at; None before they joined and after the end."""
    raise NotImplementedError
