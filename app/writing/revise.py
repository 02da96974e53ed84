"""One press of a label: write several candidates in one batch, drop the unusable, place the rest, best first.

Knows no database and no HTTP; the service stores what comes out, the command line prints it, the benchmark counts it.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import hypot

from app.axes.types import Placement, Scorer
from app.llm.types import Draw, Engine, FinishReason, Prompt, Sampling
from app.text import facts
from app.text.merge import Merged
from app.writing import candidates, join, ledger
from app.writing.candidates import Ask, Meaning, Parent
from app.writing.sources import Pack
from app.writing.strategies import Book, Label, Strategy, load_book

ROUNDS = 3
"""A slot whose candidate was dropped is drawn again, this often at the most."""
OFF_TOPIC = 0.15
"""Cosine between what the model wrote and its paragraph, in MiniLM's embeddings, below which it is flagged.

Set by eye, not measured: no figure in docs/ rests on it. It only flags and ranks; nothing is dropped by it."""


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


@dataclass(frozen=True)
class Reading:
    """No word yet, but the model is at work: it reads the prompt, or thinks."""


@dataclass(frozen=True)
class Measuring:
    """A text is being placed; until the next event, no word is to be expected."""


Event = Started | Token | Landed | Dropped | Finished | Reading | Measuring


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
        earlier: candidates.Turns = (),
        pack: Pack | None = None,
        ground: Sequence[str] = (),
        cancel: threading.Event | None = None,
    ) -> Iterator[Event]:
        """`earlier` is what a chat has said before, `pack` the draft's sources, `ground` what claims may rest on
        instead of `text`.

        Raises KeyError for a strategy the label lacks, EngineError, Unplaceable.

        After `cancel` is set, or the iterator closed, the engine stops within a token and no Finished comes.
        """
        cancel = cancel or threading.Event()
        parent = Parent(text)
        yield Measuring()
        origin = self.scorer.score([text])[0]
        chosen = label.usable(strategy, full=self.full, sourced=pack is not None)
        offset = random.Random(seed).randrange(len(chosen))  # noqa: S311
        # What only a source makes possible comes first where there is one.
        offset = next((i for i, plan in enumerate(chosen) if plan.source), offset)
        plans = [chosen[(offset + i) % len(chosen)] for i in range(n)]
        slots = {i: Slot(i, plan.id, draw_seed(seed, i, 0)) for i, plan in enumerate(plans)}
        yield Started(tuple(slots.values()))

        landed: list[Candidate] = []
        for turn in range(ROUNDS):
            asks = {i: self._ask(plans[i], parent, seed, i + turn * n, own, pack, earlier) for i in slots}
            draws = {i: Draw(a.prompt, draw_seed(seed, i, turn), a.sampling) for i, a in asks.items()}
            open_slots = set(slots)
            for i, written, finish in self._write(draws, cancel):
                if finish is None:
                    yield Token(i, written) if written else Reading()
                    continue
                if finish == "cancelled" or cancel.is_set():
                    return
                answer = candidates.tidy(written)
                reason = candidates.degenerate(answer, asks[i], parent, finish)
                if reason is None:
                    yield Measuring()
                    candidate = self._place(i, answer, asks[i], draws[i], parent, origin, label, pack, ground)
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

    def combine(
        self,
        a: str,
        b: str,
        mix: float,
        *,
        n: int = 3,
        seed: int = 0,
        pack: Pack | None = None,
        ground: Sequence[str] = (),
        cancel: threading.Event | None = None,
    ) -> Iterator[Event]:
        """One version of two: `n` are written, the best one lands. Raises EngineError, Unplaceable.

        The best keeps most facts of both and stands nearest to the point on the way from `a` (mix 0) to `b` (mix 1).
        Ends like `revise` after `cancel`; `moved` tells whether it is nearer to that point than `a` and `b` are.
        """
        cancel = cancel or threading.Event()
        both = Parent(f"{a}\n\n{b}")
        placed_a, placed_b = self.scorer.score([a, b])
        point = join.wanted(placed_a, placed_b, mix)
        merges = [] if self.full else self._merges(a, b, mix, point)
        joints = [join.joints(merged) for merged in merges]
        # Of each text its sharpest turn first, then what further turns there are.
        bases = [found[0] for found in joints if found] + [joint for found in joints for joint in found[1:]]
        if merges and not bases:
            yield Started((Slot(0, join.SENTENCE_MERGE, 0),))
            yield from self._unjoined(merges[0].text, [a, b], point, ground, pack)
            return
        slots = {i: Slot(i, join.JOINED, draw_seed(seed, i, 0)) for i in range(n)}
        yield Started(tuple(slots.values()))

        found: list[tuple[float, Candidate]] = []
        for turn in range(ROUNDS):
            based = {i: bases[(i + turn * n) % len(bases)] for i in slots} if bases else {}
            asked = {i: join.ask(self.book, based[i]) if bases else join.ask_full(self.book, a, b, mix) for i in slots}
            draws = {i: Draw(prompt, draw_seed(seed, i, turn), sampling) for i, (prompt, sampling) in asked.items()}
            for i, written, finish in self._write(draws, cancel):
                if finish is None:
                    yield Token(i, written)
                    continue
                if finish == "cancelled" or cancel.is_set():
                    return
                answer = candidates.tidy(written)
                reason: str | None
                if bases:
                    link = join.link_of(answer, self.book)
                    reason, text = (None, join.linked(link, based[i])) if link else ("no-link", answer)
                else:
                    reason, text = candidates.unfit(answer, [Parent(a), Parent(b)], both, finish), answer
                if reason is None and any(text == other.text for _, other in found):
                    reason = "twin"
                if reason is not None:
                    yield Dropped(i, reason, answer, again=turn + 1 < ROUNDS)
                    continue
                candidate = self._combined(i, text, answer, draws[i], self._flags([a, b], text, ground, pack))
                found.append((join.cost([a, b], text, candidate.placement, point), candidate))
            slots = {i: slot for i, slot in slots.items() if all(c.index != i for _, c in found)}
            if not slots:
                break
        if not found:
            plain = self._unjoined(merges[0].text, [a, b], point, ground, pack) if merges else None
            yield from plain or [Finished((), moved=False)]
            return
        found.sort(key=lambda costed: (costed[0], costed[1].index))
        for _, other in found[1:]:
            yield Dropped(other.index, "outranked", other.answer, again=False)
        best = found[0][1]
        yield Landed(best)
        apart = join.distance(best.placement, point)
        yield Finished((best.index,), moved=apart < min(join.distance(placed_a, point), join.distance(placed_b, point)))

    def _unjoined(
        self, text: str, parents: list[str], point: tuple[float, float], ground: Sequence[str], pack: Pack | None
    ) -> Iterator[Event]:
        """Where nothing is to be joined, or the model found no words for it, the sentence merge lands, named so."""
        flags = self._flags(parents, text, ground, pack)
        merged = self._combined(0, text, "", Draw(Prompt(()), 0), flags, join.SENTENCE_MERGE)
        yield Landed(merged)
        ends = self.scorer.score(parents)
        apart = join.distance(merged.placement, point)
        yield Finished((0,), moved=apart < min(join.distance(end, point) for end in ends))

    def _merges(self, a: str, b: str, mix: float, point: tuple[float, float]) -> list[Merged]:
        """The sentence merges near the mix, best first."""
        merged = join.near(a, b, mix)
        placements = self.scorer.score([m.text for m in merged]) if merged else []
        costs = {m.text: join.cost([a, b], m.text, p, point) for m, p in zip(merged, placements, strict=True)}
        return sorted(merged, key=lambda m: costs[m.text])

    def _combined(
        self, i: int, text: str, answer: str, draw: Draw, flags: tuple[str, ...], strategy: str = join.JOINED
    ) -> Candidate:
        placement = self.scorer.score([text])[0]
        return Candidate(i, text, answer, placement, strategy, draw.seed, flags, draw.prompt, draw.sampling)

    def _flags(self, parents: Sequence[str], text: str, ground: Sequence[str], pack: Pack | None) -> tuple[str, ...]:
        """What the claim ledger marks a text with; `ground` empty: claims rest on the parents."""
        new = ledger.new_claims(ground or parents, text, pack, self.meaning.encode)
        return tuple(ledger.flags(facts.compare_all(parents, text), new))

    def _ask(
        self,
        strategy: Strategy,
        parent: Parent,
        seed: int,
        draw: int,
        own: str,
        pack: Pack | None,
        earlier: candidates.Turns,
    ) -> Ask:
        if strategy.source and pack is not None:
            notes = [passage.text for passage in pack.nearest(f"{parent.text} {strategy.seek}")]
            # A small model mixes up what it is told at once, so it gets one sentence, another for each draw.
            small = not self.full and strategy.plan != "rewrite-all"
            parent = Parent(parent.text, tuple([notes[draw % len(notes)]] if small and notes else notes))
        openings = candidates.prefills(strategy, seed)
        opening = openings[draw % len(openings)]
        return candidates.ask(self.book, strategy, parent, opening, full=self.full, own=own, earlier=earlier)

    def _write(self, draws: dict[int, Draw], cancel: threading.Event) -> Iterator[tuple[int, str, FinishReason | None]]:
        """(slot, piece, None) as words come, then (slot, whole answer, reason)."""
        keys = list(draws)
        so_far = dict.fromkeys(keys, "")
        for chunk in self.engine.stream([draws[i] for i in keys], cancel):
            i = keys[chunk.index]
            so_far[i] += chunk.text
            if chunk.text or chunk.finish is None:
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
        ground: Sequence[str],
    ) -> Candidate:
        text = candidates.splice(answer, asked, parent, self.meaning)
        placement = self.scorer.score([text])[0]
        flags = list(self._flags([parent.text], text, ground, pack))
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


def rank(candidate: Candidate, origin: Placement, label: Label) -> tuple[int, bool, bool, bool, float]:
    """Facts kept before direction, direction before topic, topic before support, then the longer way."""
    lost = sum(flag.startswith("lost-") for flag in candidate.flags)
    return (
        lost,
        "wrong-way" in candidate.flags,
        "off-topic" in candidate.flags,
        "new-claim" in candidate.flags,
        -gain(candidate.placement, origin, label),
    )
