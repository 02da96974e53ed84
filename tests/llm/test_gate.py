"""The queue: its bound, its order, and that no slot is ever lost."""

from __future__ import annotations

import asyncio
import random

import pytest

from app.llm.gate import Gate, QueueFull, Ticket


async def places(ticket: Ticket) -> list[int]:
    return [place async for place in ticket.turns()]


def test_a_free_slot_is_given_at_once() -> None:
    async def check() -> None:
        gate = Gate(2, 2)
        ticket = gate.enter("a")
        assert ticket.running
        assert await places(ticket) == []
        assert gate.snapshot() == {"running": 1, "waiting": 0, "bound": 2}

    asyncio.run(check())


def test_beyond_the_bound_one_is_turned_away_at_once() -> None:
    async def check() -> None:
        gate = Gate(1, 2)
        running, *waiting = [gate.enter("a") for _ in range(3)]
        with pytest.raises(QueueFull):
            gate.enter("b")
        assert gate.snapshot() == {"running": 1, "waiting": 2, "bound": 2}
        waiting[1].leave()
        gate.enter("b")
        running.leave()
        assert gate.snapshot() == {"running": 1, "waiting": 1, "bound": 2}

    asyncio.run(check())


def test_places_are_told_as_they_change_and_end_with_the_turn() -> None:
    async def check() -> None:
        gate = Gate(1, 9)
        tickets = [gate.enter(owner) for owner in "abcd"]
        told = asyncio.create_task(places(tickets[3]))
        for ticket in tickets[:3]:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            ticket.leave()
        assert await asyncio.wait_for(told, 60) == [3, 2, 1]
        assert tickets[3].running

    asyncio.run(check())


def test_owners_take_turns() -> None:
    async def check() -> None:
        gate = Gate(1, 99)
        greedy = [gate.enter("greedy") for _ in range(5)]
        modest = gate.enter("modest")
        other = [gate.enter("other") for _ in range(2)]
        everyone = [*greedy, modest, *other]
        order = []
        while running := [ticket for ticket in everyone if ticket.running]:
            order.append(running[0].owner)
            running[0].leave()
        assert order == ["greedy", "greedy", "modest", "other", "greedy", "other", "greedy", "greedy"]

    asyncio.run(check())


def test_leaving_twice_gives_one_slot_back() -> None:
    async def check() -> None:
        gate = Gate(1, 9)
        first, second, third = (gate.enter("a") for _ in range(3))
        first.leave()
        first.leave()
        assert (second.running, third.running) == (True, False)

    asyncio.run(check())


def test_leaving_while_waiting_ends_the_turns_without_a_slot() -> None:
    async def check() -> None:
        gate = Gate(1, 9)
        gate.enter("a")
        ticket = gate.enter("b")
        told = asyncio.create_task(places(ticket))
        await asyncio.sleep(0)
        ticket.leave()
        assert await asyncio.wait_for(told, 60) == [1]
        assert not ticket.running
        assert gate.snapshot()["waiting"] == 0

    asyncio.run(check())


def test_no_slot_is_lost_among_200_who_are_cancelled_at_random() -> None:
    async def check() -> None:
        chance = random.Random(7)
        gate = Gate(3, 1000)
        most = 0

        async def visit(owner: str) -> None:
            nonlocal most
            ticket = gate.enter(owner)
            try:
                async for _ in ticket.turns():
                    pass
                assert ticket.running
                most = max(most, gate.snapshot()["running"])
                await asyncio.sleep(chance.random() / 1000)
            finally:
                ticket.leave()

        visits = [asyncio.create_task(visit(f"owner {i % 7}")) for i in range(200)]
        for visit_task in chance.sample(visits, 80):
            await asyncio.sleep(chance.random() / 1000)
            visit_task.cancel()
        results = await asyncio.wait_for(asyncio.gather(*visits, return_exceptions=True), 60)
        assert not [r for r in results if isinstance(r, Exception)]
        assert most == 3
        assert gate.snapshot() == {"running": 0, "waiting": 0, "bound": 1000}

    asyncio.run(check())
