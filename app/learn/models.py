"""The tables of learning: who lets the model learn, and what was put in service when."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, now


class Consent(Base):
    """A writer's switch. No row: they never touched it, so it is off."""

    __tablename__ = "learn_consent"

    writer_id: Mapped[str] = mapped_column(ForeignKey("writer.id"), primary_key=True)
    given: Mapped[bool]
    changed_at: Mapped[datetime] = mapped_column(default=now)


class Service(Base):
    """A choice of what writes; the latest row holds. `choice`: `default` (what the settings say), `off` (the untuned
    model) or a layer's id. `writer_id` is null where it was made at the command line."""

    __tablename__ = "learn_service"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    choice: Mapped[str] = mapped_column(String(80))
    writer_id: Mapped[str | None] = mapped_column(ForeignKey("writer.id"))
    created_at: Mapped[datetime] = mapped_column(default=now)
