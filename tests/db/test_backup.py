"""A backup is whole or not there; a restore is all or nothing, and what it replaces can be had again."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import text

import app.writing.invariants  # noqa: F401  (adds its rules to the check)
from app.db import schema
from app.db.backup import BackupError, backup, restore
from app.db.check import check
from app.db.engine import Database
from tests.writing.desk import Desk


def titles(db: Database) -> set[str]:
    with db.read() as session:
        return set(session.execute(text("SELECT title FROM draft")).scalars())


@pytest.fixture
def db(app, client) -> Database:
    """Of a running server, with a draft in it."""
    Desk(client, "One cell divides.\n\nTwo cells divide.")
    database: Database = app.state.db
    return database


def test_what_was_backed_up_comes_back_and_so_does_what_it_replaced(db, client, tmp_path):
    then = titles(db)
    backup(db, tmp_path / "then")
    client.post("/api/drafts", json={"title": "Written afterwards"})
    replaced = restore(db, tmp_path / "then", tmp_path / "kept")
    assert titles(db) == then
    assert check(db) == []
    assert replaced
    assert replaced.parent == tmp_path / "kept"
    restore(db, replaced, tmp_path / "kept")
    assert titles(db) == then | {"Written afterwards"}
    assert check(db) == []
    assert client.post("/api/drafts", json={"title": "Works on"}).status_code == 201


def test_a_backup_goes_into_an_empty_place(db, tmp_path, request):
    backup(db, tmp_path / "then")
    if db.sqlite:
        new = Database(f"sqlite:///{tmp_path / 'new' / 'x.sqlite3'}")
    else:
        name = f"{db.url.database}_new"
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        new = Database(f"{request.getfixturevalue('postgresql_server')}/{name}")
    assert restore(new, tmp_path / "then", tmp_path / "kept") is None
    assert check(new) == []
    assert titles(new) == titles(db)
    new.close()


def test_an_older_schema_s_tables_do_not_stay_behind(db, tmp_path):
    backup(db, tmp_path / "then")
    with db.engine.begin() as connection:
        connection.execute(text("CREATE TABLE newer (id integer, version_id varchar(36) REFERENCES version (id))"))
    restore(db, tmp_path / "then", tmp_path / "kept")
    assert check(db) == []
    with pytest.raises(Exception, match="newer"), db.read() as session:
        session.execute(text("SELECT * FROM newer"))


def test_an_existing_file_is_never_replaced(db, tmp_path):
    (tmp_path / "mine").write_text("dear")
    with pytest.raises(BackupError, match="already there"):
        backup(db, tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == "dear"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for place in range(len(data) // 3, len(data) // 3 + 4_000):
        data[place] ^= 0xFF
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def other(path: Path) -> None:
    path.write_text("Not a backup at all.\n" * 1000)


@pytest.mark.parametrize("damage", [cut, flip, empty, other])
def test_a_damaged_file_is_refused_and_nothing_changes(db, client, tmp_path, damage):
    backup(db, tmp_path / "then")
    client.post("/api/drafts", json={"title": "Written afterwards"})
    now = titles(db)
    damage(tmp_path / "then")
    with pytest.raises(BackupError):
        restore(db, tmp_path / "then", tmp_path / "kept")
    assert titles(db) == now
    assert check(db) == []
    assert not (tmp_path / "kept").exists()


def test_a_file_of_a_newer_release_is_refused(db, tmp_path):
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999_future'"))
    backup(db, tmp_path / "future")
    with db.engine.begin() as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{schema.known_revisions()[-1]}'"))
    now = titles(db)
    with pytest.raises(BackupError, match="9999_future"):
        restore(db, tmp_path / "future", tmp_path / "kept")
    assert titles(db) == now


def test_no_file_is_refused(db, tmp_path):
    with pytest.raises(BackupError, match="no file"):
        restore(db, tmp_path / "nowhere", tmp_path / "kept")


def test_a_backup_beside_a_writing_server_is_of_one_moment(db, client, tmp_path):
    desk, stop = Desk(client), threading.Event()

    def write() -> None:
        for n in range(10_000):
            if stop.is_set():
                return
            desk.type(desk.paragraphs()[0], f"Cell {n} divides.")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for n in range(3):
            backup(db, tmp_path / f"backup-{n}")
    finally:
        stop.set()
        writer.join()
    restore(db, tmp_path / "backup-2", tmp_path / "kept")
    assert check(db) == []


def test_a_database_that_is_damaged_itself_is_kept_as_it_is(tmp_path):
    db = Database(f"sqlite:///{tmp_path / 'live.sqlite3'}")
    schema.upgrade(db)
    backup(db, tmp_path / "good")
    db.close()
    (tmp_path / "live.sqlite3").write_bytes(b"no database any more " * 500)
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"live.sqlite3{suffix}").unlink(missing_ok=True)
    replaced = restore(db, tmp_path / "good", tmp_path / "kept")
    assert replaced
    assert replaced.read_bytes().startswith(b"no database any more")
    assert check(db) == []
    db.close()


def test_the_database_itself_is_no_backup(tmp_path):
    db = Database(f"sqlite:///{tmp_path / 'live.sqlite3'}")
    schema.upgrade(db)
    with pytest.raises(BackupError, match="itself"):
        restore(db, tmp_path / "live.sqlite3", tmp_path / "kept")
    db.close()


def test_without_postgresql_s_programs_it_says_what_to_install(db, tmp_path, monkeypatch):
    if db.sqlite:
        pytest.skip("SQLite needs none")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("app.db.backup.DEBIAN", tmp_path)
    with pytest.raises(BackupError, match="postgresql-client"):
        backup(db, tmp_path / "then")
