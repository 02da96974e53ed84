"""The tables of studies. What happens in a study stands in the one event log (app.writing.models.LoggedEvent)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import ID, Base, new_id, now

Json = JSON(none_as_null=True)


class Facilitator(Base):
    """Who runs studies. `password_hash` is Argon2id's encoded form."""

    __tablename__ = "facilitator"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    password_hash: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
    disabled_at: Mapped[datetime | None]


class FacilitatorSession(Base):
    """A browser that signed in; the token itself is only in its cookie."""

    __tablename__ = "facilitator_session"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    facilitator_id: Mapped[str] = mapped_column(ForeignKey("facilitator.id"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    seen_at: Mapped[datetime] = mapped_column(default=now)
    revoked_at: Mapped[datetime | None]


class Study(Base):
    """`state`: draft, open or closed. `protocol` is the YAML as it was given. `frozen` is set when the study opens and
    never changes afterwards: types.Frozen as JSON. `people` counts every participant that was ever added, so that no
    code is given twice."""

    __tablename__ = "study"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    title: Mapped[str] = mapped_column(Text)
    protocol: Mapped[str] = mapped_column(Text)
    frozen: Mapped[dict[str, Any] | None] = mapped_column(Json)
    state: Mapped[str] = mapped_column(String(16), default="draft")
    people: Mapped[int] = mapped_column(Integer, default=0)
    created_by: Mapped[str | None] = mapped_column(ForeignKey("facilitator.id"))
    created_at: Mapped[datetime] = mapped_column(default=now)
    opened_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class Participant(Base):
    """One person, known by a code. The link's token is kept only as its SHA-256.

    `kind`: person, dry-run or simulated. `state`: invited, active, finished or withdrawn.
    `cell` and `arms` (a list of {condition, topic}, in the order of the periods) are given when the person joins and
    never change. `number` is the place in the study's list of steps, from 0, of the step that the person is at.
    `holder` is the browser tab that may act; another tab that opens is told, and may take over. `recorders` is how many
    events each recorder of the browser has numbered; the completion code is given when all of them are in the log.
    """

    __tablename__ = "participant"
    __table_args__ = (UniqueConstraint("study_id", "code"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    study_id: Mapped[str] = mapped_column(ForeignKey("study.id"), index=True)
    code: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(16), default="person")
    link_hash: Mapped[str] = mapped_column(String(64), unique=True)
    link_revoked_at: Mapped[datetime | None]
    writer_id: Mapped[str | None] = mapped_column(ForeignKey("writer.id"), unique=True)
    state: Mapped[str] = mapped_column(String(16), default="invited")
    cell: Mapped[int | None] = mapped_column(Integer)
    arms: Mapped[list[dict[str, str]]] = mapped_column(Json, default=list)
    replaces: Mapped[str | None] = mapped_column(ID)
    number: Mapped[int] = mapped_column(Integer, default=0)
    holder: Mapped[str | None] = mapped_column(ID)
    recorders: Mapped[dict[str, int]] = mapped_column(Json, default=dict)
    excluded: Mapped[bool] = mapped_column(default=False)
    excluded_why: Mapped[str | None] = mapped_column(Text)
    completion_code: Mapped[str | None] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(default=now)
    joined_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Progress(Base):
    """A stay at one step. A step that was begun again has one row for each attempt.

    `outcome` is None while the person is there, then done, time-up, restarted, withdrawn or moved (by a facilitator).
    `seconds` is the step's time, None without a timer; `warned` tells that the soft warning was shown. `load` is the
    document that shows it now, None before the first; `blocked` tells that a reload stopped it (policy block).
    """

    __tablename__ = "progress"
    __table_args__ = (UniqueConstraint("participant_id", "number", "attempt"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    participant_id: Mapped[str] = mapped_column(ForeignKey("participant.id"), index=True)
    number: Mapped[int] = mapped_column(Integer)
    attempt: Mapped[int] = mapped_column(Integer, default=1)
    step: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(16))
    period: Mapped[int | None] = mapped_column(Integer)
    condition: Mapped[str | None] = mapped_column(String(40))
    topic: Mapped[str | None] = mapped_column(String(40))
    draft_id: Mapped[str | None] = mapped_column(ForeignKey("draft.id"))
    seconds: Mapped[int | None] = mapped_column(Integer)
    warned: Mapped[bool] = mapped_column(default=False)
    load: Mapped[str | None] = mapped_column(ID)
    blocked: Mapped[bool] = mapped_column(default=False)
    entered_at: Mapped[datetime] = mapped_column(default=now)
    left_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(16))


class Pause(Base):
    """Time that does not count for the step's timer. `ended_at` is None while it lasts. `by`: facilitator."""

    __tablename__ = "pause"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    progress_id: Mapped[str] = mapped_column(ForeignKey("progress.id"), index=True)
    reason: Mapped[str] = mapped_column(Text)
    by: Mapped[str] = mapped_column(String(80))
    started_at: Mapped[datetime] = mapped_column(default=now)
    ended_at: Mapped[datetime | None]


class Answer(Base):
    """An answer to one item. A changed answer is a new row with the next revision; the highest counts.

    `value` is a number (scale, likert, number), a text (text, choice: the option's value) or a list of texts (choices);
    NULL when it was taken back.
    """

    __tablename__ = "answer"
    __table_args__ = (UniqueConstraint("progress_id", "instrument", "item", "revision"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    participant_id: Mapped[str] = mapped_column(ForeignKey("participant.id"), index=True)
    progress_id: Mapped[str] = mapped_column(ForeignKey("progress.id"))
    instrument: Mapped[str] = mapped_column(String(40))
    instrument_version: Mapped[str] = mapped_column(String(40))
    item: Mapped[str] = mapped_column(String(40))
    value: Mapped[Any] = mapped_column(Json, nullable=True)
    revision: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Consent(Base):
    """What a person was shown, word by word, and what they said to it."""

    __tablename__ = "consent"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    participant_id: Mapped[str] = mapped_column(ForeignKey("participant.id"), index=True)
    version: Mapped[str] = mapped_column(String(40))
    text: Mapped[str] = mapped_column(Text)
    agreed: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(default=now)


class Note(Base):
    """What a facilitator wrote down, about a participant at a step, or about the study."""

    __tablename__ = "note"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    study_id: Mapped[str] = mapped_column(ForeignKey("study.id"), index=True)
    participant_id: Mapped[str | None] = mapped_column(ForeignKey("participant.id"), index=True)
    facilitator_id: Mapped[str | None] = mapped_column(ForeignKey("facilitator.id"))
    step: Mapped[str | None] = mapped_column(String(40))
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Receipt(Base):
    """What was done on a withdrawal or a deletion. It holds nothing of the person, who has its code.

    `kind`: withdrawn-keep, withdrawn-erase or deleted. `counts`: rows erased, by table.
    """

    __tablename__ = "receipt"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    study_id: Mapped[str] = mapped_column(ForeignKey("study.id"), index=True)
    code: Mapped[str] = mapped_column(String(40), unique=True)
    kind: Mapped[str] = mapped_column(String(24))
    counts: Mapped[dict[str, int]] = mapped_column(Json, default=dict)
    created_at: Mapped[datetime] = mapped_column(default=now)
