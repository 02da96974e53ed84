"""Two or three versions: side by side, and made into one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import Field

from app.axes.types import Placement, Scorer
from app.web.errors import Problem
from app.writing import combine, compare, setting
from app.writing import views as v
from app.writing.deps import Db, ReadSession, TheStudio, Work, WriterId, needs
from app.writing.events import Id
from app.writing.routes.shared import PathId
from app.writing.studio import Studio

router = APIRouter(dependencies=[needs("labels")])

Ids = Annotated[list[Id], Field(min_length=2, max_length=3), Query(alias="version", description="Left to right.")]


def _scorer(studio: Studio) -> Scorer | None:
    """None while it loads, or when it can't be loaded: merging works without it."""
    try:
        return studio.scorer
    except Problem:
        return None


def measure_merge(
    draft_id: PathId, body: v.Merge, writer_id: WriterId, database: Db, studio: TheStudio
) -> tuple[str, Placement | None]:
    """The merged text and where it stands: done before the transaction, since measuring takes long."""
    with database.read() as session:
        text = combine.merged(session, writer_id, draft_id, body)
    return text, combine.measure(_scorer(studio), [text]).get(text)


@router.get("/drafts/{draft_id}/merges")
def merges(draft_id: PathId, a: Id, b: Id, writer_id: WriterId, database: Db, studio: TheStudio) -> v.MergesView:
    with database.read() as session:
        first, second = combine.pair(session, writer_id, a, b, draft_id)
        hidden = setting.hides_scores(session, draft_id)
    return combine.merges(first, second, None if hidden else _scorer(studio))


@router.post("/drafts/{draft_id}/merges", status_code=201, response_model=v.VersionView)
def merge(
    draft_id: PathId,
    body: v.Merge,
    measured: Annotated[tuple[str, Placement | None], Depends(measure_merge)],
    unit: Work,
) -> Response:
    return unit.answer(lambda: combine.merge(unit.session, unit.writer_id, draft_id, body, *measured), 201)


@router.get("/drafts/{draft_id}/compare")
def compare_versions(draft_id: PathId, version: Ids, writer_id: WriterId, session: ReadSession) -> v.ComparisonView:
    return compare.compare(session, writer_id, draft_id, version)


@router.post("/drafts/{draft_id}/compare/accept", status_code=201, response_model=v.VersionView)
def accept(draft_id: PathId, body: v.Accept, unit: Work) -> Response:
    return unit.answer(lambda: compare.accept(unit.session, unit.writer_id, draft_id, body), 201)
