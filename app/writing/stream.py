"""Running one generation for one open connection: its turn in the queue, its words as they come, its end.

The model writes in a thread of its own; here its events are taken off an asyncio queue, candidates are stored before
they are told, and no database connection is held in between. However it ends (done, failed, stopped, deadline, the
connection gone), the slot is given back at once, even if the thread should hang.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

import anyio
import structlog
from fastapi.sse import ServerSentEvent
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.axes.types import Unplaceable
from app.db.engine import Database
from app.llm.gate import Ticket
from app.llm.types import EngineError
from app.web.errors import Problem, storage_problem
from app.writing import generations
from app.writing.generations import Job, clean
from app.writing.revise import Dropped, Event, Finished, Landed, Measuring, Started, Token
from app.writing.sources import MISSING
from app.writing.studio import Studio

log = structlog.get_logger()
T = TypeVar("T")


class _Stopped(Exception):
    pass


class Run:
    """Belongs to one event loop. `stop` may be called from any thread."""

    def __init__(self, studio: Studio, database: Database, job: Job, ticket: Ticket) -> None:
        self.studio, self.database, self.job, self.ticket = studio, database, job, ticket
        self.cancel = threading.Event()
        self.stopped = False
        self.partial: dict[int, str] = {}
        self.landed: dict[int, str] = {}
        self._loop = asyncio.get_running_loop()
        self._arrived: asyncio.Queue[object] = asyncio.Queue()
        self._heard = 0.0
        self._measuring = False
        studio.stoppers[job.id] = self.stop

    def stop(self) -> None:
        def now() -> None:
            self.stopped = True
            self.cancel.set()
            self.ticket.leave()
            self._arrived.put_nowait(_Stopped())

        self._loop.call_soon_threadsafe(now)

    def leave(self) -> None:
        self.cancel.set()
        self.ticket.leave()
        self.studio.stoppers.pop(self.job.id, None)

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        """Ends with one of done, error and cancelled, unless the connection goes first."""
        over = False
        try:
            try:
                async for told in self._tell():
                    yield told
                over = True
            except _Stopped:
                over = True
                await self._end("cancelled", by="stop")
                yield sse("cancelled", partial=self._kept())
            except Exception as error:  # a thread's or the database's: the writer is told, whatever it is
                over = True
                problem = problem_of(error)
                await self._end("failed", problem=problem)
                yield sse("error", problem=problem, partial=self._kept())
        finally:
            self.leave()
            if not over:
                with anyio.CancelScope(shield=True):
                    await self._end("cancelled", by="disconnect")

    async def _tell(self) -> AsyncIterator[ServerSentEvent]:
        async for position in self.ticket.turns():
            yield sse("queued", position=position)
        if self.stopped or not await self._store(generations.begin):
            raise _Stopped
        begun = self._loop.time()
        threading.Thread(target=self._write, name=f"generation {self.job.id}", daemon=True).start()
        first = True
        async for event in self._events(begun):
            match event:
                case Started(slots):
                    shown = [{"index": s.index, "strategy": s.strategy, "seed": s.seed} for s in slots]
                    yield sse("started", slots=shown)
                case Token(index, text):
                    self.partial[index] = self.partial.get(index, "") + text
                    yield sse("token", index=index, text=clean(text))
                    if first:
                        first = False
                        await self._store(generations.first_token, int(1000 * (self._loop.time() - begun)))
                case Dropped(index, reason, again=again):
                    self.partial.pop(index, None)
                    await self._store(generations.drop, event)
                    yield sse("dropped", index=index, reason=reason, again=again)
                case Landed(candidate):
                    version = await self._store(generations.land, candidate, self.studio.info)
                    self.partial.pop(candidate.index, None)
                    self.landed[candidate.index] = version.id
                    yield sse("version", index=candidate.index, version=version.model_dump(mode="json"))
                case Finished(order, moved):
                    yield await self._finished(order, moved=moved)
                    return

    async def _finished(self, order: tuple[int, ...], *, moved: bool) -> ServerSentEvent:
        if not order:
            raise EngineError(
                "nothing-usable",
                "Nothing the model wrote could be used: it was empty, copied the text or wandered off.",
                "Try again, or take the sentence merge." if self.job.other else "Try again, or press another label.",
            )
        ranking = [self.landed[index] for index in order]
        await self._store(generations.finish, ranking, moved=moved)
        told = []
        if not moved and self.job.scored:
            told = [f"None of these moved the way “{self.job.label.name}” aims; the best is first."]
            if self.job.other:
                told = ["This is no nearer to the mix you chose than one of the two versions is."]
        message = " ".join([*told, *([MISSING] if self.job.lacks_source else [])])
        return sse("done", ranking=ranking, moved=moved or not self.job.scored, message=message)

    async def _events(self, begun: float) -> AsyncIterator[object]:
        """What the thread sends. Raises what it raised, _Stopped, and EngineError at a deadline.

        While a text is being measured the model owes nothing: the scorer may be busy with a long draft.
        """
        settings = self.studio.settings
        deadline = begun + settings.generation_deadline
        self._heard = begun
        while True:
            stalled = math.inf if self._measuring else self._heard + settings.stall_deadline
            try:
                async with asyncio.timeout_at(min(deadline, stalled)):
                    event = await self._arrived.get()
            except TimeoutError:
                raise _late(deadline <= stalled) from None
            if isinstance(event, BaseException):
                raise event
            yield event

    def _write(self) -> None:
        """In the thread."""
        try:
            for event in self._written():
                self._arrive(event)
            self._arrive(_Stopped())
        except Exception as error:  # carried over to where the writer can be told
            self._arrive(error)

    def _written(self) -> Iterator[Event]:
        job, reviser = self.job, self.studio.reviser
        if job.other is not None:
            other = job.other
            return reviser.combine(
                job.text,
                other.text,
                other.mix,
                n=job.n,
                seed=job.seed,
                pack=job.pack,
                ground=job.ground,
                cancel=self.cancel,
            )
        return reviser.revise(
            job.label,
            job.text,
            n=job.n,
            seed=job.seed,
            strategy=job.strategy,
            own=job.prompt or "",
            earlier=job.earlier,
            pack=job.pack,
            ground=job.ground,
            cancel=self.cancel,
        )

    def _hear(self, event: object) -> None:
        self._heard = self._loop.time()
        self._measuring = isinstance(event, Measuring)
        self._arrived.put_nowait(event)

    def _arrive(self, event: object) -> None:
        try:
            self._loop.call_soon_threadsafe(self._hear, event)
        except RuntimeError:  # the loop is closed: the server has ended
            self.cancel.set()

    async def _store(self, work: Callable[..., T], *given: Any, **named: Any) -> T:
        def transaction() -> T:
            with self.database.write() as session:
                return work(session, self.job, *given, **named)

        return await run_in_threadpool(transaction)

    async def _end(self, status: str, **named: Any) -> None:
        """Raises nothing: when the database is away, tidy_up ends it later."""

        def work(session: Session, job: Job) -> None:
            generations.end(session, job.writer_id, job.id, status, partial=self.partial, **named)  # type: ignore[arg-type]

        self.leave()
        try:
            await self._store(work)
        except Exception as error:
            log.exception("the end of a generation was not stored", generation=self.job.id, exc_info=error)

    def _kept(self) -> dict[str, str]:
        return {str(index): clean(text) for index, text in self.partial.items() if text}


def sse(name: str, **data: Any) -> ServerSentEvent:
    return ServerSentEvent(event=name, data=data)


def _late(whole: bool) -> EngineError:
    if whole:
        return EngineError("model-slow", "Writing took too long and was stopped.", "Try again in a moment.")
    return EngineError("model-stalled", "The model stopped answering.", "Try again in a moment.")


def problem_of(error: Exception) -> dict[str, Any]:
    """What the writer is told: code, detail and mend."""
    match error:
        case EngineError():
            return {"code": error.code, "detail": error.what, "mend": error.mend}
        case Problem():
            return {"code": error.code, "detail": error.detail, "mend": ""}
        case Unplaceable():
            return {"code": "unplaceable", "detail": str(error), "mend": ""}
    stored = storage_problem(error)
    if stored is not None:
        return {"code": stored.code, "detail": stored.detail, "mend": ""}
    log.error("a generation failed", exc_info=error)
    return {
        "code": "model-failed",
        "detail": "Something went wrong while writing.",
        "mend": "Try again; the server's log has the details.",
    }
