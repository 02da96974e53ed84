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
from app.llm.types import Message, Prompt, Sampling
from app.text import facts
from app.text.merge import Merged, Plan
from app.writing.strategies import Book

JOINED = "joined by the model"
SENTENCE_MERGE = "sentence merge"

OFFSETS = (0.0, -0.1, 0.1, -0.2, 0.2)
"""Mixes tried around the wanted one."""
FACT_COST = 2.0
"""Points of distance that a lost fact weighs: about the scorer's spread on one paragraph."""
OPENERS = frozenset(
    """a an all and another any as at because both but by consider did do does each even every few for from given
    he her his how if imagine in inside into it its just knowing like look many may more most my nearly no not of often
    on one once only or our over people perhaps picture several she since so some such suppose take that the their then
    there these they think this those though through to today under until we what when where whether which while who
    why with without you your""".split()  # noqa: SIM905 (a list of words reads best as one)
)
"""Words that begin a sentence large and are no names."""
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
    """Where a sentence of one text alone follows one of the other or of both, the sharpest turns first."""
    pieces = merged.pieces
    turns = [
        i
        for i in range(1, len(pieces))
        if pieces[i].origin not in ("both", pieces[i - 1].origin) and _may_follow(pieces[i].text, merged.text)
    ]
    return [Base(merged, i) for i in sorted(turns, key=lambda i: (pieces[i - 1].origin == "both", i))]


def _may_follow(sentence: str, text: str) -> bool:
    """Whether linking words can stand before it: it has none, and begins with no name, as far as can be told."""
    first = re.match(r"[^\W\d_]+", sentence)
    if first is None or _OPENING.match(sentence):
        return False
    word = first[0].lower()
    return word in OPENERS or re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None


def ask(book: Book, base: Base) -> tuple[Prompt, Sampling]:
    """For the words that lead over, up to their comma."""
    turns = [Message("system", book.combine.system)]
    for example in book.combine.examples:
        turns += [
            Message("user", _request(example.first, example.second)),
            Message("assistant", f"{example.link},"),
        ]
    turns.append(Message("user", _request(base.before, base.after)))
    return Prompt(tuple(turns)), Sampling(temperature=0.6, top_p=0.9, max_tokens=8, stop=(",", "\n"))


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


def link_of(answer: str, book: Book) -> str | None:
    """The link as the book writes it, or None where the answer is none of its links."""
    told = answer.strip(" ,:").casefold()
    return next((link for link in book.combine.links if link.casefold() == told), None)


def linked(link: str, base: Base) -> str:
    """The merged text with the link before its sentence; all words of the sentences stay."""
    text, at = base.merged.text, 0
    for piece in base.merged.pieces[: base.at]:
        at = text.index(piece.text, at) + len(piece.text)
    at = text.index(base.after, at)
    return f"{text[:at]}{link}, {base.after[:1].lower()}{text[at + 1 :]}"


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
