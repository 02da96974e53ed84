"""The HTTP of writing: parse, authorise, call one use case, answer."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import PurePath
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, File, Path, UploadFile
from fastapi.responses import JSONResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from app.axes.types import Placement, Unplaceable
from app.llm.gate import QueueFull
from app.text import documents
from app.web.errors import Problem
from app.writing import generations, service, store
from app.writing import views as v
from app.writing.deps import Db, ReadSession, TheStudio, Work, WriterId
from app.writing.events import UUID_PATTERN
from app.writing.models import Version
from app.writing.stream import Run
from app.writing.studio import Studio

PathId = Annotated[str, Path(pattern=UUID_PATTERN)]
RETRY_NOW = {"Retry-After": "5"}


class ProblemDocument(BaseModel):
    """RFC 9457; `detail` is a sentence for a person, `code` is for programs."""

    type: str
    title: str
    status: int
    code: str
    detail: str


_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemDocument} for status in (400, 401, 403, 404, 409, 413, 422, 503, 507)
}
router = APIRouter(prefix="/api", responses=_REFUSALS)
ready_router = APIRouter()


# ── the model ──────────────────────────────────────────────────────────────────────────────────────────────────────


@ready_router.get("/readyz", responses={503: {"model": ProblemDocument}})
def readyz(studio: TheStudio) -> dict[str, Any]:
    if studio.problem is not None:
        raise studio.problem
    return {"status": "ready", **studio.status()["info"]}


@router.get("/model")
def model(studio: TheStudio) -> dict[str, Any]:
    return studio.status()


@router.post("/model/retry", status_code=202)
def retry_model(_writer: WriterId, studio: TheStudio) -> dict[str, Any]:
    studio.start()
    return studio.status()


@router.get("/labels")
def labels(studio: TheStudio) -> dict[str, Any]:
    return studio.labels()


# ── drafts ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/drafts")
def list_drafts(writer_id: WriterId, session: ReadSession) -> v.DraftList:
    return service.list_drafts(session, writer_id)


@router.post("/drafts", status_code=201, response_model=v.DraftView)
def create_draft(body: v.NewDraft, unit: Work) -> Response:
    return unit.answer(lambda: service.create_draft(unit.session, unit.writer_id, body), 201)


@router.get("/drafts/{draft_id}")
def get_draft(draft_id: PathId, writer_id: WriterId, session: ReadSession) -> v.DraftView:
    return service.draft_view(session, store.draft(session, writer_id, draft_id))


@router.patch("/drafts/{draft_id}", response_model=v.DraftEntry)
def rename_draft(draft_id: PathId, body: v.Renamed, unit: Work) -> Response:
    return unit.answer(lambda: service.rename(unit.session, unit.writer_id, draft_id, body.title))


@router.delete("/drafts/{draft_id}", status_code=204)
def delete_draft(draft_id: PathId, unit: Work) -> Response:
    return unit.answer(lambda: service.delete(unit.session, unit.writer_id, draft_id), 204)


@router.get("/drafts/{draft_id}/export.md", response_class=Response)
def export_markdown(draft_id: PathId, writer_id: WriterId, database: Db) -> Response:
    with database.write() as session:
        title, text = service.as_markdown(session, writer_id, draft_id)
    name = re.sub(r"[^\w\- ]", "", title).strip() or "draft"
    plain = name.encode("ascii", "ignore").decode().strip() or "draft"
    disposition = f"attachment; filename=\"{plain}.md\"; filename*=UTF-8''{quote(name)}.md"
    return Response(text, media_type="text/markdown", headers={"Content-Disposition": disposition})


@router.post("/drafts/{draft_id}/save", response_model=v.Changed)
def save(draft_id: PathId, body: v.Save, unit: Work) -> Response:
    return unit.answer(lambda: service.save(unit.session, unit.writer_id, draft_id, body))


@router.post("/imports")
def import_file(file: Annotated[UploadFile, File()], _writer: WriterId) -> v.Imported:
    name = PurePath((file.filename or "").replace("\\", "/"))
    try:
        text = documents.read(name.name, file.file.read())
    except documents.Unreadable as problem:
        raise Problem(422, "unreadable-file", str(problem)) from problem
    title, paragraphs = service.titled(text, name.stem[:200] or service.UNTITLED)
    return v.Imported(title=title, paragraphs=paragraphs)


# ── the canvas: what takes long is measured before the transaction ─────────────────────────────────────────────────


def _measure(studio: Studio, versions: list[Version]) -> tuple[dict[str, Placement], list[v.Unplaced]]:
    placements: dict[str, Placement] = {}
    problems = []
    scorer = studio.scorer
    try:
        found = scorer.score([x.text for x in versions])
        placements = {x.id: placement for x, placement in zip(versions, found, strict=True)}
    except Unplaceable:
        for x in versions:
            try:
                placements[x.id] = scorer.score([x.text])[0]
            except Unplaceable as problem:
                problems.append(v.Unplaced(paragraph_id=x.paragraph_id, code="unplaceable", detail=str(problem)))
    return placements, problems


Measured = tuple[dict[str, Placement], list[v.Unplaced]]


def measure_heads(draft_id: PathId, body: v.Place, writer_id: WriterId, database: Db, studio: TheStudio) -> Measured:
    """Raises Problem 404, 422 when none can be placed, and 503."""
    if body.remove:
        return {}, []
    with database.read() as session:
        versions = service.heads(session, writer_id, draft_id, body.paragraph_ids)
    placements, problems = _measure(studio, versions)
    if problems and not placements:
        shown = [problem.model_dump() for problem in problems]
        raise Problem(422, "unplaceable", problems[0].detail, problems=shown)
    return placements, problems


def measure_new(draft_id: PathId, writer_id: WriterId, database: Db, studio: TheStudio) -> Measured:
    with database.read() as session:
        versions = service.unscored(session, writer_id, draft_id)
    return _measure(studio, versions) if versions else ({}, [])


@router.post("/drafts/{draft_id}/place", response_model=v.Placed)
def place(
    draft_id: PathId, body: v.Place, measured: Annotated[Measured, Depends(measure_heads)], unit: Work
) -> Response:
    if body.remove:
        return unit.answer(lambda: service.take_off(unit.session, unit.writer_id, draft_id, body.paragraph_ids))
    return unit.answer(lambda: service.place(unit.session, unit.writer_id, draft_id, *measured))


@router.post("/drafts/{draft_id}/score", response_model=v.Placed)
def score(draft_id: PathId, measured: Annotated[Measured, Depends(measure_new)], unit: Work) -> Response:
    return unit.answer(lambda: service.place(unit.session, unit.writer_id, draft_id, *measured))


# ── generations ────────────────────────────────────────────────────────────────────────────────────────────────────


@router.post("/drafts/{draft_id}/generations", status_code=201, response_model=v.GenerationView)
def ask_in_draft(draft_id: PathId, body: v.Ask, studio: TheStudio, unit: Work) -> Response:
    def work() -> v.GenerationView:
        store.draft(unit.session, unit.writer_id, draft_id)
        return generations.ask(unit.session, unit.writer_id, studio, body)

    return unit.answer(work, 201)


@router.post("/generations", status_code=201, response_model=v.GenerationView)
def ask(body: v.Ask, studio: TheStudio, unit: Work) -> Response:
    return unit.answer(lambda: generations.ask(unit.session, unit.writer_id, studio, body), 201)


@router.post("/generations/{generation_id}/retry", status_code=201, response_model=v.GenerationView)
def retry(generation_id: PathId, studio: TheStudio, unit: Work) -> Response:
    return unit.answer(lambda: generations.retry(unit.session, unit.writer_id, studio, generation_id), 201)


@router.post("/generations/{generation_id}/stop", response_model=v.GenerationView)
def stop(generation_id: PathId, studio: TheStudio, unit: Work) -> Response:
    def work() -> v.GenerationView:
        view, running = generations.stop_unclaimed(unit.session, unit.writer_id, generation_id)
        if running and generation_id in studio.stoppers:
            studio.stoppers[generation_id]()
        return view

    return unit.answer(work)


async def claimed(generation_id: PathId, writer_id: WriterId, database: Db, studio: TheStudio) -> AsyncIterator[Run]:
    """Before the answer begins, so that a refusal has its status. Raises Problem 404, 409, 503."""

    def claim() -> generations.Job:
        if studio.problem is not None:
            raise studio.problem
        with database.write() as session:
            return generations.claim(session, writer_id, generation_id)

    try:
        ticket = studio.gate.enter(writer_id)
    except QueueFull as full:
        raise generations.queue_full(full.waiting) from full
    try:
        run = Run(studio, database, await run_in_threadpool(claim), ticket)
    except BaseException:
        ticket.leave()
        raise
    try:
        yield run
    finally:
        run.leave()


@router.get("/generations/{generation_id}/stream", response_class=EventSourceResponse)
async def stream(run: Annotated[Run, Depends(claimed)]) -> AsyncIterator[ServerSentEvent]:
    async for event in run.events():
        yield event


# ── versions ───────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/versions/{version_id}/detail")
def detail(version_id: PathId, writer_id: WriterId, session: ReadSession) -> v.Detail:
    return service.detail(session, writer_id, version_id)


@router.post("/versions/{version_id}/confirm", response_model=v.Confirmed)
def confirm(version_id: PathId, body: v.Base, unit: Work) -> Response:
    return unit.answer(lambda: service.confirm(unit.session, unit.writer_id, version_id, body.base))


@router.post("/versions/{version_id}/discard", response_model=v.VersionView)
def discard(version_id: PathId, unit: Work) -> Response:
    return unit.answer(lambda: service.discard(unit.session, unit.writer_id, version_id))


@router.post("/versions/{version_id}/restore", response_model=v.VersionView)
def restore(version_id: PathId, unit: Work) -> Response:
    return unit.answer(lambda: service.restore(unit.session, unit.writer_id, version_id))


@router.post("/versions/{version_id}/edits", status_code=201, response_model=v.VersionView)
def edit_by_hand(version_id: PathId, body: v.HandEdit, unit: Work) -> Response:
    return unit.answer(lambda: service.edit_by_hand(unit.session, unit.writer_id, version_id, body.text), 201)


# ── the log ────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.post("/events", response_model=v.Acked)
def record(body: v.Batch, unit: Work) -> Response:
    # Numbered by their recorder, events are stored once without a key, and a second's answer is not kept for days.
    return JSONResponse(service.record(unit.session, unit.writer_id, body).model_dump())
