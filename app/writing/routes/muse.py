"""Muse: what the history says, cards about it, and the writer's answers. Nothing happens before it is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from app.web.errors import Problem
from app.writing import muse, musing
from app.writing import views as v
from app.writing.deps import Db, ReadSession, TheStudio, Work, WriterId, needs
from app.writing.musing import Musing
from app.writing.routes.shared import PathId


def switched_on(_writer: WriterId, studio: TheStudio) -> None:
    """Raises Problem 404 where Muse is off, as in a study's baseline."""
    if not studio.settings.muse:
        raise Problem(404, "muse-off", "Muse is switched off here.")


router = APIRouter(dependencies=[Depends(switched_on), needs("muse")])


@router.get("/drafts/{draft_id}/muse/digest")
def digest(draft_id: PathId, writer_id: WriterId, studio: TheStudio, session: ReadSession) -> v.DigestView:
    return muse.digest_view(session, writer_id, draft_id, studio.usable_labels())


async def musing_of(draft_id: PathId, writer_id: WriterId, database: Db, studio: TheStudio) -> AsyncIterator[Musing]:
    """Before the answer begins, so that a refusal has its status. Raises Problem 404."""
    reflection = await run_in_threadpool(musing.reflect, database, studio, writer_id, draft_id)
    run = Musing(studio, database, writer_id, draft_id, reflection)
    try:
        yield run
    finally:
        run.leave()


@router.get("/drafts/{draft_id}/muse/stream", response_class=EventSourceResponse)
async def stream(run: Annotated[Musing, Depends(musing_of)]) -> AsyncIterator[ServerSentEvent]:
    async for event in run.events():
        yield event


@router.post("/muse/cards/{card_id}/{given}", response_model=v.CardView)
def answer(card_id: PathId, given: muse.Answer, unit: Work) -> Response:
    return unit.answer(lambda: muse.answer(unit.session, unit.writer_id, card_id, given))
