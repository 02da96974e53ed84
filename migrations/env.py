"""Alembic's environment: the database comes from the settings, or from the caller (app/db/schema.py)."""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

import app.main  # noqa: F401  (every room's tables are known once the app is imported)
from app.db.base import Base
from app.db.engine import Database
from app.settings import Settings

database: Database = context.config.attributes.get("database") or Database(Settings().db_url)

# Two servers starting at once upgrade one after the other: SQLite by the write lock, taken before the schema's version
# is read; PostgreSQL by a lock of its own.
with database.engine.execution_options(begin="BEGIN IMMEDIATE").connect() as connection:
    if database.sqlite:
        # Changing a table means making it anew on SQLite; with foreign keys on, dropping the old one would
        # delete what points at it. The pragma works outside a transaction only.
        cursor = connection.connection.cursor()
        cursor.execute("PRAGMA foreign_keys = OFF")
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=database.sqlite,
        compare_type=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        if not database.sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(7270)"))
        context.run_migrations()
    connection.commit()
    if database.sqlite:
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()
