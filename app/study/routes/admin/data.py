"""What comes out of a study: the analysis, the sessions to be replayed, and the export."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

import structlog
from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response, StreamingResponse
from sqlalchemy.orm import Session

from app.db.base import new_id
from app.study import analysis, records, replay, store
from app.study.models import Participant
from app.study.routes.admin.shared import NO_STORE, Admin, Id, Key
from app.study.routes.admin.studies import shared
from app.web import security
from app.web.errors import Problem
from app.web.static import plotly_version

log = structlog.get_logger()
router = APIRouter()
QUEUED_CHUNKS = 16
"""Pieces of the zip that wait for a slow connection; then the writing waits too."""
CHUNK_BYTES = 1 << 16


# ── analysis ───────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/studies/{study_id}/analysis")
def analysis_page(admin: Admin, study_id: Id) -> Response:
    with admin.database.read() as session:
        study = store.study(session, study_id)
        context = shared(session, study, "analysis")
        found = analysis.of_study(session, study.id)
    context |= {
        "analysis": found,
        "number": analysis.number,
        "probability": analysis.probability,
        "interval": analysis.interval,
        "fewest": analysis.FEWEST,
        "plotly_version": plotly_version(),
        "figures": {f.outcome.id: found.figure(f.outcome.id) for f in found.findings if f.n},
    }
    return admin.page("analysis", context, headers={"Content-Security-Policy": security.EDITOR_POLICY})


# ── sessions ───────────────────────────────────────────────────────────────────────────────────────────────────────


def sessions(session: Session, study_id: str) -> list[dict[str, Any]]:
    """Each draft that was written in, to be replayed."""
    return [
        {"draft": draft.id, "participant": person, "title": draft.title, "stamp": draft.stamp or {}}
        for person, draft in records.drafts(session, study_id)
    ]


@router.get("/studies/{study_id}/sessions")
def sessions_page(admin: Admin, study_id: Id) -> Response:
    with admin.database.read() as session:
        study = store.study(session, study_id)
        context = shared(session, study, "sessions")
        context |= {
            "sessions": sessions(session, study.id),
            "names": {c.id: c.name for c in context["protocol"].conditions},
        }
    return admin.page("sessions", context)


def _feed(session: Session, study_id: str, draft_id: str) -> tuple[Participant, dict[str, Any]]:
    """Raises Problem 404 for a draft that is none of the study's."""
    person = next((person for person, draft in records.drafts(session, study_id) if draft.id == draft_id), None)
    if person is None:
        raise Problem(404, "no-session", "There is no such session in this study. It may have been deleted.")
    return person, replay.feed(session, draft_id)


@router.get("/studies/{study_id}/sessions/{draft_id}.json")
def session_feed(admin: Admin, study_id: Id, draft_id: Id) -> Response:
    with admin.database.read() as session:
        _, found = _feed(session, store.study(session, study_id).id, draft_id)
    return JSONResponse(found, headers=NO_STORE)


@router.get("/studies/{study_id}/sessions/{draft_id}")
def session_page(admin: Admin, study_id: Id, draft_id: Id) -> Response:
    with admin.database.read() as session:
        study = store.study(session, study_id)
        person, found = _feed(session, study.id, draft_id)
        context = shared(session, study, "sessions")
    return admin.page("session", {**context, "person": person, "title": found["title"], "draft_id": draft_id})


# ── export ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Pipe:
    """A file that one thread writes and a response reads. Writing waits while the connection is slow, and ends with
    BrokenPipeError when it is gone."""

    def __init__(self) -> None:
        self._pieces: queue.Queue[bytes | None] = queue.Queue(QUEUED_CHUNKS)
        self._held = bytearray()
        self._gone = threading.Event()

    def write(self, data: Any) -> int:
        self._held += data
        if len(self._held) >= CHUNK_BYTES:
            self.flush()
        return len(data)

    def flush(self) -> None:
        if self._held:
            piece, self._held = bytes(self._held), bytearray()
            self._put(piece)

    def _put(self, piece: bytes | None) -> None:
        while not self._gone.is_set():
            try:
                self._pieces.put(piece, timeout=0.5)
            except queue.Full:
                continue
            return
        raise BrokenPipeError

    def end(self) -> None:
        self.flush()
        self._put(None)

    def read(self) -> Iterator[bytes]:
        try:
            while (piece := self._pieces.get()) is not None:
                yield piece
        finally:
            self._gone.set()


class Export:
    """One under way. `state`: running, done or failed."""

    def __init__(self) -> None:
        self.state, self.done, self.total, self.bytes = "running", 0, 0, 0

    def progress(self, done: int, total: int) -> None:
        self.done, self.total = done, total

    def as_json(self) -> dict[str, Any]:
        return {"state": self.state, "done": self.done, "total": self.total, "bytes": self.bytes}


@router.get("/studies/{study_id}/export")
def export_page(admin: Admin, study_id: Id) -> Response:
    with admin.database.read() as session:
        study = store.study(session, study_id)
        context = shared(session, study, "export")
        context |= {
            "events": records.count_events(session, study.id),
            "people": len(records.participants(session, study.id)),
            "key": new_id(),
        }
    return admin.page("export", context)


@router.get("/studies/{study_id}/export/{key}.json")
def export_progress(admin: Admin, study_id: Id, key: Key) -> Response:
    found: Export | None = admin.desk.jobs.get(f"export {study_id} {key}")
    if found is None:
        raise Problem(404, "no-export", "No such export is under way.")
    return JSONResponse(found.as_json(), headers=NO_STORE)


@router.get("/studies/{study_id}/export/{key}.zip")
def export_zip(admin: Admin, study_id: Id, key: Key) -> Response:
    """Streamed as it is made. One that broke off has no manifest, which `study verify` tells."""
    from app.study import export

    with admin.database.read() as session:
        name = store.study(session, study_id).name
    pipe, found = Pipe(), Export()
    jobs = admin.desk.jobs
    for old in [k for k, job in jobs.items() if isinstance(job, Export) and job.state != "running"]:
        del jobs[old]
    jobs[f"export {study_id} {key}"] = found

    def make() -> None:
        try:
            export.write(admin.database, study_id, pipe, found.progress)  # type: ignore[arg-type]
            found.state = "done"
        except BrokenPipeError:
            found.state = "failed"
        except Exception as error:  # the connection is told by its end: what came has no manifest
            found.state = "failed"
            log.exception("export failed", exc_info=error)
        finally:
            try:
                pipe.end()
            except BrokenPipeError:
                found.state = "failed"

    def sent() -> Iterator[bytes]:
        threading.Thread(target=make, name=f"export {study_id}", daemon=True).start()
        for piece in pipe.read():
            found.bytes += len(piece)
            yield piece
        if found.state == "failed":
            raise ConnectionAbortedError("the export failed half-way")

    headers = {"Content-Disposition": f'attachment; filename="{name}.zip"', **NO_STORE}
    return StreamingResponse(sent(), media_type="application/zip", headers=headers)
