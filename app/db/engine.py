"""Connections and sessions, for SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

log = structlog.get_logger()

BUSY_SECONDS = 15
"""How long a writer waits for another's write lock on SQLite before it gives up."""


class Database:
    """One database. A `write` session is committed when its block ends; a `read` session sees one moment of it.

    SQLite: write-ahead log, foreign keys on, every commit synced to disk; writers take the lock as they begin
    (`BEGIN IMMEDIATE`), because a reader that turns writer half-way is refused when another was quicker. Those of one
    process queue for it here: SQLite itself lets them look again after ever longer pauses, so that whoever came first
    may be served last.
    Errors name no parameter: those of a version are a draft's text.
    """

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self._turn = threading.Lock()
        if self.sqlite:
            self.engine = _sqlite(url, self.path)
            self._writer: Engine = self.engine.execution_options(begin="BEGIN IMMEDIATE")
            self._reader: Engine = self.engine
        else:
            self.url = self.url.set(drivername="postgresql+psycopg")
            self.engine = create_engine(
                self.url, pool_pre_ping=True, pool_size=10, max_overflow=10, hide_parameters=True
            )
            self._writer = self.engine
            self._reader = self.engine.execution_options(isolation_level="REPEATABLE READ")

    @property
    def path(self) -> Path | None:
        """The SQLite file."""
        return Path(self.url.database) if self.sqlite and self.url.database else None

    @contextmanager
    def write(self) -> Iterator[Session]:
        """What is done inside is on disk when the block has ended, or none of it is."""
        with self._in_turn(), Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if not self.sqlite:
            yield
            return
        if not self._turn.acquire(timeout=BUSY_SECONDS):
            raise PoolTimeout("Another transaction of this process did not end.")
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def read(self) -> Iterator[Session]:
        with Session(self._reader, expire_on_commit=False) as session:
            yield session

    def try_write(self, work: Callable[[Session], object]) -> None:
        """Do what may be left undone, and leave it undone where nothing can be written (a full disk, a lost database):
        who only reads is answered all the same. What else `work` raises goes on."""
        try:
            with self.write() as session:
                work(session)
        except (DBAPIError, PoolTimeout) as error:
            log.warning("left undone", work=getattr(work, "__qualname__", ""), error=type(error).__name__)

    def close(self) -> None:
        self.engine.dispose()


def _use_wal(connection: sqlite3.Connection) -> None:
    """SQLite's own waiting does not cover this step: of two servers that open a new file at once, one meets a lock."""
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.05)
        else:
            return


def _sqlite(url: str, path: Path | None) -> Engine:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url, connect_args={"timeout": BUSY_SECONDS}, pool_size=10, max_overflow=30, hide_parameters=True
    )

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: Any) -> None:
        # The driver's own transactions begin late and never immediately; SQLAlchemy's recipe switches them off.
        connection.isolation_level = None
        _use_wal(connection)
        for pragma in ("synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

    return engine
