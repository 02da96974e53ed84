"""A session's log and versions as files for analysis, with a codebook made of the classes that write the log."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.engine import Database
from app.writing.events import CLIENT_EVENTS, server_events
from app.writing.models import Draft, EarlierPlacement, LoggedEvent, Version, VersionParent

ROWS_AT_ONCE = 500
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_UNSEEN = r"\s\u200b-\u200f\u2060\ufeff"
# Apostrophes before it count, so that taking one off again gives the text back.
_RUNS = re.compile(rf"['{_UNSEEN}]*[=+@＝＋－＠-]|'*[\t\r\n]")
"""What makes a spreadsheet run a cell; https://owasp.org/www-community/attacks/CSV_Injection"""

EVENT_COLUMNS = {
    "id": "Place in the log; larger is later.",
    "type": "Kind of event, one of the sections below.",
    "server_ms": "Server's clock when it was stored, milliseconds since 1970, UTC.",
    "client_ms": "Browser's clock when it happened, milliseconds since 1970, UTC; empty for the server's own events.",
    "writer_id": "Who: one browser, by its session cookie.",
    "draft_id": "The draft.",
    "version_id": "The version it was about.",
    "recorder": "The browser tab that recorded it; empty for the server's own events.",
    "seq": "Its number in that recorder, from 1, without holes.",
    "payload": "What is said of it below (JSON; in events.csv as text).",
    "participant_id": "The participant of a study; empty outside of one, as are the next three.",
    "condition": "The condition they were in, by its id in the protocol.",
    "topic": "The topic, by its id in the protocol.",
    "step": "The step, by its id in the protocol.",
}
VERSION_COLUMNS = {
    "id": "The version.",
    "draft_id": "Its draft.",
    "paragraph_id": "Its paragraph.",
    "number": "Its number in the draft, from 1, without holes.",
    "parents": "Ids of the versions it was made from (JSON).",
    "operation": "import, label, prompt, combine, manual or move.",
    "status": "written (the writer's own text in the draft), proposed, confirmed or discarded.",
    "label": "Label's id.",
    "strategy": "Strategy's id.",
    "text": "The paragraph's whole text.",
    "exposition": "T-score: 50 is the mean, 10 one standard deviation of the reference texts.",
    "engagement": "T-score, as exposition.",
    "spread": "Standard deviation over the scorer's ensemble, in the same units.",
    "scorer_id": "The scorer, with the hash of its weights.",
    "human_placement": "Where the writer put it by hand, on which scorer's map, and why (JSON).",
    "earlier_placements": "What earlier scorers measured, and until when that was its place, oldest first (JSON).",
    "flags": "What the app noticed about it (JSON list of words).",
    "model_id": "The model that wrote it.",
    "tuned_id": "The tuned layer in use, if any.",
    "prompt": "Messages and prefill sent to the model (JSON).",
    "prompt_hash": "SHA-256 of the prompt.",
    "sampling": "Sampling settings (JSON).",
    "seed": "Seed of the draw.",
    "generation_id": "The press of a label it came from.",
    "created_at": "When, ISO 8601, UTC.",
}


class ExportError(Exception):
    """The message is a sentence for the person at the command line."""


class WrongPath(ExportError):
    """Something is there already."""


class UnknownDraft(ExportError):
    """There is no draft with that id."""


def export(db: Database, path: Path, draft_id: str | None = None) -> dict[str, int]:
    """Write events.jsonl, events.csv, versions.csv, codebook.md and manifest.json into the new folder `path`, or into
    the zip file of that name when it ends in .zip; of one draft, or of all.

    Answers with the number of rows of each. What comes to stand at `path` is whole. Rows are streamed: memory does
    not grow with the log. Raises ExportError.
    """
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise WrongPath(f"{path} is already there. Name a file or a folder that isn't.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as scratch:
            folder = Path(scratch) / "export"
            folder.mkdir()
            counts = _write(db, folder, draft_id)
            result = _zip(folder) if path.suffix == ".zip" else folder
            result.rename(path)
    except OSError as error:
        raise ExportError(f"The export can't be written to {path}: {error.strerror or error}.") from error
    return counts


def _write(db: Database, folder: Path, draft_id: str | None) -> dict[str, int]:
    with db.read() as session:
        if draft_id is not None and session.get(Draft, draft_id) is None:
            raise UnknownDraft(f"There is no draft {draft_id}. Its id stands in the editor's address.")
        counts = {
            "events.jsonl": _jsonl(folder / "events.jsonl", _events(session, draft_id)),
            "events.csv": _csv(folder / "events.csv", EVENT_COLUMNS, _events(session, draft_id)),
            "versions.csv": _csv(folder / "versions.csv", VERSION_COLUMNS, _versions(session, draft_id)),
        }
    (folder / "codebook.md").write_text(codebook(), "utf-8")
    manifest = {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "draft_id": draft_id,
        "files": {file.name: _entry(file, counts.get(file.name)) for file in sorted(folder.iterdir())},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    return counts


def _entry(path: Path, rows: int | None) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"sha256": digest} if rows is None else {"rows": rows, "sha256": digest}


def _zip(folder: Path) -> Path:
    packed = folder.with_suffix(".zip")
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
    return packed


def _events(session: Session, draft_id: str | None) -> Iterator[dict[str, Any]]:
    query = select(LoggedEvent).order_by(LoggedEvent.id).execution_options(yield_per=ROWS_AT_ONCE)
    if draft_id is not None:
        query = query.where(LoggedEvent.draft_id == draft_id)
    for event in session.scalars(query):
        yield {name: getattr(event, name) for name in EVENT_COLUMNS}


def _versions(session: Session, draft_id: str | None) -> Iterator[dict[str, Any]]:
    query = select(Version).order_by(Version.draft_id, Version.number).execution_options(yield_per=ROWS_AT_ONCE)
    if draft_id is not None:
        query = query.where(Version.draft_id == draft_id)
    for versions in session.scalars(query).partitions():
        parents, earlier = _parents(session, versions), earlier_placements(session, versions)
        for version in versions:
            row = {name: getattr(version, name, None) for name in VERSION_COLUMNS}
            row |= {"parents": parents[version.id], "earlier_placements": earlier[version.id]}
            yield {**row, "created_at": version.created_at.isoformat()}


def _parents(session: Session, versions: Sequence[Version]) -> dict[str, list[str]]:
    query = (
        select(VersionParent)
        .where(VersionParent.version_id.in_([version.id for version in versions]))
        .order_by(VersionParent.ordinal)
    )
    found: dict[str, list[str]] = defaultdict(list)
    for edge in session.scalars(query):
        found[edge.version_id].append(edge.parent_id)
    return found


def earlier_placements(session: Session, versions: Sequence[Version]) -> dict[str, list[dict[str, Any]]]:
    query = (
        select(EarlierPlacement)
        .where(EarlierPlacement.version_id.in_([version.id for version in versions]))
        .order_by(EarlierPlacement.until, EarlierPlacement.id)
    )
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for placement in session.scalars(query):
        row = {name: getattr(placement, name) for name in ("exposition", "engagement", "spread", "scorer_id")}
        found[placement.version_id].append(row | {"until": placement.until.isoformat()})
    return found


def _jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for count, row in enumerate(rows, start=1):  # noqa: B007
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return count


def _csv(path: Path, columns: dict[str, str], rows: Iterable[dict[str, Any]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for count, row in enumerate(rows, start=1):  # noqa: B007
            writer.writerow(cell(row[name]) for name in columns)
    return count


def cell(value: Any) -> str | int | float | None:
    """JSON for lists and objects; text that a spreadsheet would run gets an apostrophe before it."""
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False)
    return f"'{value}" if isinstance(value, str) and _RUNS.match(value) else value


def plain(text: str) -> str:
    """What `cell` was given."""
    return text[1:] if text.startswith("'") and _RUNS.match(text[1:]) else text


def codebook() -> str:
    lines = [
        "# Codebook",
        "",
        "UTF-8 throughout. events.jsonl and events.csv hold the same rows. In the .csv files text that begins with "
        "= + - @ or their full-width forms, after white space too, a tab or a line end has an apostrophe put "
        "before it, so that no spreadsheet runs it; events.jsonl has every text as it was. Times are UTC. "
        "manifest.json has each file's number of rows and SHA-256.",
        "",
        "## Columns of events",
        "",
        *_table(EVENT_COLUMNS),
        "## Columns of versions.csv",
        "",
        *_table(VERSION_COLUMNS),
    ]
    for title, classes in (("noted by the browser", CLIENT_EVENTS), ("noted by the server", server_events())):
        lines += [f"## Events {title}", ""]
        for event in classes:
            fields = {
                name: f"{field.description or ''}"
                for name, field in event.model_fields.items()
                if name not in EVENT_COLUMNS
            }
            lines += [f"### `{event_type(event)}`", "", " ".join((event.__doc__ or "").split()), ""]
            lines += _table(fields) if fields else []
    return "\n".join(lines).rstrip() + "\n"


def event_type(event: type[BaseModel]) -> str:
    """The word that stands in the column `type`."""
    return str(get_args(event.model_fields["type"].annotation)[0])


def _table(rows: dict[str, str]) -> list[str]:
    return ["| name | meaning |", "|---|---|", *(f"| `{name}` | {text} |" for name, text in rows.items()), ""]
