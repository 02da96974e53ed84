"""The canvas. What takes long, measuring, is done before the transaction."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from app.axes.types import Placement, Unplaceable
from app.web.errors import Problem
from app.writing import service
from app.writing import views as v
from app.writing.deps import Db, TheStudio, Work, WriterId, needs
from app.writing.models import Version
from app.writing.routes.shared import PathId
from app.writing.studio import Studio

router = APIRouter(dependencies=[needs("canvas")])


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
    return unit.answer(lambda: service.keep_scores(unit.session, unit.writer_id, draft_id, *measured))
