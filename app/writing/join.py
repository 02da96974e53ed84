"""Two versions into one with the model: what it is asked, what makes its answer unusable, and which result is best.

A small model writes no sentence here: its linking sentences restate or go wrong (docs/decisions/005-combine.md). It
chooses the few words that lead from one text's sentence to the other's; the sentences themselves stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import hypot

from app.axes.types import Placement
from app.llm.types import FinishReason, Message, Prompt, Sampling
from app.text import facts
from app.text.merge import Merged, Piece, Plan
from app.writing import candidates
from app.writing.candidates import Parent
from app.writing.strategies import Book

JOINED = "joined by the model"
SENTENCE_MERGE = "sentence merge"

OFFSETS = (0.0, -0.1, 0.1, -0.2, 0.2)
"""Mixes tried around the wanted one."""
FACT_COST = 2.0
"""Points of distance that a lost fact weighs: about the scorer's spread on one paragraph."""
LONGEST_LINK = 4
"""Words. Longer openings are the beginnings of sentences of the model's own."""

_OPENING = re.compile(r"^(?:[^\W_]+[’'-]?[ ]?){1,5},")


@dataclass(frozen=True)
class Base:
    """A merged text, and the piece before which the link goes."""

    merged: Merged
    at: int

    @property
    def before(self) -> str:
        return self.merged.pieces[self.at - 1].text

    @property
    def after(self) -> str:
        return self.merged.pieces[self.at].text


def near(a: str, b: str, mix: float) -> list[Merged]:
    """Merged texts around `mix`, the nearest first, that are neither `a` nor `b`; where none is near, any there is."""
    plan = Plan(a, b)
    around = [mix + offset for offset in OFFSETS if 0 < mix + offset < 1]
    anywhere = sorted((step / 20 for step in range(1, 20)), key=lambda at: abs(at - mix))
    for mixes in (around, anywhere):
        found = {merged.text: merged for merged in map(plan.at, mixes)}
        between = [m for m in found.values() if m.text.split() not in (a.split(), b.split())]
        if between:
            return between[: len(OFFSETS)]
    return []


def joints(merged: Merged) -> list[Base]:
    """Where a sentence of one text follows one of the other or of both, the sharpest turns first."""
    pieces = merged.pieces
    turns = [i for i in range(1, len(pieces)) if pieces[i].origin != pieces[i - 1].origin]
    free = [i for i in turns if not _OPENING.match(pieces[i].text)]
    return [Base(merged, i) for i in sorted(free, key=lambda i: (_turn(pieces[i - 1], pieces[i]), i))]


def _turn(before: Piece, after: Piece) -> int:
    if "both" not in (before.origin, after.origin):
        return 0
    return 1 if before.origin == "both" else 2


def ask(book: Book, base: Base) -> tuple[Prompt, Sampling]:
    """For the words that lead over, up to their comma."""
    turns = [Message("system", book.combine.system)]
    for example in book.combine.examples:
        turns += [
            Message("user", _request(example.first, example.second)),
            Message("assistant", f"{example.link}, {_lowered(example.second)}"),
        ]
    turns.append(Message("user", _request(base.before, base.after)))
    return Prompt(tuple(turns)), Sampling(temperature=0.8, top_p=0.9, max_tokens=12, stop=(",", "\n"))


def _request(first: str, second: str) -> str:
    return f"First: {first}\nSecond: {second}"


def ask_full(book: Book, a: str, b: str, mix: float) -> tuple[Prompt, Sampling]:
    """For a whole text made of both, by a larger model."""
    request = f"First version:\n{a}\n\nSecond version:\n{b}\n\n{book.combine.full.replace('{mix}', mix_words(mix))}"
    words = len(a.split()) + len(b.split())
    sampling = Sampling(temperature=0.7, top_p=0.9, max_tokens=3 * words + 80)
    return Prompt((Message("system", book.full_system), Message("user", request))), sampling


def mix_words(mix: float) -> str:
    """The mix as an instruction."""
    if mix < 0.2:
        return "Take almost everything from the first version and only the best point of the second"
    if mix < 0.4:
        return "Take most from the first version and some from the second"
    if mix <= 0.6:
        return "Take as much from the first version as from the second"
    if mix <= 0.8:
        return "Take most from the second version and some from the first"
    return "Take almost everything from the second version and only the best point of the first"


def unusable(link: str, base: Base, both: Parent, finish: FinishReason) -> str | None:
    """Why a link can't be used, as one word, or None.

    empty, run-on (longer than a link, or cut off), copy (a beginning of either sentence), leak, quotes, invented.
    """
    words = re.findall(r"[^\W_]+", link.lower())
    beside = {
        word for text in (base.before, base.after) for word in re.findall(r"[^\W_]+", text.lower()) if len(word) > 3
    }
    reasons = {
        "empty": not words,
        "run-on": len(words) > LONGEST_LINK or finish == "length" or not re.fullmatch(r"[\w’' -]*", link),
        "copy": bool(beside & set(words)),
        "leak": candidates.leaks(link),
        "quotes": candidates.quotes(link),
        "invented": candidates.invents(f"{link}, {_lowered(base.after)}", both),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def linked(link: str, base: Base) -> str:
    """The merged text with the link before its sentence; all words of the sentences stay."""
    text, at = base.merged.text, 0
    for piece in base.merged.pieces[: base.at]:
        at = text.index(piece.text, at) + len(piece.text)
    at = text.index(base.after, at)
    opening = link[:1].upper() + link[1:]
    return f"{text[:at]}{opening}, {_lowered(base.after)}{text[at + len(base.after) :]}"


def _lowered(sentence: str) -> str:
    """Its first letter small, where that is no name, sign or “I”."""
    first = re.match(r"[^\W\d_]+", sentence)
    word = first[0] if first else ""
    # Only behind another word can be told whether a large letter is a name's.
    named = any(word in name.split() for name in facts.find(f"So {sentence}").names)
    plain = word[:1].isupper() and (word[1:].islower() or word == "A") and not named
    return sentence[:1].lower() + sentence[1:] if plain else sentence


def wanted(a: Placement, b: Placement, mix: float) -> tuple[float, float]:
    """The point on the way from `a` to `b`: (engagement, exposition)."""
    return (
        a.engagement + mix * (b.engagement - a.engagement),
        a.exposition + mix * (b.exposition - a.exposition),
    )


def distance(placement: Placement, point: tuple[float, float]) -> float:
    """In points."""
    return hypot(placement.engagement - point[0], placement.exposition - point[1])


def cost(parents: Sequence[str], text: str, placement: Placement, point: tuple[float, float]) -> float:
    """Distance to the wanted point, in points, and FACT_COST for each fact of the parents that is lost."""
    lost = facts.compare_all(parents, text).lost
    return distance(placement, point) + FACT_COST * sum(len(words) for words in asdict(lost).values())
