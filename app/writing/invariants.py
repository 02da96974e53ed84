"""What must hold of drafts, versions, generations and the log."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pydantic import ValidationError
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, aliased

from app.db.base import now
from app.db.check import Invariant
from app.writing.events import client_events, server_events
from app.writing.models import (
    STATUSES,
    STEP_STATES,
    UNFINISHED,
    Draft,
    Generation,
    Goal,
    LoggedEvent,
    Paragraph,
    Source,
    Step,
    Version,
    VersionParent,
)

LONGEST = timedelta(hours=1)
ROWS_AT_ONCE = 500


class NumbersHaveNoHoles(Invariant):
    """A draft's versions are numbered from 1 without holes, and its own number is the highest."""

    def broken(self, session: Session) -> Iterator[str]:
        counted = (
            select(Draft.id, Draft.number, func.count(Version.id), func.min(Version.number), func.max(Version.number))
            .outerjoin(Version, Version.draft_id == Draft.id)
            .group_by(Draft.id, Draft.number)
        )
        for draft, number, count, low, high in session.execute(counted):
            if (count, low or 1, high or 0) != (number, 1, number):
                yield f"Draft {draft} has the number {number}, but {count} versions from {low} to {high}."


class HeadsBelong(Invariant):
    """Every paragraph has a text in the draft, and it is one of its own."""

    def broken(self, session: Session) -> Iterator[str]:
        heads = (
            select(Paragraph.id, Version.id)
            .outerjoin(Version, Version.id == Paragraph.head_version_id)
            .where(
                or_(
                    Version.id.is_(None),
                    Version.paragraph_id != Paragraph.id,
                    Version.draft_id != Paragraph.draft_id,
                )
            )
        )
        for paragraph, version in session.execute(heads):
            yield f"Paragraph {paragraph} has the head {version}, which is not its own."


class RemovedIsEmpty(Invariant):
    """A paragraph is removed when its text in the draft is empty, or its making was taken back, and only then."""

    def broken(self, session: Session) -> Iterator[str]:
        wrong = (
            select(Paragraph.id)
            .join(Version, Version.id == Paragraph.head_version_id)
            .where(Paragraph.removed != or_(Version.text == "", Version.archived))
        )
        for paragraph in session.scalars(wrong):
            yield f"Paragraph {paragraph} is marked as removed but has text, or the other way round."


class ParentsComeFirst(Invariant):
    """A parent is an earlier version of the same draft; there are at most two, in order."""

    def broken(self, session: Session) -> Iterator[str]:
        child, parent = aliased(Version), aliased(Version)
        wrong = (
            select(VersionParent.version_id, VersionParent.parent_id)
            .join(child, child.id == VersionParent.version_id)
            .join(parent, parent.id == VersionParent.parent_id)
            .where(
                or_(
                    parent.number >= child.number,
                    parent.draft_id != child.draft_id,
                    VersionParent.ordinal.not_in((0, 1)),
                )
            )
        )
        for version, parent_id in session.execute(wrong):
            yield f"Version {version} can't have the parent {parent_id}."


class VersionsAreWhole(Invariant):
    """A placement has all its parts or none, and a status is one of those there are."""

    def broken(self, session: Session) -> Iterator[str]:
        parts = (Version.exposition, Version.engagement, Version.spread, Version.scorer_id)
        some, missing = or_(*(p.is_not(None) for p in parts)), or_(*(p.is_(None) for p in parts))
        for version in session.scalars(select(Version.id).where(some, missing)):
            yield f"Version {version} has a part of a placement."
        for version in session.scalars(select(Version.id).where(Version.status.not_in(STATUSES))):
            yield f"Version {version} has a status there is not."


class GenerationsEnd(Invariant):
    """No generation is left hanging, and a finished one ranks its own versions."""

    def broken(self, session: Session) -> Iterator[str]:
        hanging = select(Generation.id).where(
            Generation.status.in_(UNFINISHED), Generation.created_at < now() - LONGEST
        )
        for generation in session.scalars(hanging):
            yield f"Generation {generation} has not ended; starting the server ends it."
        made: dict[str, set[str]] = {}
        landed = select(Version.generation_id, Version.id).where(Version.generation_id.is_not(None))
        for origin, version in session.execute(landed):
            made.setdefault(str(origin), set()).add(version)
        done = select(Generation.id, Generation.ranking).where(Generation.status == "done")
        for generation, ranking in session.execute(done):
            if set(ranking) != made.get(generation, set()):
                yield f"Generation {generation} ranks versions that are not its own, or not all of them."


class StepsAreInOrder(Invariant):
    """What can be redone was done after all that can be undone."""

    def broken(self, session: Session) -> Iterator[str]:
        for step, state in session.execute(select(Step.id, Step.state).where(Step.state.not_in(STEP_STATES))):
            yield f"Step {step} is {state}, which no step can be."
        last = select(Step.draft_id, func.max(Step.number).label("number")).where(Step.state == "done")
        done = last.group_by(Step.draft_id).subquery()
        early = select(Step.id).join(done, done.c.draft_id == Step.draft_id)
        for step in session.scalars(early.where(Step.state == "undone", Step.number < done.c.number)):
            yield f"Step {step} is undone, but a later one is not."


class OneGoalIsActive(Invariant):
    """At most one of a draft's goals is active, and a removed one is not."""

    def broken(self, session: Session) -> Iterator[str]:
        active = select(Goal.draft_id).where(Goal.active.is_(True)).group_by(Goal.draft_id)
        for draft in session.scalars(active.having(func.count() > 1)):
            yield f"Draft {draft} has more than one active goal."
        for goal in session.scalars(select(Goal.id).where(Goal.active.is_(True), Goal.removed.is_(True))):
            yield f"Goal {goal} is removed and still active."


class EventsAreNumbered(Invariant):
    """No recorder's number is there twice."""

    def broken(self, session: Session) -> Iterator[str]:
        twice = (
            select(LoggedEvent.recorder, LoggedEvent.seq)
            .where(LoggedEvent.recorder.is_not(None))
            .group_by(LoggedEvent.recorder, LoggedEvent.seq)
            .having(func.count() > 1)
        )
        for recorder, seq in session.execute(twice):
            yield f"Event {seq} of recorder {recorder} is there more than once."


class EventsAreTyped(Invariant):
    """Every row of the log is of one of the kinds in the codebook."""

    def broken(self, session: Session) -> Iterator[str]:
        kinds = {kind.model_fields["type"].default: kind for kind in server_events()}
        for event in _log(session):
            try:
                if event.recorder is None:
                    kinds[event.type].model_validate(event.payload)
                else:
                    columns = {
                        "type": event.type,
                        "seq": event.seq,
                        "client_ms": event.client_ms,
                        "draft_id": event.draft_id,
                        "version_id": event.version_id,
                    }
                    client_events.validate_python({**event.payload, **columns})
            except (KeyError, ValidationError):
                yield f"Event {event.id} is not a {event.type} as the codebook has it."


@dataclass
class State:
    """A draft as its events tell it."""

    title: str = ""
    number: int = 0
    deleted: bool = False
    order: list[str] = field(default_factory=list)
    heads: dict[str, str] = field(default_factory=dict)
    on_canvas: set[str] = field(default_factory=set)
    versions: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Status and SHA-256 of the text, by version."""
    scorers: dict[str, str] = field(default_factory=dict)
    archived: set[str] = field(default_factory=set)
    goals: dict[str, dict[str, bool]] = field(default_factory=dict)
    """active and removed, by goal."""
    sources: dict[str, bool] = field(default_factory=dict)
    """Whether it is removed, by source."""

    def take(self, kind: str, payload: dict[str, Any], version: str | None) -> None:
        match kind.partition(".")[0]:
            case "version":
                self._take_version(kind, payload, str(version))
            case "goal" | "source":
                self._take_attached(kind, payload)
            case "step":
                for change in payload["changes"]:
                    self._set(change["what"], change["id"], change["value"])
            case _:
                self._take_text(kind, payload)

    def _take_text(self, kind: str, payload: dict[str, Any]) -> None:
        match kind:
            case "draft.created" | "draft.renamed":
                self.title = payload["title"]
            case "draft.deleted":
                self.deleted = True
            case "draft.ordered":
                self.order = payload["order"]
            case "paragraph.placed":
                self.on_canvas.add(payload["paragraph_id"])
            case "paragraph.unplaced":
                self.on_canvas.discard(payload["paragraph_id"])

    def _take_version(self, kind: str, payload: dict[str, Any], version: str) -> None:
        match kind:
            case "version.created":
                self._created(payload, version)
            case "version.placed":
                self.scorers[version] = payload["scorer_id"]
            case "version.confirmed":
                self.heads[payload["paragraph_id"]] = version
                self._status(version, "confirmed")
            case "version.discarded":
                self._status(version, "discarded")
            case "version.restored":
                self._status(version, payload["status"])
            case "version.archived":
                self.archived.add(version)
            case "version.unarchived":
                self.archived.discard(version)

    def _take_attached(self, kind: str, payload: dict[str, Any]) -> None:
        match kind:
            case "goal.set":
                for goal in self.goals.values():
                    goal["active"] = False
                self.goals[payload["goal_id"]] = {"active": True, "removed": False}
            case "goal.cleared":
                self.goals[payload["goal_id"]]["active"] = False
            case "goal.removed":
                self.goals[payload["goal_id"]] = {"active": False, "removed": True}
            case "source.added":
                self.sources[payload["source_id"]] = False
            case "source.removed":
                self.sources[payload["source_id"]] = True

    def _set(self, what: str, row: str, value: Any) -> None:
        """As undo or redo left it."""
        match what:
            case "title":
                self.title = value
            case "order":
                self.order = value
            case "head":
                self.heads[row] = value
            case "status":
                self._status(row, value)
            case "on_canvas":
                (self.on_canvas.add if value else self.on_canvas.discard)(row)
            case "archived":
                (self.archived.add if value else self.archived.discard)(row)
            case "goal.active" | "goal.removed":
                self.goals[row][what.removeprefix("goal.")] = value
            case "source.removed":
                self.sources[row] = value

    def _created(self, payload: dict[str, Any], version: str) -> None:
        paragraph = payload["paragraph_id"]
        self.number = payload["number"]
        self.versions[version] = (payload["status"], payload["text_sha256"])
        if payload["head"]:
            self.heads[paragraph] = version
            if payload["removed"]:
                self.order = [other for other in self.order if other != paragraph]
            elif paragraph not in self.order:
                self.order = [*self.order, paragraph]

    def _status(self, version: str, status: str) -> None:
        self.versions[version] = (status, self.versions.get(version, ("", ""))[1])


class ReplayGivesTheState(Invariant):
    """Every draft, told again from its events, is what is stored."""

    def broken(self, session: Session) -> Iterator[str]:
        for draft in session.scalars(select(Draft).order_by(Draft.id)):
            yield from differences(draft.id, told(session, draft.id), stored(session, draft))


def differences(draft_id: str, told: State, stored: State) -> Iterator[str]:
    """Where the one is not the other, each as a sentence."""
    for name in vars(stored):
        if getattr(told, name) != getattr(stored, name):
            yield f"Draft {draft_id}: its {name} differs from what its events tell."


def told(session: Session, draft_id: str) -> State:
    """The draft from its events alone."""
    state = State()
    own = select(LoggedEvent.type, LoggedEvent.payload, LoggedEvent.version_id).where(
        LoggedEvent.draft_id == draft_id, LoggedEvent.recorder.is_(None)
    )
    for kind, payload, version in session.execute(own.order_by(LoggedEvent.id)):
        state.take(kind, payload, version)
    return state


def stored(session: Session, draft: Draft) -> State:
    state = State(draft.title, draft.number, draft.deleted_at is not None)
    own = select(Paragraph).where(Paragraph.draft_id == draft.id).order_by(Paragraph.position, Paragraph.id)
    for paragraph in session.scalars(own):
        state.heads[paragraph.id] = str(paragraph.head_version_id)
        if paragraph.on_canvas:
            state.on_canvas.add(paragraph.id)
        if not paragraph.removed:
            state.order.append(paragraph.id)
    columns = (Version.id, Version.status, Version.text, Version.scorer_id, Version.archived)
    rows = select(*columns).where(Version.draft_id == draft.id)
    for version, status, text, scorer, archived in session.execute(rows):
        state.versions[version] = (status, hashlib.sha256(text.encode()).hexdigest())
        if scorer is not None:
            state.scorers[version] = scorer
        if archived:
            state.archived.add(version)
    for goal in session.scalars(select(Goal).where(Goal.draft_id == draft.id)):
        state.goals[goal.id] = {"active": goal.active, "removed": goal.removed}
    for source in session.scalars(select(Source).where(Source.draft_id == draft.id)):
        state.sources[source.id] = source.removed
    return state


def _log(session: Session) -> Iterator[LoggedEvent]:
    yield from session.scalars(select(LoggedEvent).order_by(LoggedEvent.id).execution_options(yield_per=ROWS_AT_ONCE))
