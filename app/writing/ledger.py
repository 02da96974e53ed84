"""The claim ledger of a version: which facts it kept and lost, and which of its sentences nothing supports."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.text import claims, facts, sentences
from app.text.claims import Claim, Encode
from app.text.facts import FactChange, Facts
from app.writing.sources import Pack

KINDS = ("numbers", "units", "names", "citations", "hedges")
PASSAGES = 4
"""Sentences of the sources that a sentence is held against."""


def fact_change(parents: Sequence[str], child: str) -> FactChange:
    """Against one parent as app.text.facts has it. Of two, what either has is wanted, and new is what neither has."""
    changes = [facts.compare(parent, child) for parent in parents] or [facts.compare(child, child)]
    if len(changes) == 1:
        return changes[0]
    lost = _each(changes, lambda change: change.lost, any)
    kept = _each(changes, lambda change: change.kept, any)
    return FactChange(kept, lost, _each(changes, lambda change: change.added, all))


def _each(
    changes: Sequence[FactChange], part: Callable[[FactChange], Facts], wanted: Callable[[list[bool]], bool]
) -> Facts:
    """Kind by kind, what stands in that part of any or all of the changes, once each."""
    columns = []
    for kind in KINDS:
        lists = [getattr(part(change), kind) for change in changes]
        once = dict.fromkeys(text for one in lists for text in one)
        columns.append(tuple(text for text in once if wanted([text in one for one in lists])))
    return Facts(*columns)


def new_claims(parents: Sequence[str], child: str, pack: Pack | None, encode: Encode | None = None) -> list[Claim]:
    """Sentences of `child` that neither a parent nor a source supports; none for a text without a parent."""
    if not parents:
        return []
    grounds = list(parents)
    if pack is not None:
        known = {s.text for parent in parents for s in sentences.split(parent)}
        fresh = [s.text for s in sentences.split(child) if s.text not in known]
        grounds += dict.fromkeys(p.text for sentence in fresh for p in pack.nearest(sentence, PASSAGES))
    return claims.unsupported(child, grounds, encode)


def flags(change: FactChange, new: Sequence[Claim]) -> list[str]:
    """What a version is marked with: "lost-numbers" … "lost-hedges", "new-claim"."""
    lost = [f"lost-{kind}" for kind in KINDS if getattr(change.lost, kind)]
    return [*lost, *(["new-claim"] if new else [])]
