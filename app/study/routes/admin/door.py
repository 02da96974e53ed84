"""Signing in and out, and the facilitator's own account."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from app.db.engine import Database
from app.study import auth
from app.study.auth import Who
from app.study.models import Facilitator
from app.study.routes.admin.shared import FORMS, Admin, Desk, Id, TheDesk, TheForm, to, tried
from app.web.errors import Problem
from app.web.templates import page
from app.writing.deps import Db

router = APIRouter()
COOKIE_SECONDS = 30 * 24 * 3600
HOME = "/admin"


def sign_in_page(request: Request, database: Db, *, name: str = "", problem: Problem | None = None) -> Response:
    with database.read() as session:
        known = auth.is_any(session)
    context = {"name": name, "next": _inside(request.query_params.get("next", "")), "known": known, "problem": problem}
    status = problem.status_code if problem else 200
    headers = {**FORMS, **((problem and problem.headers) or {})}
    return page(request, "admin/sign_in.html", context, status=status, headers=headers)


@router.get("/sign-in")
def sign_in_form(request: Request, database: Db) -> Response:
    with database.read() as session:
        found = auth.who(session, request.cookies.get(auth.COOKIE))
    return to(HOME) if found else sign_in_page(request, database)


@router.post("/sign-in")
def sign_in(request: Request, database: Db, desk: TheDesk, form: TheForm) -> Response:
    name, password = form.one("name"), form.one("password")
    address = request.client.host if request.client else "?"
    try:
        found = _recognised(database, desk, name, password, address)
    except Problem as problem:
        return sign_in_page(request, database, name=name, problem=problem)
    with database.write() as session:
        token = auth.sign_in(session, found.id, password)
    response = RedirectResponse(_inside(form.one("next")), 303)
    response.set_cookie(
        auth.COOKIE, token, max_age=COOKIE_SECONDS, path=HOME, httponly=True, samesite="lax",
        secure=request.url.scheme == "https",
    )  # fmt: skip
    return response


def _recognised(database: Database, desk: Desk, name: str, password: str, address: str) -> Facilitator:
    """Raises Problem 401, 429."""
    desk.throttle.refuse_many(name, address)
    with database.read() as session:
        found = auth.named(session, name)
    with desk.hashing:
        right = auth.is_right(found, password)
    if not right or found is None:
        desk.throttle.failed(name, address)
        raise Problem(401, "wrong", auth.WRONG)
    desk.throttle.succeeded(name)
    return found


def _inside(wanted: str) -> str:
    """Only a page of the facilitator's: a link to the sign-in page must not lead elsewhere after it."""
    parts = urlsplit(wanted)
    own = not parts.scheme and not parts.netloc and "\\" not in wanted and not wanted.startswith("//")
    inside = parts.path == HOME or parts.path.startswith(HOME + "/")
    return wanted if own and inside and not parts.path.startswith("/admin/sign-") else HOME


def sign_in_first(request: Request) -> Response:
    """To the sign-in page, and back to where they wanted to be."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(
        f"/admin/sign-in?next={quote(request.url.path + query)}", 303, {"Cache-Control": "no-store"}
    )


@router.post("/sign-out")
def sign_out(admin: Admin) -> Response:
    with admin.database.write() as session:
        auth.revoke(session, admin.who.id, admin.who.session_id)
    response = to("/admin/sign-in")
    response.delete_cookie(auth.COOKIE, path=HOME)
    return response


def _account(admin: Admin, problem: Problem | None = None) -> Response:
    with admin.database.read() as session:
        sessions: list[Any] = list(auth.sessions(session, admin.who.id))
    return admin.page("account", {"sessions": sessions, "shortest": auth.SHORTEST}, problem=problem)


@router.get("/account")
def account(admin: Admin) -> Response:
    return _account(admin)


@router.post("/account/password")
def password(admin: Admin, form: TheForm) -> Response:
    who: Who = admin.who
    if form.one("new") != form.one("again"):
        twice = "The new password was not written the same twice. Write it again."
        return _account(admin, Problem(422, "not-the-same", twice))
    try:
        address = f"session {who.session_id}"
        _recognised(admin.database, admin.desk, who.name, form.one("password"), address)
    except Problem as problem:
        if problem.code == "wrong":
            problem = Problem(422, "wrong", "The present password is not right.")
        return _account(admin, problem)

    def work(session: Any) -> None:
        kept = auth.named(session, who.name)
        if kept is not None:
            auth.set_password(session, kept, form.one("new"), but=who.session_id)

    _, trouble = tried(admin.database, work)
    return _account(admin, trouble) if trouble else to("/admin/account", "password")


@router.post("/account/sessions/{session_id}/end")
def end_session(admin: Admin, session_id: Id) -> Response:
    with admin.database.write() as session:
        auth.revoke(session, admin.who.id, session_id)
    return to("/admin/account", "ended")
