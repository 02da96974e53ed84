"""Asking for versions, and the stream of their words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import Discriminator, Tag
from starlette.concurrency import run_in_threadpool

from app.llm.gate import QueueFull
from app.writing import chat, generations
from app.writing import views as v
from app.writing.deps import Db, ReadSession, TheStudio, Work, WriterId
from app.writing.routes.shared import PathId
from app.writing.stream import Run

router = APIRouter()


def _wanted(body: Any) -> str:
    """So that a refusal speaks of the fields of one kind of request, not of those of both."""
    return (
        "combine" if isinstance(body, v.Combine) or (isinstance(body, dict) and "other_version_id" in body) else "ask"
    )


Wanted = Annotated[Annotated[v.Ask, Tag("ask")] | Annotated[v.Combine, Tag("combine")], Discriminator(_wanted)]


def _ask(unit: Work, studio: TheStudio, body: v.Ask | v.Combine) -> v.GenerationView:
    if isinstance(body, v.Combine):
        return generations.combine(unit.session, unit.writer_id, studio, body)
    return generations.ask(unit.session, unit.writer_id, studio, body)


@router.post("/generations", status_code=201, response_model=v.GenerationView)
def ask(body: Wanted, studio: TheStudio, unit: Work) -> Response:
    return unit.answer(lambda: _ask(unit, studio, body), 201)


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


@router.get("/drafts/{draft_id}/turns")
def turns(draft_id: PathId, writer_id: WriterId, session: ReadSession) -> v.Turns:
    return chat.turns(session, writer_id, draft_id)


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
