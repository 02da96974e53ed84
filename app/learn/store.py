"""All SQL of the room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from sqlalchemy import Row, select
from sqlalchemy.orm import Session, aliased

from app.db.base import now
from app.learn.comparisons import Comparison, compare
from app.learn.models import Consent, Service
from app.writing.models import Draft, Generation, Version, Writer
from app.writing.strategies import Book


def consents(session: Session, writer_id: str) -> bool:
    found = session.get(Consent, writer_id)
    return found is not None and found.given


def set_consent(session: Session, writer_id: str, *, given: bool) -> bool:
    """Whether that changed anything."""
    found = session.get(Consent, writer_id, with_for_update=True)
    if found is None:
        session.add(Consent(writer_id=writer_id, given=given))
        return given
    if found.given == given:
        return False
    found.given, found.changed_at = given, now()
    return True


def comparisons(session: Session, book: Book, writer_id: str | None = None) -> list[Comparison]:
    """Of all writers who consent now (or of one, whether or not they do), oldest first; deleted drafts are left out."""
    parent = aliased(Version)
    own = (
        select(Version, Generation.label, parent.text)
        .join(Generation, Generation.id == Version.generation_id)
        .join(parent, parent.id == Generation.parent_version_id)
        .join(Draft, Draft.id == Version.draft_id)
        .where(
            Draft.deleted_at.is_(None),
            Version.status.in_(("confirmed", "discarded")),
            Version.operation.in_(("label", "prompt")),
        )
        .order_by(Generation.created_at, Generation.id, Version.number)
    )
    if writer_id is not None:
        own = own.where(Draft.writer_id == writer_id)
    else:
        own = own.join(Consent, Consent.writer_id == Draft.writer_id).join(Writer, Writer.id == Draft.writer_id)
        own = own.where(Consent.given, Writer.revoked_at.is_(None))
    return list(_compared(session.execute(own).all(), book))


def _compared(rows: Sequence[Row[Version, str, str]], book: Book) -> Iterator[Comparison]:
    for _, together in groupby(rows, key=lambda row: row[0].generation_id):
        siblings = list(together)
        _, label, text = siblings[0]
        yield from compare([version for version, _, _ in siblings], text, label, book)


def served(session: Session) -> Service | None:
    """The choice that holds; None where nobody has chosen."""
    return session.scalar(select(Service).order_by(Service.id.desc()).limit(1))


def choose(session: Session, choice: str, writer_id: str | None) -> Service:
    made = Service(choice=choice, writer_id=writer_id)
    session.add(made)
    session.flush()
    return made
