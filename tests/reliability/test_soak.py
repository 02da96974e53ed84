"""32 writers at once (`make soak`): no error, nothing lost, a place in the queue told, memory bounded.

SOAK_SECONDS (default 300) of writing with the scripted model, and two presses of a label each with the default one.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import httpx2
import pytest

from tests.reliability.server import Server
from tests.reliability.test_pressure import Desk, wait_for
from tests.reliability.writers import Gate, Writer, missing, stream

WRITERS = 32
SECONDS = float(os.environ.get("SOAK_SECONDS", "300"))
GROWTH = 150_000_000
"""Bytes the server may gain between a third of the way and the end: caches fill, leaks go on."""


@pytest.mark.slow
@pytest.mark.timeout(SECONDS * 2 + 300)
def test_32_writers_for_minutes_lose_nothing_and_fill_no_memory(tmp_path: Path) -> None:
    with Server(tmp_path, None, "--delay", "0.005") as server:
        gate = Gate()
        writers = [Writer(server, gate, 9_000 + n) for n in range(WRITERS)]
        for writer in writers:
            writer.start()
        memory = []
        began = time.monotonic()
        while time.monotonic() - began < SECONDS:
            time.sleep(min(5, SECONDS / 20))
            memory.append(server.memory())
        for writer in writers:
            writer.stopped.set()
        for writer in writers:
            writer.join(60)
        ledgers = [writer.ledger for writer in writers]
        assert [trouble for ledger in ledgers for trouble in ledger.troubles] == []
        assert missing(server, ledgers, heads=True) == []
        assert server.command("db", "check").returncode == 0
        calls = sum(writer.done for writer in writers)
        print(f"\n{WRITERS} writers, {calls} requests in {SECONDS:.0f} s, memory {[m >> 20 for m in memory]} MiB")
        assert memory[-1] - memory[len(memory) // 3] < GROWTH
        assert min(writer.done for writer in writers) > 5


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.timeout(3600)
def test_32_writers_on_the_default_model_all_get_their_versions_in_turn(tmp_path: Path) -> None:
    with Server(tmp_path, module="tests.reliability.default_model", SPATIAL_QUEUE_BOUND=str(WRITERS)) as server:
        wait_for(lambda: httpx2.get(f"{server.url}/readyz").status_code == 200, 300)
        desks = [Desk(server) for _ in range(WRITERS)]
        last: list[str] = []
        positions: list[list[int]] = []

        def press_twice(desk: Desk) -> None:
            seen: list[int] = []
            positions.append(seen)
            desk.client.timeout = httpx2.Timeout(1800)
            for _ in range(2):
                name = "refused"
                for name, data in stream(desk.client, desk.ask().json()["id"]):
                    if name == "queued":
                        seen.append(data["position"])
                last.append(name)

        began, before = time.monotonic(), server.memory()
        threads = [threading.Thread(target=press_twice, args=(desk,)) for desk in desks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - began
        print(f"\n{2 * WRITERS} presses in {took:.0f} s, {before >> 20} to {server.memory() >> 20} MiB")
        assert last == ["done"] * 2 * WRITERS
        assert max(max(seen, default=0) for seen in positions) >= WRITERS // 2
        assert server.memory() - before < 1_500_000_000
        assert server.command("db", "check").returncode == 0
