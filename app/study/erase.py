"""Deleting a person wholly: no row and no text of theirs is left in the database.

What belongs to a person is found by following every foreign key from their writer's and their participant's row, so
that a table added later is not forgotten. The log has no foreign keys and is looked through by its own columns.
"""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Table, delete, or_, select, tuple_, update
from sqlalchemy.orm import Session

from app.db.base import Base
from app.db.engine import Database
from app.study import records, store
from app.study.models import Participant, Receipt, Study
from app.writing.models import LoggedEvent, Writer

AT_ONCE = 500
"""Values in one IN (…); SQLite takes some thousands."""
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def code() -> str:
    """For receipts and at the end, such that it can be read out: twelve signs in three groups, without those that look
    alike (60 random bits)."""
    signs = "".join(secrets.choice(_LETTERS) for _ in range(12))
    return "-".join(signs[i : i + 4] for i in (0, 4, 8))


def delete_participant(session: Session, participant_id: str) -> Receipt:
    """By a facilitator, at any moment. Raises Problem 404."""
    return erase(session, store.hold_participant(session, participant_id), "deleted")


def erase(session: Session, participant: Participant, kind: str) -> Receipt:
    """The receipt says how much went, and nothing of whose it was."""
    study = store.hold_study(session, participant.study_id)
    session.flush()
    if session.get_bind().dialect.name == "sqlite":
        session.connection().exec_driver_sql("PRAGMA secure_delete = ON")
    writer_id = participant.writer_id
    counts: dict[str, int] = {}
    own = LoggedEvent.participant_id == participant.id
    mine = or_(own, LoggedEvent.writer_id == writer_id) if writer_id else own
    counts["event"] = session.execute(delete(LoggedEvent).where(mine)).rowcount  # type: ignore[attr-defined]
    first: dict[Table, set[Any]] = {_table(Participant): {participant.id}}
    if writer_id is not None:
        first[_table(Writer)] = {writer_id}
    counts |= _delete(session, _belonging(session, first))
    session.expire_all()
    receipt = Receipt(study_id=study.id, code=code(), kind=kind, counts=dict(sorted(counts.items())))
    session.add(receipt)
    session.flush()
    return receipt


def erase_study(session: Session, study_id: str) -> dict[str, int]:
    """The study and everyone in it, receipts too; how many rows went, by table."""
    counts = Counter({"study": 1})
    for person in records.participants(session, study_id):
        counts.update(erase(session, person, "deleted").counts)
    session.execute(delete(Receipt).where(Receipt.study_id == study_id))
    session.execute(delete(Study).where(Study.id == study_id))
    return dict(counts)


def _table(model: type[Base]) -> Table:
    table = model.__table__
    assert isinstance(table, Table)
    return table


def _belonging(session: Session, first: dict[Table, set[Any]]) -> dict[Table, set[tuple[Any, ...]]]:
    """Primary keys of all rows that point at these, and of those that point at them, and so on.

    Each is held before what points at it is looked for: on PostgreSQL a request under way comes first or finds it gone.
    """
    for table, ids in first.items():
        session.execute(
            select(*table.primary_key.columns).where(table.primary_key.columns[0].in_(ids)).with_for_update()
        )
    found: dict[Table, set[tuple[Any, ...]]] = defaultdict(set)
    for table, ids in first.items():
        found[table] = {(i,) for i in ids}
    fresh = {table: set(keys) for table, keys in found.items()}
    while fresh:
        next_fresh: dict[Table, set[tuple[Any, ...]]] = defaultdict(set)
        for table in Base.metadata.tables.values():
            for column in table.columns:
                for key in column.foreign_keys:
                    pointed = [row[0] for row in fresh.get(key.column.table, ())]
                    for some in _parts(pointed):
                        wanted = select(*table.primary_key.columns).where(column.in_(some))
                        rows = session.execute(wanted.with_for_update())
                        next_fresh[table] |= {tuple(row) for row in rows} - found[table]
        for table, keys in next_fresh.items():
            found[table] |= keys
        fresh = {table: keys for table, keys in next_fresh.items() if keys}
    return {table: keys for table, keys in found.items() if keys}


def _delete(session: Session, doomed: dict[Table, set[tuple[Any, ...]]]) -> dict[str, int]:
    """Rows point at each other in circles; what may be empty is emptied first, then who points goes before whom."""
    for table, rows in doomed.items():
        loose = [c.name for c in table.columns if c.foreign_keys and c.nullable]
        for part in _parts(rows) if loose else ():
            session.execute(update(table).where(_is_one_of(table, part)).values(dict.fromkeys(loose)))
    left, counts = dict(doomed), {}
    while left:
        free = [table for table in left if not any(_needs(other, table) for other in left if other is not table)]
        assert free, f"tables that need each other: {[table.name for table in left]}"
        for table in free:
            for part in _parts(left[table]):
                session.execute(delete(table).where(_is_one_of(table, part)))
            counts[table.name] = len(left.pop(table))
    return counts


def _needs(table: Table, other: Table) -> bool:
    return any(key.column.table is other and not key.parent.nullable for key in table.foreign_keys)


def _is_one_of(table: Table, keys: list[tuple[Any, ...]]) -> Any:
    columns = list(table.primary_key.columns)
    if len(columns) == 1:
        return columns[0].in_([key[0] for key in keys])
    return tuple_(*columns).in_(keys)


def _parts(values: Iterable[Any]) -> Iterator[list[Any]]:
    listed = list(values)
    for start in range(0, len(listed), AT_ONCE):
        yield listed[start : start + AT_ONCE]


def scrub(database: Database) -> None:
    """After an erasure was committed: SQLite's file and its write-ahead log keep nothing of what was deleted.
    PostgreSQL has its own vacuum, which runs by itself."""
    if not database.sqlite:
        return
    connection = database.engine.raw_connection()
    try:
        for statement in ("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
            connection.cursor().execute(statement).fetchall()
    finally:
        connection.close()
