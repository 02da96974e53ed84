"""What a revision must not lose: numbers, units, names, citations and hedges.

Found by rule, not by a model, so that the same text always gives the same facts. What the rules miss, and
what they wrongly take for a fact, is written down in tests/text/test_facts.py."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from app.text import citations, hedges, names, quantities
from app.text.names import Name


@dataclass(frozen=True)
class Facts:
    """Each as written in the text, in its order. A unit comes with its number ("12 km"); a name only once."""

    numbers: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    citations: tuple[str, ...] = ()
    hedges: tuple[str, ...] = ()


@dataclass(frozen=True)
class FactChange:
    """`kept` and `lost` as the parent writes them, `added` as the child does."""

    kept: Facts
    lost: Facts
    added: Facts


_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_Pair = tuple[str, str]  # as written, as compared


def find(text: str) -> Facts:
    """The facts of `text`."""
    found = _find(text)
    return Facts(*(tuple(written for written, _ in pairs) for pairs in found))


def compare(parent: str, child: str) -> FactChange:
    """Which facts of `parent` stand in `child`, however spelled ("1,200" is "1200", "twelve" is "12").

    Numbers, units and hedges are counted: a figure given twice and then once is lost once. A name or a
    reference is kept where it is there at all; a name also where it begins a sentence of the child.
    """
    before, after = _find(parent), _find(child)
    columns = [_counted(old, new) for old, new in zip(before, after, strict=True)]
    columns[2] = _named(before[2], after[2], parent, child)
    columns[3] = _present(before[3], after[3])
    kept, lost, added = (Facts(*(tuple(column[part]) for column in columns)) for part in range(3))
    return FactChange(kept, lost, added)


def compare_all(parents: Sequence[str], child: str) -> FactChange:
    """As `compare`, for a text with several parents: kept and lost of any of them, added to all of them together.
    What is told by two of them is told here once."""
    changes = [compare(parent, child) for parent in parents]
    added = compare("\n\n".join(parents), child).added
    kinds = Facts.__dataclass_fields__

    def of_any(part: str) -> Facts:
        told = {kind: [getattr(getattr(change, part), kind) for change in changes] for kind in kinds}
        return Facts(**{kind: tuple(_most_often(lists)) for kind, lists in told.items()})

    return FactChange(of_any("kept"), of_any("lost"), added)


def _most_often(lists: Sequence[Sequence[str]]) -> list[str]:
    """Each word as often as the list that has it most often."""
    merged: list[str] = []
    for words in lists:
        merged += (Counter(words) - Counter(merged)).elements()
    return merged


def each(found: Facts) -> list[tuple[str, str]]:
    """Kind (quantity, name, citation, hedge) and text of each fact; a number with a unit is one quantity."""
    quantity = list(found.units)
    alone = []
    free = list(found.units)
    for number in sorted(found.numbers, key=len, reverse=True):
        bound = next((unit for unit in free if unit.startswith(f"{number} ") or unit.lstrip("$€£¥") == number), None)
        if bound is None:
            alone.append(number)
        else:
            free.remove(bound)
    quantity += [number for number in dict.fromkeys(found.numbers) for _ in range(alone.count(number))]
    columns = (("quantity", quantity), ("name", found.names), ("citation", found.citations), ("hedge", found.hedges))
    return [(kind, text) for kind, texts in columns for text in texts]


def _find(text: str) -> tuple[list[_Pair], list[_Pair], list[_Pair], list[_Pair], list[_Pair]]:
    cited = citations.find(text)
    masked = _mask(text, {(c.start, c.end) for c in cited})
    found = quantities.find(masked)
    units = [
        (
            f"{q.unit_text}{q.text}" if q.unit_text in "$€£¥" else f"{q.text} {q.unit_text}",
            f"{q.key} {q.unit}",
        )
        for q in found
        if q.unit
    ]
    once: dict[str, Name] = {}
    for name in names.find(_mask(masked, {(q.start, q.after) for q in found})):
        once.setdefault(name.key, name)
    return (
        [(q.text, q.key) for q in found],
        units,
        [(name.text, name.key) for name in once.values()],
        list({c.key: (c.text, c.key) for c in cited}.values()),
        list(hedges.find(masked)),
    )


def _mask(text: str, places: Iterable[tuple[int, int]]) -> str:
    """A reference's authors and year are not names and numbers of the text. Places stay where they are."""
    for start, end in places:
        text = text[:start] + "·" * (end - start) + text[end:]
    return text


def _counted(old: list[_Pair], new: list[_Pair]) -> tuple[list[str], list[str], list[str]]:
    """What is written the same is matched first: of "may" and "could", the one that is left out is told as lost."""
    gone, come = _unmatched(old, new, lambda pair: pair), _unmatched(new, old, lambda pair: pair)
    lost = _unmatched([old[i] for i in gone], [new[i] for i in come], lambda pair: pair[1])
    added = _unmatched([new[i] for i in come], [old[i] for i in gone], lambda pair: pair[1])
    missing = {gone[i] for i in lost}
    return (
        [written for i, (written, _) in enumerate(old) if i not in missing],
        [old[gone[i]][0] for i in lost],
        [new[come[i]][0] for i in added],
    )


def _unmatched(ours: list[_Pair], theirs: list[_Pair], key: Callable[[_Pair], object]) -> list[int]:
    """Places in `ours` of those that are there more often than in `theirs`."""
    there = Counter(map(key, theirs))
    left = []
    for i, pair in enumerate(ours):
        if there[key(pair)] <= 0:
            left.append(i)
        there[key(pair)] -= 1
    return left


def _present(old: list[_Pair], new: list[_Pair]) -> tuple[list[str], list[str], list[str]]:
    before, after = {key for _, key in old}, {key for _, key in new}
    return (
        [written for written, key in old if key in after],
        [written for written, key in old if key not in after],
        [written for written, key in new if key not in before],
    )


def _named(old: list[_Pair], new: list[_Pair], parent: str, child: str) -> tuple[list[str], list[str], list[str]]:
    before, after = {key for _, key in old}, {key for _, key in new}
    lost = [written for written, key in old if key not in after and not _stands(key, child)]
    return (
        [written for written, _ in old if written not in lost],
        lost,
        [written for written, key in new if key not in before and not _stands(key, parent)],
    )


def _stands(key: str, text: str) -> bool:
    """The words of the name, one after another, wherever they stand; CO₂ is CO2."""
    text = text.translate(_SUBSCRIPTS)
    words = r"(?:[’']s?)?[\s.]+".join(re.escape(word) for word in key.translate(_SUBSCRIPTS).replace(".", " ").split())
    return re.search(rf"(?<!\w){words}(?!\w)|(?<!\w){words}s(?!\w)", text) is not None
