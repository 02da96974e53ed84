"""Versions side by side: what differs, word by word, and single differences taken over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import permutations

from sqlalchemy.orm import Session

from app.text import facts
from app.text import hunks as text_hunks
from app.web.errors import Problem, not_found
from app.writing import combine, setting, store
from app.writing import views as v
from app.writing.models import Version
from app.writing.service import version_views

PICKED_CHANGES = "picked changes"


def compare(session: Session, writer_id: str, draft_id: str, ids: Sequence[str]) -> v.ComparisonView:
    """Raises Problem 404 and 422."""
    versions = [store.version(session, writer_id, version_id) for version_id in ids]
    if any(version.draft_id != draft_id for version in versions):
        raise not_found()
    if len(set(ids)) < len(ids):
        raise Problem(422, "same-version", "A version can't be compared with itself. Pick another version.")
    views = [version_views(session, draft_id, [version])[0] for version in versions]
    scored = not setting.hides_scores(session, draft_id)
    pairs = [_pair(a, b, scored=scored) for a, b in permutations(versions, 2)]
    return v.ComparisonView(versions=views, pairs=pairs)


def _pair(base: Version, other: Version, *, scored: bool) -> v.PairView:
    hunks, rest = text_hunks.find(base.text, other.text)
    return v.PairView(
        base=base.id,
        other=other.id,
        hunks=[v.HunkView(index=i, **asdict(hunk)) for i, hunk in enumerate(hunks)],
        rest=rest,
        move=_move(base, other) if scored else None,
        facts=asdict(facts.compare(base.text, other.text)),
        acceptable=base.paragraph_id == other.paragraph_id,
    )


def _move(base: Version, other: Version) -> tuple[float, float] | None:
    """Null where one is not measured, or they were measured by different scorers."""
    if base.scorer_id is None or base.scorer_id != other.scorer_id:
        return None
    assert base.engagement is not None
    assert base.exposition is not None
    assert other.engagement is not None
    assert other.exposition is not None
    return other.engagement - base.engagement, other.exposition - base.exposition


def accept(session: Session, writer_id: str, draft_id: str, wanted: v.Accept) -> v.VersionView:
    """A version of `base` with the wanted changes of `other`. Raises Problem 404, 409, 422."""
    base, other = combine.pair(session, writer_id, wanted.base, wanted.other, draft_id)
    hunks, _ = text_hunks.find(base.text, other.text)
    chosen = set(wanted.accepted)
    if not chosen:
        raise Problem(422, "nothing-picked", "No change is picked, so there is no new version to make.")
    if not chosen <= set(range(len(hunks))):
        raise Problem(422, "unknown-change", "One of these changes is not there. Compare the versions anew.")
    text = text_hunks.accept(base.text, other.text, chosen)
    if not text.strip():
        raise Problem(422, "empty", "With these changes no text is left, so there is no new version to make.")
    return combine.keep(session, writer_id, [base.id, other.id], text, PICKED_CHANGES)
