"""What the database knows of a generation, from the press of a label to its end. Each function is one transaction's
work; app/writing/stream.py calls them as the words come."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy.orm import Session

from app.db.base import now
from app.db.engine import Database
from app.llm.types import EngineInfo
from app.web.errors import Problem
from app.writing import combine as combining
from app.writing import events, join, setting, sources, store, undo
from app.writing import views as v
from app.writing.events import MOST_KEPT, note
from app.writing.models import UNFINISHED, Generation, Version
from app.writing.revise import Candidate, Dropped
from app.writing.service import note_version, version_views
from app.writing.strategies import Label, load_book
from app.writing.studio import Studio

LONGEST_PROMPT = 2_000
"""Characters of a writer's own prompt."""
TAKEN_UP_WITHIN = timedelta(seconds=30)
"""A page opens the stream right after it asked; what it did not take up by then no longer counts as waiting."""
SAID_BEFORE = 4
"""Turns of a chat that the model is shown."""
NEVER_STARTED_AFTER = timedelta(minutes=15)
LOST_AFTER = timedelta(minutes=1)

SERVER_STOPPED = {
    "code": "server-stopped",
    "detail": "The server was stopped while this was being written.",
    "mend": "Try again.",
}
NEVER_STARTED = {
    "code": "never-started",
    "detail": "The page was closed before the writing began.",
    "mend": "Try again.",
}


@dataclass(frozen=True)
class Job:
    """A generation as its stream needs it, free of the database. `other` is there when two versions are combined."""

    id: str
    writer_id: str
    draft_id: str
    paragraph_id: str
    parent_id: str
    text: str
    label: Label
    strategy: str | None
    prompt: str | None
    n: int
    seed: int
    created_at: datetime
    other: Other | None = None
    ground: tuple[str, ...] = ()
    """What its claims may rest on."""
    pack: sources.Pack | None = None
    """The draft's sources when it began."""
    earlier: tuple[tuple[str, str], ...] = ()
    """In a chat: what was asked about the paragraph before, and what was answered."""
    scored: bool = True
    """Whether the writer is told what the scorer says."""

    @property
    def lacks_source(self) -> bool:
        """Whether something of what was asked for needs a source, and there is none."""
        return self.pack is None and self.strategy is None and any(s.source for s in self.label.strategies)


@dataclass(frozen=True)
class Other:
    """The second version to be combined, and its share, 0 to 1."""

    id: str
    text: str
    mix: float


# ── asking ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def ask(session: Session, writer_id: str, studio: Studio, wanted: v.Ask) -> v.GenerationView:
    """Raises Problem 403, 404, 409, 422, and 503 when the model is not ready or too many wait."""
    parent = store.version(session, writer_id, wanted.version_id)
    try:
        label = load_book().label(wanted.label)
    except KeyError as error:
        raise Problem(422, "unknown-label", str(error.args[0])) from error
    strategies = studio.usable(label)
    if not all(s.takes_prompt for s in strategies):
        _refuse_missing(session, writer_id)
    if wanted.strategy is not None:
        strategies = [s for s in strategies if s.id == wanted.strategy]
    if strategies and all(s.source for s in strategies) and not store.sources(session, parent.draft_id):
        raise Problem(422, "no-source", sources.MISSING)
    if not strategies:
        detail = f"“{label.name}” has no strategy “{wanted.strategy}” that this model can carry out."
        raise Problem(422, "unknown-strategy", detail)
    own = (wanted.prompt or "").strip()
    _refuse_prompt(own, label, takes=any(s.takes_prompt for s in strategies))
    if not any(character.isalpha() for character in parent.text):
        raise Problem(422, "unplaceable", "This paragraph has no words yet. Write a sentence first.")
    generation = Generation(
        draft_id=parent.draft_id,
        paragraph_id=parent.paragraph_id,
        parent_version_id=parent.id,
        label=label.id,
        strategy=wanted.strategy,
        prompt=own or None,
        n=wanted.n or studio.settings.candidates,
    )
    return _queue(session, writer_id, studio, generation)


def combine(session: Session, writer_id: str, studio: Studio, wanted: v.Combine) -> v.GenerationView:
    """Ask for one version made of two. Raises Problem 403, 404, 409, 422, and 503 as `ask` does."""
    _refuse_missing(session, writer_id)
    first, second = combining.pair(session, writer_id, wanted.version_id, wanted.other_version_id)
    if not studio.settings.full_plans and not join.near(first.text, second.text, wanted.mix):
        detail = "No text lies between these two, sentence by sentence. Compare them and pick single changes instead."
        raise Problem(422, "nothing-between", detail)
    generation = Generation(
        draft_id=first.draft_id,
        paragraph_id=first.paragraph_id,
        parent_version_id=first.id,
        other_version_id=second.id,
        mix=wanted.mix,
        label=combining.LABEL,
        n=studio.settings.candidates,
    )
    return _queue(session, writer_id, studio, generation)


def _queue(session: Session, writer_id: str, studio: Studio, generation: Generation) -> v.GenerationView:
    store.refuse_closed(session, writer_id, generation.draft_id)
    if studio.problem is not None:
        raise studio.problem
    refuse_flood(session, studio)
    generation.seed, generation.status = secrets.randbits(31), "queued"
    generation.partial, generation.ranking = {}, []
    session.add(generation)
    session.flush()
    event = events.GenerationCreated(
        generation_id=generation.id,
        label=generation.label,
        strategy=generation.strategy,
        prompt=generation.prompt,
        n=generation.n,
        seed=generation.seed,
        other_version_id=generation.other_version_id,
        mix=generation.mix,
    )
    note(session, writer_id, generation.draft_id, event, generation.parent_version_id)
    return v.GenerationView.of(generation)


def _refuse_missing(session: Session, writer_id: str) -> None:
    """Raises Problem 403 where a study's condition has no labels."""
    found = setting.of_writer(session, writer_id)
    if found is not None and not found.switches.labels:
        raise Problem(403, "not-here", "In this step of the study, say in your own words what should change.")


def _refuse_prompt(own: str, label: Label, *, takes: bool) -> None:
    if takes and not own:
        raise Problem(422, "no-prompt", "Say in your own words what should change.")
    if own and not takes:
        detail = f"“{label.name}” takes no prompt of your own. Send it with “Your own prompt”."
        raise Problem(422, "prompt-not-taken", detail)
    if len(own) > LONGEST_PROMPT:
        detail = (
            f"Your prompt has {len(own):,} characters; {LONGEST_PROMPT:,} are taken at most. "
            "Say in a few sentences what should change; text to work on belongs into the draft."
        )
        raise Problem(422, "prompt-too-long", detail)


def retry(session: Session, writer_id: str, studio: Studio, generation_id: str) -> v.GenerationView:
    """The same request anew."""
    old = store.generation(session, writer_id, generation_id)
    if old.status in UNFINISHED:
        raise Problem(409, "unfinished", "This is still being written. Stop it first.")
    if old.other_version_id is not None:
        both = v.Combine(version_id=old.parent_version_id, other_version_id=old.other_version_id, mix=old.mix or 0.0)
        return combine(session, writer_id, studio, both)
    wanted = v.Ask(version_id=old.parent_version_id, label=old.label, strategy=old.strategy, prompt=old.prompt, n=old.n)
    return ask(session, writer_id, studio, wanted)


def refuse_flood(session: Session, studio: Studio) -> None:
    waiting = store.waiting(session, now() - TAKEN_UP_WITHIN)
    if waiting >= studio.settings.queue_bound:
        raise queue_full(waiting)


def queue_full(waiting: int) -> Problem:
    return Problem(
        503,
        "queue-full",
        f"{waiting} requests are waiting already. Your text is saved; try again in a moment.",
        headers={"Retry-After": "10"},
    )


def claim(session: Session, writer_id: str, generation_id: str) -> Job:
    """For the one stream that runs it. Raises Problem 409 when it was run before."""
    generation = store.generation(session, writer_id, generation_id)
    if not store.claim(session, generation_id):
        raise Problem(
            409, "already-run", "This was started before; its results are in the draft. Press the label again."
        )
    parent = session.get_one(Version, generation.parent_version_id)
    other = None
    if generation.other_version_id is not None:
        second = session.get_one(Version, generation.other_version_id)
        other = Other(second.id, second.text, generation.mix or 0.0)
    return Job(
        id=generation.id,
        writer_id=writer_id,
        draft_id=generation.draft_id,
        paragraph_id=generation.paragraph_id,
        parent_id=parent.id,
        text=parent.text,
        label=load_book().combining if other else load_book().label(generation.label),
        strategy=generation.strategy,
        prompt=generation.prompt,
        n=generation.n,
        seed=generation.seed,
        created_at=generation.created_at,
        other=other,
        ground=tuple(store.grounds(session, [parent.id, *([other.id] if other else [])])),
        pack=sources.pack_of(session, generation.draft_id),
        earlier=_earlier(session, writer_id, generation),
        scored=not setting.hides_scores(session, generation.draft_id),
    )


def _earlier(session: Session, writer_id: str, generation: Generation) -> tuple[tuple[str, str], ...]:
    """The turns that a chat goes on from; none elsewhere, where each press stands for itself."""
    found = setting.of_writer(session, writer_id)
    if found is None or not found.switches.chat or generation.prompt is None:
        return ()
    return tuple(store.said_before(session, generation, SAID_BEFORE))


def stop_unclaimed(session: Session, writer_id: str, generation_id: str) -> tuple[v.GenerationView, bool]:
    """The generation, and whether a stream has to be stopped that runs it."""
    generation = store.generation(session, writer_id, generation_id)
    running = generation.status in UNFINISHED and generation.claimed_at is not None
    if generation.status in UNFINISHED and not running:
        end(session, writer_id, generation_id, "cancelled", by="stop")
    return v.GenerationView.of(generation), running


# ── while it runs ──────────────────────────────────────────────────────────────────────────────────────────────────


def begin(session: Session, job: Job) -> bool:
    """False when it was ended before its turn came."""
    generation = session.get_one(Generation, job.id, with_for_update=True)
    if generation.status != "queued":
        return False
    generation.status, generation.started_at = "running", now()
    waited = int((generation.started_at - job.created_at) / timedelta(milliseconds=1))
    event = events.GenerationStarted(generation_id=job.id, waited_ms=waited)
    note(session, job.writer_id, job.draft_id, event)
    return True


def first_token(session: Session, job: Job, ms: int) -> None:
    store.generation(session, job.writer_id, job.id)
    event = events.GenerationFirstToken(generation_id=job.id, ms=ms)
    note(session, job.writer_id, job.draft_id, event)


def drop(session: Session, job: Job, dropped: Dropped) -> None:
    """Raises Problem 404 when its writer was erased meanwhile: nothing of theirs is written down any more."""
    store.generation(session, job.writer_id, job.id)
    event = events.CandidateDropped(
        generation_id=job.id,
        index=dropped.index,
        reason=dropped.reason,
        again=dropped.again,
        text=clean(dropped.text)[:MOST_KEPT],
    )
    note(session, job.writer_id, job.draft_id, event)


def land(session: Session, job: Job, candidate: Candidate, model: EngineInfo) -> v.VersionView:
    """A candidate becomes a version. Raises Problem 404 when its draft was deleted meanwhile."""
    draft = store.hold(session, job.writer_id, job.draft_id)
    prompt = asdict(candidate.prompt)
    parents = [job.parent_id, job.other.id] if job.other else [job.parent_id]
    values = Version(
        paragraph_id=job.paragraph_id,
        operation="combine" if job.other else "prompt" if job.prompt else "label",
        label=job.label.id,
        strategy=candidate.strategy,
        prompt=prompt,
        prompt_hash=hashlib.sha256(json.dumps(prompt, sort_keys=True).encode()).hexdigest(),
        sampling=asdict(candidate.sampling),
        model_id=model.model_id if candidate.prompt.messages else None,
        tuned_id=model.tuned_id if candidate.prompt.messages else None,
        seed=candidate.seed,
        text=clean(candidate.text),
        status="proposed",
        flags=list(candidate.flags),
        generation_id=job.id,
    )
    version = store.add_version(session, draft, values, parents)
    store.set_placement(version, candidate.placement)
    note_version(session, draft, version, parents, head=False)
    placed = events.VersionPlaced(**asdict(candidate.placement))
    note(session, job.writer_id, job.draft_id, placed, version.id)
    undo.keep(session, draft, version.operation, version.paragraph_id)
    return version_views(session, job.draft_id, [version])[0]


def clean(text: str) -> str:
    """What no database and no JSON reader takes is marked as lost: NUL, and halves of surrogate pairs."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")


# ── its end ────────────────────────────────────────────────────────────────────────────────────────────────────────


def finish(session: Session, job: Job, ranking: Sequence[str], *, moved: bool) -> None:
    generation = session.get_one(Generation, job.id, with_for_update=True)
    generation.status, generation.ended_at = "done", now()
    generation.ranking, generation.moved = list(ranking), moved
    event = events.GenerationEnded(
        generation_id=job.id, ms=_since_start(generation) or 0, ranking=list(ranking), moved=moved
    )
    note(session, job.writer_id, job.draft_id, event)


def end(
    session: Session,
    writer_id: str,
    generation_id: str,
    status: Literal["failed", "cancelled"],
    *,
    problem: dict[str, Any] | None = None,
    by: Literal["stop", "disconnect", "never-started"] = "stop",
    partial: dict[int, str] | None = None,
) -> None:
    """Before its time; what had come is kept. Does nothing to one that has ended."""
    generation = session.get_one(Generation, generation_id, with_for_update=True)
    if generation.status not in UNFINISHED:
        return
    generation.status, generation.ended_at, generation.problem = status, now(), problem
    generation.partial = {str(index): clean(text) for index, text in (partial or {}).items() if text}
    ms = _since_start(generation)
    event: events.ServerEvent
    if status == "failed":
        code = (problem or {}).get("code", "unknown")
        event = events.GenerationFailed(generation_id=generation_id, ms=ms, code=code)
    else:
        event = events.GenerationCancelled(generation_id=generation_id, ms=ms, by=by)
    note(session, writer_id, generation.draft_id, event)


def _since_start(generation: Generation) -> int | None:
    """Milliseconds."""
    if generation.started_at is None or generation.ended_at is None:
        return None
    return int((generation.ended_at - generation.started_at) / timedelta(milliseconds=1))


def fail_unfinished(database: Database) -> int:
    """At the start of a server: whatever an earlier one left unfinished has failed. Gives their number."""
    with database.write() as session:
        left = store.unfinished(session)
        for generation in left:
            end(session, store.owner(session, generation), generation.id, "failed", problem=SERVER_STOPPED)
        return len(left)


def tidy_up(database: Database, streaming: set[str]) -> None:
    """End what nobody took up, and what lost its stream while the database was away."""
    with database.write() as session:
        for generation in store.unfinished(session, before=now() - NEVER_STARTED_AFTER):
            owner = store.owner(session, generation)
            end(session, owner, generation.id, "cancelled", problem=NEVER_STARTED, by="never-started")
        for generation in store.unfinished(session):
            claimed = generation.claimed_at
            if claimed and claimed < now() - LOST_AFTER and generation.id not in streaming:
                owner = store.owner(session, generation)
                end(session, owner, generation.id, "failed", problem=SERVER_STOPPED)
