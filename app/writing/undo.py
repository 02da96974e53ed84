"""What the writer did, kept so that it can be taken back: each step knows the values it changed, before and after.

Every use case that changes a draft ends with `keep`. What changed need not be said: a listener sees every flush.
Taking back sets the older values again and notes that in the log; nothing is deleted, and no number is given back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import event, inspect
from sqlalchemy.orm import Session

from app.db.base import now
from app.web.errors import Problem
from app.writing import events, store
from app.writing.models import Draft, Goal, Paragraph, Source, Step, Version

TYPING = "typing"
GENERATED = ("label", "prompt", "combine")
"""Kinds of step that a generation makes."""
ONE_BURST = timedelta(seconds=2)
"""Saves of one paragraph that follow each other faster are one step."""

Change = dict[str, Any]
"""what and id as in events.Change; before, after."""

_VALUES: dict[str, tuple[type[Any], str]] = {
    "title": (Draft, "title"),
    "head": (Paragraph, "head_version_id"),
    "on_canvas": (Paragraph, "on_canvas"),
    "status": (Version, "status"),
    "archived": (Version, "archived"),
    "human_placement": (Version, "human_placement"),
    "goal.active": (Goal, "active"),
    "goal.removed": (Goal, "removed"),
    "source.removed": (Source, "removed"),
}
_BEFORE_IT_WAS: dict[str, Any] = {"archived": True, "goal.active": False, "goal.removed": True, "source.removed": True}
"""Nothing is deleted, so what came to be is put away when its making is taken back."""
_SEEN = "undo.seen"


# ── seeing what changes ────────────────────────────────────────────────────────────────────────────────────────────


@event.listens_for(Session, "before_flush")
def _see_order(session: Session, _context: Any, _instances: Any) -> None:
    """The order is that of many rows; the database still has the old one."""
    for row in (*session.new, *session.dirty):
        if isinstance(row, Paragraph) and (row in session.new or _changed(row, "position") or _changed(row, "removed")):
            key = ("order", row.draft_id)
            seen = _seen(session)
            if key not in seen:
                seen[key] = store.order(session, row.draft_id)


@event.listens_for(Session, "after_flush")
def _see_values(session: Session, _context: Any) -> None:
    seen, new, dirty = _seen(session), list(session.new), list(session.dirty)
    for what, (kind, name) in _VALUES.items():
        if what in _BEFORE_IT_WAS:
            for row in new:
                if isinstance(row, kind):
                    seen.setdefault((what, row.id), _BEFORE_IT_WAS[what])
        for row in dirty:
            # A paragraph's first text replaces none: without it the paragraph is out of the order, not headless.
            if isinstance(row, kind) and (old := _changed(row, name)) and (what != "head" or old[0] is not None):
                seen.setdefault((what, row.id), old[0])


def _seen(session: Session) -> dict[tuple[str, str], Any]:
    """Values as they were when the transaction began, by what and id."""
    seen: dict[tuple[str, str], Any] = session.info.setdefault(_SEEN, {})
    return seen


def _changed(row: Any, name: str) -> Sequence[Any]:
    """The value before, as the only element, or nothing."""
    return tuple(inspect(row).attrs[name].history.deleted or ())


# ── keeping it ─────────────────────────────────────────────────────────────────────────────────────────────────────


def keep(session: Session, draft: Draft, kind: str, paragraph_id: str | None = None) -> None:
    """Call at the end of a use case that holds the draft: all it changed becomes one step that can be undone.

    A use case that changed nothing makes no step. A burst of typing in one paragraph is one step, and so is all that
    comes of one generation. Whatever was undone before can't be redone after a new step, unless that is a
    generation's: its results come when they come, and must not cost the writer what could be redone.
    """
    session.flush()
    seen = session.info.pop(_SEEN, {})
    changes = [
        {"what": what, "id": row_id, "before": before, "after": after}
        for (what, row_id), before in seen.items()
        if (after := _value(session, what, row_id)) != before
    ]
    if not changes:
        return
    together = _made_together(session, kind, changes)
    step = _continued(session, draft, kind, paragraph_id, together)
    if step is not None:
        step.changes, step.changed_at = _merged(step.changes, changes), now()
        if step.state != "done":
            _turn(session, draft, changes, "before", "after")
            for change in changes:
                events.note(session, draft.writer_id, draft.id, events.VersionArchived(), change["id"])
    else:
        first = store.first_undone(session, draft.id) if together else None
        if first is not None:
            number = first.number
            store.make_room(session, draft.id, number)
        else:
            number = store.last_step_number(session, draft.id) + 1
            for undone in store.undone(session, draft.id):
                undone.state = "dropped"
        step = Step(
            draft_id=draft.id,
            number=number,
            kind=kind,
            paragraph_id=paragraph_id,
            changes=changes,
            changed_at=now(),
        )
        session.add(step)
    session.flush()
    session.info.pop(_SEEN, None)


def _made_together(session: Session, kind: str, changes: list[Change]) -> set[str]:
    """The versions of the generation that this is of; empty when it is the writer's own doing."""
    if kind not in GENERATED or any(change["what"] != "archived" for change in changes):
        return set()
    return store.made_together(session, [change["id"] for change in changes])


def _continued(session: Session, draft: Draft, kind: str, paragraph_id: str | None, together: set[str]) -> Step | None:
    """The step that this only goes on with; `together` as from `_made_together`."""
    if kind == TYPING:
        last = store.last_done(session, draft.id)
        goes_on = (
            last is not None
            and (last.kind, last.paragraph_id) == (TYPING, paragraph_id)
            and paragraph_id is not None
            and now() - last.changed_at < ONE_BURST
            and store.first_undone(session, draft.id) is None
        )
        return last if goes_on else None
    if not together:
        return None
    # Its results land one after another, and the writer may have done other things, or undone it, in between.
    steps = store.steps_of_kind(session, draft.id, kind)
    return next((s for s in steps if together & {c["id"] for c in s.changes}), None)


def _merged(first: list[Change], then: list[Change]) -> list[Change]:
    """One after the other: each value's first before and last after."""
    found = {(change["what"], change["id"]): change for change in first}
    for change in then:
        key = (change["what"], change["id"])
        found[key] = {**change, "before": found[key]["before"]} if key in found else change
    return [change for change in found.values() if change["before"] != change["after"]]


# ── taking it back ─────────────────────────────────────────────────────────────────────────────────────────────────


def take_back(session: Session, draft: Draft, step_id: str) -> Step:
    """Undo the last step of a draft that is held; `step_id` is what the writer takes it to be.

    Raises Problem 409: stale-step when it is another one, nothing, and changed-since.
    """
    step = _expected(store.last_done(session, draft.id), step_id, "undo")
    values = _turn(session, draft, step.changes, "before", "after")
    step.state = "undone"
    event = events.StepUndone(step_id=step.id, kind=step.kind, changes=values)
    events.note(session, draft.writer_id, draft.id, event)
    return step


def do_again(session: Session, draft: Draft, step_id: str) -> Step:
    """Redo the step that was undone last, as `take_back`."""
    step = _expected(store.first_undone(session, draft.id), step_id, "redo")
    values = _turn(session, draft, step.changes, "after", "before")
    step.state = "done"
    event = events.StepRedone(step_id=step.id, kind=step.kind, changes=values)
    events.note(session, draft.writer_id, draft.id, event)
    return step


def _expected(step: Step | None, step_id: str, verb: Literal["undo", "redo"]) -> Step:
    if step is not None and step.id == step_id:
        return step
    if step is None:
        raise Problem(409, "nothing", f"There is nothing to {verb}.")
    raise Problem(
        409,
        "stale-step",
        "Something else was done in another window meanwhile, so nothing was changed here. "
        f"Look at the draft as it is now, then {verb} again.",
    )


def _turn(session: Session, draft: Draft, changes: list[Change], to: str, since: str) -> list[events.Change]:
    """Set every value, or none where one is not what the step left."""
    for change in changes:
        if _value(session, change["what"], change["id"]) != change[since]:
            raise Problem(
                409,
                "changed-since",
                "What this step had changed was changed again since, so it was left as it is.",
            )
    for change in changes:
        _set(session, change["what"], change["id"], change[to])
    draft.updated_at = now()
    session.flush()
    return [events.Change(what=change["what"], id=change["id"], value=change[to]) for change in changes]


def _value(session: Session, what: str, row_id: str) -> Any:
    if what == "order":
        return store.order(session, row_id)
    kind, name = _VALUES[what]
    return getattr(session.get_one(kind, row_id), name)


def _set(session: Session, what: str, row_id: str, value: Any) -> None:
    if what != "order":
        kind, name = _VALUES[what]
        setattr(session.get_one(kind, row_id), name, value)
        return
    place = {paragraph_id: i for i, paragraph_id in enumerate(value)}
    for paragraph in store.paragraphs(session, row_id):
        paragraph.removed = paragraph.id not in place
        paragraph.position = place.get(paragraph.id, paragraph.position)
