"""Why a version stands where it does, where the writer puts it instead, and measuring a draft again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, Request
from fastapi.responses import Response

from app.axes.types import Explanation, Scorer, Unplaceable
from app.web.errors import Problem
from app.writing import correct, rescore, why
from app.writing import views as v
from app.writing.deps import Db, ReadSession, TheStudio, Work, WriterId, needs
from app.writing.rescore import Rescorer
from app.writing.routes.shared import PathId

router = APIRouter(dependencies=[needs("scores")])


def explain(version_id: PathId, writer_id: WriterId, database: Db, studio: TheStudio) -> Explanation:
    """With no transaction open, since it takes long. Raises Problem 404, 422, 503."""
    with database.read() as session:
        text = why.text_of(session, writer_id, version_id)
    try:
        return studio.explain(text)
    except Unplaceable as problem:
        raise Problem(422, "unplaceable", str(problem)) from problem


@router.get("/versions/{version_id}/why")
def why_here(
    version_id: PathId,
    writer_id: WriterId,
    explanation: Annotated[Explanation, Depends(explain)],
    studio: TheStudio,
    session: ReadSession,
) -> v.WhyView:
    labels = {label.id for label in studio.usable_labels()}
    return why.why(session, writer_id, version_id, explanation, labels)


@router.post("/versions/{version_id}/correction", response_model=v.VersionView)
def correct_place(version_id: PathId, body: v.Correction, unit: Work) -> Response:
    return unit.answer(lambda: correct.correct(unit.session, unit.writer_id, version_id, body))


@router.delete("/versions/{version_id}/correction", response_model=v.VersionView)
def use_measured_place(version_id: PathId, unit: Work) -> Response:
    return unit.answer(lambda: correct.uncorrect(unit.session, unit.writer_id, version_id))


def get_rescorer(request: Request) -> Rescorer:
    rescorer: Rescorer = request.app.state.rescorer
    return rescorer


def owned_scorer(draft_id: PathId, writer_id: WriterId, database: Db, studio: TheStudio) -> Scorer:
    """Raises Problem 404 before 503: what is another's does not exist, loaded or not."""
    with database.read() as session:
        rescore.last(session, writer_id, draft_id)
    return studio.scorer


@router.get("/drafts/{draft_id}/rescore")
def last_rescore(draft_id: PathId, writer_id: WriterId, session: ReadSession) -> v.Rescoring:
    return rescore.last(session, writer_id, draft_id)


@router.post("/drafts/{draft_id}/rescore", status_code=202, response_model=v.RescoreView)
def measure_again(
    draft_id: PathId,
    scorer: Annotated[Scorer, Depends(owned_scorer)],
    rescorer: Annotated[Rescorer, Depends(get_rescorer)],
    background: BackgroundTasks,
    unit: Work,
) -> Response:
    # After the answer, and so after the commit: before it there is no job to be found.
    background.add_task(rescorer.take_up)
    return unit.answer(lambda: rescore.start(unit.session, unit.writer_id, draft_id, scorer), 202)


@router.post("/drafts/{draft_id}/rescore/stop", response_model=v.Rescoring)
def stop_measuring(draft_id: PathId, unit: Work) -> Response:
    return unit.answer(lambda: rescore.stop(unit.session, unit.writer_id, draft_id))
