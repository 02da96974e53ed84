"""The use cases of drafts and versions. Each is called inside one transaction and raises Problem when it refuses."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.axes.types import Placement
from app.db.base import now
from app.db.engine import Database
from app.text import diff, facts, merge
from app.text import paragraphs as text_paragraphs
from app.text.claims import Encode
from app.web import security
from app.web.errors import Problem, not_found
from app.writing import events, ledger, setting, sources, store, undo
from app.writing import views as v
from app.writing.events import note
from app.writing.models import Draft, LoggedEvent, Paragraph, Version, Writer

SAMPLE = Path(__file__).with_name("sample.md")
UNTITLED = "Untitled draft"
SEEN_EVERY = timedelta(hours=1)
FEW = 100
"""Versions up to which they are asked for by name; beyond, the whole draft is read."""


# ── writers ────────────────────────────────────────────────────────────────────────────────────────────────────────


def new_writer(session: Session) -> tuple[Writer, str]:
    """A writer, and the token that only the cookie holds."""
    token = security.new_token()
    writer = Writer(token_hash=security.token_hash(token))
    session.add(writer)
    session.flush()
    return writer, token


def find_writer(database: Database, token: str | None) -> Writer | None:
    if not token:
        return None
    with database.read() as session:
        writer = store.writer_by_hash(session, security.token_hash(token))
    if writer is None:
        return None
    writer_id = writer.id
    if now() - writer.seen_at > SEEN_EVERY:
        database.try_write(lambda session: store.seen(session, writer_id))
    return writer


# ── drafts ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def titled(text: str, fallback: str = UNTITLED) -> tuple[str, list[str]]:
    """A first line that is a Markdown heading is the title, the rest the paragraphs."""
    found = text_paragraphs.split(text)
    heading = re.fullmatch(r"#{1,2}\s+(\S.*?)\s*#*", found[0].strip()) if found else None
    if heading and len(found) > 1:
        return heading[1][:200], found[1:]
    return fallback, found


def one_line(title: str) -> str:
    """A title as it is stored: without line breaks, and never blank."""
    return " ".join(title.split()) or UNTITLED


def create_draft(session: Session, writer_id: str, wanted: v.NewDraft) -> v.DraftView:
    title, texts = wanted.title or "", text_paragraphs.split(wanted.text or "")
    if wanted.sample:
        title, texts = titled(SAMPLE.read_text("utf-8"))
    draft = Draft(writer_id=writer_id, title=one_line(title), number=0)
    session.add(draft)
    session.flush()
    source = "sample" if wanted.sample else "text" if texts else "empty"
    note(session, writer_id, draft.id, events.DraftCreated(title=draft.title, source=source))
    for position, text in enumerate(texts):
        paragraph = Paragraph(draft_id=draft.id, position=position, on_canvas=False, removed=False)
        session.add(paragraph)
        session.flush()
        _set_text(session, draft, paragraph, text, "import")
    return draft_view(session, draft)


def draft_view(session: Session, draft: Draft) -> v.DraftView:
    return v.DraftView(
        id=draft.id,
        title=draft.title,
        number=draft.number,
        updated_at=draft.updated_at,
        paragraphs=[v.ParagraphView.of(p) for p in store.paragraphs(session, draft.id)],
        versions=version_views(session, draft.id, store.versions(session, draft.id)),
        generations=[v.GenerationView.of(g) for g in store.unfinished_or_failed(session, draft.id)],
        sources=sources.listed(session, draft.id),
        goals=[v.GoalView.of(g) for g in store.goals(session, draft.id)],
        steps=steps_view(session, draft.id),
    )


def steps_view(session: Session, draft_id: str) -> v.StepsView:
    undo, redo = store.last_done(session, draft_id), store.first_undone(session, draft_id)
    return v.StepsView(undo=v.StepView.of(undo) if undo else None, redo=v.StepView.of(redo) if redo else None)


def version_views(session: Session, draft_id: str, versions: Iterable[Version]) -> list[v.VersionView]:
    """A few cost what their paragraphs hold, not what the draft does."""
    wanted = list(versions)
    few = len(wanted) <= FEW
    only = Version.id.in_([x.id for x in wanted]) if few else Version.draft_id == draft_id
    parents = store.parents(session, only)
    folded = store.folded(session, draft_id, {x.paragraph_id for x in wanted} if few else None)
    hidden = setting.hides_scores(session, draft_id)
    return [v.VersionView.of(x, parents.get(x.id, []), folded=x.id in folded, scored=not hidden) for x in wanted]


def list_drafts(session: Session, writer_id: str) -> v.DraftList:
    drafts = store.drafts(session, writer_id)
    words = store.words(session, [d.id for d in drafts])
    return v.DraftList(
        drafts=[v.DraftEntry(id=d.id, title=d.title, updated_at=d.updated_at, words=words.get(d.id, 0)) for d in drafts]
    )


def latest_draft(session: Session, writer_id: str) -> str | None:
    drafts = store.drafts(session, writer_id)
    return drafts[0].id if drafts else None


def rename(session: Session, writer_id: str, draft_id: str, title: str) -> v.DraftEntry:
    draft = store.hold(session, writer_id, draft_id)
    title = one_line(title)
    if title != draft.title:
        draft.title, draft.updated_at = title, now()
        note(session, writer_id, draft.id, events.DraftRenamed(title=title))
    undo.keep(session, draft, "rename")
    words = store.words(session, [draft.id]).get(draft.id, 0)
    return v.DraftEntry(id=draft.id, title=draft.title, updated_at=draft.updated_at, words=words)


def delete(session: Session, writer_id: str, draft_id: str) -> None:
    draft = store.hold(session, writer_id, draft_id)
    draft.deleted_at = now()
    note(session, writer_id, draft.id, events.DraftDeleted())


# ── typing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def save(session: Session, writer_id: str, draft_id: str, wanted: v.Save) -> v.Changed:
    """All edits or none: one stale base refuses them all, with both texts of each."""
    draft = store.hold(session, writer_id, draft_id)
    known = {p.id: p for p in store.paragraphs(session, draft_id)}
    _refuse_stale(session, draft, known, wanted.edits)
    order = [p.id for p in known.values() if not p.removed]
    before, expected = list(order), list(order)
    made: list[Version] = []
    for edit in wanted.edits:
        paragraph = known.get(edit.paragraph_id)
        blank = not edit.text.strip()
        if paragraph is None:
            if blank:
                continue
            paragraph = Paragraph(
                id=edit.paragraph_id, draft_id=draft_id, position=len(known), on_canvas=False, removed=False
            )
            session.add(paragraph)
            session.flush()
            known[paragraph.id] = paragraph
        head = session.get(Version, paragraph.head_version_id) if paragraph.head_version_id else None
        text = "" if blank else edit.text
        if head is None or head.text != text or (paragraph.removed and not blank):
            made.append(_set_text(session, draft, paragraph, text, "manual", head))
        if blank:
            order = [i for i in order if i != paragraph.id]
            expected = [i for i in expected if i != paragraph.id]
        elif paragraph.id not in expected:
            expected.append(paragraph.id)
        if not blank and (paragraph.id not in order or "after" in edit.model_fields_set):
            _put(order, paragraph, edit)
    touched = {edit.paragraph_id for edit in wanted.edits}
    touched |= _renumber(known, order)
    if order != expected:
        note(session, writer_id, draft_id, events.DraftOrdered(order=order))
    if made or order != before:
        draft.updated_at = now()
    edited = {x.paragraph_id for x in made}
    kind = undo.TYPING if any(x.text for x in made) else "remove" if made else "order"
    undo.keep(session, draft, kind, edited.pop() if len(edited) == 1 else None)
    parents = store.parents(session, Version.id.in_([x.id for x in made]))
    changed = {parent for ids in parents.values() for parent in ids}
    shown = [*made, *(session.get_one(Version, i) for i in sorted(changed) if i not in {x.id for x in made})]
    return v.Changed(
        number=draft.number,
        versions=version_views(session, draft_id, shown),
        paragraphs=[v.ParagraphView.of(known[i]) for i in known if i in touched],
    )


def _refuse_stale(session: Session, draft: Draft, known: dict[str, Paragraph], edits: Sequence[v.Edit]) -> None:
    if len({edit.paragraph_id for edit in edits}) < len(edits):
        raise Problem(422, "twice", "One save may change each paragraph once.")
    stale = []
    for edit in edits:
        paragraph = known.get(edit.paragraph_id)
        if paragraph is None:
            if edit.base is not None or session.get(Paragraph, edit.paragraph_id) is not None:
                raise not_found()
        elif paragraph.head_version_id != edit.base:
            stale.append((edit, paragraph))
    if stale:
        raise _stale(session, draft.id, [(paragraph, edit.text) for edit, paragraph in stale])


def _stale(session: Session, draft_id: str, losers: Sequence[tuple[Paragraph, str]]) -> Problem:
    heads = [session.get_one(Version, paragraph.head_version_id) for paragraph, _ in losers]
    theirs = {view.id: view for view in version_views(session, draft_id, heads)}
    return Problem(
        409,
        "stale",
        "This paragraph was changed elsewhere, so nothing was overwritten. Both texts are here: choose one.",
        conflicts=[
            {
                "paragraph_id": paragraph.id,
                "yours": yours,
                "theirs": theirs[str(paragraph.head_version_id)].model_dump(mode="json"),
                "removed": paragraph.removed,
            }
            for paragraph, yours in losers
        ],
    )


def _put(order: list[str], paragraph: Paragraph, edit: v.Edit) -> None:
    if paragraph.id in order:
        order.remove(paragraph.id)
    if "after" not in edit.model_fields_set:
        # A removed paragraph keeps the position it had; a new one's is the last.
        order.insert(paragraph.position, paragraph.id)
    elif edit.after is None:
        order.insert(0, paragraph.id)
    else:
        # Where the one it followed has gone, the end is as good a place: text is not refused for its place.
        order.insert(order.index(edit.after) + 1 if edit.after in order else len(order), paragraph.id)


def _renumber(known: dict[str, Paragraph], order: Sequence[str]) -> set[str]:
    moved = set()
    for position, paragraph_id in enumerate(order):
        if known[paragraph_id].position != position:
            known[paragraph_id].position = position
            moved.add(paragraph_id)
    return moved


def _set_text(
    session: Session,
    draft: Draft,
    paragraph: Paragraph,
    text: str,
    operation: str,
    parent: Version | None = None,
) -> Version:
    """A version of the writer's own, straight into the draft."""
    values = Version(paragraph_id=paragraph.id, operation=operation, text=text, status="written", flags=[])
    parents = [parent.id] if parent else []
    version = store.add_version(session, draft, values, parents)
    paragraph.head_version_id, paragraph.removed = version.id, not text
    session.flush()
    note_version(session, draft, version, parents, head=True)
    return version


def note_version(session: Session, draft: Draft, version: Version, parents: list[str], *, head: bool) -> None:
    event = events.VersionCreated(
        paragraph_id=version.paragraph_id,
        number=version.number,
        parents=parents,
        operation=version.operation,
        status=version.status,
        head=head,
        removed=head and not version.text,
        text_sha256=hashlib.sha256(version.text.encode()).hexdigest(),
    )
    note(session, draft.writer_id, draft.id, event, version.id)


# ── the canvas ─────────────────────────────────────────────────────────────────────────────────────────────────────


def heads(session: Session, writer_id: str, draft_id: str, paragraph_ids: Sequence[str]) -> list[Version]:
    """The texts of these paragraphs as they stand. Raises Problem 404."""
    store.draft(session, writer_id, draft_id)
    known = {p.id: p for p in store.paragraphs(session, draft_id)}
    found = []
    for paragraph_id in dict.fromkeys(paragraph_ids):
        paragraph = known.get(paragraph_id)
        if paragraph is None or paragraph.head_version_id is None:
            raise not_found()
        found.append(session.get_one(Version, paragraph.head_version_id))
    return found


def unscored(session: Session, writer_id: str, draft_id: str) -> list[Version]:
    """Versions on the canvas that have no place yet and are worth one."""
    store.draft(session, writer_id, draft_id)
    shown = {p.id for p in store.paragraphs(session, draft_id) if p.on_canvas and not p.removed}
    folded = store.folded(session, draft_id)
    return [
        x
        for x in store.versions(session, draft_id)
        if x.paragraph_id in shown and x.scorer_id is None and x.id not in folded and not x.archived and x.text.strip()
    ]


def place(
    session: Session, writer_id: str, draft_id: str, placements: dict[str, Placement], problems: list[v.Unplaced]
) -> v.Placed:
    """Keep what was measured (by version), and put those paragraphs on the canvas."""
    placed = keep_scores(session, writer_id, draft_id, placements, problems)
    changed = []
    for paragraph_id in dict.fromkeys(x.paragraph_id for x in placed.versions):
        paragraph = session.get_one(Paragraph, paragraph_id)
        if not paragraph.on_canvas:
            paragraph.on_canvas = True
            note(session, writer_id, draft_id, events.ParagraphPlaced(paragraph_id=paragraph_id))
        changed.append(v.ParagraphView.of(paragraph))
    draft = store.draft(session, writer_id, draft_id)
    undo.keep(session, draft, "place", changed[0].id if len(changed) == 1 else None)
    return placed.model_copy(update={"paragraphs": changed})


def keep_scores(
    session: Session, writer_id: str, draft_id: str, placements: dict[str, Placement], problems: list[v.Unplaced]
) -> v.Placed:
    """Keep what was measured (by version). What was taken off the canvas meanwhile stays off."""
    draft = store.hold(session, writer_id, draft_id)
    versions = keep_placements(session, draft, placements)
    return v.Placed(
        number=draft.number,
        versions=version_views(session, draft_id, versions),
        paragraphs=[],
        problems=problems,
    )


def take_off(session: Session, writer_id: str, draft_id: str, paragraph_ids: Sequence[str]) -> v.Placed:
    draft = store.hold(session, writer_id, draft_id)
    known = {p.id: p for p in store.paragraphs(session, draft_id)}
    if set(paragraph_ids) - set(known):
        raise not_found()
    for paragraph_id in dict.fromkeys(paragraph_ids):
        if known[paragraph_id].on_canvas:
            known[paragraph_id].on_canvas = False
            note(session, writer_id, draft_id, events.ParagraphUnplaced(paragraph_id=paragraph_id))
    changed = [v.ParagraphView.of(known[i]) for i in dict.fromkeys(paragraph_ids)]
    undo.keep(session, draft, "unplace", changed[0].id if len(changed) == 1 else None)
    return v.Placed(number=draft.number, versions=[], paragraphs=changed)


def keep_placements(session: Session, draft: Draft, placements: dict[str, Placement]) -> list[Version]:
    versions = []
    for version_id, placement in placements.items():
        version = session.get_one(Version, version_id)
        if version.scorer_id != placement.scorer_id:
            store.set_placement(version, placement)
            note(session, draft.writer_id, draft.id, events.VersionPlaced(**asdict(placement)), version_id)
        versions.append(version)
    return versions


# ── versions ───────────────────────────────────────────────────────────────────────────────────────────────────────


def confirm(session: Session, writer_id: str, version_id: str, base: str) -> v.Confirmed:
    """Make it the paragraph's text. Raises Problem 409 when that has changed since `base`."""
    draft, paragraph, version = store.hold_version(session, writer_id, version_id)
    if version.status == "discarded":
        raise Problem(409, "discarded", "This version is discarded. Restore it first.")
    if not version.text:
        raise Problem(409, "empty", "This version has no text, so it can't be confirmed.")
    if paragraph.head_version_id != base:
        raise _stale(session, draft.id, [(paragraph, version.text)])
    if version.status != "confirmed" or paragraph.head_version_id != version.id or paragraph.removed:
        was_removed = paragraph.removed
        version.status = "confirmed"
        paragraph.head_version_id, paragraph.removed = version.id, False
        draft.updated_at = now()
        event = events.VersionConfirmed(paragraph_id=paragraph.id, replaced=base if base != version.id else None)
        note(session, writer_id, draft.id, event, version.id)
        if was_removed:
            order = [p.id for p in store.paragraphs(session, draft.id) if not p.removed]
            _renumber({p.id: p for p in store.paragraphs(session, draft.id)}, order)
            note(session, writer_id, draft.id, events.DraftOrdered(order=order))
        if version.archived:
            version.archived = False
            note(session, writer_id, draft.id, events.VersionUnarchived(), version.id)
    undo.keep(session, draft, "confirm", paragraph.id)
    return v.Confirmed(
        version=version_views(session, draft.id, [version])[0],
        paragraph=v.ParagraphView.of(paragraph),
        number=draft.number,
    )


def discard(session: Session, writer_id: str, version_id: str) -> v.VersionView:
    draft, paragraph, version = store.hold_version(session, writer_id, version_id)
    if paragraph.head_version_id == version.id:
        raise Problem(409, "in-draft", "This version is the paragraph's text in the draft. Confirm another one first.")
    if version.status != "discarded":
        note(session, writer_id, draft.id, events.VersionDiscarded(was=version.status), version.id)
        version.status = "discarded"
    undo.keep(session, draft, "discard", paragraph.id)
    return version_views(session, draft.id, [version])[0]


def restore(session: Session, writer_id: str, version_id: str) -> v.VersionView:
    draft, paragraph, version = store.hold_version(session, writer_id, version_id)
    if version.status == "discarded":
        version.status = store.last_status_before_discard(session, version.id) or "proposed"
        note(session, writer_id, draft.id, events.VersionRestored(status=version.status), version.id)
    undo.keep(session, draft, "restore", paragraph.id)
    return version_views(session, draft.id, [version])[0]


def edit_by_hand(session: Session, writer_id: str, version_id: str, text: str) -> v.VersionView:
    """A new version beside the one it was made from; the draft stays as it is."""
    if not text.strip():
        raise Problem(422, "empty", "A version needs some text. Discard this one if you don't want it.")
    draft, _, parent = store.hold_version(session, writer_id, version_id)
    if text == parent.text:
        raise Problem(422, "unchanged", "The text is the same as before, so there is no new version to make.")
    values = Version(paragraph_id=parent.paragraph_id, operation="manual", text=text, status="proposed", flags=[])
    version = store.add_version(session, draft, values, [parent.id])
    note_version(session, draft, version, [parent.id], head=False)
    undo.keep(session, draft, "edit", version.paragraph_id)
    return version_views(session, draft.id, [version])[0]


def detail(session: Session, writer_id: str, version_id: str, encode: Encode | None = None) -> v.Detail:
    """Without the encoder of meaning, support of its sentences is counted by words."""
    version = store.version(session, writer_id, version_id)
    view = version_views(session, version.draft_id, [version])[0]
    parents = [session.get_one(Version, parent) for parent in view.parents]
    texts = [parent.text for parent in parents]
    change = facts.compare_all(texts or [version.text], version.text)
    pieces = merge.origins(version.text, *texts) if len(parents) == 2 else []
    pack = sources.pack_of(session, version.draft_id) if parents else None
    new = ledger.new_claims(store.grounds(session, view.parents), version.text, pack, encode)
    return v.Detail(
        version=view,
        prompt=version.prompt,
        sampling=version.sampling,
        diff=[
            v.ParentDiff(
                parent_id=parent.id,
                changes=[v.ChangeView(kind=c.kind, text=c.text) for c in diff.words(parent.text, version.text)],
            )
            for parent in parents
        ],
        facts=asdict(change),
        origins=[v.PieceView.of(piece) for piece in pieces],
        claims=[v.ClaimView(**asdict(claim)) for claim in new],
    )


# ── the log ────────────────────────────────────────────────────────────────────────────────────────────────────────


def record(session: Session, writer_id: str, batch: v.Batch) -> v.Acked:
    """Keep a recorder's events; those that are kept already are left as they are."""
    drafts = {e.draft_id for e in batch.events if e.draft_id}
    versions = {e.version_id for e in batch.events if e.version_id}
    if drafts - store.known_drafts(session, writer_id, drafts):
        raise not_found()
    if versions - store.known_versions(session, writer_id, versions):
        raise not_found()
    stamps = {i: events.stamped(setting.stamp_of(session, writer_id, i)) for i in (*drafts, None)}
    rows = [{**events.row(writer_id, batch.recorder, e), **stamps[e.draft_id]} for e in batch.events]
    if rows:
        insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
        session.execute(insert(LoggedEvent).on_conflict_do_nothing(index_elements=["recorder", "seq"]), rows)
    return v.Acked(acked=store.contiguous(session, batch.recorder))
