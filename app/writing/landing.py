"""Where a draft should land and how far it is from there: pure functions on the canvas, in points (50 is the mean, 10
one standard deviation of the reference texts)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Any

NEAR, FAR = 3.0, 8.0
"""Points outside a region up to which it is missed by a little, and from which it is missed by far."""


@dataclass(frozen=True)
class Point:
    engagement: float
    exposition: float


@dataclass(frozen=True)
class Region:
    """A rectangle of the canvas; each side is (low, high)."""

    engagement: tuple[float, float]
    exposition: tuple[float, float]


@dataclass(frozen=True)
class Text:
    """A version as its place on the canvas goes: `point` is None while it is not measured, and where another scorer
    placed it than the one whose points are told (`elsewhere`)."""

    words: int
    point: Point | None
    parent: str | None
    elsewhere: bool = False


@dataclass(frozen=True)
class Happened:
    """A row of the log; `at` is in milliseconds since 1970, UTC."""

    at: int
    kind: str
    payload: Mapping[str, Any]
    version_id: str | None


@dataclass(frozen=True)
class Waypoint:
    """Where the draft stood after a change of a head. `why`: imported, typed, removed, confirmed, undone or redone."""

    at: int
    point: Point
    why: str


def gap(point: Point, region: Region) -> Point:
    """What the point lacks on each axis to be inside, positive for more and negative for less."""
    return Point(_lacks(point.engagement, region.engagement), _lacks(point.exposition, region.exposition))


def _lacks(value: float, side: tuple[float, float]) -> float:
    low, high = side
    return low - value if value < low else min(0.0, high - value)


def distance(point: Point, region: Region) -> float:
    """To the nearest place inside; 0 for a point that is inside."""
    lacks = gap(point, region)
    return hypot(lacks.engagement, lacks.exposition)


def needs(point: Point, region: Region) -> str:
    """What would bring it inside, in words; empty where it is inside."""
    lacks = gap(point, region)
    parts = [
        f"{'more' if value > 0 else 'less'} {name}"
        for name, value in (("exposition", lacks.exposition), ("engagement", lacks.engagement))
        if value
    ]
    return " and ".join(parts)


def how_far(point: Point, region: Region) -> str:
    """inside, a little outside, outside, or far outside."""
    away = distance(point, region)
    if away == 0:
        return "inside"
    return "a little outside" if away <= NEAR else "far outside" if away >= FAR else "outside"


def whole(parts: Iterable[tuple[int, Point]]) -> Point | None:
    """The mean of (words, point) pairs, weighted by words; None where nothing has a word."""
    counted = [(words, point) for words, point in parts if words > 0]
    total = sum(words for words, _ in counted)
    if not total:
        return None
    return Point(
        sum(words * point.engagement for words, point in counted) / total,
        sum(words * point.exposition for words, point in counted) / total,
    )


def place(version_id: str, texts: Mapping[str, Text]) -> Point | None:
    """Its own point, or its nearest measured ancestor's until it has one; none where its own is on another scale."""
    at: str | None = version_id
    while at is not None and at in texts and not texts[at].elsewhere:
        if texts[at].point is not None:
            return texts[at].point
        at = texts[at].parent
    return None


def trajectory(log: Sequence[Happened], texts: Mapping[str, Text]) -> list[Waypoint]:
    """The way of the whole draft, oldest first.

    A text stands where it measures, whenever that was done. Stages of typing that were never measured are no
    waypoints, and texts that came in together are one.
    """
    heads: dict[str, str] = {}
    way: list[Waypoint] = []
    for event in log:
        why = _turn(event, heads, texts)
        if why is None:
            continue
        parts = [(texts[head].words, place(head, texts)) for head in heads.values() if head in texts]
        point = whole((words, at) for words, at in parts if at is not None)
        if point is None:
            continue
        if way and way[-1].why == why == "imported":
            way[-1] = Waypoint(event.at, point, why)
        elif not way or way[-1].point != point:
            way.append(Waypoint(event.at, point, why))
    return way


def _turn(event: Happened, heads: dict[str, str], texts: Mapping[str, Text]) -> str | None:
    """Change the heads as the event says; gives why the draft may stand elsewhere now, or None."""
    match event.kind:
        case "version.created" if event.payload["head"]:
            head = str(event.version_id)
            heads[event.payload["paragraph_id"]] = head
            if event.payload["operation"] == "import":
                return "imported"
            if event.payload["removed"]:
                return "removed"
            return "typed" if head in texts and texts[head].point is not None else None
        case "version.confirmed":
            heads[event.payload["paragraph_id"]] = str(event.version_id)
            return "confirmed"
        case "step.undone" | "step.redone":
            changed = [change for change in event.payload["changes"] if change["what"] == "head"]
            for change in changed:
                if change["value"] is None:
                    heads.pop(change["id"], None)
                else:
                    heads[change["id"]] = change["value"]
            return event.kind.removeprefix("step.") if changed else None
    return None
