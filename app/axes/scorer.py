"""Two scorers: one that places and chooses (base model), and an independent one that only reports (MiniLM)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from math import hypot
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from app.axes import doubt, features, normal
from app.axes.encoder import SentenceEncoder
from app.axes.heads import AXES, STRATEGIES, Array, Heads, axis_scores, responsibilities
from app.axes.types import Axis, Explanation, Placement, Reason, SentenceShare, Unplaceable
from app.llm.store import ModelStore
from app.text import sentences

WEIGHTS = Path(__file__).parent / "weights"
BLOCKS = (14, 19)
"""0-based; their outputs side by side separate the strategies better than any one of them (docs/axes.md)."""
PACK = 32
"""Sentences scored before the next caller has its turn: a few paragraphs' worth, one or two passes of the encoder."""
CACHED_SENTENCES = 50_000
CACHED_TEXTS = 10_000
CACHED_VECTORS = 20_000
"""Of MiniLM: 30 MB."""
SCALE = 2
"""Raised whenever the code gives the same weights another point: places of two scales are not compared."""
_AXIS_NAMES: tuple[Axis, Axis] = ("exposition", "engagement")
_TOLD = 0.3
"""Points below which a feature is no reason."""
_FEATURES_TOLD = 2
"""Of one sentence and axis."""


class _Turns:
    """A lock that is fair: who waits for it has it before the one who gave it back has it again.

    The one who waits holds the gate meanwhile, and who comes back for more has to pass the gate. threading.Lock alone
    would let a long batch take it again and again.
    """

    def __init__(self) -> None:
        self._gate, self._lock = threading.Lock(), threading.Lock()

    def __enter__(self) -> None:
        with self._gate:
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class Encoder(Protocol):
    def load(self) -> None: ...

    def encode(self, sentences: Sequence[str]) -> npt.NDArray[np.float32]: ...


class MiniLM:
    """Sentence embeddings, shape (n, 384), unit length; thread-safe, cached by content.

    Each version of a paragraph is compared with the paragraph and its sources, sentence by sentence, so that most of
    what is asked was asked before.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._model: object | None = None
        self._known: OrderedDict[str, npt.NDArray[np.float32]] = OrderedDict()

    def load(self) -> None:
        with self._lock:
            if self._model is None:
                from sentence_transformers import SentenceTransformer

                self._model = SentenceTransformer(str(self._folder), device="cpu")

    def encode(self, sentences: Sequence[str]) -> npt.NDArray[np.float32]:
        self.load()
        model = self._model
        with self._lock:
            new = [sentence for sentence in dict.fromkeys(sentences) if sentence not in self._known]
            if new:
                vectors = model.encode(new, normalize_embeddings=True, show_progress_bar=False)  # type: ignore[union-attr]
                self._known.update(zip(new, vectors, strict=True))
            found = np.array([self._known[sentence] for sentence in sentences], np.float32)
            _trim(self._known, CACHED_VECTORS)
        return found


class WithFeatures:
    """Another encoder's vectors, and beside them what a person can read in the sentence (`features.measure`)."""

    def __init__(self, inner: Encoder) -> None:
        self.inner = inner

    def load(self) -> None:
        self.inner.load()

    def encode(self, sentences: Sequence[str]) -> npt.NDArray[np.float32]:
        if not sentences:
            return self.inner.encode(sentences)
        return np.hstack([self.inner.encode(sentences), np.stack([features.measure(s) for s in sentences])])


def base_encoder(store: ModelStore) -> WithFeatures:
    return WithFeatures(SentenceEncoder(store.default_folder(), BLOCKS))


class HeadScorer:
    """Scores texts with an encoder and its heads; thread-safe, deterministic, cached by content.

    The encoder is made on first use, so that the app opens before its weights are there.
    """

    def __init__(self, name: str, weights: Path, make_encoder: Callable[[], Encoder]) -> None:
        self._heads = Heads.load(weights)
        self._make_encoder = make_encoder
        self._encoder: Encoder | None = None
        self._turns = _Turns()
        self._sentences: OrderedDict[str, Array] = OrderedDict()
        self._texts: OrderedDict[str, Placement] = OrderedDict()
        self.scorer_id = f"{name}-{SCALE}-{self._heads.sha256[:12]}"

    def load(self) -> None:
        with self._turns:
            if self._encoder is None:
                encoder = self._make_encoder()
                encoder.load()
                features.load()
                self._encoder = encoder

    def score(self, texts: Sequence[str]) -> list[Placement]:
        """One placement a text, in order; raises Unplaceable for a text without a word in it.

        Sentences are scored in packs, and between two of them others have their turn: one paragraph waits for a pack
        of a long draft, not for the draft.
        """
        self.load()
        with self._turns:
            placements = {text: self._texts[text] for text in texts if text in self._texts}
        wanted = {text: _measured(_split(text)) for text in texts if text not in placements}
        found = self._log_odds([s for parts in wanted.values() for s in parts])
        for text, parts in wanted.items():
            placements[text] = self._place(text, np.stack([found[s] for s in parts]), _words(parts))
        with self._turns:
            self._texts.update((text, placements[text]) for text in wanted)
            _trim(self._texts, CACHED_TEXTS)
        return [placements[text] for text in texts]

    def probabilities(self, quotes: Sequence[str]) -> Array:
        """Shape (quotes, 7), each quote read in one piece, as the heads were fitted (`Heads.probabilities`)."""
        self.load()
        parts = [normal.sentence(quote) for quote in quotes]
        found = self._log_odds(parts)
        return self._heads.probabilities(np.stack([found[part] for part in parts]))

    def explain(self, text: str) -> Explanation:
        """Why `text` is where it is; the placement is the one `score` gives. Raises Unplaceable."""
        (placement,) = self.score([text])
        places = _split(text)
        parts = _measured(places)
        found = self._log_odds(parts)
        log_odds, words = np.stack([found[s] for s in parts]), _words(parts)
        shares = tuple(
            SentenceShare(s.start, s.end, round(exposition, 2), round(engagement, 2))
            for s, (exposition, engagement) in zip(places, self._shares(log_odds, words), strict=True)
        )
        return Explanation(placement, shares, self._reasons(parts, log_odds, words))

    def _place(self, text: str, log_odds: Array, words: Array) -> Placement:
        point = self._heads.point(log_odds, words)
        spread = hypot(point.spread, *doubt.of(text).values())
        return Placement(round(point.exposition, 2), round(point.engagement, 2), round(spread, 2), self.scorer_id)

    def _shares(self, log_odds: Array, words: Array) -> list[tuple[float, float]]:
        """Of each sentence: the point with it less the point without it."""
        whole = self._heads.point(log_odds, words)
        if len(words) == 1:
            return [(whole.exposition - 50, whole.engagement - 50)]
        rest = [self._heads.point(np.delete(log_odds, i, 0), np.delete(words, i)) for i in range(len(words))]
        return [(whole.exposition - r.exposition, whole.engagement - r.engagement) for r in rest]

    def _reasons(self, parts: Sequence[str], log_odds: Array, words: Array) -> tuple[Reason, ...]:
        """The distance from an ordinary passage, divided among the sentences by their part in the soft maximum.

        Below an ordinary passage no sentence is to blame: the axis is named, for the text as a whole. What features
        add to a sentence's strongest strategy is told of them, and no more of the strategy than is left.
        """
        whole = self._heads.point(log_odds, words)
        owned = responsibilities(axis_scores(log_odds), words).mean(1)
        seen = self._seen(parts)
        reasons: list[Reason] = []
        for i, (axis, strategies) in enumerate(zip(_AXIS_NAMES, AXES, strict=True)):
            points = (whole.exposition, whole.engagement)[i] - 50
            strongest = [strategies[j] for j in log_odds[..., strategies].mean(1).argmax(1)]
            if points < 0:
                reasons.append(Reason(axis, axis, round(points, 2), None, ()))
            for k, strategy in enumerate(strongest):
                part = float(owned[k, i])
                told = np.zeros(0) if seen is None else seen[k, strategy] * part * 10 / self._heads.sd[i]
                shown = [j for j in np.argsort(-np.abs(told)) if abs(told[j]) >= _TOLD][:_FEATURES_TOLD]
                reasons += [
                    Reason(axis, features.NAMES[j], round(float(told[j]), 2), k, features.evidence(parts[k], j))
                    for j in shown
                ]
                if points >= 0:
                    rest = points * part - float(told[shown].sum())
                    reasons.append(Reason(axis, STRATEGIES[strategy], round(rest, 2), k, ()))
        return tuple(sorted(reasons, key=lambda reason: -abs(reason.points)))

    def _seen(self, parts: Sequence[str]) -> Array | None:
        """Shape (sentences, 7, features); None for heads that read no features."""
        if not len(self._heads.centre):
            return None
        return self._heads.seen(np.stack([features.measure(part) for part in parts]))

    def _log_odds(self, wanted: list[str]) -> dict[str, Array]:
        scores: dict[str, Array] = {}
        distinct = list(dict.fromkeys(wanted))
        for start in range(0, len(distinct), PACK):
            pack = distinct[start : start + PACK]
            with self._turns:
                self._encode([s for s in pack if s not in self._sentences])
                scores.update((s, self._sentences[s]) for s in pack)
                _trim(self._sentences, CACHED_SENTENCES)
        return scores

    def _encode(self, new: list[str]) -> None:
        if not new:
            return
        assert self._encoder is not None
        scores = self._heads.log_odds(self._encoder.encode(new))
        if not np.isfinite(scores).all():
            raise ArithmeticError("the scorer's hidden states are not finite")
        # Rounded far below what shows on the canvas, so that what a sentence shared its pass with leaves no trace.
        self._sentences.update(zip(new, np.round(scores, 4), strict=True))


def _split(text: str) -> list[sentences.Sentence]:
    """The sentences that have a letter in them; raises Unplaceable where there is none."""
    parts = [s for s in sentences.split(normal.capitalised(text)) if any(c.isalpha() for c in s.text)]
    if not parts:
        raise Unplaceable("This paragraph has no words yet, so it can't be placed. Write a sentence first.")
    return parts


def _measured(parts: Sequence[sentences.Sentence]) -> list[str]:
    return [normal.sentence(s.text) for s in parts]


def _words(parts: Sequence[str]) -> Array:
    return np.array([len(s.split()) for s in parts], float)


def _trim(cache: OrderedDict[str, Any], bound: int) -> None:
    while len(cache) > bound:
        cache.popitem(last=False)


class BaseScorer(HeadScorer):
    """Places every version: untuned SmolLM2, outputs of BLOCKS, and readable features."""

    def __init__(self, store: ModelStore, weights: Path | None = None, encoder: Encoder | None = None) -> None:
        super().__init__("smollm2", weights or WEIGHTS / "base.safetensors", lambda: encoder or base_encoder(store))


class IndependentScorer(HeadScorer):
    """Never used to choose anything, only to report whether a choice moved the right way."""

    def __init__(self, store: ModelStore, weights: Path | None = None, encoder: Encoder | None = None) -> None:
        super().__init__(
            "minilm", weights or WEIGHTS / "minilm.safetensors", lambda: encoder or MiniLM(store.minilm_folder())
        )
