"""The tables of writing. A version's text never changes; a draft's numbers have no holes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import ID, Base, new_id, now

Json = JSON(none_as_null=True)
OPERATIONS = ("import", "label", "prompt", "combine", "manual", "move")
STATUSES = ("written", "proposed", "confirmed", "discarded")
STEP_STATES = ("done", "undone", "dropped")
UNFINISHED = ("queued", "running")


class Writer(Base):
    """Whoever holds the token whose SHA-256 this is."""

    __tablename__ = "writer"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    seen_at: Mapped[datetime] = mapped_column(default=now)
    revoked_at: Mapped[datetime | None]
    setting: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """app.writing.setting.Setting: what a participant of a study has at the desk; None where all is there."""


class Draft(Base):
    """`number` is the highest version number in it."""

    __tablename__ = "draft"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    writer_id: Mapped[str] = mapped_column(ForeignKey("writer.id"), index=True)
    title: Mapped[str] = mapped_column(Text)
    number: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)
    deleted_at: Mapped[datetime | None]
    stamp: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """app.writing.setting.Stamp: what stands beside each event about it; None outside of a study."""


class Paragraph(Base):
    """The draft as one text is the heads of its paragraphs by `position`, those removed left out."""

    __tablename__ = "paragraph"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    draft_id: Mapped[str] = mapped_column(ForeignKey("draft.id"), index=True)
    position: Mapped[int] = mapped_column(Integer)
    on_canvas: Mapped[bool] = mapped_column(default=False)
    removed: Mapped[bool] = mapped_column(default=False)
    head_version_id: Mapped[str | None] = mapped_column(
        ForeignKey("version.id", name="fk_paragraph_head_version_id_version", use_alter=True)
    )


class Version(Base):
    """One text of one paragraph, with all that is needed to make it again."""

    __tablename__ = "version"
    __table_args__ = (UniqueConstraint("draft_id", "number"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    draft_id: Mapped[str] = mapped_column(ForeignKey("draft.id"))
    paragraph_id: Mapped[str] = mapped_column(ForeignKey("paragraph.id"), index=True)
    number: Mapped[int] = mapped_column(Integer)
    operation: Mapped[str] = mapped_column(String(16))
    label: Mapped[str | None] = mapped_column(String(80))
    strategy: Mapped[str | None] = mapped_column(String(80))
    prompt: Mapped[dict[str, Any] | None] = mapped_column(Json)
    prompt_hash: Mapped[str | None] = mapped_column(String(64))
    sampling: Mapped[dict[str, Any] | None] = mapped_column(Json)
    model_id: Mapped[str | None] = mapped_column(Text)
    tuned_id: Mapped[str | None] = mapped_column(Text)
    seed: Mapped[int | None] = mapped_column(BigInteger)
    text: Mapped[str] = mapped_column(Text)
    exposition: Mapped[float | None] = mapped_column(Float)
    engagement: Mapped[float | None] = mapped_column(Float)
    spread: Mapped[float | None] = mapped_column(Float)
    scorer_id: Mapped[str | None] = mapped_column(String(120))
    human_placement: Mapped[dict[str, Any] | None] = mapped_column(Json)
    status: Mapped[str] = mapped_column(String(16))
    archived: Mapped[bool] = mapped_column(default=False)
    flags: Mapped[list[str]] = mapped_column(Json, default=list)
    generation_id: Mapped[str | None] = mapped_column(ForeignKey("generation.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)


class VersionParent(Base):
    """An edge of the history; a combined version has two."""

    __tablename__ = "version_parent"

    version_id: Mapped[str] = mapped_column(ForeignKey("version.id"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True)
    parent_id: Mapped[str] = mapped_column(ForeignKey("version.id"), index=True)


class Generation(Base):
    """One press of a label, or the combining of two versions, which has the second in `other_version_id` and the share
    of it, 0 to 1, in `mix`. `claimed_at` is set by the one stream that may run it."""

    __tablename__ = "generation"
    __table_args__ = (Index("ix_generation_status", "status"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    draft_id: Mapped[str] = mapped_column(ForeignKey("draft.id"), index=True)
    paragraph_id: Mapped[str] = mapped_column(ForeignKey("paragraph.id"))
    parent_version_id: Mapped[str] = mapped_column(
        ForeignKey("version.id", name="fk_generation_parent_version_id_version", use_alter=True)
    )
    other_version_id: Mapped[str | None] = mapped_column(
        ForeignKey("version.id", name="fk_generation_other_version_id_version", use_alter=True)
    )
    mix: Mapped[float | None] = mapped_column(Float)
    label: Mapped[str] = mapped_column(String(80))
    strategy: Mapped[str | None] = mapped_column(String(80))
    prompt: Mapped[str | None] = mapped_column(Text)
    seed: Mapped[int] = mapped_column(BigInteger)
    n: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(String(16), default="queued")
    problem: Mapped[dict[str, Any] | None] = mapped_column(Json)
    partial: Mapped[dict[str, str]] = mapped_column(Json, default=dict)
    ranking: Mapped[list[str]] = mapped_column(Json, default=list)
    moved: Mapped[bool | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    claimed_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class Step(Base):
    """One thing the writer did to a draft that can be taken back. `changes` holds what it changed, before and after;
    nothing is deleted by taking it back. `state`: done, undone, or dropped (undone, then something else was done)."""

    __tablename__ = "step"
    __table_args__ = (UniqueConstraint("draft_id", "number"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    draft_id: Mapped[str] = mapped_column(ForeignKey("draft.id"))
    number: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(40))
    paragraph_id: Mapped[str | None] = mapped_column(ForeignKey("paragraph.id"))
    changes: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    state: Mapped[str] = mapped_column(String(16), default="done")
    created_at: Mapped[datetime] = mapped_column(default=now)
    changed_at: Mapped[datetime] = mapped_column(default=now)


class Source(Base):
    """A text that a draft may take its facts from."""

    __tablename__ = "source"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    draft_id: Mapped[str] = mapped_column(ForeignKey("draft.id"), index=True)
    title: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    removed: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=now)


class SavedPrompt(Base):
    """An instruction of the writer's own that was kept; a pinned one is a label of theirs."""

    __tablename__ = "saved_prompt"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    writer_id: Mapped[str] = mapped_column(ForeignKey("writer.id"), index=True)
    name: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    pinned: Mapped[bool] = mapped_column(default=False)
    removed: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Goal(Base):
    """Where a draft should land for an audience: a rectangle of the canvas. At most one of a draft's is active."""

    __tablename__ = "goal"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    draft_id: Mapped[str] = mapped_column(ForeignKey("draft.id"), index=True)
    audience: Mapped[str] = mapped_column(Text)
    engagement_low: Mapped[float] = mapped_column(Float)
    engagement_high: Mapped[float] = mapped_column(Float)
    exposition_low: Mapped[float] = mapped_column(Float)
    exposition_high: Mapped[float] = mapped_column(Float)
    active: Mapped[bool] = mapped_column(default=True)
    removed: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=now)


class MuseCard(Base):
    """Something Muse said. `topic` tells what about: after "never" no card with the same topic comes again.
    `cites` are ids of versions it rests on, `action` is what *Apply* does."""

    __tablename__ = "muse_card"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    draft_id: Mapped[str] = mapped_column(ForeignKey("draft.id"), index=True)
    topic: Mapped[str] = mapped_column(String(120))
    observation: Mapped[str] = mapped_column(Text)
    question: Mapped[str] = mapped_column(Text)
    cites: Mapped[list[str]] = mapped_column(Json)
    action: Mapped[dict[str, Any] | None] = mapped_column(Json)
    model_id: Mapped[str | None] = mapped_column(Text)
    tuned_id: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16), default="shown")
    created_at: Mapped[datetime] = mapped_column(default=now)
    changed_at: Mapped[datetime] = mapped_column(default=now)


class LoggedEvent(Base):
    """A row of the typed log. What the browser sends has its recorder and number; what the server notes has neither.

    No foreign key on purpose: the log is not deleted with what it speaks of.
    """

    __tablename__ = "event"
    __table_args__ = (UniqueConstraint("recorder", "seq"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    writer_id: Mapped[str] = mapped_column(ID, index=True)
    draft_id: Mapped[str | None] = mapped_column(ID, index=True)
    recorder: Mapped[str | None] = mapped_column(ID)
    seq: Mapped[int | None] = mapped_column(BigInteger)
    client_ms: Mapped[int | None] = mapped_column(BigInteger)
    server_ms: Mapped[int] = mapped_column(BigInteger)
    type: Mapped[str] = mapped_column(String(40))
    payload: Mapped[dict[str, Any]] = mapped_column(Json)
    version_id: Mapped[str | None] = mapped_column(ID)
    participant_id: Mapped[str | None] = mapped_column(ID, index=True)
    condition: Mapped[str | None] = mapped_column(String(40))
    topic: Mapped[str | None] = mapped_column(String(40))
    step: Mapped[str | None] = mapped_column(String(40))
