"""Disk full, database locked, database gone: a clear refusal, nothing half written, recovery without a restart."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.reliability.server import Server
from tests.reliability.test_pressure import Desk
from tests.reliability.writers import checked, is_whole


def refused(answer: httpx2.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["code"] == code
    assert problem["status"] == status
    assert problem["detail"][0].isupper()
    assert "not saved" in problem["detail"]


def stored(server: Server, desk: Desk) -> list[str]:
    rows = server.rows("select text from version where draft_id = :draft order by number", draft=desk.draft)
    return [row.text for row in rows]


def fill_until_refused(desk: Desk, rounds: int) -> tuple[list[str], httpx2.Response]:
    """The texts acknowledged, and the refusal."""
    rng = random.Random(5)
    saved: list[str] = []
    for _ in range(rounds):
        text = checked(rng, 2000)
        answer = desk.save(text)
        if answer.status_code != 200:
            return saved, answer
        saved.append(text)
    raise AssertionError("the disk never filled")


def test_a_full_disk_is_told_and_recovered_from(tmp_path: Path) -> None:
    with Server(tmp_path, module="tests.reliability.small_disk") as server:
        desk = Desk(server)
        pages = server.rows("select page_count from pragma_page_count()")[0].page_count
        (tmp_path / "max_pages").write_text(str(pages + 60))
        saved, refusal = fill_until_refused(desk, 400)
        assert len(saved) > 1
        refused(refusal, 507, "disk-full")
        assert desk.client.get("/healthz").status_code == 200
        assert desk.client.get(f"/api/drafts/{desk.draft}").status_code == 200, "reading still works"
        assert stored(server, desk)[-len(saved) :] == saved
        refused(desk.save(checked(random.Random(6), 4000)), 507, "disk-full")
        (tmp_path / "max_pages").unlink()
        assert desk.save("There is room again.").status_code == 200
        assert all(is_whole(text) for text in stored(server, desk) if " #" in text)
        assert server.command("db", "check").returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 4 MB."""
    where = tmp_path / "disk"
    where.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(where)], check=False, capture_output=True
    )
    if os.geteuid() != 0 or made.returncode != 0:
        pytest.skip("needs the right to mount a small disk (root)")
    yield where
    subprocess.run(["umount", "-l", str(where)], check=False)


def test_a_really_full_disk_is_told_and_recovered_from(small_disk: Path) -> None:
    with Server(small_disk) as server:
        desk = Desk(server)
        ballast = small_disk / "ballast"
        ballast.write_bytes(b"x" * 1_000_000)
        saved, refusal = fill_until_refused(desk, 2000)
        refused(refusal, 507, "disk-full")
        assert stored(server, desk)[-len(saved) :] == saved
        ballast.unlink()
        assert desk.save("There is room again.").status_code == 200
        assert server.command("db", "check").returncode == 0


@pytest.mark.parametrize("how", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_database_locked_by_another_program_is_told_and_recovered_from(how: str, tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        desk = Desk(server)
        other = sqlite3.connect(tmp_path / "spatialbalancing.sqlite3", isolation_level=None)
        other.execute(how)
        refused(desk.save("Is anybody there?"), 503, "database-busy")
        assert desk.client.get(f"/api/drafts/{desk.draft}").status_code in (200, 503)
        other.execute("ROLLBACK")
        other.close()
        assert desk.save("Somebody is.").status_code == 200
        assert "Is anybody there?" not in stored(server, desk)
