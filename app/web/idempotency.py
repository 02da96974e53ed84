"""The same request sent twice is done once: the answer is stored with the work, in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, Response
from sqlalchemy import JSON, ForeignKey, Index, Integer, String, delete, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.db.base import Base, now
from app.web.errors import Problem

KEPT = timedelta(days=7)
"""A browser that was offline longer sends its typed text again as a new save, and its base tells."""


class Idempotency(Base):
    """The answer given under a writer's key."""

    __tablename__ = "idempotency"
    __table_args__ = (Index("ix_idempotency_created_at", "created_at"),)

    writer_id: Mapped[str] = mapped_column(ForeignKey("writer.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    route: Mapped[str] = mapped_column(String(300))
    body_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int] = mapped_column(Integer, default=0)
    response: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    created_at: Mapped[datetime] = mapped_column(default=now)


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def answer_once(
    session: Session,
    writer_id: str,
    key: str | None,
    route: str,
    body_hash: str,
    work: Callable[[], Any],
    status: int,
) -> Response:
    """The answer of `work`, or the one it gave before under this key. Raises Problem 422 when the key was
    used for something else. What `work` refuses is not stored: the next attempt may succeed."""
    if key is None:
        return _answer(status, jsonable_encoder(work()))
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    # A second request under the same key waits here until the first has committed.
    statement = insert(Idempotency).values(
        writer_id=writer_id, key=key, route=route, body_hash=body_hash, status=0, created_at=now()
    )
    inserted = session.execute(
        statement.on_conflict_do_nothing(index_elements=["writer_id", "key"]).returning(Idempotency.key)
    ).first()
    if inserted is None:
        known = session.get_one(Idempotency, (writer_id, key))
        if (known.route, known.body_hash) != (route, body_hash):
            raise Problem(
                422,
                "key-reused",
                "This Idempotency-Key was already used for another request. Send a new key.",
            )
        return _answer(known.status, known.response)
    response = jsonable_encoder(work())
    session.execute(
        update(Idempotency)
        .where(Idempotency.writer_id == writer_id, Idempotency.key == key)
        .values(status=status, response=response)
    )
    return _answer(status, response)


def forget_old(session: Session) -> None:
    session.execute(delete(Idempotency).where(Idempotency.created_at < now() - KEPT))


def _answer(status: int, content: Any) -> Response:
    return Response(status_code=204) if status == 204 else JSONResponse(content, status)
