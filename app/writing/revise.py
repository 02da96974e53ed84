"""One press of a label: write several candidates in one batch, drop the unusable, place the rest, best first.

Knows no database and no HTTP; the service stores what comes out, the command line prints it, the benchmark counts it.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import hypot

from app.axes.types import Placement, Scorer
from app.llm.types import Draw, Engine, FinishReason, Prompt, Sampling
from app.writing import candidates, ledger
from app.writing.candidates import Ask, Meaning, Parent
from app.writing.sources import Pack
from app.writing.strategies import Book, Label, Strategy, load_book

ROUNDS = 3
"""A slot whose candidate was dropped is drawn again, this often at the most."""
OFF_TOPIC = 0.15
"""Cosine between an inserted sentence and its paragraph below which it is flagged; docs/prompts.md."""


@dataclass(frozen=True)
class Slot:
    index: int
    strategy: str
    seed: int


@dataclass(frozen=True)
class Candidate:
    """A version as the model made it. `answer` is what the model wrote, `text` the whole paragraph with it."""

    index: int
    text: str
    answer: str
    placement: Placement
    strategy: str
    seed: int
    flags: tuple[str, ...]
    prompt: Prompt
    sampling: Sampling


@dataclass(frozen=True)
class Started:
    slots: tuple[Slot, ...]


@dataclass(frozen=True)
class Token:
    index: int
    text: str


@dataclass(frozen=True)
class Landed:
    candidate: Candidate


@dataclass(frozen=True)
class Dropped:
    """`again` tells whether the slot will be drawn again."""

    index: int
    reason: str
    text: str
    again: bool


@dataclass(frozen=True)
class Finished:
    """`order`: indices of the landed candidates, best first; `moved` is false where none went the label's way."""

    order: tuple[int, ...]
    moved: bool


Event = Started | Token | Landed | Dropped | Finished


@dataclass(frozen=True)
class Reviser:
    """What a revision needs, wired once."""

    engine: Engine
    scorer: Scorer
    meaning: Meaning
    full: bool = False
    """Whether the model is large enough to rewrite whole paragraphs."""
    book: Book = field(default_factory=load_book)

    def revise(
        self,
        label: Label,
        text: str,
        *,
        n: int = 3,
        seed: int = 0,
        strategy: str | None = None,
        own: str = "",
        pack: Pack | None = None,
        cancel: threading.Event | None = None,
    ) -> Iterator[Event]:
        """`pack` is the draft's sources. Raises KeyError for a strategy the label lacks, EngineError, Unplaceable.

        After `cancel` is set, or the iterator closed, the engine stops within a token and no Finished comes.
        """
        cancel = cancel or threading.Event()
        parent = Parent(text)
        origin = self.scorer.score([text])[0]
        chosen = self._strategies(label, strategy, sourced=pack is not None)
        offset = random.Random(seed).randrange(len(chosen))  # noqa: S311
        # What only a source makes possible comes first where there is one.
        offset = next((i for i, plan in enumerate(chosen) if plan.source), offset)
        plans = [chosen[(offset + i) % len(chosen)] for i in range(n)]
        slots = {i: Slot(i, plan.id, draw_seed(seed, i, 0)) for i, plan in enumerate(plans)}
        yield Started(tuple(slots.values()))

        landed: list[Candidate] = []
        for turn in range(ROUNDS):
            asks = {i: self._ask(plans[i], parent, seed, i + turn * n, own, pack) for i in slots}
            draws = {i: Draw(a.prompt, draw_seed(seed, i, turn), a.sampling) for i, a in asks.items()}
            open_slots = set(slots)
            for i, written, finish in self._write(draws, cancel):
                if finish is None:
                    yield Token(i, written)
                    continue
                if finish == "cancelled" or cancel.is_set():
                    return
                answer = candidates.tidy(written)
                reason = candidates.degenerate(answer, asks[i], parent, finish)
                if reason is None:
                    candidate = self._place(i, answer, asks[i], draws[i], parent, origin, label, pack)
                    if any(candidate.text == other.text for other in landed):
                        reason = "twin"
                    else:
                        landed.append(candidate)
                        open_slots.discard(i)
                        yield Landed(candidate)
                if reason is not None:
                    yield Dropped(i, reason, answer, again=turn + 1 < ROUNDS)
            slots = {i: slots[i] for i in sorted(open_slots)}
            if not slots:
                break
        landed.sort(key=lambda c: rank(c, origin, label))
        moved = bool(landed) and "wrong-way" not in landed[0].flags
        yield Finished(tuple(c.index for c in landed), moved)

    def _strategies(self, label: Label, wanted: str | None, *, sourced: bool) -> list[Strategy]:
        usable = [s for s in label.strategies if (self.full or s.small) and (sourced or not s.source)]
        if wanted is None:
            return usable
        named = [s for s in usable if wanted.casefold() in (s.id, s.name.casefold())]
        if not named:
            raise KeyError(
                f"“{label.name}” has no strategy “{wanted}” for this model. It has "
                + ", ".join(f"“{s.name}”" for s in usable)
                + "."
            )
        return named

    def _ask(self, strategy: Strategy, parent: Parent, seed: int, draw: int, own: str, pack: Pack | None) -> Ask:
        if strategy.source and pack is not None:
            notes = [passage.text for passage in pack.nearest(f"{parent.text} {strategy.seek}")]
            # A small model mixes up what it is told at once, so it gets one sentence, another for each draw.
            small = not self.full and strategy.plan != "rewrite-all"
            parent = Parent(parent.text, tuple([notes[draw % len(notes)]] if small and notes else notes))
        openings = candidates.prefills(strategy, seed)
        return candidates.ask(self.book, strategy, parent, openings[draw % len(openings)], full=self.full, own=own)

    def _write(self, draws: dict[int, Draw], cancel: threading.Event) -> Iterator[tuple[int, str, FinishReason | None]]:
        """(slot, piece, None) as words come, then (slot, whole answer, reason)."""
        keys = list(draws)
        so_far = dict.fromkeys(keys, "")
        for chunk in self.engine.stream([draws[i] for i in keys], cancel):
            i = keys[chunk.index]
            so_far[i] += chunk.text
            if chunk.text:
                yield i, chunk.text, None
            if chunk.finish is not None:
                yield i, so_far[i], chunk.finish

    def _place(
        self,
        i: int,
        answer: str,
        asked: Ask,
        draw: Draw,
        parent: Parent,
        origin: Placement,
        label: Label,
        pack: Pack | None,
    ) -> Candidate:
        text = candidates.splice(answer, asked, parent, self.meaning)
        placement = self.scorer.score([text])[0]
        new = ledger.new_claims([parent.text], text, pack, self.meaning.encode)
        flags = ledger.flags(ledger.fact_change([parent.text], text), new)
        if candidates.relatedness(answer, parent, self.meaning) < OFF_TOPIC:
            flags.append("off-topic")
        if label.push != (0, 0) and gain(placement, origin, label) <= 0:
            flags.append("wrong-way")
        return Candidate(
            i, text, answer, placement, asked.strategy.id, draw.seed, tuple(flags), draw.prompt, draw.sampling
        )


def draw_seed(seed: int, slot: int, turn: int) -> int:
    """One 31-bit seed a draw, all from the seed of the press."""
    return random.Random(f"{seed}/{slot}/{turn}").getrandbits(31)  # noqa: S311


def gain(placement: Placement, origin: Placement, label: Label) -> float:
    """Movement along the label's push, in points."""
    x, y = label.push
    length = hypot(x, y)
    if length == 0:
        return 0.0
    dx, dy = placement.engagement - origin.engagement, placement.exposition - origin.exposition
    return (dx * x + dy * y) / length


def rank(candidate: Candidate, origin: Placement, label: Label) -> tuple[int, bool, bool, float]:
    """Facts kept before direction, direction before topic, then the longer way."""
    lost = sum(flag.startswith("lost-") for flag in candidate.flags)
    return (
        lost,
        "wrong-way" in candidate.flags,
        "off-topic" in candidate.flags,
        -gain(candidate.placement, origin, label),
    )
