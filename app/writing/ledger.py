"""The claim ledger of a version: which facts it kept and lost, and which of its sentences nothing supports."""

from __future__ import annotations

from collections.abc import Sequence

from app.text import claims, sentences
from app.text.claims import Claim, Encode
from app.text.facts import FactChange
from app.writing.sources import Pack

KINDS = ("numbers", "units", "names", "citations", "hedges")
PASSAGES = 4
"""Sentences of the sources that a sentence is held against."""


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
