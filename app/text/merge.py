"""Two texts of one paragraph, sentence by sentence: which belong together, where a third text's come from, and a text
between the two. By words alone, so that the same texts always give the same answer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from app.text import facts, sentences
from app.text.sentences import Sentence

Origin = Literal["a", "b", "both", "new"]

NEAR = 0.6
"""Likeness from which two sentences are two forms of one: only one of them may stand in a merged text."""
TIE = 0.05
"""A sentence is of both texts where its likeness to them differs by less."""
MOST_PAIRS = 10_000
"""Pairs of sentences that are looked at word by word; longer texts are matched by equal sentences only."""


@dataclass(frozen=True)
class Piece:
    """One sentence of a merged text. `both` is written by both, but for spelling of case and marks."""

    text: str
    origin: Origin


@dataclass(frozen=True)
class Merged:
    text: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Pair:
    """Sentence `a` of the one text and `b` of the other are one sentence, or two forms of it. `moved`: it stands at
    another place among the others."""

    a: int
    b: int
    same: bool
    moved: bool = False


def likeness(one: str, other: str) -> float:
    """0 to 1: the share of words that stand in both in the same order (Ratcliff and Obershelp's measure)."""
    return _likeness(_words(one), _words(other))


def align(a: str, b: str) -> list[Pair]:
    """The sentences of `a` and `b` that belong together, each in one pair at most, in the order of `a`."""
    return _align(sentences.split(a), sentences.split(b))


def origins(child: str, a: str, b: str) -> list[Piece]:
    """Each sentence of `child` with the text it is from: the likest one, from a likeness of NEAR on; else it is new."""
    written = sentences.split(child)
    in_a, in_b = (_Others(sentences.split(text), len(written)) for text in (a, b))
    found = []
    for sentence in written:
        words = _words(sentence.text)
        like_a, like_b = in_a.likest(words), in_b.likest(words)
        origin: Origin = "a" if like_a > like_b else "b"
        if max(like_a, like_b) < NEAR:
            origin = "new"
        elif abs(like_a - like_b) < TIE:
            origin = "both"
        found.append(Piece(sentence.text, origin))
    return found


def merge(a: str, b: str, mix: float) -> Merged:
    """A text between `a` (mix 0) and `b` (mix 1), made of their sentences in their order.

    What both say stays. Towards the middle the sentences of the other text come in one by one, those with most facts
    first; at 0.5 all of both are there; past it the first text's leave in the same manner. Of two forms of one
    sentence one is taken: each goes over to `b`'s at a mix of its own, the first first.
    """
    return Plan(a, b).at(mix)


class Plan:
    """What is decided once for two texts: the order of all their sentences, and at which mix each comes or goes."""

    def __init__(self, a: str, b: str) -> None:
        self.texts = (a, b)
        self.a, self.b = sentences.split(a), sentences.split(b)
        self.pairs = _align(self.a, self.b)
        self.of_a, self.of_b = of_a, of_b = {p.a: p for p in self.pairs}, {p.b: p for p in self.pairs}
        forms = [p for p in self.pairs if p.moved or not p.same]
        self.turns = {p: (k + 0.5) / len(forms) for k, p in enumerate(forms)}
        # A second form of a sentence that has its partner already stands only where no form of the other text does.
        self.first, self.last = min(self.turns.values(), default=0.5), max(self.turns.values(), default=0.5)
        only_a = [i for i in range(len(self.a)) if i not in of_a]
        only_b = [j for j in range(len(self.b)) if j not in of_b]
        self.echo_a, self.echo_b = _echoes(self.a, only_a, self.b), _echoes(self.b, only_b, self.a)
        self.leaves = {i: 1 - t for i, t in _thresholds(self.a, only_a, self.echo_a).items()}
        self.comes = _thresholds(self.b, only_b, self.echo_b)
        self.order = self._order()

    def _order(self) -> list[tuple[int | None, int | None]]:
        """(i, None), (None, j) or, where both stand at one place, (i, j)."""
        order: list[tuple[int | None, int | None]] = []
        j = 0
        for i in range(len(self.a)):
            pair = self.of_a.get(i)
            if pair is None or pair.moved:
                order.append((i, None))
                continue
            order += [(None, k) for k in range(j, pair.b)]
            order.append((i, pair.b))
            j = pair.b + 1
        order += [(None, k) for k in range(j, len(self.b))]
        return order

    def at(self, mix: float) -> Merged:
        """See `merge`."""
        chosen: list[tuple[Literal["a", "b"], int, Origin]] = []
        for i, j in self.order:
            pair = self.of_a.get(i) if i is not None else self.of_b.get(j) if j is not None else None
            if pair is not None:
                to_b = mix >= 1 or (mix > 0 and mix > self.turns.get(pair, 0.5))
                if pair.moved and to_b != (j is not None):
                    continue
                origin: Origin = "both" if pair.same else "b" if to_b else "a"
                chosen.append(("b", pair.b, origin) if to_b else ("a", pair.a, origin))
            elif i is not None and self._stays(i, mix):
                chosen.append(("a", i, "a"))
            elif j is not None and self._came(j, mix):
                chosen.append(("b", j, "b"))
        return self._written(chosen)

    def _stays(self, i: int, mix: float) -> bool:
        if mix <= 0 or mix >= 1:
            return mix <= 0
        return mix < self.first if i in self.echo_a else mix <= self.leaves[i]

    def _came(self, j: int, mix: float) -> bool:
        if mix <= 0 or mix >= 1:
            return mix >= 1
        return mix > self.last if j in self.echo_b else mix >= self.comes[j]

    def _written(self, chosen: Sequence[tuple[Literal["a", "b"], int, Origin]]) -> Merged:
        text, pieces, before = "", [], None
        for side, at, origin in chosen:
            own = self.a if side == "a" else self.b
            source = self.texts[0] if side == "a" else self.texts[1]
            gap = source[own[at - 1].end : own[at].start] if at else " "
            if not gap and before != (side, at - 1):
                gap = " "
            text += (gap if text else "") + own[at].text
            pieces.append(Piece(own[at].text, origin))
            before = (side, at)
        return Merged(text, tuple(pieces))


def _thresholds(found: Sequence[Sentence], only: Sequence[int], echoes: set[int]) -> dict[int, float]:
    """Spread over 0 to 0.5, the sentences with most facts first, then in their order."""
    ranked = sorted((k for k in only if k not in echoes), key=lambda k: (-_weight(found[k].text), k))
    return {k: (rank + 0.5) / (2 * len(ranked)) for rank, k in enumerate(ranked)}


def _weight(sentence: str) -> int:
    held = facts.find(sentence)
    return len(held.numbers) + len(held.names) + len(held.citations)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _likeness(one: list[str], other: list[str], least: float = 0.0) -> float:
    """0 where it must be below `least`."""
    if one == other:
        return 1.0
    total = len(one) + len(other)
    if least and 2 * min(len(one), len(other)) < least * total:
        return 0.0
    if least and 2 * sum((Counter(one) & Counter(other)).values()) < least * total:
        return 0.0
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


class _Others:
    """The sentences of a text, to be compared with `count` others."""

    def __init__(self, found: Sequence[Sentence], count: int) -> None:
        self.words = [_words(sentence.text) for sentence in found]
        self.rough = len(found) * count > MOST_PAIRS
        self.same = {tuple(words) for words in self.words}

    def likest(self, words: list[str]) -> float:
        """Likeness to the likest one; where that takes too long, 1 for the same words and 0 else."""
        if tuple(words) in self.same:
            return 1.0
        return 0.0 if self.rough else max((_likeness(words, other, NEAR) for other in self.words), default=0.0)


def _echoes(found: Sequence[Sentence], only: Sequence[int], others: Sequence[Sentence]) -> set[int]:
    among = _Others(others, len(found))
    return {k for k in only if among.likest(_words(found[k].text)) >= NEAR}


def _align(a: Sequence[Sentence], b: Sequence[Sentence]) -> list[Pair]:
    words_a, words_b = [_words(s.text) for s in a], [_words(s.text) for s in b]
    like = _table(words_a, words_b)
    pairs = [Pair(i, j, words_a[i] == words_b[j]) for i, j in _in_order(like, len(a), len(b))]
    taken_a, taken_b = {p.a for p in pairs}, {p.b for p in pairs}
    for i, j in sorted(like, key=lambda ij: (-like[ij], ij)):
        if i not in taken_a and j not in taken_b:
            pairs.append(Pair(i, j, words_a[i] == words_b[j], moved=True))
            taken_a.add(i)
            taken_b.add(j)
    return sorted(pairs, key=lambda p: p.a)


def _table(a: Sequence[list[str]], b: Sequence[list[str]]) -> dict[tuple[int, int], float]:
    """Likeness of all pairs that have enough of it."""
    if len(a) * len(b) > MOST_PAIRS:
        matcher = SequenceMatcher(None, [" ".join(w) for w in a], [" ".join(w) for w in b])
        return {(m.a + k, m.b + k): 1.0 for m in matcher.get_matching_blocks() for k in range(m.size)}
    found = {(i, j): _likeness(one, other, NEAR) for i, one in enumerate(a) for j, other in enumerate(b)}
    return {at: value for at, value in found.items() if value >= NEAR}


def _in_order(like: dict[tuple[int, int], float], rows: int, columns: int) -> list[tuple[int, int]]:
    """The pairs of greatest likeness in sum that cross nowhere (Needleman and Wunsch's alignment, gaps free)."""
    if rows * columns > MOST_PAIRS:
        return sorted(like)
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows - 1, -1, -1):
        for j in range(columns - 1, -1, -1):
            value = like.get((i, j))
            best[i][j] = max(best[i + 1][j], best[i][j + 1], best[i + 1][j + 1] + value if value else 0.0)
    found, i, j = [], 0, 0
    while i < rows and j < columns:
        value = like.get((i, j))
        if value and best[i][j] == best[i + 1][j + 1] + value:
            found.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return found
