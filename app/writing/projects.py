"""A draft out into a project file, and a project file in as a new draft of whoever brings it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from app.db.base import Base, new_id
from app.writing import events, store
from app.writing import projectfile as pf
from app.writing import views as v
from app.writing.events import UUID_PATTERN
from app.writing.models import (
    UNFINISHED,
    Draft,
    EarlierPlacement,
    Generation,
    Goal,
    LoggedEvent,
    MuseCard,
    Paragraph,
    Source,
    Version,
    VersionParent,
)
from app.writing.service import one_line

Ids = dict[str, list[str]]
"""Ids by kind; what stands at place i is number i + 1 in the file."""

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
    earlier = store.all_earlier_placements(session, draft_id)
    return draft, pf.Project(
        draft=pf.DraftPart.model_validate(_of(draft, pf.DraftPart)),
        paragraphs=[
            pf.ParagraphPart(head=numbers[str(x.head_version_id)], on_canvas=x.on_canvas, removed=x.removed)
            for x in paragraphs
        ],
        versions=[
            _version_part(x, [numbers[i] for i in parents.get(x.id, ())], was, numbers, earlier.get(x.id, ()))
            for x in versions
        ],
        generations=[_generation_part(x, numbers) for x in generations],
        sources=[pf.SourcePart.model_validate(_of(x, pf.SourcePart)) for x in sources],
        goals=[pf.GoalPart.model_validate(_of(x, pf.GoalPart)) for x in goals],
        cards=[_card_part(x, ids, numbers) for x in store.muse_cards(session, draft_id)],
    )


def _of(row: Any, part: type[BaseModel]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in part.model_fields}


def _version_part(
    x: Version,
    parents: list[int],
    was: dict[str, str],
    numbers: dict[str, int],
    earlier: Sequence[EarlierPlacement],
) -> pf.VersionPart:
    placement = None
    if x.scorer_id is not None:
        placement = pf.PlacementPart.model_validate(_of(x, pf.PlacementPart))
    return pf.VersionPart(
        paragraph=numbers[x.paragraph_id],
        parents=parents,
        placement=placement,
        was=was.get(x.id, "proposed") if x.status == "discarded" else None,
        generation=numbers[x.generation_id] if x.generation_id else None,
        earlier=[pf.EarlierPart.model_validate(_of(y, pf.EarlierPart)) for y in earlier[-pf.MOST_EARLIER :]],
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

    def ref(version_id: str) -> dict[str, str]:
        return {"$ref": f"version/{numbers[version_id]}"}

    action = dict(x.action) if x.action else None
    if action and "version_id" in action:
        action["version_id"] = ref(action["version_id"])
    if action and "versions" in action:
        action["versions"] = [ref(one) for one in action["versions"]]
    cites = [numbers[i] for i in x.cites if i in numbers]
    topic = _ID_WITHIN.sub(lambda found: names.get(found[0], found[0]), x.topic)
    same = {name: getattr(x, name) for name in _SAME_IN_CARD}
    return pf.CardPart.model_validate({"topic": topic, "cites": cites, "action": action, **same})


# ── in ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Told:
    """What the log will say of a draft, in order."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.rows: list[dict[str, Any]] = []

    def note(self, event: events.ServerEvent, version_id: str | None = None) -> None:
        self.rows.append(events.server_row(self.draft.writer_id, self.draft.id, event, version_id))


def bring_in(session: Session, writer_id: str, project: pf.Project, sha256: str) -> v.DraftEntry:
    """A new draft with all that the file holds; the log tells how it came to be. `project` is checked already.

    Rows are stored many at once: while it lasts, no other writer's text is saved."""
    draft = Draft(
        writer_id=writer_id,
        title=one_line(project.draft.title),
        number=len(project.versions),
        created_at=project.draft.created_at,
    )
    session.add(draft)
    session.flush()
    ids: Ids = {
        "draft": [draft.id],
        "paragraph": _ids(project.paragraphs),
        "version": _ids(project.versions),
        "generation": _ids(project.generations),
        "source": _ids(project.sources),
        "goal": _ids(project.goals),
        "card": _ids(project.cards),
    }
    told = _Told(draft)
    told.note(events.DraftCreated(title=draft.title, source="project"))
    told.note(events.DraftImported(sha256=sha256))
    _keep_history(session, draft, project, ids)
    _note_history(told, project, ids)
    _keep_sources(session, told, project, ids)
    _keep_goals(session, told, project, ids)
    _keep_cards(session, told, project, ids)
    _insert(session, LoggedEvent, told.rows)
    words = store.words(session, [draft.id]).get(draft.id, 0)
    return v.DraftEntry(id=draft.id, title=draft.title, updated_at=draft.updated_at, words=words)


def _ids(parts: Sequence[Any]) -> list[str]:
    """New ones, rising: rows of the same moment are told apart by their id, so they keep their order."""
    return sorted(new_id() for _ in parts)


def _insert(session: Session, table: type[Base], rows: list[dict[str, Any]]) -> None:
    if rows:
        session.execute(insert(table), rows)


def _update(session: Session, table: type[Base], rows: list[dict[str, Any]]) -> None:
    """By the `id` in each row."""
    if rows:
        session.execute(update(table), rows)


def _same(part: BaseModel, names: Sequence[str]) -> dict[str, Any]:
    told = part.model_dump(include=set(names))
    return {name: told[name] for name in names}


def _keep_history(session: Session, draft: Draft, project: pf.Project, ids: Ids) -> None:
    """Paragraphs, versions and generations point at each other, so each is stored first and pointed afterwards."""
    paragraphs = list(zip(ids["paragraph"], project.paragraphs, strict=True))
    versions = list(zip(ids["version"], project.versions, strict=True))
    _insert(
        session,
        Paragraph,
        [
            {"id": one, "draft_id": draft.id, "position": i, "on_canvas": part.on_canvas, "removed": part.removed}
            for i, (one, part) in enumerate(paragraphs)
        ],
    )
    unplaced = dict.fromkeys(pf.PlacementPart.model_fields)
    _insert(
        session,
        Version,
        [
            {
                "id": one,
                "draft_id": draft.id,
                "paragraph_id": ids["paragraph"][part.paragraph - 1],
                **(part.placement.model_dump() if part.placement else unplaced),
                **_same(part, _SAME_IN_VERSION),
            }
            for one, part in versions
        ],
    )
    _insert(
        session,
        EarlierPlacement,
        [
            {"id": earlier_id, "version_id": one, **before.model_dump()}
            for one, part in versions
            for earlier_id, before in zip(_ids(part.earlier), part.earlier, strict=True)
        ],
    )
    _insert(
        session,
        Generation,
        [
            {
                "id": one,
                "draft_id": draft.id,
                "paragraph_id": ids["paragraph"][part.paragraph - 1],
                "parent_version_id": ids["version"][part.parent - 1],
                "other_version_id": ids["version"][part.other - 1] if part.other else None,
                "ranking": [ids["version"][number - 1] for number in part.ranking],
                **_same(part, _SAME_IN_GENERATION),
            }
            for one, part in zip(ids["generation"], project.generations, strict=True)
        ],
    )
    _insert(
        session,
        VersionParent,
        [
            {"version_id": one, "parent_id": ids["version"][parent - 1], "ordinal": i}
            for one, part in versions
            for i, parent in enumerate(part.parents)
        ],
    )
    made = [(one, part.generation) for one, part in versions if part.generation]
    _update(session, Version, [{"id": one, "generation_id": ids["generation"][i - 1]} for one, i in made])
    heads = [{"id": one, "head_version_id": ids["version"][part.head - 1]} for one, part in paragraphs]
    _update(session, Paragraph, heads)


def _note_history(told: _Told, project: pf.Project, ids: Ids) -> None:
    """Versions in the order of their numbers, then what was decided about them."""
    heads = {part.head for part in project.paragraphs}
    versions = list(zip(ids["version"], project.versions, strict=True))
    for one, part in versions:
        head = part.number in heads
        created = events.VersionCreated(
            paragraph_id=ids["paragraph"][part.paragraph - 1],
            number=part.number,
            parents=[ids["version"][parent - 1] for parent in part.parents],
            operation=part.operation,
            status=part.was or part.status,
            head=head,
            removed=head and not part.text,
            text_sha256=hashlib.sha256(part.text.encode()).hexdigest(),
        )
        told.note(created, one)
        if part.was:
            told.note(events.VersionDiscarded(was=part.was), one)
        if part.archived:
            told.note(events.VersionArchived(), one)
    for one, part in versions:
        for placement in (*part.earlier, part.placement):
            if placement:
                told.note(events.VersionPlaced(**placement.model_dump(exclude={"until"})), one)
        if part.human_placement:
            told.note(events.VersionCorrected(**part.human_placement.model_dump()), one)
    pairs = list(zip(ids["paragraph"], project.paragraphs, strict=True))
    for paragraph_id, paragraph in pairs:
        if paragraph.on_canvas:
            told.note(events.ParagraphPlaced(paragraph_id=paragraph_id))
    told.note(events.DraftOrdered(order=[paragraph_id for paragraph_id, paragraph in pairs if not paragraph.removed]))


def _keep_sources(session: Session, told: _Told, project: pf.Project, ids: Ids) -> None:
    sources = list(zip(ids["source"], project.sources, strict=True))
    _insert(session, Source, [{"id": one, "draft_id": told.draft.id, **part.model_dump()} for one, part in sources])
    for one, part in sources:
        sha256 = hashlib.sha256(part.text.encode()).hexdigest()
        told.note(events.SourceAdded(source_id=one, title=part.title, chars=len(part.text), text_sha256=sha256))


def _keep_goals(session: Session, told: _Told, project: pf.Project, ids: Ids) -> None:
    """The active one is noted last: the log has whichever was set last as active."""
    goals = list(zip(ids["goal"], project.goals, strict=True))
    _insert(session, Goal, [{"id": one, "draft_id": told.draft.id, **part.model_dump()} for one, part in goals])
    for one, part in sorted(goals, key=lambda pair: pair[1].active):
        area = [part.engagement_low, part.engagement_high, part.exposition_low, part.exposition_high]
        told.note(events.GoalSet(goal_id=one, audience=part.audience, range=area))
        if not part.active:
            told.note(events.GoalCleared(goal_id=one))


def _keep_cards(session: Session, told: _Told, project: pf.Project, ids: Ids) -> None:
    cards = list(zip(ids["card"], project.cards, strict=True))
    names = {f"{kind}/{i}": one for kind, ones in ids.items() for i, one in enumerate(ones, start=1)}
    _insert(
        session,
        MuseCard,
        [
            {
                "id": one,
                "draft_id": told.draft.id,
                "cites": [ids["version"][number - 1] for number in part.cites],
                "topic": _REF_WITHIN.sub(lambda found: names.get(found[0], found[0]), part.topic)[:120],
                "action": _action(part.action, ids["version"]),
                **_same(part, _SAME_IN_CARD),
            }
            for one, part in cards
        ],
    )
    if cards:
        told.note(events.MuseShown(cards=ids["card"], topics=[part.topic for _, part in cards], dropped=0))
    for one, part in cards:
        if part.status != "shown":
            told.note(events.MuseAnswered(card_id=one, topic=part.topic, answer=part.status))


def _action(action: pf.Action | None, versions: Sequence[str]) -> dict[str, Any] | None:
    """With this draft's ids."""
    match action:
        case pf.CompareAction(kind=kind, versions=refs):
            return {"kind": kind, "versions": [versions[ref.number - 1] for ref in refs]}
        case pf.LabelAction(kind=kind, label=label, version_id=ref):
            return {"kind": kind, "label": label, "version_id": versions[ref.number - 1]}
        case pf.OpenAction(kind=kind, version_id=ref):
            return {"kind": kind, "version_id": versions[ref.number - 1]}
    return None
