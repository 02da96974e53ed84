"""From sentence vectors to a point: an ensemble of linear heads, and how a paragraph's sentences add up.

1. A head gives a score for each of seven writing strategies (August et al., EMNLP 2020), standardised over the
   training quotes, so that a rare strategy weighs as much as a common one.
2. A sentence's raw score on an axis is that of the axis's strongest strategy in it, bounded to +-BOUND by tanh: a
   linear head extrapolates wildly on a sentence of four words.
3. A paragraph's raw score is a soft maximum over its sentences, SHARPNESS * log(sum(w * exp(score / SHARPNESS))), w a
   sentence's share of the words: one strong sentence counts for more than its share, a weak one dilutes it a little.
   Maximum and soft maximum keep the axes apart, where plain means leave one diagonal (figures in docs/axes.md).
4. T-score: 50 + 10 * (raw - mean) / sd over the reference passages, so 50 is an ordinary passage of science news.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

STRATEGIES = ("EXPL", "MAIN", "IMPACT", "LEAD", "STORY", "PERSONAL", "ANALOGY")
EXPOSITION = (0, 1, 2)
ENGAGEMENT = (3, 4, 5, 6)
AXES = (EXPOSITION, ENGAGEMENT)
SHARPNESS = 1.0
BOUND = 2.5


class Point(NamedTuple):
    """In T-score units; `spread` is the standard deviation of both coordinates over the members, pooled."""

    exposition: float
    engagement: float
    spread: float


@dataclass(frozen=True)
class Heads:
    """An ensemble of `members` linear heads over sentence vectors of `width` columns.

    `coef` has shape (members, 7, width) and `bias` (members, 7), in standardised scores; `mean` and `sd` have shape
    (2,): the ensemble's raw scores over the reference passages, exposition first. `platt` has shape (7, 2): slope and
    intercept from the members' mean score to log-odds (Platt 1999). `centre` has shape (features,), the training
    quotes' mean of the last columns, those that a person can read (none for MiniLM); `widen`, shape (1,), is what the
    members' disagreement is multiplied by to become the spread. `card` says what they were fitted on.
    """

    coef: Array
    bias: Array
    mean: Array
    sd: Array
    platt: Array
    centre: Array
    widen: Array
    card: dict[str, str]
    sha256: str

    @classmethod
    def load(cls, path: Path) -> Heads:
        """Reads a safetensors file written by `save`."""
        from safetensors import safe_open

        with safe_open(path, framework="np") as file:
            parts = {key: file.get_tensor(key).astype(np.float64) for key in file.keys()}  # noqa: SIM118 (not a dict)
            card = dict(file.metadata() or {})
        return cls(**parts, card=card, sha256=hashlib.sha256(path.read_bytes()).hexdigest())

    def save(self, path: Path) -> None:
        """Coefficients are kept in fp16, which moves a point by less than 0.02. `sha256` is that of the file."""
        from safetensors.numpy import save_file

        small = ("bias", "mean", "sd", "platt", "centre", "widen")
        tensors = {name: getattr(self, name).astype(np.float32) for name in small}
        save_file(tensors | {"coef": self.coef.astype(np.float16)}, path, metadata=self.card)

    def log_odds(self, vectors: npt.NDArray[np.float32]) -> Array:
        """Standardised scores, shape (sentences, members, 7), of sentence vectors, shape (sentences, width)."""
        return np.asarray(np.einsum("sh,mkh->smk", vectors.astype(np.float64), self.coef, optimize=True) + self.bias)

    def probabilities(self, log_odds: Array) -> Array:
        """Shape (sentences, 7): how likely an annotator gave the strategy, if the text is one of the seven at all."""
        logits = log_odds.mean(1) * self.platt[:, 0] + self.platt[:, 1]
        return np.asarray(1 / (1 + np.exp(-logits)))

    def point(self, log_odds: Array, words: Array) -> Point:
        """Of one paragraph; `words` has shape (sentences,)."""
        members = 50 + 10 * (soft_maximum(axis_scores(log_odds), words) - self.mean) / self.sd
        exposition, engagement = members.mean(0)
        spread = float(self.widen[0]) * float(np.sqrt(members.var(0).mean()))
        return Point(float(exposition), float(engagement), spread)

    def seen(self, vectors: npt.NDArray[np.float32]) -> Array:
        """What the readable features add to each strategy's score, shape (sentences, 7, features)."""
        n = len(self.centre)
        weights = self.coef.mean(0)[:, self.coef.shape[2] - n :]
        return np.asarray((vectors[:, vectors.shape[1] - n :] - self.centre)[:, None] * weights)


def card(**entries: object) -> dict[str, str]:
    return {key: json.dumps(value) for key, value in entries.items()}


def engagement(probabilities: Array) -> Array:
    """Probability of any engagement strategy, shape (sentences,), as if they came independently."""
    return np.asarray(1 - np.prod(1 - probabilities[:, ENGAGEMENT], axis=1))


def axis_scores(log_odds: Array) -> Array:
    """A sentence's raw scores, shape (sentences, members, 2): that of the axis's strongest strategy, bounded."""
    strongest = np.stack([log_odds[..., axis].max(-1) for axis in AXES], axis=-1)
    bounded: Array = BOUND * np.tanh(strongest / BOUND)
    return bounded


def soft_maximum(scores: Array, words: Array) -> Array:
    """Over the first axis of `scores`, weighted by `words`."""
    result: Array = SHARPNESS * np.logaddexp.reduce(_weighted(scores, words), axis=0)
    return result


def responsibilities(scores: Array, words: Array) -> Array:
    """Each sentence's part in the soft maximum, adding up to 1 over the first axis: `w * exp(score / SHARPNESS)`."""
    logits = _weighted(scores, words)
    return np.asarray(np.exp(logits - np.logaddexp.reduce(logits, axis=0)))


def _weighted(scores: Array, words: Array) -> Array:
    weight = np.log(words / words.sum()).reshape(-1, *[1] * (scores.ndim - 1))
    return np.asarray(scores / SHARPNESS + weight)
