"""The schema's version: bring a database up to it, and see that no migration is missing."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from app.db.engine import Database
from app.settings import PROJECT_ROOT


class NewerSchema(Exception):
    """The database was written by a later release than this one."""


def _config(database: Database | None = None) -> Config:
    config = Config(toml_file=PROJECT_ROOT / "pyproject.toml")
    config.attributes["database"] = database
    return config


def known_revisions() -> list[str]:
    """Oldest first."""
    script = ScriptDirectory.from_config(_config())
    return [revision.revision for revision in script.walk_revisions()][::-1]


def revision(database: Database) -> str | None:
    """Of the database; None where it has no tables yet."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(database: Database, target: str = "head") -> None:
    """Raises NewerSchema."""
    found = revision(database)
    if found is not None:
        known = known_revisions()
        if found not in known:
            raise NewerSchema(
                f"The database is at schema {found}, which this release does not know. "
                "Use the release that wrote it, or a later one."
            )
        if target == "head" and found == known[-1]:
            return
    command.upgrade(_config(database), target)


def check(database: Database) -> str | None:
    """Alembic's own `check`: None when no migration is missing, else what it says."""
    try:
        command.check(_config(database))
    except CommandError as problem:
        return str(problem)
    return None
