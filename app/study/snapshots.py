"""Copies of the whole database, each taken before a person is deleted and gone as soon as the deletion is whole: it
holds them. What is found here is left of a deletion that broke off."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.db.backup import BackupError, backup
from app.db.engine import Database
from app.web.errors import Problem


def take(database: Database, data_dir: Path) -> Path:
    """Raises Problem 507, and then there is none."""
    ending = "sqlite3" if database.sqlite else "dump"
    path = _folder(data_dir) / f"before-delete-{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z.{ending}"
    try:
        backup(database, path)
    except BackupError as error:
        raise Problem(
            507, "no-snapshot", f"Nothing was deleted, because no snapshot could be taken first. {error}"
        ) from error
    return path


def listed(data_dir: Path) -> list[dict[str, Any]]:
    """The latest first."""
    return [
        {"name": path.name, "at": datetime.fromtimestamp(path.stat().st_mtime, UTC), "bytes": path.stat().st_size}
        for path in sorted(_all(data_dir), reverse=True)
    ]


def forget(data_dir: Path, name: str | None = None) -> None:
    """All of them: an earlier one holds whoever was deleted later. Or the one of this name."""
    for path in _all(data_dir):
        if name in (None, path.name):
            path.unlink(missing_ok=True)


def _all(data_dir: Path) -> list[Path]:
    return list(_folder(data_dir).glob("before-delete-*"))


def _folder(data_dir: Path) -> Path:
    return data_dir / "backups"
