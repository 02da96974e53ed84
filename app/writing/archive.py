"""Putting versions away against clutter: they stay in the history, and leave the canvas."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.web.errors import Problem, not_found
from app.writing import events, store, undo
from app.writing import views as v
from app.writing.models import Draft, Version
from app.writing.service import version_views


def archive(session: Session, writer_id: str, version_id: str) -> v.VersionView:
    """Raises Problem 404, and 409 for what is in the draft."""
    draft, paragraph, version = store.hold_version(session, writer_id, version_id)
    _put_away(session, draft, [version])
    undo.keep(session, draft, "archive", paragraph.id)
    return version_views(session, draft.id, [version])[0]


def unarchive(session: Session, writer_id: str, version_id: str) -> v.VersionView:
    """Raises Problem 404, and 409 for the text of a paragraph whose making was taken back."""
    draft, paragraph, version = store.hold_version(session, writer_id, version_id)
    if version.archived:
        if paragraph.removed and paragraph.head_version_id == version.id:
            raise Problem(409, "taken-back", "Its paragraph was taken back. Redo, or confirm it.")
        version.archived = False
        events.note(session, writer_id, draft.id, events.VersionUnarchived(), version.id)
    undo.keep(session, draft, "unarchive", paragraph.id)
    return version_views(session, draft.id, [version])[0]


def tidy(session: Session, writer_id: str, draft_id: str, version_ids: Sequence[str]) -> v.Changed:
    """Several at once, as one step; all of them or none. Raises Problem 404, and 409 for what is in the draft."""
    draft = store.hold(session, writer_id, draft_id)
    wanted = set(version_ids)
    versions = [version for version in store.versions(session, draft.id) if version.id in wanted]
    if len(versions) < len(wanted):
        raise not_found()
    _put_away(session, draft, versions)
    paragraphs = {version.paragraph_id for version in versions}
    undo.keep(session, draft, "archive", paragraphs.pop() if len(paragraphs) == 1 else None)
    return v.Changed(number=draft.number, versions=version_views(session, draft.id, versions), paragraphs=[])


def _put_away(session: Session, draft: Draft, versions: Sequence[Version]) -> None:
    heads = {paragraph.head_version_id for paragraph in store.paragraphs(session, draft.id)}
    if any(version.id in heads for version in versions):
        raise Problem(
            409,
            "in-draft",
            "A version that is the paragraph's text in the draft can't be archived. Confirm another one first.",
        )
    for version in versions:
        if not version.archived:
            version.archived = True
            events.note(session, draft.writer_id, draft.id, events.VersionArchived(), version.id)
