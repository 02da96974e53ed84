"""The HTTP of learning: a writer's switch, the layers there are, and which one writes; and its page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from app.learn import service
from app.learn import views as v
from app.learn.service import Follower
from app.web import security
from app.web.errors import Problem
from app.web.templates import page
from app.writing import service as writing
from app.writing.deps import OWN_DESK, Db, ReadSession, TheStudio, Work, WriterId
from app.writing.routes.shared import REFUSALS
from app.writing.studio import Studio


def switched_on(_writer: WriterId, studio: TheStudio) -> None:
    """Raises Problem 404 where learning is off, and 401 before that without a session."""
    _refuse_where_off(studio)


def _refuse_where_off(studio: Studio) -> None:
    if not studio.settings.learn:
        raise Problem(404, "learning-off", "Learning is switched off here.")


def get_follower(request: Request) -> Follower:
    follower: Follower = request.app.state.follower
    return follower


TheFollower = Annotated[Follower, Depends(get_follower)]

router = APIRouter(prefix="/api/learn", responses=REFUSALS, dependencies=[Depends(switched_on), OWN_DESK])
pages = APIRouter(include_in_schema=False)


@router.get("")
def overview(writer_id: WriterId, session: ReadSession, follower: TheFollower) -> v.LearnView:
    return service.overview(session, writer_id, follower)


@router.get("/consent")
def consent(writer_id: WriterId, session: ReadSession) -> v.ConsentView:
    return service.consent(session, writer_id)


@router.post("/consent", response_model=v.ConsentView)
def set_consent(body: v.ConsentChange, unit: Work) -> Response:
    return unit.answer(lambda: service.set_consent(unit.session, unit.writer_id, given=body.given))


@router.post("/service", response_model=v.Served)
def choose(body: v.Choice, unit: Work, follower: TheFollower) -> Response:
    return unit.answer(lambda: service.choose(unit.session, unit.writer_id, follower, body.choice))


@pages.get("/learn")
def learn_page(request: Request, database: Db, studio: TheStudio) -> Response:
    """Raises Problem 404 where learning is off, 401 without a session."""
    _refuse_where_off(studio)
    if writing.find_writer(database, request.cookies.get(security.COOKIE)) is None:
        raise Problem(401, "no-session", "This browser has no session here. Open the start page to get one.")
    return page(request, "learn.html", {})
