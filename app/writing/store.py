"""All SQL of the room. Whoever changes a draft holds its row first (`hold`), so that its numbers have no holes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from app.axes.types import Placement
from app.db.base import new_id, now
from app.web.errors import Problem, not_found
from app.writing import setting
from app.writing.landing import Happened, Point, Text
from app.writing.models import (
    UNFINISHED,
    Draft,
    Generation,
    Goal,
    LoggedEvent,
    MuseCard,
    Paragraph,
    SavedPrompt,
    Source,
    Step,
    Version,
    VersionParent,
    Writer,
)

SHOWN_GENERATIONS = 20


def writer_by_hash(session: Session, token_hash: str) -> Writer | None:
    return session.scalar(select(Writer).where(Writer.token_hash == token_hash, Writer.revoked_at.is_(None)))


# ── finding, with its owner; what is another's does not exist ──────────────────────────────────────────────────────


def draft(session: Session, writer_id: str, draft_id: str) -> Draft:
    found = session.get(Draft, draft_id)
    if found is None or found.writer_id != writer_id or found.deleted_at is not None:
        raise not_found()
    return found


def hold(session: Session, writer_id: str, draft_id: str) -> Draft:
    """The draft, and nobody else changes it until the transaction ends. Raises Problem 404, and 409 as
    `refuse_closed`."""
    statement = select(Draft).where(Draft.id == draft_id).with_for_update()
    session.scalar(statement.execution_options(populate_existing=True))
    found = draft(session, writer_id, draft_id)
    refuse_closed(session, writer_id, draft_id)
    return found


def refuse_closed(session: Session, writer_id: str, draft_id: str) -> None:
    """Raises Problem 409 closed for the draft of a study's step that is over or stands still."""
    why = setting.closed(session, writer_id, draft_id, time.time_ns() // 1_000_000)
    if why is not None:
        raise Problem(409, "closed", why)


def version(session: Session, writer_id: str, version_id: str) -> Version:
    found = session.get(Version, version_id)
    if found is None:
        raise not_found()
    draft(session, writer_id, found.draft_id)
    return found


def hold_version(session: Session, writer_id: str, version_id: str) -> tuple[Draft, Paragraph, Version]:
    draft_id = session.scalar(select(Version.draft_id).where(Version.id == version_id))
    if draft_id is None:
        raise not_found()
    held = hold(session, writer_id, draft_id)
    found = session.get_one(Version, version_id)
    return held, session.get_one(Paragraph, found.paragraph_id), found


def generation(session: Session, writer_id: str, generation_id: str) -> Generation:
    statement = select(Generation).where(Generation.id == generation_id).with_for_update()
    found = session.scalar(statement)
    if found is None:
        raise not_found()
    draft(session, writer_id, found.draft_id)
    return found


# ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────────


def drafts(session: Session, writer_id: str) -> Sequence[Draft]:
    """Latest first."""
    own = select(Draft).where(Draft.writer_id == writer_id, Draft.deleted_at.is_(None))
    return session.scalars(own.order_by(Draft.updated_at.desc(), Draft.id)).all()


def paragraphs(session: Session, draft_id: str) -> Sequence[Paragraph]:
    """In order, the removed ones among them."""
    own = select(Paragraph).where(Paragraph.draft_id == draft_id)
    return session.scalars(own.order_by(Paragraph.position, Paragraph.id)).all()


def order(session: Session, draft_id: str) -> list[str]:
    """Ids of the paragraphs of the draft as one text, first to last."""
    own = select(Paragraph.id).where(Paragraph.draft_id == draft_id, Paragraph.removed.is_(False))
    return list(session.scalars(own.order_by(Paragraph.position, Paragraph.id)))


def versions(session: Session, draft_id: str) -> Sequence[Version]:
    return session.scalars(select(Version).where(Version.draft_id == draft_id).order_by(Version.number)).all()


def parents(session: Session, where: ColumnElement[bool]) -> dict[str, list[str]]:
    """Parents by version, first parent first; `where` speaks of `Version`."""
    edges = (
        select(VersionParent.version_id, VersionParent.parent_id)
        .join(Version, Version.id == VersionParent.version_id)
        .where(where)
        .order_by(VersionParent.version_id, VersionParent.ordinal)
    )
    found: dict[str, list[str]] = defaultdict(list)
    for version_id, parent_id in session.execute(edges):
        found[version_id].append(parent_id)
    return found


def grounds(session: Session, version_ids: Sequence[str]) -> list[str]:
    """What the claims of a version made from these may rest on: of each, the nearest text upwards that is the writer's
    own or that the writer has confirmed. What a model added and nobody has confirmed supports nothing."""
    found: dict[str, str] = {}
    seen, waiting = set(version_ids), list(version_ids)
    while waiting:
        version = session.get_one(Version, waiting.pop(0))
        above = parents(session, Version.id == version.id).get(version.id, [])
        if version.operation in ("import", "manual") or version.status == "confirmed" or not above:
            found[version.id] = version.text
            continue
        waiting += [parent for parent in above if parent not in seen]
        seen.update(above)
    return list(found.values())


def all_parents(session: Session, draft_id: str) -> dict[str, list[str]]:
    """Parents by version, of a whole draft."""
    return parents(session, Version.draft_id == draft_id)


def folded(session: Session, draft_id: str, paragraph_ids: Collection[str] | None = None) -> set[str]:
    """Versions that are only a stage of typing: the writer's own, neither chosen nor refused, with one successor
    that is typing as well, and nothing else hanging from them. What is archived, as undone typing is, counts only
    among its like. Of the whole draft, or of some paragraphs."""
    child, parent = aliased(Version), aliased(Version)
    own = parent.draft_id == draft_id
    if paragraph_ids is not None:
        own &= parent.paragraph_id.in_(paragraph_ids)
    children = (
        select(VersionParent.parent_id, func.count(), func.min(child.operation), func.max(child.operation))
        .join(child, child.id == VersionParent.version_id)
        .join(parent, parent.id == VersionParent.parent_id)
        .where(own, or_(child.archived.is_(False), parent.archived))
        .group_by(VersionParent.parent_id)
    )
    only_typed_on = {
        parent for parent, count, first, last in session.execute(children) if count == 1 and first == last == "manual"
    }
    heads = select(Paragraph.head_version_id).where(Paragraph.draft_id == draft_id)
    asked = select(Generation.parent_version_id).where(Generation.draft_id == draft_id)
    other = select(Generation.other_version_id).where(Generation.draft_id == draft_id)
    typed = select(parent.id).where(own, parent.operation == "manual", parent.status == "written")
    kept = {*session.scalars(heads), *session.scalars(asked.union(other))}
    return (only_typed_on & set(session.scalars(typed))) - kept


def unfinished_or_failed(session: Session, draft_id: str) -> list[Generation]:
    """The newest, oldest of them first."""
    own = select(Generation).where(Generation.draft_id == draft_id, Generation.status != "done")
    newest = session.scalars(own.order_by(Generation.created_at.desc()).limit(SHOWN_GENERATIONS)).all()
    return list(reversed(newest))


def words(session: Session, draft_ids: Iterable[str]) -> dict[str, int]:
    """Words in each draft as it stands."""
    heads = (
        select(Paragraph.draft_id, Version.text)
        .join(Version, Version.id == Paragraph.head_version_id)
        .where(Paragraph.draft_id.in_(list(draft_ids)), Paragraph.removed.is_(False))
    )
    counts: dict[str, int] = defaultdict(int)
    for draft_id, text in session.execute(heads):
        counts[draft_id] += len(text.split())
    return counts


def waiting(session: Session, since: datetime) -> int:
    """Generations that wait for their turn, or were asked for after `since` and not taken up yet."""
    queued = select(func.count()).select_from(Generation).where(Generation.status == "queued")
    taken_up = Generation.claimed_at.is_not(None) | (Generation.created_at > since)
    return session.scalar(queued.where(taken_up)) or 0


def unfinished(session: Session, before: datetime | None = None) -> Sequence[Generation]:
    """Queued or running; with `before`, those asked for earlier that nobody took up."""
    statement = select(Generation).where(Generation.status.in_(UNFINISHED)).with_for_update()
    if before is not None:
        statement = statement.where(Generation.claimed_at.is_(None), Generation.created_at < before)
    return session.scalars(statement).all()


def owner(session: Session, generation: Generation) -> str:
    return session.get_one(Draft, generation.draft_id).writer_id


def last_status_before_discard(session: Session, version_id: str) -> str | None:
    discarded = select(LoggedEvent.payload).where(
        LoggedEvent.version_id == version_id, LoggedEvent.type == "version.discarded"
    )
    payload = session.scalar(discarded.order_by(LoggedEvent.id.desc()).limit(1))
    return payload["was"] if payload else None


def statuses_before_discard(session: Session, draft_id: str) -> dict[str, str]:
    """By version, of all that were ever discarded."""
    discarded = select(LoggedEvent.version_id, LoggedEvent.payload).where(
        LoggedEvent.draft_id == draft_id, LoggedEvent.type == "version.discarded"
    )
    return {str(version): payload["was"] for version, payload in session.execute(discarded.order_by(LoggedEvent.id))}


def contiguous(session: Session, recorder: str) -> int:
    """The number up to which all of a recorder's events are stored; 0 for none."""
    mine = select(func.count(), func.max(LoggedEvent.seq)).where(LoggedEvent.recorder == recorder)
    count, last = session.execute(mine).one()
    if count == (last or 0):
        return last or 0
    following = aliased(LoggedEvent)
    ends = (
        select(func.min(LoggedEvent.seq))
        .outerjoin(following, (following.recorder == LoggedEvent.recorder) & (following.seq == LoggedEvent.seq + 1))
        .where(LoggedEvent.recorder == recorder, following.id.is_(None))
    )
    first = session.scalar(select(func.min(LoggedEvent.seq)).where(LoggedEvent.recorder == recorder))
    return (session.scalar(ends) or 0) if first == 1 else 0


def known_versions(session: Session, writer_id: str, ids: Iterable[str]) -> set[str]:
    own = (
        select(Version.id)
        .join(Draft, Draft.id == Version.draft_id)
        .where(Version.id.in_(list(ids)), Draft.writer_id == writer_id)
    )
    return set(session.scalars(own))


def known_drafts(session: Session, writer_id: str, ids: Iterable[str]) -> set[str]:
    """Deleted ones as well: an event may come late."""
    return set(session.scalars(select(Draft.id).where(Draft.id.in_(list(ids)), Draft.writer_id == writer_id)))


def sources(session: Session, draft_id: str) -> Sequence[Source]:
    """The draft's, oldest first."""
    own = select(Source).where(Source.draft_id == draft_id, Source.removed.is_(False))
    return session.scalars(own.order_by(Source.created_at, Source.id)).all()


def prompts(session: Session, writer_id: str) -> list[SavedPrompt]:
    """The writer's kept prompts, by name."""
    own = select(SavedPrompt).where(SavedPrompt.writer_id == writer_id, SavedPrompt.removed.is_(False))
    return sorted(session.scalars(own), key=lambda prompt: prompt.name.casefold())


def recent_prompts(session: Session, draft_id: str, most: int) -> list[str]:
    """Texts of the writer's own prompts in the draft, each once, latest first."""
    latest = func.max(Generation.created_at)
    asked = select(Generation.prompt).where(Generation.draft_id == draft_id, Generation.prompt.is_not(None))
    found = session.scalars(asked.group_by(Generation.prompt).order_by(latest.desc()).limit(most))
    return [text for text in found if text]


def goals(session: Session, draft_id: str) -> Sequence[Goal]:
    """The draft's, oldest first."""
    own = select(Goal).where(Goal.draft_id == draft_id, Goal.removed.is_(False))
    return session.scalars(own.order_by(Goal.created_at, Goal.id)).all()


def generations(session: Session, draft_id: str) -> Sequence[Generation]:
    """All of the draft's, oldest first."""
    own = select(Generation).where(Generation.draft_id == draft_id)
    return session.scalars(own.order_by(Generation.created_at, Generation.id)).all()


def made_by(session: Session, draft_id: str) -> dict[str, list[str]]:
    """Ids of versions by the generation they came of, in the order they came."""
    own = select(Version.generation_id, Version.id).where(
        Version.draft_id == draft_id, Version.generation_id.is_not(None)
    )
    found: dict[str, list[str]] = defaultdict(list)
    for generation_id, version_id in session.execute(own.order_by(Version.number)):
        found[str(generation_id)].append(version_id)
    return found


def said_before(session: Session, generation: Generation, most: int) -> list[tuple[str, str]]:
    """What was asked about a paragraph before this, and the text that was answered; the latest, oldest first."""
    own = (
        select(Generation.prompt, Version.text)
        .join(Version, Version.generation_id == Generation.id)
        .where(
            Generation.paragraph_id == generation.paragraph_id,
            Generation.prompt.is_not(None),
            Generation.created_at < generation.created_at,
        )
        .order_by(Version.number.desc())
        .limit(most)
    )
    return [(str(prompt), text) for prompt, text in session.execute(own)][::-1]


def muse_cards(session: Session, draft_id: str) -> Sequence[MuseCard]:
    """All of the draft's, oldest first."""
    own = select(MuseCard).where(MuseCard.draft_id == draft_id)
    return session.scalars(own.order_by(MuseCard.created_at, MuseCard.id)).all()


def cards(session: Session, draft_id: str) -> Sequence[MuseCard]:
    """All that Muse ever said about the draft, oldest first."""
    own = select(MuseCard).where(MuseCard.draft_id == draft_id)
    return session.scalars(own.order_by(MuseCard.created_at, MuseCard.id)).all()


def happened(session: Session, draft_id: str) -> list[Happened]:
    """What the server noted of a draft, in order."""
    own = (
        select(LoggedEvent.server_ms, LoggedEvent.type, LoggedEvent.payload, LoggedEvent.version_id)
        .where(LoggedEvent.draft_id == draft_id, LoggedEvent.recorder.is_(None))
        .order_by(LoggedEvent.id)
    )
    return [Happened(at, kind, payload, version) for at, kind, payload, version in session.execute(own)]


def standing(session: Session, draft_id: str) -> dict[str, Text]:
    """Length and place of the draft's versions."""
    first = all_parents(session, draft_id)
    return {
        version.id: Text(
            words=len(version.text.split()),
            point=point(version),
            parent=next(iter(first.get(version.id, [])), None),
        )
        for version in versions(session, draft_id)
    }


def point(version: Version) -> Point | None:
    """Where it was measured."""
    if version.engagement is None or version.exposition is None:
        return None
    return Point(version.engagement, version.exposition)


def last_done(session: Session, draft_id: str) -> Step | None:
    """What *Undo* takes back."""
    done = select(Step).where(Step.draft_id == draft_id, Step.state == "done")
    return session.scalar(done.order_by(Step.number.desc()).limit(1))


def first_undone(session: Session, draft_id: str) -> Step | None:
    """What *Redo* does again."""
    undone = select(Step).where(Step.draft_id == draft_id, Step.state == "undone")
    return session.scalar(undone.order_by(Step.number).limit(1))


def undone(session: Session, draft_id: str) -> Sequence[Step]:
    """All that *Redo* could do again."""
    return session.scalars(select(Step).where(Step.draft_id == draft_id, Step.state == "undone")).all()


def last_step_number(session: Session, draft_id: str) -> int:
    """0 before the first."""
    return session.scalar(select(func.max(Step.number)).where(Step.draft_id == draft_id)) or 0


def make_room(session: Session, draft_id: str, number: int) -> None:
    """The steps from this number on get the next higher one."""
    later = select(Step).where(Step.draft_id == draft_id, Step.number >= number).order_by(Step.number.desc())
    for step in session.scalars(later).all():
        step.number += 1
        session.flush()  # one by one, the last first: no number may be there twice, not even for a moment


def steps_of_kind(session: Session, draft_id: str, kind: str) -> Sequence[Step]:
    """The newest, latest first."""
    own = select(Step).where(Step.draft_id == draft_id, Step.kind == kind)
    return session.scalars(own.order_by(Step.number.desc()).limit(SHOWN_GENERATIONS)).all()


def made_together(session: Session, version_ids: Iterable[str]) -> set[str]:
    """The versions of the generations that these are of."""
    own = select(Version.generation_id).where(Version.id.in_(list(version_ids)), Version.generation_id.is_not(None))
    return set(session.scalars(select(Version.id).where(Version.generation_id.in_(own))))


# ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────────


def add_version(session: Session, held: Draft, values: Version, parent_ids: Sequence[str] = ()) -> Version:
    """Gives it the next number of the draft, which the caller holds."""
    held.number += 1
    held.updated_at = now()
    values.id = new_id()
    values.draft_id, values.number = held.id, held.number
    session.add(values)
    session.flush()
    session.add_all(
        VersionParent(version_id=values.id, parent_id=parent, ordinal=i) for i, parent in enumerate(parent_ids)
    )
    session.flush()
    return values


def seen(session: Session, writer_id: str) -> None:
    session.execute(update(Writer).where(Writer.id == writer_id).values(seen_at=now()))


def set_placement(version: Version, placement: Placement) -> None:
    version.exposition, version.engagement = placement.exposition, placement.engagement
    version.spread, version.scorer_id = placement.spread, placement.scorer_id


def claim(session: Session, generation_id: str) -> bool:
    """Whether the caller is the one who may run it."""
    taken = (
        update(Generation)
        .where(Generation.id == generation_id, Generation.status == "queued", Generation.claimed_at.is_(None))
        .values(claimed_at=now())
        .returning(Generation.id)
    )
    return session.execute(taken.execution_options(synchronize_session=False)).first() is not None
