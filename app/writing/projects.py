"""A draft out into a project file, and a project file in as a new draft of whoever brings it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel
from sqlalchemy.orm import Session

from app.axes.types import Placement
from app.db.base import new_id
from app.writing import events, store
from app.writing import projectfile as pf
from app.writing import views as v
from app.writing.events import UUID_PATTERN, note
from app.writing.models import (
    UNFINISHED,
    Draft,
    Generation,
    Goal,
    MuseCard,
    Paragraph,
    Source,
    Version,
    VersionParent,
)
from app.writing.service import keep_placements, note_version

Ids = dict[str, list[str]]
"""Ids by kind; what stands at place i is number i + 1 in the file."""

_ANY_ID = re.compile(UUID_PATTERN, re.IGNORECASE)
_ID_WITHIN = re.compile(UUID_PATTERN.strip("^$"))
_REF_WITHIN = re.compile(r"\b[a-z]+/[1-9][0-9]*\b")
_SAME_IN_VERSION = (
    *("number", "operation", "label", "strategy", "prompt", "prompt_hash", "sampling", "model_id", "tuned_id", "seed"),
    *("text", "human_placement", "status", "archived", "flags", "created_at"),
)
_SAME_IN_GENERATION = (
    *("mix", "label", "strategy", "prompt", "seed", "n", "status", "problem", "partial", "moved"),
    *("created_at", "claimed_at", "started_at", "ended_at"),
)
_SAME_IN_CARD = (*("observation", "question", "model_id", "tuned_id", "status", "created_at", "changed_at"),)


# ── out ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def read(session: Session, writer_id: str, draft_id: str) -> tuple[Draft, pf.Project]:
    """The draft with its whole history. Raises Problem 404."""
    draft = store.draft(session, writer_id, draft_id)
    paragraphs, versions = store.paragraphs(session, draft_id), store.versions(session, draft_id)
    generations = store.generations(session, draft_id)
    sources, goals = store.sources(session, draft_id), store.goals(session, draft_id)
    ids: Ids = {
        "draft": [draft_id],
        "paragraph": [x.id for x in paragraphs],
        "version": [x.id for x in versions],
        "generation": [x.id for x in generations],
        "source": [x.id for x in sources],
        "goal": [x.id for x in goals],
    }
    numbers = {one: i for kind in ids.values() for i, one in enumerate(kind, start=1)}
    parents = store.parents(session, Version.draft_id == draft_id)
    was = store.statuses_before_discard(session, draft_id)
    return draft, pf.Project(
        draft=pf.DraftPart.model_validate(_of(draft, pf.DraftPart)),
        paragraphs=[
            pf.ParagraphPart(head=numbers[str(x.head_version_id)], on_canvas=x.on_canvas, removed=x.removed)
            for x in paragraphs
        ],
        versions=[_version_part(x, [numbers[i] for i in parents.get(x.id, ())], was, numbers) for x in versions],
        generations=[_generation_part(x, numbers) for x in generations],
        sources=[pf.SourcePart.model_validate(_of(x, pf.SourcePart)) for x in sources],
        goals=[pf.GoalPart.model_validate(_of(x, pf.GoalPart)) for x in goals],
        cards=[_card_part(x, ids, numbers) for x in store.muse_cards(session, draft_id)],
    )


def _of(row: Any, part: type[BaseModel]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in part.model_fields}


def _version_part(x: Version, parents: list[int], was: dict[str, str], numbers: dict[str, int]) -> pf.VersionPart:
    placement = None
    if x.scorer_id is not None:
        placement = pf.PlacementPart.model_validate(_of(x, pf.PlacementPart))
    return pf.VersionPart(
        paragraph=numbers[x.paragraph_id],
        parents=parents,
        placement=placement,
        was=was.get(x.id, "proposed") if x.status == "discarded" else None,
        generation=numbers[x.generation_id] if x.generation_id else None,
        **{name: getattr(x, name) for name in _SAME_IN_VERSION},
    )


def _generation_part(x: Generation, numbers: dict[str, int]) -> pf.GenerationPart:
    same = {name: getattr(x, name) for name in _SAME_IN_GENERATION}
    if x.status in UNFINISHED:
        same["status"] = "cancelled"
    return pf.GenerationPart(
        paragraph=numbers[x.paragraph_id],
        parent=numbers[x.parent_version_id],
        other=numbers[x.other_version_id] if x.other_version_id else None,
        ranking=[numbers[i] for i in x.ranking if i in numbers],
        **same,
    )


def _card_part(x: MuseCard, ids: Ids, numbers: dict[str, int]) -> pf.CardPart:
    names = {one: f"{kind}/{i}" for kind, ones in ids.items() for i, one in enumerate(ones, start=1)}

    def named(text: str) -> Any:
        if text in names:
            return {"$ref": names[text]}
        if _ANY_ID.match(text):
            raise KeyError(text)
        return text

    try:
        action = _walk(x.action, named)
    except KeyError:  # it speaks of something that stays behind, so there is nothing to apply
        action = None
    cites = [numbers[i] for i in x.cites if i in numbers]
    topic = _ID_WITHIN.sub(lambda found: names.get(found[0], found[0]), x.topic)
    return pf.CardPart(topic=topic, cites=cites, action=action, **{name: getattr(x, name) for name in _SAME_IN_CARD})


def _walk(value: Any, text: Callable[[str], Any]) -> Any:
    """A copy with every string in it replaced by what `text` makes of it."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, list):
        return [_walk(inner, text) for inner in value]
    if isinstance(value, dict):
        return {key: _walk(inner, text) for key, inner in value.items()}
    return value


# ── in ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def bring_in(session: Session, writer_id: str, project: pf.Project, sha256: str) -> v.DraftEntry:
    """A new draft with all that the file holds; the log tells how it came to be. `project` is checked already.
    Raises Problem 422 where Muse's cards speak of what isn't in the file."""
    draft = Draft(
        writer_id=writer_id,
        title=project.draft.title,
        number=len(project.versions),
        created_at=project.draft.created_at,
    )
    session.add(draft)
    session.flush()
    note(session, writer_id, draft.id, events.DraftCreated(title=draft.title, source="project"))
    note(session, writer_id, draft.id, events.DraftImported(sha256=sha256))
    ids: Ids = {
        "draft": [draft.id],
        "paragraph": _ids(project.paragraphs),
        "version": _ids(project.versions),
        "generation": _ids(project.generations),
        "source": _ids(project.sources),
        "goal": _ids(project.goals),
        "card": _ids(project.cards),
    }
    versions = _keep_history(session, draft, project, ids)
    session.flush()
    _note_history(session, draft, project, versions, ids)
    _keep_sources(session, draft, project, ids)
    _keep_goals(session, draft, project, ids)
    _keep_cards(session, draft, project, ids)
    session.flush()
    words = store.words(session, [draft.id]).get(draft.id, 0)
    return v.DraftEntry(id=draft.id, title=draft.title, updated_at=draft.updated_at, words=words)


def _ids(parts: Sequence[Any]) -> list[str]:
    """New ones, rising: rows of the same moment are told apart by their id, so they keep their order."""
    return sorted(new_id() for _ in parts)


def _keep_history(session: Session, draft: Draft, project: pf.Project, ids: Ids) -> list[Version]:
    """Paragraphs, versions and generations point at each other, so each is stored first and pointed afterwards."""
    paragraphs = [
        Paragraph(id=one, draft_id=draft.id, position=i, on_canvas=part.on_canvas, removed=part.removed)
        for i, (one, part) in enumerate(zip(ids["paragraph"], project.paragraphs, strict=True))
    ]
    session.add_all(paragraphs)
    session.flush()
    versions = [
        Version(
            id=ids["version"][part.number - 1],
            draft_id=draft.id,
            paragraph_id=ids["paragraph"][part.paragraph - 1],
            **{name: getattr(part, name) for name in _SAME_IN_VERSION},
        )
        for part in project.versions
    ]
    session.add_all(versions)
    session.flush()
    session.add_all(
        Generation(
            id=one,
            draft_id=draft.id,
            paragraph_id=ids["paragraph"][part.paragraph - 1],
            parent_version_id=ids["version"][part.parent - 1],
            other_version_id=ids["version"][part.other - 1] if part.other else None,
            ranking=[ids["version"][number - 1] for number in part.ranking],
            **{name: getattr(part, name) for name in _SAME_IN_GENERATION},
        )
        for one, part in zip(ids["generation"], project.generations, strict=True)
    )
    session.add_all(
        VersionParent(version_id=ids["version"][part.number - 1], parent_id=ids["version"][parent - 1], ordinal=i)
        for part in project.versions
        for i, parent in enumerate(part.parents)
    )
    session.flush()
    for version, part in zip(versions, project.versions, strict=True):
        version.generation_id = ids["generation"][part.generation - 1] if part.generation else None
    for paragraph, kept in zip(paragraphs, project.paragraphs, strict=True):
        paragraph.head_version_id = ids["version"][kept.head - 1]
    return versions


def _note_history(session: Session, draft: Draft, project: pf.Project, versions: Sequence[Version], ids: Ids) -> None:
    """Versions in the order of their numbers, then what was decided about them."""
    heads = {part.head for part in project.paragraphs}
    for version, part in zip(versions, project.versions, strict=True):
        parents = [ids["version"][parent - 1] for parent in part.parents]
        note_version(session, draft, version, parents, head=part.number in heads, status=part.was or part.status)
        if part.was:
            note(session, draft.writer_id, draft.id, events.VersionDiscarded(was=part.was), version.id)
        if part.archived:
            note(session, draft.writer_id, draft.id, events.VersionArchived(), version.id)
    placed = {
        version.id: Placement(**part.placement.model_dump())
        for version, part in zip(versions, project.versions, strict=True)
        if part.placement
    }
    keep_placements(session, draft, placed)
    pairs = list(zip(ids["paragraph"], project.paragraphs, strict=True))
    for paragraph_id, paragraph in pairs:
        if paragraph.on_canvas:
            note(session, draft.writer_id, draft.id, events.ParagraphPlaced(paragraph_id=paragraph_id))
    order = [paragraph_id for paragraph_id, paragraph in pairs if not paragraph.removed]
    note(session, draft.writer_id, draft.id, events.DraftOrdered(order=order))


def _keep_sources(session: Session, draft: Draft, project: pf.Project, ids: Ids) -> None:
    for one, part in zip(ids["source"], project.sources, strict=True):
        session.add(Source(id=one, draft_id=draft.id, **part.model_dump()))
        sha256 = hashlib.sha256(part.text.encode()).hexdigest()
        added = events.SourceAdded(source_id=one, title=part.title, chars=len(part.text), text_sha256=sha256)
        note(session, draft.writer_id, draft.id, added)


def _keep_goals(session: Session, draft: Draft, project: pf.Project, ids: Ids) -> None:
    """The active one is noted last: the log has whichever was set last as active."""
    for one, part in zip(ids["goal"], project.goals, strict=True):
        session.add(Goal(id=one, draft_id=draft.id, **part.model_dump()))
    for one, part in sorted(zip(ids["goal"], project.goals, strict=True), key=lambda pair: pair[1].active):
        area = [part.engagement_low, part.engagement_high, part.exposition_low, part.exposition_high]
        note(session, draft.writer_id, draft.id, events.GoalSet(goal_id=one, audience=part.audience, range=area))
        if not part.active:
            note(session, draft.writer_id, draft.id, events.GoalCleared(goal_id=one))


def _keep_cards(session: Session, draft: Draft, project: pf.Project, ids: Ids) -> None:
    cards = list(zip(ids["card"], project.cards, strict=True))
    names = {f"{kind}/{i}": one for kind, ones in ids.items() for i, one in enumerate(ones, start=1)}
    for one, part in cards:
        session.add(
            MuseCard(
                id=one,
                draft_id=draft.id,
                cites=[ids["version"][number - 1] for number in part.cites],
                topic=_REF_WITHIN.sub(lambda found: names.get(found[0], found[0]), part.topic)[:120],
                action=_found(part.action, ids),
                **{name: getattr(part, name) for name in _SAME_IN_CARD},
            )
        )
    if cards:
        shown = events.MuseShown(cards=ids["card"], topics=[part.topic for _, part in cards], dropped=0)
        note(session, draft.writer_id, draft.id, shown)
    for one, part in cards:
        if part.status in ("applied", "not-now", "never"):
            answered = events.MuseAnswered.model_validate({"card_id": one, "topic": part.topic, "answer": part.status})
            note(session, draft.writer_id, draft.id, answered)


def _found(action: Any, ids: Ids) -> Any:
    """An action with this draft's ids. One that comes as an id could only be somebody else's."""
    if isinstance(action, dict) and set(action) == {"$ref"}:
        kind, _, place = str(action["$ref"]).partition("/")
        known = {str(i): one for i, one in enumerate(ids.get(kind, ()), start=1)}
        if place not in known:
            raise pf.wrong("one of Muse’s cards speaks of something that is not there")
        return known[place]
    if isinstance(action, dict):
        return {key: _found(inner, ids) for key, inner in action.items()}
    if isinstance(action, list):
        return [_found(inner, ids) for inner in action]
    if isinstance(action, str) and _ANY_ID.match(action):
        raise pf.wrong("one of Muse’s cards speaks of something that is not there")
    return action
