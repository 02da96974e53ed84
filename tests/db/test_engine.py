"""Sessions: durable, one writer after another, nothing half written."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.db import schema
from app.db.engine import Database


@pytest.fixture
def database(empty_db_url: str) -> Iterator[Database]:
    database = Database(empty_db_url)
    with database.write() as session:
        session.execute(text("CREATE TABLE counter (id INTEGER PRIMARY KEY, n INTEGER)"))
        session.execute(text("INSERT INTO counter VALUES (1, 0)"))
    yield database
    database.close()


def count(database: Database) -> int:
    with database.read() as session:
        return int(session.execute(text("SELECT n FROM counter")).scalar_one())


def test_sqlite_is_set_to_keep_what_it_acknowledged(database: Database) -> None:
    if not database.sqlite:
        pytest.skip("of SQLite only")
    with database.read() as session:
        found = {name: session.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")}
        assert session.execute(text("PRAGMA foreign_keys")).scalar() == 1
    assert found == {"journal_mode": "wal", "synchronous": 2}


def test_a_transaction_that_does_not_end_is_told_to_those_who_wait(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not database.sqlite:
        pytest.skip("of SQLite only")
    monkeypatch.setattr("app.db.engine.BUSY_SECONDS", 0.2)

    def write() -> int:
        with database.write() as session:
            return int(session.execute(text("UPDATE counter SET n = n + 1 RETURNING n")).scalar_one())

    with database.write(), ThreadPoolExecutor(1) as pool, pytest.raises(PoolTimeout):
        pool.submit(write).result(30)
    assert write() == 1


def test_a_writer_that_fails_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as session:  # noqa: PT012
        session.execute(text("UPDATE counter SET n = 1"))
        raise RuntimeError
    assert count(database) == 0


def test_readers_who_turn_writer_never_lose_an_update(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.db.engine.BUSY_SECONDS", 300)  # a slow disk is no transaction that does not end
    lock = "" if database.sqlite else " FOR UPDATE"
    failures: list[BaseException] = []

    def add() -> None:
        try:
            for _ in range(20):
                with database.write() as session:
                    n = session.execute(text(f"SELECT n FROM counter{lock}")).scalar_one()
                    time.sleep(0.001)
                    session.execute(text("UPDATE counter SET n = :n"), {"n": n + 1})
        except BaseException as error:  # told by the main thread
            failures.append(error)

    threads = [threading.Thread(target=add) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert count(database) == 120


def test_a_reader_sees_one_moment_while_others_write(database: Database) -> None:
    with database.read() as session:
        before = session.execute(text("SELECT n FROM counter")).scalar_one()
        with database.write() as other:
            other.execute(text("UPDATE counter SET n = n + 1"))
        assert session.execute(text("SELECT n FROM counter")).scalar_one() == before
    assert count(database) == before + 1


def test_an_address_without_a_driver_is_understood() -> None:
    assert Database("postgresql://nobody@localhost/none").engine.driver == "psycopg"
    assert schema.known_revisions()[0] == "0001"
