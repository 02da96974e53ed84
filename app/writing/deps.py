"""What the routes of the room share: who asks, the transaction, and the answer that is given once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

from fastapi import Depends, Header, Request
from fastapi.responses import Response
from pydantic import StringConstraints
from sqlalchemy.orm import Session

from app.db.engine import Database
from app.web.errors import Problem
from app.web.idempotency import answer_once, digest
from app.web.security import COOKIE
from app.writing import service
from app.writing.models import Writer
from app.writing.studio import Studio

WRITERS = 4
"""Transactions that may be open for writing at once. Each holds a worker thread while it waits for the lock; were
all threads to wait, none would be left for the one that has it."""


def get_database(request: Request) -> Database:
    database: Database = request.app.state.db
    return database


def get_studio(request: Request) -> Studio:
    studio: Studio = request.app.state.studio
    return studio


Db = Annotated[Database, Depends(get_database)]
TheStudio = Annotated[Studio, Depends(get_studio)]


def get_writer(request: Request, database: Db) -> Writer:
    """Raises Problem 401."""
    found = service.find_writer(database, request.cookies.get(COOKIE))
    if found is None:
        raise Problem(401, "no-session", "This browser has no session here. Open the start page to get one.")
    return found


TheWriter = Annotated[Writer, Depends(get_writer)]


def get_writer_id(writer: TheWriter) -> str:
    return writer.id


WriterId = Annotated[str, Depends(get_writer_id)]
Part = Literal["canvas", "labels", "muse"]


def needs(part: Part) -> Any:
    """A dependency that raises Problem 403 where the condition of a study has no such part of the desk."""

    def check(writer: TheWriter) -> None:
        if writer.setting and not writer.setting["switches"][part]:
            raise Problem(403, "not-here", "This part of the desk is not there in this step of the study.")

    return Depends(check)


def _own_desk(writer: TheWriter) -> None:
    """Raises Problem 403 for a participant of a study: what there is was laid out by the study."""
    if writer.setting:
        raise Problem(403, "in-a-study", "In a study, drafts and sources are given; this can’t be done here.")


OWN_DESK = Depends(_own_desk)


def read_session(database: Db) -> Iterator[Session]:
    with database.read() as session:
        yield session


def write_session(database: Db) -> Iterator[Session]:
    with database.write() as session:
        yield session


# "function": the commit comes before the answer. With FastAPI's default it would come after, and what was
# acknowledged could be lost.
ReadSession = Annotated[Session, Depends(read_session, scope="function")]
WriteSession = Annotated[Session, Depends(write_session, scope="function", max_concurrency=WRITERS)]


async def get_body_hash(request: Request) -> str:
    return digest(await request.body())


Key = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=200)] | None,
    Header(alias="Idempotency-Key", description="The same request under the same key is done once."),
]


class Unit:
    """One request's work: a transaction, and its answer, given once under each key."""

    def __init__(
        self,
        request: Request,
        writer_id: WriterId,
        body_hash: Annotated[str, Depends(get_body_hash)],
        session: WriteSession,
        key: Key = None,
    ) -> None:
        self.session, self.writer_id = session, writer_id
        self._once = (key, f"{request.method} {request.url.path}", body_hash)

    def answer(self, work: Callable[[], Any], status: int = 200) -> Response:
        return answer_once(self.session, self.writer_id, *self._once, work, status)


Work = Annotated[Unit, Depends()]
