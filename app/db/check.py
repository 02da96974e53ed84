"""Looking for damage. What must hold is said by small classes, one a rule; each room adds its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.db import schema
from app.db.engine import Database

SHOWN = 20
"""Findings told of one rule; a damaged database has thousands, and they say the same."""


class Invariant(ABC):
    """Something that must hold. Defining a subclass adds it to every check; its docstring says what it is."""

    all: ClassVar[list[type[Invariant]]] = []

    def __init_subclass__(cls) -> None:
        Invariant.all.append(cls)

    @abstractmethod
    def broken(self, session: Session) -> Iterator[str]:
        """Where it does not hold, each as a sentence."""


def check(database: Database) -> list[str]:
    """Empty when all is well."""
    try:
        findings = _file(database)
        if findings:
            return findings
        found, newest = schema.revision(database), schema.known_revisions()[-1]
        if found != newest:
            return [f"The schema is {found or 'missing'}, not {newest}. Run `spatialbalancing db upgrade`."]
        with database.read() as session:
            for rule in Invariant.all:
                broken = list(rule().broken(session))
                findings += [f"{rule.__name__}: {sentence}" for sentence in broken[:SHOWN]]
                if len(broken) > SHOWN:
                    findings.append(f"{rule.__name__}: and {len(broken) - SHOWN} more.")
    except DBAPIError as error:
        return [f"The database can't be read: {str(error.orig).strip()}"]
    return findings


def _file(database: Database) -> list[str]:
    """SQLite looks through its file; PostgreSQL has checksums and tools of its own."""
    if not database.sqlite:
        return []
    with database.read() as session:
        damage = [row[0] for row in session.execute(text("PRAGMA integrity_check"))]
        dangling = session.execute(text("PRAGMA foreign_key_check")).all()
    findings = [f"The file is damaged: {line}" for line in damage if line != "ok"]
    return findings + [f"Row {row[1]} of {row[0]} points at a row of {row[2]} that is not there." for row in dangling]
