"""Migrations: up from nothing on both databases, and no difference left between the tables and the models."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from sqlalchemy import inspect, text

import app.main  # noqa: F401  (knows every table)
from app.db import schema
from app.db.base import Base
from app.db.engine import Database
from app.settings import PROJECT_ROOT

A_WRITER = "INSERT INTO writer (id, token_hash, created_at, seen_at) VALUES ('w', 'h', '2026-01-01', '2026-01-01')"


@pytest.fixture
def database(empty_db_url: str) -> Iterator[Database]:
    database = Database(empty_db_url)
    yield database
    database.close()


def test_up_from_nothing_and_no_migration_is_missing(database: Database) -> None:
    assert schema.revision(database) is None
    schema.upgrade(database)
    assert schema.revision(database) == schema.known_revisions()[-1]
    assert schema.check(database) is None
    assert set(inspect(database.engine).get_table_names()) == {*Base.metadata.tables, "alembic_version"}


def test_every_key_of_the_models_is_in_the_database(database: Database) -> None:
    schema.upgrade(database)
    found = inspect(database.engine)
    for name, table in Base.metadata.tables.items():
        wanted = {(fk.parent.name, fk.column.table.name) for fk in table.foreign_keys}
        there = {(fk["constrained_columns"][0], fk["referred_table"]) for fk in found.get_foreign_keys(name)}
        assert there == wanted, name


def test_a_missing_migration_would_be_found(database: Database) -> None:
    schema.upgrade(database)
    with database.write() as session:
        session.execute(text("ALTER TABLE draft DROP COLUMN title"))
    assert "title" in str(schema.check(database))


def test_again_changes_nothing(database: Database) -> None:
    schema.upgrade(database)
    with database.write() as session:
        session.execute(text(A_WRITER))
    schema.upgrade(database)
    with database.read() as session:
        assert session.execute(text("SELECT count(*) FROM writer")).scalar() == 1


def test_a_later_releases_database_is_not_touched(database: Database) -> None:
    schema.upgrade(database)
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(schema.NewerSchema, match="9999"):
        schema.upgrade(database)


def test_two_servers_starting_at_once_upgrade_one_after_the_other(empty_db_url: str) -> None:
    code = (
        "import sys; from app.db import schema; from app.db.engine import Database; import app.main\n"
        "db = Database(sys.argv[1]); print(flush=True); sys.stdin.readline(); schema.upgrade(db)"
    )
    command = [sys.executable, "-c", code, empty_db_url]
    pipe = subprocess.PIPE
    servers = [
        subprocess.Popen(command, cwd=PROJECT_ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in "ab"
    ]
    for server in servers:
        assert server.stdout
        server.stdout.readline()
    for server in servers:
        assert server.stdin
        server.stdin.write("\n")
        server.stdin.flush()
    said = [server.communicate(timeout=300)[1] for server in servers]
    assert [server.returncode for server in servers] == [0, 0], said
