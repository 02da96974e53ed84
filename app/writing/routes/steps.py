"""Undo, redo, and putting versions away."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from app.writing import archive, steps
from app.writing import views as v
from app.writing.deps import ReadSession, Work, WriterId
from app.writing.routes.shared import PathId

router = APIRouter()


@router.get("/drafts/{draft_id}/steps")
def next_steps(draft_id: PathId, writer_id: WriterId, session: ReadSession) -> v.StepsView:
    return steps.steps(session, writer_id, draft_id)


@router.post("/drafts/{draft_id}/undo", response_model=v.Stepped)
def undo(draft_id: PathId, body: v.WantedStep, unit: Work) -> Response:
    return unit.answer(lambda: steps.undo(unit.session, unit.writer_id, draft_id, body.step))


@router.post("/drafts/{draft_id}/redo", response_model=v.Stepped)
def redo(draft_id: PathId, body: v.WantedStep, unit: Work) -> Response:
    return unit.answer(lambda: steps.redo(unit.session, unit.writer_id, draft_id, body.step))


@router.post("/drafts/{draft_id}/archive", response_model=v.Changed)
def tidy(draft_id: PathId, body: v.Archive, unit: Work) -> Response:
    return unit.answer(lambda: archive.tidy(unit.session, unit.writer_id, draft_id, body.version_ids))


@router.post("/versions/{version_id}/archive", response_model=v.VersionView)
def put_away(version_id: PathId, unit: Work) -> Response:
    return unit.answer(lambda: archive.archive(unit.session, unit.writer_id, version_id))


@router.post("/versions/{version_id}/unarchive", response_model=v.VersionView)
def bring_back(version_id: PathId, unit: Work) -> Response:
    return unit.answer(lambda: archive.unarchive(unit.session, unit.writer_id, version_id))
