"""One version: what it is, and what the writer decides about it."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from app.writing import service
from app.writing import views as v
from app.writing.deps import ReadSession, TheStudio, Work, WriterId
from app.writing.routes.shared import PathId

router = APIRouter()


@router.get("/versions/{version_id}/detail")
def detail(version_id: PathId, writer_id: WriterId, session: ReadSession, studio: TheStudio) -> v.Detail:
    return service.detail(session, writer_id, version_id, studio.encode)


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
