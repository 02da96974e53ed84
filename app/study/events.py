"""What the server notes of a study, in the same log as all else (app/writing/events.py)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from sqlalchemy.orm import Session

from app.study.models import Participant
from app.writing import setting
from app.writing.events import ServerEvent, server_row, stamped
from app.writing.models import LoggedEvent


class ParticipantJoined(ServerEvent):
    """A participant used their link for the first time and was given an order of conditions and topics."""

    type: Literal["participant.joined"] = "participant.joined"
    code: str = Field(description="The participant's code.")
    cell: int = Field(description="The cell of the design, from 1.")
    arms: list[dict[str, str]] = Field(description="Condition and topic of each period, in order.")


class ParticipantReturned(ServerEvent):
    """A participant came back: by the link again, or in another window that took over."""

    type: Literal["participant.returned"] = "participant.returned"
    by: Literal["link", "window"] = Field(description="How.")


class StepEntered(ServerEvent):
    """A participant came to a step; its timer runs from here."""

    type: Literal["step.entered"] = "step.entered"
    number: int = Field(description="The step's place on this participant's way, from 0.")
    kind: str = Field(description="consent, form, tutorial, practice, task, break, interview or debrief.")
    period: int | None = Field(description="Which period, from 1; empty outside of the periods.")
    attempt: int = Field(description="1, and one more each time the step was begun again.")
    seconds: int | None = Field(description="The step's time; empty without a timer.")


class StepLeft(ServerEvent):
    """A participant left a step."""

    type: Literal["step.left"] = "step.left"
    number: int = Field(description="The step's place on this participant's way, from 0.")
    outcome: str = Field(description="done, time-up, restarted, withdrawn or moved (by a facilitator).")
    spent_ms: int = Field(description="Time at it without pauses, milliseconds.")


class StepWarned(ServerEvent):
    """The soft warning of a step's timer was due."""

    type: Literal["step.warned"] = "step.warned"
    number: int = Field(description="The step's place on this participant's way, from 0.")


class ConsentGiven(ServerEvent):
    """A participant agreed to the consent text, or did not."""

    type: Literal["consent.given"] = "consent.given"
    version: str = Field(description="The text's version.")
    text_sha256: str = Field(description="SHA-256 of the text in UTF-8.")
    agreed: bool = Field(description="Whether they agreed.")


class AnswerGiven(ServerEvent):
    """A participant answered an item, or changed an answer."""

    type: Literal["answer.given"] = "answer.given"
    instrument: str = Field(description="The instrument's id.")
    version: str = Field(description="The instrument's version.")
    item: str = Field(description="The item's id.")
    value: Any = Field(description="A number, a text or a list of texts, by the item's kind.")
    revision: int = Field(description="1, and one more for each change.")


class StepPaused(ServerEvent):
    """A facilitator stopped a step's clock."""

    type: Literal["step.paused"] = "step.paused"
    reason: str = Field(description="Why.")
    by: str = Field(description="Who.")


class StepResumed(ServerEvent):
    """The clock runs again."""

    type: Literal["step.resumed"] = "step.resumed"
    paused_ms: int = Field(description="How long it stood still, milliseconds.")


class StepUnblocked(ServerEvent):
    """A facilitator let a participant go on with a step that a reload had blocked."""

    type: Literal["step.unblocked"] = "step.unblocked"


class ParticipantFinished(ServerEvent):
    """A participant came to the end, and everything their browser had numbered was there."""

    type: Literal["participant.finished"] = "participant.finished"
    events: int = Field(description="How many events their browser had numbered.")


class ParticipantWithdrew(ServerEvent):
    """A participant withdrew and let what was kept so far be used."""

    type: Literal["participant.withdrew"] = "participant.withdrew"


class ParticipantExcluded(ServerEvent):
    """A facilitator excluded a participant from the analysis, or took that back."""

    type: Literal["participant.excluded"] = "participant.excluded"
    excluded: bool = Field(description="Whether they are excluded now.")
    why: str | None = Field(description="The reason.")


def note(session: Session, participant: Participant, event: ServerEvent, stamp: setting.Stamp | None = None) -> None:
    """Add to the log, in the caller's transaction; with the stamp of the step the participant is at, or another."""
    assert participant.writer_id is not None
    if stamp is None:
        stamp = setting.stamp_of(session, participant.writer_id, None)
    stamp = stamp or setting.Stamp(participant_id=participant.id)
    session.add(LoggedEvent(**server_row(participant.writer_id, None, event), **stamped(stamp)))
