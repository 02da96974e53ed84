"""Measuring a draft again by the scorer in use: the writer's own decision, done in the background, a piece at a time.

How far it is stands in the database, so a restart goes on where it stopped; what an earlier scorer measured is kept.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, Literal

import structlog
from sqlalchemy.orm import Session

from app.axes.types import Scorer
from app.db.base import now
from app.db.engine import Database
from app.web import logs
from app.web.errors import Problem, not_found
from app.writing import events, store
from app.writing import views as v
from app.writing.events import note
from app.writing.measuring import measure
from app.writing.models import Draft, Rescore, Version
from app.writing.studio import Studio

log = structlog.get_logger()

PIECE = 5
"""Versions measured in one go: between two pieces others are served, and a stop is heard."""
ASK_EVERY = 0.5
"""Seconds between two looks at a scorer that loads."""

OTHER_SCALE = {
    "code": "other-scale",
    "detail": "The scorer was changed again before this came to its end.",
    "mend": "Measure again, by the scorer in use now.",
}
FAILED = {
    "code": "rescore-failed",
    "detail": "Measuring again broke off; what is measured is kept.",
    "mend": "Try again.",
}

Ending = Literal["done", "failed", "cancelled"]


def start(session: Session, writer_id: str, draft_id: str, scorer: Scorer) -> v.RescoreView:
    """The job, or the one that is running already. Raises Problem 404, and 409 when nothing is on another scale."""
    draft = store.hold(session, writer_id, draft_id)
    last = store.last_rescore(session, draft_id)
    if last is not None and last.status == "running":
        return v.RescoreView.of(last)
    total = len(store.placed_elsewhere(session, draft_id, scorer.scorer_id))
    if not total:
        raise Problem(409, "up-to-date", "Every version is on the scale in use, so there is nothing to measure again.")
    job = Rescore(draft_id=draft_id, scorer_id=scorer.scorer_id, status="running", total=total, done=0, last_number=0)
    session.add(job)
    session.flush()
    event = events.RescoreStarted(rescore_id=job.id, scorer_id=job.scorer_id, total=total)
    note(session, draft.writer_id, draft_id, event)
    return v.RescoreView.of(job)


def stop(session: Session, writer_id: str, draft_id: str) -> v.Rescoring:
    """What is measured already stays measured."""
    draft = store.hold(session, writer_id, draft_id)
    job = store.last_rescore(session, draft_id)
    if job is not None and job.status == "running":
        _end(session, draft, job, "cancelled")
    return v.Rescoring(job=v.RescoreView.of(job) if job else None)


def last(session: Session, writer_id: str, draft_id: str) -> v.Rescoring:
    store.draft(session, writer_id, draft_id)
    job = store.last_rescore(session, draft_id)
    return v.Rescoring(job=v.RescoreView.of(job) if job else None)


def _end(session: Session, draft: Draft, job: Rescore, status: Ending, problem: dict[str, Any] | None = None) -> None:
    job.status, job.problem, job.ended_at = status, problem, now()
    note(session, draft.writer_id, draft.id, events.RescoreEnded(rescore_id=job.id, status=status, done=job.done))


class Rescorer:
    """Does the jobs, one after another, in a thread of its own."""

    def __init__(self, database: Database, studio: Studio) -> None:
        self._database, self._studio = database, studio
        self._thread = ThreadPoolExecutor(1, "rescore")
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._closed = threading.Event()

    def take_up(self) -> None:
        """All that is running in the database and not in hand: just asked for, or left by a server that stopped."""
        with self._database.read() as session:
            waiting = [job.id for job in store.running_rescores(session)]
        with self._lock:
            if self._closed.is_set():
                return
            for job_id in waiting:
                if job_id not in self._known:
                    self._known.add(job_id)
                    self._thread.submit(self._do, job_id)

    def close(self) -> None:
        """After the piece in hand; the rest waits for the next start."""
        with self._lock:
            self._closed.set()
        self._thread.shutdown(cancel_futures=True)

    def _do(self, job_id: str) -> None:
        try:
            scorer = self._ready()
            while scorer is not None and not self._closed.is_set() and measure_piece(self._database, scorer, job_id):
                pass
        except Exception as error:  # the writer is told, whatever it is
            log.warning("measuring again failed", error=logs.told(error))
            problem = {"code": error.code, "detail": error.detail} if isinstance(error, Problem) else FAILED
            self._database.try_write(lambda session: _fail(session, job_id, problem))
        finally:
            with self._lock:
                self._known.discard(job_id)

    def _ready(self) -> Scorer | None:
        """Once it is loaded; None when the server stops first. Raises Problem 503 when it can't be."""
        while not self._closed.is_set():
            try:
                return self._studio.scorer
            except Problem as problem:
                if problem.code != "model-loading":
                    raise
            self._closed.wait(ASK_EVERY)
        return None


def measure_piece(database: Database, scorer: Scorer, job_id: str) -> bool:
    """Whether there is more to do."""
    with database.read() as session:
        job = session.get_one(Rescore, job_id)
        versions = store.placed_elsewhere(session, job.draft_id, scorer.scorer_id, after=job.last_number, most=PIECE)
    if job.status != "running":
        return False
    placements, _ = measure(scorer, versions)
    with database.write() as session:
        writer_id = session.get_one(Draft, job.draft_id).writer_id
        try:
            draft = store.hold(session, writer_id, job.draft_id)
        except Problem:  # deleted meanwhile
            session.get_one(Rescore, job_id).status = "cancelled"
            return False
        job = session.get_one(Rescore, job_id)
        if job.status != "running":
            return False
        if job.scorer_id != scorer.scorer_id:
            _end(session, draft, job, "failed", OTHER_SCALE)
            return False
        if not versions:
            _end(session, draft, job, "done")
            return False
        for seen in versions:
            version = session.get_one(Version, seen.id)
            # One that can't be placed any more keeps its old place.
            placement = placements.get(seen.id)
            if placement is not None and version.scorer_id != placement.scorer_id:
                store.replace_placement(session, version, placement)
                note(session, writer_id, draft.id, events.VersionPlaced(**asdict(placement)), version.id)
        job.done = min(job.done + len(versions), job.total)
        job.last_number = versions[-1].number
    return True


def run(database: Database, scorer: Scorer, draft_id: str | None = None) -> dict[str, int]:
    """Measure one draft again, or all that need it, here and now: versions looked at, by draft. Raises Problem 404."""
    with database.read() as session:
        wanted = store.drafts_placed_elsewhere(session, scorer.scorer_id)
        if draft_id is not None and session.get(Draft, draft_id) is None:
            raise not_found()
    looked_at = {}
    for draft, writer_id in wanted:
        if draft_id not in (None, draft):
            continue
        with database.write() as session:
            job = start(session, writer_id, draft, scorer)
        while measure_piece(database, scorer, job.id):
            pass
        looked_at[draft] = job.total
    return looked_at


def _fail(session: Session, job_id: str, problem: dict[str, Any]) -> None:
    job = session.get_one(Rescore, job_id)
    draft = session.get_one(Draft, job.draft_id)
    if job.status == "running":
        _end(session, draft, job, "failed", problem)
