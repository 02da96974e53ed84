"""One press of Muse for one open connection: the digest at once, then cards as the model writes them.

The model's words are shown only once they passed (app/writing/questions.py); until then the writer reads the
observation that is being thought about. However it ends, the slot is given back at once, even if the model hangs.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, TypeVar

import anyio
import structlog
from fastapi.sse import ServerSentEvent
from starlette.concurrency import run_in_threadpool

from app.db.engine import Database
from app.llm.gate import QueueFull, Ticket
from app.llm.types import EngineError
from app.web.errors import Problem
from app.writing import muse, questions
from app.writing import views as v
from app.writing.digest import Item
from app.writing.muse import Reflection
from app.writing.stream import problem_of, sse
from app.writing.studio import Studio

log = structlog.get_logger()
T = TypeVar("T")

BUSY = "Others are writing just now, so the model could not be asked. This much is from your history alone."
NOTHING_USABLE = "The model found no question worth asking this time. This much is from your history alone."
NOTHING_TO_ASK = "There is nothing new to ask about."


class Musing:
    """Belongs to one event loop."""

    def __init__(
        self, studio: Studio, database: Database, writer_id: str, draft_id: str, reflection: Reflection
    ) -> None:
        self.studio, self.database, self.writer_id, self.draft_id = studio, database, writer_id, draft_id
        self.reflection = reflection
        self.cancel = threading.Event()
        self.cards: list[v.CardView] = list(reflection.standing)
        self.dropped: list[str] = []
        self.ticket: Ticket | None = None
        self._heard = 0.0

    def leave(self) -> None:
        self.cancel.set()
        if self.ticket is not None:
            self.ticket.leave()

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        """digest, card…, then done or error, unless the connection goes first."""
        noted = False
        try:
            yield sse("digest", **muse.item_views(self.reflection.items).model_dump(mode="json"))
            for card in self.cards:
                yield sse("card", card=card.model_dump(mode="json"))
            reason = ""
            try:
                async for told in self._think():
                    yield told
            except (Problem, QueueFull) as refusal:  # the digest needs no model
                reason = BUSY if isinstance(refusal, QueueFull) else str(refusal.detail)
            self.leave()
            noted = True
            await self._note()
            if not self.cards and not reason:
                reason = NOTHING_USABLE if self.reflection.topics else NOTHING_TO_ASK
            yield sse("done", alone=not self.cards, reason=reason, dropped=len(self.dropped))
        except Exception as error:  # a thread's or the database's: the writer is told, whatever it is
            yield sse("error", problem=problem_of(error))
        finally:
            self.leave()
            if not noted:  # stopped or failed half-way: what was shown was shown
                with anyio.CancelScope(shield=True):
                    await self._note()

    async def _note(self) -> None:
        """Raises nothing: what the writer reads must not hang on the log."""
        try:
            await self._store(muse.shown, self.cards, len(self.dropped))
        except Exception as error:
            log.warning("what Muse showed was not noted", draft=self.draft_id, error=str(error)[:300])

    async def _think(self) -> AsyncIterator[ServerSentEvent]:
        """Raises Problem when the model is not ready, QueueFull when too many wait, EngineError when it fails."""
        if not self.reflection.topics:
            return
        if self.studio.problem is not None:
            raise self.studio.problem
        self.ticket = self.studio.gate.enter(self.writer_id)
        async for position in self.ticket.turns():
            yield sse("queued", position=position)
        seed = secrets.randbits(31)
        for item in self.reflection.topics:
            yield sse("thinking", topic=item.topic, text=item.text)
            card = await self._card(item, seed)
            if card is not None:
                self.cards.append(card)
                yield sse("card", card=card.model_dump(mode="json"))

    async def _card(self, item: Item, seed: int) -> v.CardView | None:
        reviser = self.studio.reviser

        def heard() -> None:
            self._heard = time.monotonic()

        def work() -> tuple[questions.Question | None, list[questions.Dropped]]:
            history = self.reflection.history
            engine, meaning = reviser.engine, reviser.meaning
            return questions.ask(item, history, engine, meaning, seed, self.cancel, heard, reviser.tuned_id)

        heard()
        question, dropped = await self._unless_it_stalls(work)
        self.dropped += [d.reason for d in dropped]
        if question is None:
            return None
        return await self._store(
            muse.keep_card, item, question.text, replace(self.studio.info, tuned_id=reviser.tuned_id)
        )

    async def _unless_it_stalls(self, work: Callable[[], T]) -> T:
        stall = self.studio.settings.stall_deadline
        answer = asyncio.ensure_future(in_thread(work, f"muse {self.draft_id}"))
        while not answer.done():
            left = self._heard + stall - time.monotonic()
            if left <= 0:
                raise EngineError("model-stalled", "The model stopped answering.", "Try again in a moment.")
            await asyncio.wait({answer}, timeout=left)
        return answer.result()

    async def _store(self, work: Callable[..., T], *given: Any) -> T:
        def transaction() -> T:
            with self.database.write() as session:
                return work(session, self.writer_id, self.draft_id, *given)

        return await run_in_threadpool(transaction)


async def in_thread(work: Callable[[], T], name: str) -> T:
    """What `work` gives or raises, from a thread of its own: one that hangs must hold none of the pool's."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def settle(act: Callable[[Any], None], value: object) -> None:
        if not result.done():
            act(value)

    def run() -> None:
        try:
            found = work()
        except Exception as error:  # carried over to where the writer can be told
            act, value = result.set_exception, error
        else:
            act, value = result.set_result, found  # type: ignore[assignment]
        try:
            loop.call_soon_threadsafe(settle, act, value)
        except RuntimeError:  # the loop is closed: the server has ended
            log.info("muse came too late", thread=name)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await result


def reflect(database: Database, studio: Studio, writer_id: str, draft_id: str) -> Reflection:
    """In a transaction of its own. Raises Problem 404."""
    with database.read() as session:
        return muse.reflect(session, writer_id, draft_id, studio.usable_labels())
