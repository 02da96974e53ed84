"""Where a text stands on the canvas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Axis = Literal["exposition", "engagement"]


@dataclass(frozen=True)
class Placement:
    """A point on the canvas, in T-score units: 50 is the mean and 10 one standard deviation of the reference passages.

    `spread` is the standard deviation of both coordinates over the scorer's ensemble, pooled, in the same units.
    """

    exposition: float
    engagement: float
    spread: float
    scorer_id: str


@dataclass(frozen=True)
class SentenceShare:
    """What one sentence adds: the point with it less the point without it, in points of the canvas.

    `start` and `end` are offsets into the text. A paragraph of one sentence is compared with an ordinary passage (50).
    """

    start: int
    end: int
    exposition: float
    engagement: float


@dataclass(frozen=True)
class Reason:
    """Why a text stands where it stands: `points` on `axis`, away from an ordinary passage, for `name`.

    `name` is a strategy or feature of the scorer (its words for people are in static/js/words.js), or the axis itself
    where the text is below an ordinary passage and no sentence stands out; `sentence` is the index of the sentence it
    is seen in, or None where it belongs to the whole text; `evidence` are words of the text that show it, possibly
    none.
    """

    axis: Axis
    name: str
    points: float
    sentence: int | None
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    """`reasons` are the strongest first, over both axes."""

    placement: Placement
    sentences: tuple[SentenceShare, ...]
    reasons: tuple[Reason, ...]


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

    def explain(self, text: str) -> Explanation:
        """Why `text` is where it is; the placement is the one `score` gives. Raises Unplaceable."""
        ...
