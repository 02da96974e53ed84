"""What changed between two texts, word by word."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

Kind = Literal["same", "added", "removed"]

_TOKEN = re.compile(r"\s+|\w+|[^\w\s]")
_COARSE = re.compile(r"[^.!?\n]*[.!?\n]+\s*|[^.!?\n]+$")
# Pairs of equal tokens difflib looks at in one pass. Ordinary prose of 20,000 characters has some 300,000.
_MOST_PAIRS = 3_000_000


@dataclass(frozen=True)
class Change:
    kind: Kind
    text: str


def words(old: str, new: str) -> list[Change]:
    """The changes that lead from `old` to `new`, neighbours always of different kinds.

    `same` and `removed` joined are exactly `old`, `same` and `added` joined exactly `new`, white space
    included. Where two long texts repeat themselves too much for a word diff in bounded time, whole
    sentences are compared, and if even that is too much the middle is given as replaced.
    """
    changes = _compare(_TOKEN.findall(old), _TOKEN.findall(new))
    if changes is None:
        coarse = _compare(_COARSE.findall(old), _COARSE.findall(new)) or [
            Change("removed", old),
            Change("added", new),
        ]
        changes = list(_refine(coarse))
    return list(_tidy(changes))


def _compare(old: list[str], new: list[str]) -> list[Change] | None:
    """None where it would take too long."""
    head = _shared(old, new)
    before, old, new = "".join(old[:head]), old[head:], new[head:]
    tail = _shared(old[::-1], new[::-1])
    after, old, new = "".join(old[len(old) - tail :]), old[: len(old) - tail], new[: len(new) - tail]
    counts = Counter(new)
    if sum(n * counts[token] for token, n in Counter(old).items() if not token.isspace()) > _MOST_PAIRS:
        return None
    changes = [Change("same", before)]
    # White space starts no match: words that only share the blanks between them would look like prose kept.
    for tag, a, b, c, d in SequenceMatcher(str.isspace, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            changes.append(Change("same", "".join(old[a:b])))
        else:
            changes += [Change("removed", "".join(old[a:b])), Change("added", "".join(new[c:d]))]
    return [*changes, Change("same", after)]


def _refine(coarse: list[Change]) -> Iterator[Change]:
    """Word by word inside each replaced stretch, where that is affordable."""
    for change, following in zip(coarse, [*coarse[1:], None], strict=True):
        if change.kind == "removed" and following is not None and following.kind == "added":
            finer = _compare(_TOKEN.findall(change.text), _TOKEN.findall(following.text))
            yield from finer or [change, following]
        elif change.kind != "added":
            yield change


def _shared(old: list[str], new: list[str]) -> int:
    count = 0
    for a, b in zip(old, new, strict=False):
        if a != b:
            break
        count += 1
    return count


def _tidy(changes: list[Change]) -> Iterator[Change]:
    """Join neighbours of a kind; white space kept between two changed words is changed with them."""
    changes = [change for change in changes if change.text]
    removed = added = same = ""
    for change, following in zip(changes, [*changes[1:], None], strict=False):
        if change.kind == "removed":
            removed += change.text
        elif change.kind == "added":
            added += change.text
        elif change.text.isspace() and (removed or added) and following is not None and following.kind != "same":
            removed, added = removed + change.text, added + change.text
            continue
        else:
            yield from _changed(removed, added)
            removed = added = ""
            same += change.text
        if same and (following is None or following.kind != "same"):
            yield Change("same", same)
            same = ""
    yield from _changed(removed, added)


def _changed(removed: str, added: str) -> Iterator[Change]:
    if removed:
        yield Change("removed", removed)
    if added:
        yield Change("added", added)
