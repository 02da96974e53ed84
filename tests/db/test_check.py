"""`db check` finds each kind of damage, and none where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from starlette.testclient import TestClient

import app.writing.invariants  # noqa: F401  (adds its rules to the check)
from app.db import schema
from app.db.check import check
from app.db.engine import Database
from tests.writing.desk import Desk, ok

A_WRITER = "INSERT INTO writer (id, token_hash, created_at, seen_at) VALUES ('w', 'h', '2026-01-01', '2026-01-01')"


@pytest.fixture
def database(app: FastAPI, client: TestClient) -> Database:
    """With a draft that has been through everything."""
    desk = Desk(client, "One cell divides.\n\nTwo cells divide.\n\nThree cells divide.")
    first, second, third = desk.paragraphs()
    ok(client.post(f"/api/drafts/{desk.id}/place", json={"paragraph_ids": [first["id"], second["id"]]}))
    ok(client.post(f"/api/drafts/{desk.id}/place", json={"paragraph_ids": [second["id"]], "remove": True}))
    made = [data["version"]["id"] for name, data in desk.revise(first["head"]) if name == "version"]
    ok(client.post(f"/api/versions/{made[0]}/confirm", json={"base": first["head"]}))
    ok(client.post(f"/api/versions/{made[1]}/discard"))
    ok(client.post(f"/api/versions/{made[1]}/restore"))
    ok(client.post(f"/api/versions/{made[2]}/discard"))
    desk.type(third, "")
    again = "Two cells divide again."
    desk.save({"paragraph_id": second["id"], "base": second["head"], "text": again, "after": None})
    gone = desk.type(desk.paragraphs()[0], "")
    ok(client.post(f"/api/versions/{second['head']}/confirm", json={"base": gone["id"]}))
    recorder = "00000000-0000-4000-8000-00000000000a"
    batch = {"recorder": recorder, "events": [{"seq": 1, "client_ms": 0, "type": "copy", "chars": 3}]}
    ok(client.post("/api/events", json=batch))
    client.patch(f"/api/drafts/{desk.id}", json={"title": "Through everything"})
    found: Database = app.state.db
    assert check(found) == []
    return found


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        ("UPDATE draft SET number = number + 1", "NumbersHaveNoHoles"),
        ("UPDATE version SET number = number + 100 WHERE number = 2", "NumbersHaveNoHoles"),
        ("UPDATE paragraph SET head_version_id = NULL WHERE position = 0", "HeadsBelong"),
        (
            "UPDATE paragraph SET head_version_id = (SELECT min(id) FROM version WHERE paragraph_id <> paragraph.id)",
            "HeadsBelong",
        ),
        ("UPDATE version_parent SET parent_id = version_id", "ParentsComeFirst"),
        ("UPDATE paragraph SET removed = NOT removed", "RemovedIsEmpty"),
        ("UPDATE version SET spread = NULL", "VersionsAreWhole"),
        ("UPDATE version SET status = 'lost'", "VersionsAreWhole"),
        ("UPDATE generation SET status = 'running', created_at = '2020-01-01 00:00:00'", "GenerationsEnd"),
        ("UPDATE version SET generation_id = NULL", "GenerationsEnd"),
        ("UPDATE event SET type = 'no.such.kind' WHERE type = 'copy'", "EventsAreTyped"),
        ("DELETE FROM event WHERE type = 'version.confirmed'", "ReplayGivesTheState"),
        ("UPDATE version SET text = 'Something else.' WHERE number = 1", "ReplayGivesTheState"),
        ("UPDATE paragraph SET position = 9 - position", "ReplayGivesTheState"),
        ("UPDATE paragraph SET on_canvas = NOT on_canvas", "ReplayGivesTheState"),
        ("UPDATE draft SET title = 'Another'", "ReplayGivesTheState"),
    ],
)
def test_damage_is_found_and_named(database: Database, damage: str, rule: str) -> None:
    with database.write() as session:
        session.execute(text(damage))
    findings = check(database)
    assert any(finding.startswith(rule) for finding in findings), findings
    assert all(finding.endswith(".") for finding in findings)


def test_an_older_schema_is_told_with_what_to_do(empty_db_url: str) -> None:
    empty = Database(empty_db_url)
    assert "db upgrade" in check(empty)[0]
    schema.upgrade(empty)
    assert check(empty) == []
    empty.close()


def test_a_damaged_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "damaged.sqlite3"
    database = Database(f"sqlite:///{path}")
    schema.upgrade(database)
    with database.write() as session:
        session.execute(text(A_WRITER))
    with database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    database.close()
    data = bytearray(path.read_bytes())
    data[4096 * 2 : 4096 * 6] = bytes(4096 * 4)
    path.write_bytes(data)
    assert check(Database(f"sqlite:///{path}"))
