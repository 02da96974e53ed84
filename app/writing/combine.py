"""Two versions of one paragraph made into one: by their sentences alone, or (app/writing/join.py) with the model."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy.orm import Session

from app.axes.types import Placement, Scorer, Unplaceable
from app.text import facts
from app.text.merge import Merged, Plan
from app.web.errors import Problem, not_found
from app.writing import events, ledger, sources, store, undo
from app.writing import views as v
from app.writing.events import note
from app.writing.join import SENTENCE_MERGE
from app.writing.models import Version
from app.writing.service import note_version, version_views

LABEL = "combine"
STOPS = 20
"""Places of the slider between the one version and the other."""


def pair(session: Session, writer_id: str, a: str, b: str, draft_id: str | None = None) -> tuple[Version, Version]:
    """Two versions that can be made into one. Raises Problem 404, 409, 422."""
    first, second = store.version(session, writer_id, a), store.version(session, writer_id, b)
    if draft_id is not None and {first.draft_id, second.draft_id} != {draft_id}:
        raise not_found()
    if first.id == second.id:
        raise Problem(422, "same-version", "A version can't be combined with itself. Pick another version.")
    if first.paragraph_id != second.paragraph_id:
        raise Problem(
            409,
            "other-paragraph",
            "These versions are of two paragraphs. Only versions of one paragraph can be combined.",
        )
    for version in (first, second):
        if version.status == "discarded":
            raise Problem(409, "discarded", f"Version {version.number} is discarded. Restore it first.")
        if not any(character.isalpha() for character in version.text):
            raise Problem(409, "empty", f"Version {version.number} has no words, so there is nothing to combine.")
    if first.text.split() == second.text.split():
        raise Problem(422, "identical", "Both versions have the same text, so there is nothing to combine.")
    return first, second


def merges(a: Version, b: Version, scorer: Scorer | None) -> v.MergesView:
    """What each place of the slider gives, each text once; measured, where there is a scorer."""
    plan = Plan(a.text, b.text)
    found: dict[str, tuple[float, Merged]] = {}
    for stop in range(STOPS + 1):
        merged = plan.at(stop / STOPS)
        found.setdefault(merged.text, (stop / STOPS, merged))
    placements = measure(scorer, list(found))
    return v.MergesView(
        a=a.id,
        b=b.id,
        merges=[
            v.MergeView(
                mix=mix,
                text=text,
                sentences=[v.PieceView.of(piece) for piece in merged.pieces],
                placement=v.PlacementView(**asdict(placements[text])) if text in placements else None,
            )
            for text, (mix, merged) in found.items()
        ],
    )


def measure(scorer: Scorer | None, texts: list[str]) -> dict[str, Placement]:
    """Nothing without a scorer, or where one of the texts can't be placed."""
    if scorer is None:
        return {}
    try:
        return dict(zip(texts, scorer.score(texts), strict=True))
    except Unplaceable:
        return {}


def merged(session: Session, writer_id: str, draft_id: str, wanted: v.Merge) -> str:
    """The text of a sentence merge. Raises Problem 404, 409, 422."""
    first, second = pair(session, writer_id, wanted.a, wanted.b, draft_id)
    text = Plan(first.text, second.text).at(wanted.mix).text
    for version in (first, second):
        if text.split() == version.text.split():
            detail = (
                f"At this mix the text is version {version.number} as it is. Move the slider towards the other one."
            )
            raise Problem(422, "unchanged", detail)
    return text


def merge(
    session: Session, writer_id: str, draft_id: str, wanted: v.Merge, text: str, placement: Placement | None
) -> v.VersionView:
    """Keep a merged text as a version, without the model."""
    pair(session, writer_id, wanted.a, wanted.b, draft_id)
    return keep(session, writer_id, [wanted.a, wanted.b], text, SENTENCE_MERGE, placement)


def keep(
    session: Session, writer_id: str, parents: list[str], text: str, strategy: str, placement: Placement | None = None
) -> v.VersionView:
    """A version with two parents of one paragraph, made without the model."""
    draft, paragraph, first = store.hold_version(session, writer_id, parents[0])
    second = session.get_one(Version, parents[1])
    values = Version(
        paragraph_id=paragraph.id,
        operation="combine",
        label=LABEL,
        strategy=strategy,
        text=text,
        status="proposed",
        flags=ledger.flags(
            facts.compare_all([first.text, second.text], text),
            ledger.new_claims(store.grounds(session, parents), text, sources.pack_of(session, draft.id)),
        ),
    )
    version = store.add_version(session, draft, values, parents)
    note_version(session, draft, version, parents, head=False)
    if placement is not None:
        store.set_placement(version, placement)
        note(session, writer_id, draft.id, events.VersionPlaced(**asdict(placement)), version.id)
    undo.keep(session, draft, "combine", paragraph.id)
    return version_views(session, draft.id, [version])[0]
