"""A participant's pages and what they send. Links are credentials: no page of theirs sends a referrer (the default of
app/web/security.py), and looking at a link uses nothing up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import StringConstraints
from sqlalchemy.orm import Session
from starlette.background import BackgroundTask

from app.db.engine import Database
from app.study import erase, flow, pages, snapshots, store
from app.study import views as v
from app.web import security
from app.web.errors import Problem
from app.web.templates import page
from app.writing import pages as writing_pages
from app.writing import service as writing
from app.writing import store as drafts
from app.writing.deps import Db, Work, WriterId, WriteSession
from app.writing.routes.shared import REFUSALS, ProblemDocument

BEFORE = "sb_before"
"""Cookie that keeps the session of a writer in whose browser a link was opened, until the study is over."""
router = APIRouter()
api = APIRouter(prefix="/api/study", responses=REFUSALS)
Token = Annotated[str, StringConstraints(min_length=1, max_length=200)]


LINKS = {
    "unknown-link": "Nothing here",
    "revoked": "Ask for a new link",
    "finished": "Thank you",
    "withdrawn": "You have stopped taking part",
    "not-open": "Not now",
}
"""Headings over what is said of a link that leads nowhere, by the code of its problem."""


# ── pages ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/s/{token}", include_in_schema=False)
def link(request: Request, token: Token, database: Db) -> Response:
    """A mail scanner that follows the link changes nothing: the button on the page does."""
    try:
        with database.read() as session:
            study, participant = flow.linked(session, token)
            context = pages.begin(study, participant)
    except Problem as problem:
        context = {"title": LINKS.get(problem.code, "This link"), "sentence": str(problem.detail)}
        return page(request, "participant/message.html", context, status=problem.status_code)
    return page(request, "participant/begin.html", context)


@router.get("/study", include_in_schema=False)
def current(request: Request, database: Db) -> Response:
    """Whatever step the participant is at. Nothing changes by looking."""
    writer = writing.find_writer(database, request.cookies.get(security.COOKIE))
    with database.read() as session:
        participant = store.participant_of(session, writer.id) if writer is not None else None
        if participant is None:
            context = {
                "title": "Open your link",
                "sentence": "This browser takes part in no study now. Open the link you were given; you go on where "
                "you were.",
            }
            return page(request, "participant/message.html", context, status=404)
        here = flow.at(session, participant)
        if here is None:
            return page(request, "participant/over.html", pages.over(participant))
        if here.stay.draft_id is not None:
            assert here.place.condition is not None
            switches = here.protocol.condition(here.place.condition).switches
            switches = switches.model_copy(update={"muse": switches.muse and request.app.state.settings.muse})
            return writing_pages.editor_page(request, here.stay.draft_id, switches, pages.desk(here))
        return page(request, f"participant/{here.place.kind}.html", pages.step(session, here))


# ── what they send ─────────────────────────────────────────────────────────────────────────────────────────────────


@api.post("/begin", response_model=dict[str, str], responses={410: {"model": ProblemDocument}})
def begin(request: Request, body: v.Begin, session: WriteSession) -> Response:
    """Sent twice it gives the second a session and ends the first's: the link is the key, so there is no other."""
    _, cookie = flow.begin(session, body.token, body.tab)
    answer = JSONResponse({"page": "/study"})
    earlier = request.cookies.get(security.COOKIE)
    if earlier and _has_a_desk(session, earlier):
        security.set_cookie(request, answer, earlier, name=BEFORE)
    security.set_cookie(request, answer, cookie)
    return answer


def _has_a_desk(session: Session, token: str) -> bool:
    """Whether this session is a writer's outside of any study."""
    found = drafts.writer_by_hash(session, security.token_hash(token))
    return found is not None and not found.setting


@api.post("/here", response_model=v.StateView)
def here(body: v.Here, unit: Work) -> Response:
    return unit.answer(lambda: flow.arrive(unit.session, unit.writer_id, body))


@api.post("/state", response_model=v.StateView)
def state(body: v.Told, writer_id: WriterId, session: WriteSession) -> v.StateView:
    """Asked every few seconds; it only marks that the participant is there, so it needs no Idempotency-Key."""
    return flow.look(session, writer_id, body)


@api.post("/consent", response_model=v.StateView)
def consent(body: v.ConsentIn, unit: Work) -> Response:
    return unit.answer(lambda: flow.consent(unit.session, unit.writer_id, body))


@api.post("/answers", response_model=v.Stored)
def answers(body: v.AnswersIn, unit: Work) -> Response:
    return unit.answer(lambda: flow.answer(unit.session, unit.writer_id, body))


@api.post("/advance", response_model=v.StateView)
def advance(body: v.Advance, unit: Work) -> Response:
    return unit.answer(lambda: flow.advance(unit.session, unit.writer_id, body))


@api.post("/finish", response_model=v.Finished)
def finish(body: v.Told, unit: Work) -> Response:
    return unit.answer(lambda: flow.finish(unit.session, unit.writer_id, body))


@api.post("/withdraw", response_model=v.ReceiptView)
def withdraw(request: Request, body: v.Withdraw, writer_id: WriterId, session: WriteSession, database: Db) -> Response:
    """Once: afterwards the session is gone or the part is over, so a second sending is refused, not done."""
    receipt = flow.withdraw(session, writer_id, keep=body.keep)
    told = v.ReceiptView(code=receipt.code, kind=receipt.kind, counts=receipt.counts)
    clear = None if body.keep else BackgroundTask(_clear, database, request.app.state.settings.data_dir)
    return JSONResponse(told.model_dump(), background=clear)


def _clear(database: Database, data_dir: Path) -> None:
    """Nothing of who was erased stays in files."""
    erase.scrub(database)
    snapshots.forget(data_dir)


@api.post("/leave", response_model=dict[str, str])
def leave(request: Request) -> Response:
    """The study is over in this browser: whoever wrote here before has their desk back. Twice is once."""
    answer = JSONResponse({"page": "/"})
    earlier = request.cookies.get(BEFORE)
    if earlier:
        security.set_cookie(request, answer, earlier)
    else:
        answer.delete_cookie(security.COOKIE)
    answer.delete_cookie(BEFORE)
    return answer


router.include_router(api)
