"""From sentence vectors to a point: an ensemble of linear heads, and how a paragraph's sentences add up.

1. A head gives a log-odds for each of seven writing strategies (August et al., EMNLP 2020), standardised over the
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
SHARPNESS = 0.5
BOUND = 2.5


class Point(NamedTuple):
    """In T-score units; `spread` is the standard deviation of both coordinates over the members, pooled."""

    exposition: float
    engagement: float
    spread: float


@dataclass(frozen=True)
class Heads:
    """An ensemble of `members` linear heads over `hidden` features.

    `coef` has shape (members, 7, hidden) and `bias` (members, 7), in standardised log-odds; `mean` and `sd` have
    shape (2,): the ensemble's raw scores over the reference passages, exposition first. `card` says what they were
    fitted on.
    """

    coef: Array
    bias: Array
    mean: Array
    sd: Array
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

    @staticmethod
    def save(path: Path, coef: Array, bias: Array, mean: Array, sd: Array, card: dict[str, object]) -> None:
        """Coefficients are kept in fp16, which moves a point by less than 0.01."""
        from safetensors.numpy import save_file

        save_file(
            {
                "coef": coef.astype(np.float16),
                "bias": bias.astype(np.float32),
                "mean": mean.astype(np.float32),
                "sd": sd.astype(np.float32),
            },
            path,
            metadata={key: json.dumps(value) for key, value in card.items()},
        )

    def log_odds(self, vectors: npt.NDArray[np.float32]) -> Array:
        """Shape (sentences, members, 7), of sentence vectors, shape (sentences, hidden)."""
        return np.asarray(np.einsum("sh,mkh->smk", vectors.astype(np.float64), self.coef) + self.bias)

    def point(self, log_odds: Array, words: Array) -> Point:
        """Of one paragraph; `words` has shape (sentences,)."""
        members = 50 + 10 * (soft_maximum(axis_scores(log_odds), words) - self.mean) / self.sd
        exposition, engagement = members.mean(0)
        return Point(float(exposition), float(engagement), float(np.sqrt(members.var(0).mean())))


def axis_scores(log_odds: Array) -> Array:
    """A sentence's raw scores, shape (sentences, members, 2): that of the axis's strongest strategy, bounded."""
    strongest = np.stack([log_odds[..., axis].max(-1) for axis in AXES], axis=-1)
    bounded: Array = BOUND * np.tanh(strongest / BOUND)
    return bounded


def soft_maximum(scores: Array, words: Array) -> Array:
    """Over the first axis of `scores`, weighted by `words`."""
    weight = np.log(words / words.sum()).reshape(-1, *[1] * (scores.ndim - 1))
    result: Array = SHARPNESS * np.logaddexp.reduce(scores / SHARPNESS + weight, axis=0)
    return result


def responsibilities(scores: Array, words: Array) -> Array:
    """Each sentence's part in the soft maximum, adding up to 1 over the first axis: `w * exp(score / SHARPNESS)`."""
    weight = np.log(words / words.sum()).reshape(-1, *[1] * (scores.ndim - 1))
    logits = scores / SHARPNESS + weight
    return np.asarray(np.exp(logits - np.logaddexp.reduce(logits, axis=0)))
