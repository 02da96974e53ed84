"""A session told again from its log: what stood in the draft, what on the canvas, and what was typed, at every moment.

The server's events carry the state (app/writing/invariants.py tells it), the browser's keystrokes what lies between two
saves. A version's text stands beside the log under its id, and the log has its SHA-256.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from app.study import records
from app.writing import invariants, store
from app.writing.events import CLIENT_EVENTS, server_events
from app.writing.export import event_type
from app.writing.invariants import State
from app.writing.models import Draft, Version

MOST_WORDS = 60
"""Characters of a text that the list of events shows."""


@dataclass(frozen=True)
class Row:
    """A row of the log; `at` is when it happened by the server's clock, milliseconds since 1970."""

    id: int
    at: int
    kind: str
    payload: Mapping[str, Any]
    version_id: str | None
    by_browser: bool


@dataclass
class Typing:
    """The text that stands in the editor, between saves. `agree` of `saves` saves were of the text that the keystrokes
    before them had made."""

    texts: dict[str, str] = field(default_factory=dict)
    saves: int = 0
    agree: int = 0

    def edit(self, payload: Mapping[str, Any]) -> None:
        paragraph = payload["paragraph_id"]
        text = self.texts.get(paragraph, "").encode("utf-16-le")
        at, end = 2 * payload["at"], 2 * payload["at"] + len(payload["removed"].encode("utf-16-le"))
        made = text[:at] + payload["inserted"].encode("utf-16-le") + text[end:]
        self.texts[paragraph] = made.decode("utf-16-le", "replace")

    def saved(self, paragraph: str, text: str) -> None:
        self.saves += 1
        self.agree += self.texts.get(paragraph, "") == text
        self.texts[paragraph] = text


# ── the log in the order in which it happened ──────────────────────────────────────────────────────────────────────


def in_order(log: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The browser's events come a moment late and by its own clock. Each recorder's is set right by the quickest of its
    deliveries; then keystrokes stand before the save that holds them. The server's own keep their order."""
    rows = list(log)
    lag: dict[str, int] = {}
    for row in rows:
        if row["recorder"] is not None:
            late = row["server_ms"] - row["client_ms"]
            lag[row["recorder"]] = min(late, lag.get(row["recorder"], late))
    found = []
    for row in rows:
        own = row["recorder"] is not None
        at = row["client_ms"] + lag[row["recorder"]] if own else row["server_ms"]
        found.append(Row(row["id"], at, row["type"], row["payload"], row["version_id"], own))
    # What the browser noted in the same millisecond led to what the server did.
    return sorted(found, key=lambda row: (row.at, not row.by_browser, row.id))


# ── checks ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def findings(session: Session, draft_id: str) -> list[str]:
    """Where the state that the log tells differs from the stored one, as sentences; empty when nowhere.

    Raises KeyError for a draft that isn't there.
    """
    draft = session.get(Draft, draft_id)
    if draft is None:
        raise KeyError(f"There is no draft {draft_id}.")
    return list(invariants.differences(draft_id, invariants.told(session, draft_id), invariants.stored(session, draft)))


def keystrokes(rows: Iterable[Row], texts: Mapping[str, str]) -> Typing:
    """Type it all again. `texts` are the versions' by id."""
    typing = Typing()
    for row in rows:
        _type(typing, row, texts)
    return typing


def _type(typing: Typing, row: Row, texts: Mapping[str, str]) -> None:
    if row.kind == "text.edit":
        typing.edit(row.payload)
    elif row.kind == "version.created" and row.payload["head"]:
        text = texts.get(str(row.version_id), "")
        if row.payload["operation"] == "manual":
            typing.saved(row.payload["paragraph_id"], text)
        else:
            typing.texts[row.payload["paragraph_id"]] = text
    elif row.kind == "version.confirmed":
        typing.texts[row.payload["paragraph_id"]] = texts.get(str(row.version_id), "")
    elif row.kind in ("step.undone", "step.redone"):
        for change in row.payload["changes"]:
            if change["what"] == "head":
                typing.texts[change["id"]] = texts.get(str(change["value"]), "")


# ── for the player ─────────────────────────────────────────────────────────────────────────────────────────────────


def feed(session: Session, draft_id: str) -> dict[str, Any]:
    """Everything the player shows: the versions' texts and places, and each event with its time in milliseconds from
    the first one, what it was in words, and what it changed. Raises KeyError.

    A change is a dict with some of: title, order (paragraph ids), heads, canvas (paragraph id: whether), status and
    archived (by version id), placed (a version id), edit (paragraph id, place and length in UTF-16 units, text), range.
    """
    draft = session.get(Draft, draft_id)
    if draft is None:
        raise KeyError(f"There is no draft {draft_id}.")
    versions = records.versions(session, draft_id)
    parents = store.all_parents(session, draft_id)
    texts = {version.id: version.text for version in versions}
    rows = in_order(records.log(session, draft_id))
    typing = keystrokes(rows, texts)
    began = rows[0].at if rows else 0
    numbers = {version.id: version.number for version in versions}
    return {
        "draft": draft.id,
        "title": draft.title,
        "began": began,
        "lasted": rows[-1].at - began if rows else 0,
        "versions": {version.id: _version(version, parents.get(version.id, [])) for version in versions},
        "kinds": kinds(),
        "events": [
            {"t": row.at - began, "id": row.id, "type": row.kind, "words": words(row, numbers), "change": change}
            for row, change in zip(rows, changes(rows), strict=True)
        ],
        "typing": {"saves": typing.saves, "agree": typing.agree},
        "findings": findings(session, draft_id),
    }


def _version(version: Version, parents: list[str]) -> dict[str, Any]:
    point = store.point(version, version.scorer_id)
    return {
        "number": version.number,
        "paragraph": version.paragraph_id,
        "operation": version.operation,
        "label": version.label,
        "parents": parents,
        "text": version.text,
        "at": [point.engagement, point.exposition] if point else None,
    }


def changes(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """What each event changes of what is seen."""
    state = State()
    for row in rows:
        if row.by_browser:
            yield _seen(row)
            continue
        before = _shown(state)
        state.take(row.kind, dict(row.payload), row.version_id)
        change = _difference(before, _shown(state))
        if row.kind == "version.placed":
            change["placed"] = row.version_id
        yield change


def _seen(row: Row) -> dict[str, Any]:
    if row.kind == "text.edit":
        gone = len(row.payload["removed"].encode("utf-16-le")) // 2
        return {"edit": [row.payload["paragraph_id"], row.payload["at"], gone, row.payload["inserted"]]}
    if row.kind in ("canvas.panned", "canvas.zoomed"):
        return {"range": row.payload["range"]}
    return {"open": row.version_id} if row.kind == "node.opened" else {}


def _shown(state: State) -> dict[str, Any]:
    return {
        "title": state.title,
        "order": list(state.order),
        "heads": dict(state.heads),
        "canvas": dict.fromkeys(state.on_canvas, True),
        "status": {version: status for version, (status, _) in state.versions.items()},
        "archived": dict.fromkeys(state.archived, True),
    }


def _difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, new in after.items():
        old = before[name]
        if old == new:
            continue
        if isinstance(new, dict):
            gone = {key: False if name in ("canvas", "archived") else None for key in old if key not in new}
            found[name] = {**{key: value for key, value in new.items() if old.get(key) != value}, **gone}
        else:
            found[name] = new
    return found


def kinds() -> dict[str, str]:
    """What each kind of event is, in one sentence, from its class."""
    return {event_type(event): " ".join((event.__doc__ or "").split()) for event in (*CLIENT_EVENTS, *server_events())}


def words(row: Row, numbers: Mapping[str, int]) -> str:
    """What happened, for the list of events."""
    number = numbers.get(row.version_id or "")
    tell = _WORDS.get(row.kind)
    if tell is None:
        return row.kind.replace(".", " ").replace("_", " ").replace("-", " ")
    return tell(row.payload, f"version {number}" if number else "a version")


def _typed(payload: Mapping[str, Any], _version: str) -> str:
    parts = {"typed": payload["inserted"], "deleted": payload["removed"]}
    return ", ".join(f"{verb} “{_short(text)}”" for verb, text in parts.items() if text) or "typed"


def _asked(payload: Mapping[str, Any], version: str) -> str:
    own = f": “{_short(payload['prompt'])}”" if payload["prompt"] else ""
    return f"asked for {payload['label']} of {version}{own}"


_WORDS: dict[str, Callable[[Mapping[str, Any], str], str]] = {
    "text.edit": _typed,
    "generation.created": _asked,
    "label.pressed": lambda payload, _: f"pressed {payload['label']}",
    "node.hovered": lambda payload, version: f"looked at {version} for {payload['ms'] / 1000:.1f} s",
    "node.opened": lambda _, version: f"opened {version}",
    "version.created": lambda payload, version: f"{version} came to be ({payload['operation']})",
    "version.placed": lambda _, version: f"{version} was measured",
    "version.confirmed": lambda _, version: f"{version} was confirmed",
    "version.discarded": lambda _, version: f"{version} was discarded",
    "version.restored": lambda _, version: f"{version} was taken back",
    "version.archived": lambda _, version: f"{version} was archived",
    "version.unarchived": lambda _, version: f"{version} was brought back",
    "step.undone": lambda payload, _: f"undone: {payload['kind']}",
    "step.redone": lambda payload, _: f"redone: {payload['kind']}",
}


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= MOST_WORDS else f"{plain[:MOST_WORDS]}…"
