"""Measuring versions: slow, so it is done with no transaction open."""

from __future__ import annotations

from collections.abc import Sequence

from app.axes.types import Placement, Scorer, Unplaceable
from app.writing import views as v
from app.writing.models import Version

Measured = tuple[dict[str, Placement], list[v.Unplaced]]
"""Placements by version, and why others have none."""


def measure(scorer: Scorer, versions: Sequence[Version]) -> Measured:
    placements: dict[str, Placement] = {}
    problems = []
    try:
        found = scorer.score([x.text for x in versions])
        placements = {x.id: placement for x, placement in zip(versions, found, strict=True)}
    except Unplaceable:
        for x in versions:
            try:
                placements[x.id] = scorer.score([x.text])[0]
            except Unplaceable as problem:
                problems.append(v.Unplaced(paragraph_id=x.paragraph_id, code="unplaceable", detail=str(problem)))
    return placements, problems
