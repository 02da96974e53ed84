"""The places where two texts differ, as a reader would accept or refuse them one by one."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise

from app.text import diff, merge, sentences


@dataclass(frozen=True)
class Hunk:
    """At this place `removed` gives way to `added`; `before` stands in both texts between the hunk before and it."""

    before: str
    removed: str
    added: str


def find(old: str, new: str) -> tuple[list[Hunk], str]:
    """The hunks from first to last, and what stands in both after the last.

    `before` and `removed` joined are `old`, `before` and `added` joined are `new`. A sentence that only one of them has
    is one hunk; two forms of a sentence are compared word by word. A plain word diff would tie together words that two
    strange sentences happen to share.
    """
    found: list[Hunk] = []
    same = ""
    for removed, added in _stretches(old, new):
        if removed == added:
            same += removed
        elif found and not same and not (removed + added).strip():
            # Where a sentence comes or goes, so does the blank beside it.
            last = found.pop()
            found.append(Hunk(last.before, last.removed + removed, last.added + added))
        else:
            found.append(Hunk(same, removed, added))
            same = ""
    return found, same


def accept(old: str, new: str, accepted: Collection[int]) -> str:
    """`old` with the hunks of these indices taken from `new`: none gives `old`, all give `new`."""
    found, rest = find(old, new)
    kept = (hunk.before + (hunk.added if i in accepted else hunk.removed) for i, hunk in enumerate(found))
    return "".join(kept) + rest


def _stretches(old: str, new: str) -> Iterator[tuple[str, str]]:
    """Pieces of both texts that belong to each other, in order; one of a pair may be empty."""
    mine, theirs = _with_gaps(old), _with_gaps(new)
    i = j = 0
    for pair in merge.align(old, new):
        if pair.moved:
            continue
        yield from ((piece, "") for piece in mine[i : pair.a])
        yield from (("", piece) for piece in theirs[j : pair.b])
        yield from _words(mine[pair.a], theirs[pair.b])
        i, j = pair.a + 1, pair.b + 1
    yield from ((piece, "") for piece in mine[i:-1])
    yield from (("", piece) for piece in theirs[j:-1])
    yield from _words(mine[-1], theirs[-1])


def _words(old: str, new: str) -> Iterator[tuple[str, str]]:
    removed = ""
    for change in diff.words(old, new):
        if change.kind == "removed":
            removed = change.text
            continue
        if change.kind == "added":
            yield removed, change.text
        else:
            if removed:
                yield removed, ""
            yield change.text, change.text
        removed = ""
    if removed:
        yield removed, ""


def _with_gaps(text: str) -> list[str]:
    """The sentences, each with the white space before it; last what follows the last."""
    ends = [0, *(sentence.end for sentence in sentences.split(text))]
    return [*(text[start:end] for start, end in pairwise(ends)), text[ends[-1] :]]
