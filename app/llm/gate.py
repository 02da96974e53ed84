"""Who may write now, who waits, and who is turned away.

Owners take turns: one who asks for ten versions waits behind one who asks for a single one. Belongs to one
event loop; nothing here blocks it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from itertools import chain, zip_longest


class QueueFull(Exception):
    """Raised at once when as many wait as may wait."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} are waiting already.")
        self.waiting = waiting


class Ticket:
    """A place in the queue, then a slot. Whoever holds it has to `leave`, however things end."""

    def __init__(self, gate: Gate, owner: str) -> None:
        self.owner = owner
        self._gate = gate
        self._moved = asyncio.Event()

    @property
    def running(self) -> bool:
        """Whether it holds a slot: false while it waits and after it left."""
        return self in self._gate._running

    async def turns(self) -> AsyncIterator[int]:
        """The place in the queue, from 1, whenever it changes; ends when the turn has come, or after
        `leave`."""
        last = 0
        while place := self._gate._place(self):
            self._moved.clear()
            if place != last:
                last = place
                yield place
            else:
                await self._moved.wait()

    def leave(self) -> None:
        """Give back the place or the slot. Any number of times, from wherever."""
        self._gate._remove(self)


class Gate:
    """At most `max_running` tickets hold a slot, at most `bound` wait."""

    def __init__(self, max_running: int, bound: int) -> None:
        self._max_running, self._bound = max_running, bound
        self._running: set[Ticket] = set()
        self._waiting: OrderedDict[str, deque[Ticket]] = OrderedDict()
        """Tickets of each owner; the first owner is next."""

    def enter(self, owner: str) -> Ticket:
        """A ticket with a slot if one is free, else with a place in the queue. Raises QueueFull."""
        waiting = sum(map(len, self._waiting.values()))
        if waiting >= self._bound and len(self._running) >= self._max_running:
            raise QueueFull(waiting)
        ticket = Ticket(self, owner)
        self._waiting.setdefault(owner, deque()).append(ticket)
        self._advance()
        return ticket

    def snapshot(self) -> dict[str, int]:
        waiting = sum(map(len, self._waiting.values()))
        return {"running": len(self._running), "waiting": waiting, "bound": self._bound}

    def _advance(self) -> None:
        while self._waiting and len(self._running) < self._max_running:
            owner, tickets = self._waiting.popitem(last=False)
            self._running.add(tickets.popleft())
            if tickets:
                self._waiting[owner] = tickets  # behind the others
        for ticket in chain(self._running, *self._waiting.values()):
            ticket._moved.set()

    def _place(self, ticket: Ticket) -> int:
        """1 for who is next; 0 for who does not wait."""
        rounds = chain.from_iterable(zip_longest(*self._waiting.values()))
        order = [other for other in rounds if other is not None]
        return order.index(ticket) + 1 if ticket in order else 0

    def _remove(self, ticket: Ticket) -> None:
        self._running.discard(ticket)
        tickets = self._waiting.get(ticket.owner)
        if tickets and ticket in tickets:
            tickets.remove(ticket)
            if not tickets:
                del self._waiting[ticket.owner]
        ticket._moved.set()
        self._advance()
