"""Where the writer thinks a version belongs, beside where it was measured.

What was measured is never changed by it; what chooses and counts (ranking, distance to goals, flags) goes by that.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from app.web.errors import Problem
from app.writing import events, store, undo
from app.writing import views as v
from app.writing.events import note
from app.writing.models import Version
from app.writing.service import version_views


def correct(session: Session, writer_id: str, version_id: str, wanted: v.Correction) -> v.VersionView:
    """Put it where the writer says. Raises Problem 404, and 409 when it is not measured, or stands elsewhere by hand
    than the page knows."""
    draft, paragraph, version = store.hold_version(session, writer_id, version_id)
    if version.scorer_id is None:
        raise Problem(409, "unplaced", "This version is not measured yet, so there is no place to correct.")
    _refuse_stale(version, wanted.over)
    corrected = events.VersionCorrected(
        exposition=round(wanted.exposition, 2),
        engagement=round(wanted.engagement, 2),
        note=" ".join(wanted.note.split()),
        scorer_id=version.scorer_id,
    )
    value: dict[str, Any] = corrected.model_dump(exclude={"type"})
    if version.human_placement != value:
        version.human_placement = value
        note(session, writer_id, draft.id, corrected, version.id)
    undo.keep(session, draft, "correct", paragraph.id)
    return version_views(session, draft.id, [version])[0]


def uncorrect(session: Session, writer_id: str, version_id: str) -> v.VersionView:
    """It stands where it measures again."""
    draft, paragraph, version = store.hold_version(session, writer_id, version_id)
    if version.human_placement is not None:
        version.human_placement = None
        note(session, writer_id, draft.id, events.VersionUncorrected(), version.id)
    undo.keep(session, draft, "correct", paragraph.id)
    return version_views(session, draft.id, [version])[0]


def _refuse_stale(version: Version, over: v.Spot | None) -> None:
    human = version.human_placement
    known = None if over is None else (over.exposition, over.engagement)
    if human is not None and known != (human["exposition"], human["engagement"]):
        raise Problem(
            409,
            "stale",
            "This version was put elsewhere in another window, so nothing was changed. Look at it, then correct again.",
        )
