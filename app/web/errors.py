"""Every refusal is a problem document (RFC 9457) with a sentence a person can act on; pages get a page."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.logs import address, told
from app.web.templates import page

log = structlog.get_logger()

SENTENCES = {
    400: "The request can't be read. Reload the page and try again.",
    404: "There is nothing here, or it is not yours.",
    405: "This address does not take that kind of request.",
    413: "That is more than is taken at once.",
    500: "Something went wrong on the server. What was saved before is safe; try again.",
}
RETRY_SECONDS = "2"
FOREIGN_KEY = "23503"
"""PostgreSQL's word for a row that points at one that is gone: whoever it belonged to was deleted between a request's
look and its writing. On SQLite one waits for the other."""


class Problem(HTTPException):
    """A refusal. `code` is stable, for programs; `detail` is for a person; `extra` goes into the document."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(status, detail, headers)
        self.code, self.extra = code, extra

    def document(self) -> dict[str, Any]:
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status_code).phrase,
            "status": self.status_code,
            "code": self.code,
            "detail": self.detail,
            **self.extra,
        }


def not_found() -> Problem:
    return Problem(404, "not-found", SENTENCES[404])


def storage_problem(error: BaseException) -> Problem | None:
    """What a database or disk error means for the person waiting, or None when it is a fault of the code."""
    # The driver's own words: SQLAlchemy's message also holds the parameters, and so whatever a writer wrote.
    text = str(error.orig if isinstance(error, DBAPIError) else error).lower()
    full = "disk is full" in text or "no space left" in text or "disk full" in text
    if full or (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)):
        return Problem(
            507,
            "disk-full",
            "The server's disk is full: this was not saved. Free some space; the page sends it again by itself.",
            headers={"Retry-After": RETRY_SECONDS},
        )
    if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == FOREIGN_KEY:
        return Problem(410, "gone", "What this belongs to was deleted meanwhile, so it was not kept. Reload the page.")
    if isinstance(error, PoolTimeout) or "locked" in text:
        return _unavailable("database-busy", "The database is busy: this was not saved. It will be tried again.")
    lost = isinstance(error, DBAPIError) and (
        error.connection_invalidated or type(error).__name__ in ("OperationalError", "InterfaceError")
    )
    if lost:
        return _unavailable(
            "database-gone", "The database can't be reached: this was not saved. It will be tried again."
        )
    return None


def _unavailable(code: str, detail: str) -> Problem:
    return Problem(503, code, detail, headers={"Retry-After": RETRY_SECONDS})


def answer(request: Request, problem: Problem) -> Response:
    """HTML for a person's address bar and for forms, JSON for everything else."""
    wants_page = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")
    if wants_page:
        context = {
            "status": problem.status_code,
            "title": HTTPStatus(problem.status_code).phrase,
            "detail": problem.detail,
        }
        return page(request, "error.html", context, status=problem.status_code, headers=problem.headers)
    return JSONResponse(problem.document(), problem.status_code, problem.headers, media_type="application/problem+json")


def sentence_about(item: Mapping[str, Any]) -> str | None:
    """What a person may have typed or pasted, told as that; `item` is one of pydantic's errors. None for all else,
    which only a program can have got wrong."""
    if item["type"] == "string_pattern_mismatch" and "\0" in item["input"]:
        return "It holds a character that no text has (NUL). Paste it as plain text."
    if item["type"] == "string_too_long":
        name = next((part for part in reversed(item["loc"]) if isinstance(part, str)), "text").replace("_", " ")
        return f"The {name} is too long: at most {item['ctx']['max_length']} characters are taken. Shorten it."
    return None


def install(app: FastAPI) -> None:
    app.add_middleware(Faults)

    @app.exception_handler(HTTPException)
    async def _refused(request: Request, error: HTTPException) -> Response:
        if not isinstance(error, Problem):
            code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
            detail = SENTENCES.get(error.status_code, str(error.detail))
            error = Problem(error.status_code, code, detail, headers=dict(error.headers or {}))
        return answer(request, error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        said = [sentence_about(item) for item in error.errors()]
        found = [
            {"at": "/".join(str(part) for part in item["loc"]), "problem": sentence or item["msg"]}
            for item, sentence in zip(error.errors(), said, strict=True)
        ]
        if any(item["loc"][:1] == ("path",) for item in error.errors()):
            return answer(request, not_found())
        unreadable = any(item["type"] == "json_invalid" for item in error.errors())
        first = found[0] if found else {"at": "body", "problem": "is not as expected"}
        return answer(
            request,
            Problem(
                400 if unreadable else 422,
                "unreadable" if unreadable else "invalid",
                (said and said[0]) or f"The request is not as expected at {first['at']}: {first['problem']}.",
                errors=found[:20],
            ),
        )

    async def _stored_badly(request: Request, error: Exception) -> Response:
        problem = storage_problem(error)
        if problem is None:
            raise error
        log.warning("storage refused", path=address(request.url.path), code=problem.code, error=told(error))
        return answer(request, problem)

    for kind in (DBAPIError, PoolTimeout, OSError):
        app.add_exception_handler(kind, _stored_badly)


class Faults:
    """A fault of the code is logged, and told without its insides.

    A middleware, because Starlette gives its handler for all exceptions a place outside of every other middleware:
    the answer would lack the security headers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception:
            if scope["type"] != "http" or begun:
                raise
            log.exception("fault", path=address(scope["path"]), method=scope["method"])
            await answer(Request(scope), Problem(500, "fault", SENTENCES[500]))(scope, receive, send)
