"""The sources of a draft."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from app.writing import sources
from app.writing import views as v
from app.writing.deps import OWN_DESK, ReadSession, Work, WriterId
from app.writing.routes.shared import PathId

router = APIRouter()


@router.post("/drafts/{draft_id}/sources", status_code=201, response_model=v.SourceView, dependencies=[OWN_DESK])
def add_source(draft_id: PathId, body: v.NewSource, unit: Work) -> Response:
    return unit.answer(lambda: sources.add(unit.session, unit.writer_id, draft_id, body), 201)


@router.get("/drafts/{draft_id}/sources/{source_id}")
def read_source(draft_id: PathId, source_id: PathId, writer_id: WriterId, session: ReadSession) -> v.SourceText:
    return sources.read(session, writer_id, draft_id, source_id)


@router.delete("/drafts/{draft_id}/sources/{source_id}", status_code=204, dependencies=[OWN_DESK])
def remove_source(draft_id: PathId, source_id: PathId, unit: Work) -> Response:
    return unit.answer(lambda: sources.remove(unit.session, unit.writer_id, draft_id, source_id), 204)
