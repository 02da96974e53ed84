"""A backup is one file, checked before it counts; a restore is all or nothing and keeps what it replaces.

SQLite: its online backup interface, safe beside a running server. PostgreSQL: pg_dump's custom format.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import URL, inspect

from app.db.engine import Database
from app.db.schema import known_revisions

DEBIAN = Path("/usr/lib/postgresql")
_REVISION = "COPY public.alembic_version (version_num) FROM stdin;"
_END = "\\."


class BackupError(Exception):
    """The message is a sentence for the person at the command line."""


class WrongPath(BackupError):
    """The file can't be the one that was meant."""


def backup(db: Database, path: Path) -> None:
    """Write a checked copy to `path`, which comes to be whole or not at all; an existing file is never replaced.

    Raises BackupError.
    """
    if path.exists():
        raise WrongPath(f"{path} is already there. Name a file that isn't.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".backup-", dir=path.parent) as folder:
            partial = Path(folder) / path.name
            if db.sqlite:
                _copy_sqlite(_sqlite_file(db), partial)
            else:
                _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={partial}", db=db)
            _revision(db, partial)  # reads all of it
            _fsync(partial)
            partial.rename(path)
            _fsync(path.parent)
    except OSError as error:
        raise BackupError(f"The backup can't be written to {path}: {error.strerror or error}.") from error


def restore(db: Database, path: Path, keep: Path) -> Path | None:
    """Put the database back to what `path` holds. What it replaces is first backed up into the folder `keep`; the
    file's name comes back, or None where there was nothing. Raises BackupError, and then nothing has changed."""
    if not path.is_file():
        raise WrongPath(f"There is no file {path}.")
    if db.sqlite and _sqlite_file(db).exists() and path.samefile(_sqlite_file(db)):
        raise WrongPath(f"{path} is the database itself. Name a backup.")
    _check(db, path)
    before = _snapshot(db, keep)
    if db.sqlite:
        _restore_sqlite(path, _sqlite_file(db))
    else:
        _restore_postgresql(db, path)
    return before


def _snapshot(db: Database, keep: Path) -> Path | None:
    before = keep / f"before-restore-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}.{'sqlite3' if db.sqlite else 'dump'}"
    if not db.sqlite:
        if not inspect(db.engine).get_table_names():
            return None
        backup(db, before)
        return before
    live = _sqlite_file(db)
    if not live.exists():
        return None
    try:
        backup(db, before)
    except BackupError:
        # What is there is damaged itself: keep it as it lies, and let the restore make a new file.
        db.close()
        for suffix in ("", "-wal", "-shm"):
            part = live.with_name(live.name + suffix)
            if part.exists():
                shutil.move(part, before.with_name(before.name + suffix))
    return before


def _check(db: Database, path: Path) -> None:
    found = _revision(db, path)
    if found not in known_revisions():
        raise BackupError(
            f"{path} holds no database of this app."
            if found is None
            else f"{path} is at schema {found}, which this release does not know. "
            "Restore it with the release that wrote it, or a later one."
        )


def _revision(db: Database, path: Path) -> str | None:
    """Of a backup, which is read whole. Raises BackupError when it is damaged."""
    return _sqlite_revision(path) if db.sqlite else _dump_revision(path)


# -- SQLite


def _sqlite_file(db: Database) -> Path:
    if db.path is None or db.path.name == ":memory:":
        raise BackupError("A database in memory can't be backed up or restored.")
    return db.path


def _copy_sqlite(source: Path, target: Path) -> None:
    if not source.is_file():
        raise BackupError(f"There is no database at {source} yet.")
    try:
        # Read-write, because a WAL left by a killed server has to be recovered before it can be read.
        with closing(sqlite3.connect(source, timeout=30)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)
            new.execute("PRAGMA journal_mode=DELETE")  # one file, nothing beside it
    except sqlite3.Error as error:
        raise BackupError(f"The database at {source} can't be copied: {error}.") from error


def _sqlite_revision(path: Path) -> str | None:
    """Raises BackupError for a file that is damaged or no SQLite database."""
    try:
        with closing(_open_backup(path)) as connection:
            findings = [row[0] for row in connection.execute("PRAGMA integrity_check")]
            if findings != ["ok"]:
                raise BackupError(f"{path} is damaged: {findings[0]}.")
            if broken := connection.execute("PRAGMA foreign_key_check").fetchone():
                raise BackupError(f"{path} is damaged: a row of {broken[0]} points at nothing.")
            tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            if "alembic_version" not in tables:
                return None
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        raise BackupError(f"{path} can't be read as a database: {error}.") from error
    return str(row[0]) if row else None


def _open_backup(path: Path) -> sqlite3.Connection:
    """Nothing is written beside it, so that it may lie on a disk that takes no writes."""
    if path.with_name(f"{path.name}-wal").exists():
        raise BackupError(
            f"{path} lies beside a write-ahead log, so it is a live database. Make a backup: `db backup`."
        )
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


def _restore_sqlite(path: Path, live: Path) -> None:
    """In one transaction of SQLite's own: readers see the old database or the new one."""
    live.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(_open_backup(path)) as source, closing(sqlite3.connect(live, timeout=30)) as target:
            source.backup(target)
            target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise BackupError(
            f"The database at {live} can't be replaced: {error}. Stop the server and try again."
        ) from error


# -- PostgreSQL


def _tool(name: str) -> str:
    """From PATH, else the newest of Debian's, which are not on it."""
    if found := shutil.which(name):
        return found
    installed = sorted(DEBIAN.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    if not installed:
        raise BackupError(
            f"{name} was not found. Install PostgreSQL's client programs (Debian: apt install postgresql-client)."
        )
    return str(installed[-1])


def _run(tool: str, *arguments: str, db: Database | None = None) -> None:
    environment, target = {**os.environ}, []
    if db is not None:
        url = db.url.set(drivername="postgresql")
        if url.password:
            environment["PGPASSWORD"] = str(url.password)  # arguments are there for every user to read
        bare = URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query)
        target = [f"--dbname={bare.render_as_string(hide_password=False)}"]
    done = subprocess.run(  # noqa: S603  (fixed programs, no shell)
        [_tool(tool), *target, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()
        raise BackupError(f"{tool} failed: {reason[0] if reason else f'exit status {done.returncode}'}")


def _dump_revision(path: Path) -> str | None:
    """Reads the whole dump, so that one cut short is found out. Raises BackupError."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "version.sql"
        try:
            _run("pg_restore", f"--file={os.devnull}", str(path))
            _run("pg_restore", "--data-only", "--table=alembic_version", f"--file={script}", str(path))
        except BackupError as error:
            raise BackupError(f"{path} is damaged, or no backup of PostgreSQL. {error}") from error
        lines = script.read_text("utf-8").splitlines()
    row = lines[lines.index(_REVISION) + 1] if _REVISION in lines else _END
    return None if row == _END else row


def _restore_postgresql(db: Database, path: Path) -> None:
    """One transaction: drop what is there, whatever schema it has, and read the dump."""
    quote = db.engine.dialect.identifier_preparer.quote
    tables = inspect(db.engine).get_table_names()
    db.close()
    with tempfile.TemporaryDirectory() as folder:
        drop, script = Path(folder) / "drop.sql", Path(folder) / "restore.sql"
        drop.write_text("".join(f"DROP TABLE IF EXISTS {quote(table)} CASCADE;\n" for table in tables), "utf-8")
        _run("pg_restore", "--no-owner", "--no-privileges", f"--file={script}", str(path))
        _run(
            "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction",
            f"--file={drop}", f"--file={script}", db=db,
        )  # fmt: skip


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
