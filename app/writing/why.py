"""Why a version stands where it does, and which label would move it most.

Which label is told from what was measured: how far the versions each label made in this draft stand from what they
were made from, else those of the writer's other drafts, else those of a benchmark (`python -m benchmarks.moves`). What
was measured on another scale counts for nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from math import hypot
from pathlib import Path
from typing import Literal

from sqlalchemy.orm import Session

from app.axes.types import Explanation
from app.writing import goals, landing, store
from app.writing import views as v
from app.writing.landing import Point, Region
from app.writing.models import Goal, Version

MOVES = Path(__file__).with_name("moves.json")
ENOUGH = 6
"""Versions a label has to have made before their mean says something: two presses."""
REASONS = 3
WORTH = 0.5
"""Points; a label that brings a text no nearer to its goal than this is not named."""

Source = Literal["draft", "writer", "benchmark"]


@dataclass(frozen=True)
class Move:
    """The mean over `n` versions that a label made, in points."""

    label: str
    engagement: float
    exposition: float
    n: int
    source: Source


@cache
def benchmark(scorer_id: str) -> tuple[Move, ...]:
    """As shipped; none for another scorer than the one the table was made with."""
    table = json.loads(MOVES.read_text("utf-8"))
    if table["scorer_id"] != scorer_id:
        return ()
    return tuple(Move(label=label, source="benchmark", **row) for label, row in table["labels"].items())


def moves(
    made: Iterable[tuple[str, str, float, float]], draft_id: str, table: Iterable[Move], labels: Collection[str]
) -> list[Move]:
    """One for each label there is a figure for. `made` has (draft, label, engagement, exposition) of each version."""
    found = {move.label: move for move in table if move.label in labels}
    here: dict[str, list[tuple[float, float]]] = defaultdict(list)
    anywhere: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for draft, label, x, y in made:
        if label in labels:
            anywhere[label].append((x, y))
            if draft == draft_id:
                here[label].append((x, y))
    counted: tuple[tuple[Source, dict[str, list[tuple[float, float]]]], ...] = (("writer", anywhere), ("draft", here))
    for source, by_label in counted:
        for label, ways in by_label.items():
            if len(ways) >= ENOUGH:
                x, y = (sum(part) / len(ways) for part in zip(*ways, strict=True))
                found[label] = Move(label, round(x, 1), round(y, 1), len(ways), source)
    return list(found.values())


def most(known: Iterable[Move], point: Point, region: Region | None) -> Move | None:
    """The label that would move the text farthest, or, where there is a goal, bring it nearest to it; None when none is
    known to do that."""

    def gain(move: Move) -> float:
        if region is None:
            return hypot(move.engagement, move.exposition)
        after = Point(point.engagement + move.engagement, point.exposition + move.exposition)
        return landing.distance(point, region) - landing.distance(after, region)

    best = max(known, key=gain, default=None)
    return best if best is not None and gain(best) >= WORTH else None


def text_of(session: Session, writer_id: str, version_id: str) -> str:
    """Raises Problem 404."""
    return store.version(session, writer_id, version_id).text


def why(
    session: Session, writer_id: str, version_id: str, explanation: Explanation, labels: Collection[str]
) -> v.WhyView:
    """`labels` are those that have a button. Raises Problem 404."""
    version: Version = store.version(session, writer_id, version_id)
    placement = explanation.placement
    goal: Goal | None = next((goal for goal in store.goals(session, version.draft_id) if goal.active), None)
    region = goals.region(goal) if goal else None
    point = Point(placement.engagement, placement.exposition)
    made = store.label_moves(session, writer_id, placement.scorer_id)
    best = most(moves(made, version.draft_id, benchmark(placement.scorer_id), labels), point, region)
    return v.WhyView.of(
        explanation,
        explanation.reasons[:REASONS],
        label=v.LabelMoveView(**vars(best)) if best else None,
        audience=goal.audience if goal else None,
        inside=region is not None and landing.distance(point, region) == 0,
    )
