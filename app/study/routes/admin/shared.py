"""What the facilitator's pages share: who is signed in, forms, one kind of page, and what is shown once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Path, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session
from starlette.datastructures import UploadFile

from app.db.engine import Database
from app.study import addresses, auth
from app.study.auth import Throttle, Who
from app.study.protocol import MOST_CHARS
from app.web.errors import Problem
from app.web.templates import page
from app.writing.deps import Db, TheStudio
from app.writing.events import UUID_PATTERN

T = TypeVar("T")
FORMS = {"Referrer-Policy": "same-origin"}
"""With the house's no-referrer a browser sends `Origin: null` with a form; over plain HTTP on a network, where it sends
no Sec-Fetch-Site, every form would be refused."""
Id = Annotated[str, Path(pattern=UUID_PATTERN)]
Key = Annotated[str, Path(pattern=r"^[0-9a-f-]{8,64}$")]
"""What a form names the thing by that it makes: sent twice, it is made once."""
NO_STORE = {"Cache-Control": "no-store"}
SHOWN_SECONDS = 15 * 60.0
"""How long links can be looked at again after they were made; they are kept in memory only."""

SAID = {
    "created": "The study is there. Read through the protocol, then run the readiness check.",
    "saved": "Saved.",
    "opened": "The study is open: links work from now on. What it runs with is frozen.",
    "closed": "The study is closed. Nobody can go on; everything is kept.",
    "revoked": "The link no longer works, and the browser that used it is signed out.",
    "paused": "Paused. The clock stands still and nothing can be written.",
    "resumed": "The clock runs again.",
    "unblocked": "They can go on.",
    "moved": "They are at the next step.",
    "released": "The completion code is given.",
    "excluded": "Excluded from the analysis and from the cells' counts. The data are kept.",
    "included": "Counted again.",
    "noted": "The note is kept.",
    "password": "The password is changed, and other browsers are signed out.",
    "ended": "That session is ended.",
    "snapshot-gone": "The snapshot is deleted.",
}


@dataclass
class Form:
    """What was sent. Fields that were left out are empty."""

    values: dict[str, list[str]]
    files: dict[str, bytes] = field(default_factory=dict)

    def one(self, name: str) -> str:
        return next(iter(self.values.get(name, [])), "")

    def kept(self) -> dict[str, str]:
        """All of it, to be put back into the form when it is refused."""
        return {name: self.one(name) for name in self.values}

    def on(self, name: str) -> bool:
        return bool(self.one(name))


async def read_form(request: Request) -> Form:
    """Raises Problem 422 for the character that no database takes."""
    async with request.form(max_part_size=4 * MOST_CHARS, max_files=5) as sent:
        values: dict[str, list[str]] = {}
        files: dict[str, bytes] = {}
        for name, value in sent.multi_items():
            if isinstance(value, UploadFile):
                files[name] = await value.read()
            else:
                values.setdefault(name, []).append(value.replace("\r\n", "\n"))
    if any("\0" in value for every in values.values() for value in every):
        raise Problem(422, "invalid", "It holds a character that no text has (NUL). Paste it as plain text.")
    return Form(values, files)


TheForm = Annotated[Form, Depends(read_form)]


class Shown:
    """Secrets that are shown once: made by a form, looked at on the page after it, gone after a while.

    The form's own key names them, so that a form sent twice makes them once. In memory only.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], tuple[float, Any]] = {}
        self._making: dict[tuple[str, str], threading.Lock] = {}

    def once(self, session_id: str, key: str, make: Callable[[], T]) -> T:
        """What `make` gave under this key; it is called the first time only. What it raises is not kept."""
        name = (session_id, key)
        with self._lock:
            self._forget()
            making = self._making.setdefault(name, threading.Lock())
        with making:
            known = self.get(session_id, key)
            if known is None:
                known = make()
                with self._lock:
                    self._kept[name] = (time.monotonic(), known)
            result: T = known
            return result

    def get(self, session_id: str, key: str) -> Any | None:
        with self._lock:
            self._forget()
            kept = self._kept.get((session_id, key))
        return kept[1] if kept else None

    def _forget(self) -> None:
        old = time.monotonic() - SHOWN_SECONDS
        for name in [name for name, (at, _) in self._kept.items() if at < old]:
            del self._kept[name]
            self._making.pop(name, None)


@dataclass
class Desk:
    """What the facilitator's pages hold in memory; one a server."""

    throttle: Throttle = field(default_factory=Throttle)
    shown: Shown = field(default_factory=Shown)
    jobs: dict[str, Any] = field(default_factory=dict)
    """Dry runs and exports under way, by their key."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    """A task that nothing holds may be thrown away half-way."""
    hashing: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(auth.HASHINGS))


def get_desk(request: Request) -> Desk:
    desk: Desk = request.app.state.admin
    return desk


TheDesk = Annotated[Desk, Depends(get_desk)]


class SignInFirst(Exception):
    """Nobody is signed in; pages lead to the sign-in page."""


def get_who(request: Request, database: Db) -> Who:
    """Raises Problem 401 for a program, SignInFirst for a page."""
    with database.read() as session:
        found = auth.who(session, request.cookies.get(auth.COOKIE))
    if found is None:
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            raise SignInFirst
        raise Problem(401, "signed-out", "You are signed out. Sign in again; then send this once more.")
    who, is_due = found
    if is_due:
        database.try_write(lambda session: auth.seen(session, who.session_id))
    return who


TheWho = Annotated[Who, Depends(get_who)]


class Desktop:
    """One request of a facilitator: who asks, what is there, and the pages that come back."""

    def __init__(self, request: Request, who: TheWho, database: Db, studio: TheStudio, desk: TheDesk) -> None:
        self.request, self.who, self.database, self.studio, self.desk = request, who, database, studio, desk

    @property
    def settings(self) -> Any:
        return self.request.app.state.settings

    def page(
        self,
        name: str,
        context: dict[str, Any],
        *,
        problem: Problem | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        """`problem` is told above the page, which has its status."""
        said = SAID.get(self.request.query_params.get("said", ""))
        shared = {"who": self.who, "said": said if problem is None else None, "problem": problem}
        status = problem.status_code if problem else 200
        more = {**FORMS, **(dict(problem.headers or {}) if problem else {}), **(headers or {})}
        return page(self.request, f"admin/{name}.html", {**shared, **context}, status=status, headers=more)

    @property
    def offered(self) -> list[str]:
        """The addresses that links may carry, the best first."""
        return addresses.offered(self.settings, str(self.request.base_url).rstrip("/"))


Admin = Annotated[Desktop, Depends()]


def to(path: str, said: str | None = None, anchor: str = "") -> Response:
    """On to a page, after something was done."""
    return RedirectResponse(f"{path}{f'?said={said}' if said else ''}{f'#{anchor}' if anchor else ''}", 303)


def tried(database: Database, work: Callable[[Session], T]) -> tuple[T | None, Problem | None]:
    """What `work` gives in a transaction of its own, or why it refused."""
    try:
        with database.write() as session:
            return work(session), None
    except Problem as problem:
        return None, problem
