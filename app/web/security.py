"""What every request passes: headers, origin check, body cap; and session tokens.

Cross-site requests: an unsafe request has to come from our own page. Browsers say so themselves in
`Sec-Fetch-Site` (Fetch Metadata, W3C); where they don't (plain HTTP on a network), `Origin` has to name the
host that was asked, or one the settings allow. No token is needed in forms.

Sessions: 32 random bytes in a cookie, their SHA-256 in the database. A fast hash will do: there is nothing to
guess in 256 random bits.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

import anyio
from fastapi import Request
from fastapi.responses import Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.errors import Problem, answer

COOKIE = "sb_writer"
COOKIE_SECONDS = 400 * 24 * 3600
"""The longest browsers grant."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
DRAINED_BYTES = 64_000_000
DRAINED_SECONDS = 10.0
"""A body that is too big is read and thrown away up to here: a client that is still sending when the connection
closes never sees why."""

_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'{style}; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'; report-uri /csp-report"
)
POLICY = _POLICY.format(style="")
EDITOR_POLICY = _POLICY.format(style=" 'unsafe-inline'")
"""Plotly writes a style element; nothing else does."""


def new_token() -> str:
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def set_cookie(request: Request, response: Response, token: str, *, name: str = COOKIE) -> None:
    response.set_cookie(
        name,
        token,
        max_age=COOKIE_SECONDS,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


class SecurityHeaders:
    """Sets what the answer did not set itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", POLICY)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "no-referrer")
                headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
                if scope["path"].startswith("/api/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, with_headers)


class OriginCheck:
    def __init__(self, app: ASGIApp, allowed_origins: Iterable[str]) -> None:
        self.app = app
        self.allowed = {origin.rstrip("/").lower() for origin in allowed_origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS and not self._own(Headers(scope=scope)):
            problem = Problem(
                403, "foreign-origin", "This request did not come from the app's own page, so it was refused."
            )
            await answer(Request(scope), problem)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _own(self, headers: Headers) -> bool:
        origin = headers.get("origin", "").lower()
        if origin in self.allowed:
            return True
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site in ("same-origin", "none")
        return bool(origin) and urlsplit(origin).netloc == headers.get("host", "").lower()


class BodyCap:
    """Counts what really comes; a Content-Length is only a promise. `larger` has other caps, by path with *."""

    def __init__(self, app: ASGIApp, most: int, larger: dict[str, int]) -> None:
        self.app, self.most, self.larger = app, most, larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        larger = (cap for pattern, cap in self.larger.items() if fnmatchcase(scope["path"], pattern))
        cap = next(larger, self.most)
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > cap:
            await _drain(receive)
            await answer(Request(scope), too_large(cap))(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > cap:
                if message.get("more_body"):
                    await _drain(receive)
                raise too_large(cap)
            return message

        await self.app(scope, counted, send)


def too_large(cap: int) -> Problem:
    return Problem(413, "too-large", f"That is more than the {cap / 1e6:.1f} MB taken at once. Bring it in parts.")


async def _drain(receive: Receive) -> None:
    seen = 0
    with anyio.move_on_after(DRAINED_SECONDS):  # a client may also stop sending without hanging up
        while seen < DRAINED_BYTES:
            message = await receive()
            seen += len(message.get("body", b""))
            if not message.get("more_body"):
                return
