"""What was acknowledged is on disk: the server is killed at random moments under many writers.

ROUNDS says how often per database (5 in `make test`, 200 in `make soak`).
"""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.server import Server
from tests.reliability.writers import Gate, Writer, missing

ROUNDS = int(os.environ.get("ROUNDS", "5"))
WRITERS = 20


@dataclass
class Outcome:
    lost: list[str] = field(default_factory=list)
    unclean: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    restarts: list[float] = field(default_factory=list)
    versions: int = 0
    events: int = 0


def kill_rounds(server: Server, rounds: int, seed: int, *, until_lost: bool = False, check: bool = True) -> Outcome:
    """`until_lost` ends with the first loss; the writers work on between the rounds."""
    rng = random.Random(seed)
    outcome, gate = Outcome(), Gate()
    server.start()
    writers = [Writer(server, gate, seed * 1000 + n) for n in range(WRITERS)]
    ledgers = [writer.ledger for writer in writers]
    for writer in writers:
        writer.start()
    try:
        until = time.monotonic() + 30
        while not all(len(writer.ledger.heads) for writer in writers) and time.monotonic() < until:
            time.sleep(0.05)
        for _ in range(rounds):
            time.sleep(rng.uniform(0.5, 3.0))
            gate.shut()
            server.kill()
            gate.until_waiting(WRITERS, 60)
            outcome.restarts.append(server.start())
            outcome.lost += missing(server, ledgers)
            if check:
                checked = server.command("db", "check")
                if checked.returncode != 0:
                    outcome.unclean.append(checked.stdout + checked.stderr)
            if outcome.lost and until_lost:
                break
            gate.let_through()
        if not (outcome.lost and until_lost):
            time.sleep(0.5)
    finally:
        for writer in writers:
            writer.stopped.set()
        gate.let_through()
        for writer in writers:
            writer.join(40)
    if not until_lost:
        outcome.lost += missing(server, ledgers, heads=True)
    outcome.troubles = [trouble for ledger in ledgers for trouble in ledger.troubles]
    outcome.versions = sum(len(ledger.texts) for ledger in ledgers)
    outcome.events = sum(len(ledger.events) for ledger in ledgers)
    server.stop()
    return outcome


@pytest.mark.timeout(300 + 60 * ROUNDS)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_nothing_acknowledged_is_lost_to_a_kill(
    database: str, tmp_path: Path, request: pytest.FixtureRequest, record_property: Any
) -> None:
    url = request.getfixturevalue("postgresql_url") if database == "postgresql" else None
    outcome = kill_rounds(Server(tmp_path / "data", url), ROUNDS, seed=1)
    figures = f"{ROUNDS} kills, {outcome.versions} versions and {outcome.events} events acknowledged"
    figures += f", ready again in {max(outcome.restarts[1:] or [0]):.1f} s at most"
    record_property("figures", figures)
    print(f"\n{database}: {figures}")
    assert outcome.lost == []
    assert outcome.unclean == []
    assert outcome.troubles == []
    assert outcome.versions > 3 * WRITERS
    assert outcome.events > WRITERS


@pytest.mark.timeout(1800)
def test_the_test_above_sees_a_commit_that_comes_after_the_answer(tmp_path: Path) -> None:
    """The same rounds against the same app, its session dependency made to commit late (tests/reliability/late.py)."""
    server = Server(tmp_path / "data", module="tests.reliability.late")
    # The first or second kill, mostly; on a slow machine fewer writes are between their answer and their commit.
    outcome = kill_rounds(server, 50, seed=2, until_lost=True, check=False)
    assert any("not there" in loss for loss in outcome.lost)
