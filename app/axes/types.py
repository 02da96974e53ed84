"""Where a text stands on the canvas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Placement:
    """A point on the canvas, in T-score units: 50 is the mean and 10 one standard deviation of the reference passages.

    `spread` is the standard deviation of both coordinates over the scorer's ensemble, pooled, in the same units.
    """

    exposition: float
    engagement: float
    spread: float
    scorer_id: str


class Unplaceable(ValueError):
    """The text can't be placed; the message says why, for a person."""


class Scorer(Protocol):
    """Scoring always runs on untuned base weights: the same text gets the same point whatever model wrote it."""

    @property
    def scorer_id(self) -> str: ...

    def load(self) -> None:
        """Make the scorer ready; returns at once when it is. Raises `app.llm.types.EngineError`."""
        ...

    def score(self, texts: Sequence[str]) -> list[Placement]:
        """One placement a text, in order; raises Unplaceable for a text without a word in it."""
        ...
