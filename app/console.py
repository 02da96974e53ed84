"""What the commands of all rooms share: settings, a database, and an end in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from app.db.engine import Database
    from app.settings import Settings


def settings() -> Settings:
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from app.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        fields = {str(found["loc"][0]).upper().removeprefix("SPATIAL_"): found["msg"] for found in error.errors()}
        either = {"HOST": "HOST (or SPATIAL_HOST)", "PORT": "PORT (or SPATIAL_PORT)"}
        wrong = " ".join(f"{either.get(x, f'SPATIAL_{x}')} can't be right: {why}." for x, why in fields.items())
        fail(f"{wrong} docs/settings.md says what each setting takes.", 2)
    except SettingsError as error:
        fail(f"{error}. docs/settings.md says what each setting takes.", 2)


@contextmanager
def database(of: Settings) -> Iterator[Database]:
    from sqlalchemy.exc import ArgumentError, DBAPIError

    from app.db.engine import Database

    try:
        db = Database(of.db_url)
    except (ArgumentError, ImportError) as error:
        fail(f"SPATIAL_DATABASE_URL is no database address SQLAlchemy knows ({error}). See docs/settings.md.", 2)
    except OSError as error:
        fail(f"{of.data_dir} can't be used: {error.strerror or error}. Set SPATIAL_DATA_DIR to another folder.")
    try:
        yield db
    except DBAPIError as error:
        fail(f"The database at {db.url.render_as_string()} can't be used: {str(error.orig).strip()}")
    finally:
        db.close()


def upgrade(db: Database) -> None:
    from app.db import schema

    try:
        schema.upgrade(db)
    except schema.NewerSchema as error:
        fail(str(error))


def fail(message: str, status: int = 1) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(status)
