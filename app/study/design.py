"""Counterbalancing: which orders of conditions and topics there are, and who gets which.

Conditions follow a Williams design (Williams, E. J., 1949, Experimental designs balanced for the estimation of residual
effects of treatments, Australian Journal of Scientific Research A 2, 149–168): a Latin square in which each condition
follows each other one equally often. With an even number n of conditions it has n rows, with an odd number 2n.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from app.study.types import Arm, Cell


def williams(n: int) -> list[list[int]]:
    """Rows of 0 … n-1. For two: 01, 10."""
    if n < 1:
        raise ValueError("A design needs a condition.")
    first = [0]
    low, high = 1, n - 1
    while len(first) < n:
        first.append(low)
        low += 1
        if len(first) < n:
            first.append(high)
            high -= 1
    rows = [[(x + i) % n for x in first] for i in range(n)]
    return rows if n % 2 == 0 else rows + [row[::-1] for row in rows] if n > 1 else rows


def rotations(topics: Sequence[str], periods: int) -> list[tuple[str, ...]]:
    """Each topic once at each place: with two topics and two periods, xy and yx."""
    n = len(topics)
    return [tuple(topics[(start + i) % n] for i in range(periods)) for start in range(n)]


def cells(
    conditions: Sequence[str], topics: Sequence[str], rule: str = "crossed", order: str = "balanced"
) -> list[Cell]:
    """All orders, numbered from 1.

    `rule`: crossed (each order of conditions with each rotation of the topics; two by two gives four cells), fixed (the
    topics in the order given, whatever the conditions') or repeat (fewer topics than conditions: they come again).
    `order`: balanced (a Williams design) or fixed (the conditions in the order given). Raises ValueError.
    """
    n = len(conditions)
    if len(topics) < n and rule != "repeat":
        raise ValueError(
            f"{n} conditions need {n} topics, and there are {len(topics)}: nobody should write about a topic twice. "
            "Add topics, or say `topics: repeat` under `design` when that is meant."
        )
    orders = [list(range(n))] if order == "fixed" else williams(n)
    ways = [tuple(topics[i % len(topics)] for i in range(n))] if rule == "fixed" else rotations(topics, n)
    made = [
        tuple(Arm(conditions[c], topic) for c, topic in zip(row, way, strict=True)) for row in orders for way in ways
    ]
    return [Cell(i + 1, arms) for i, arms in enumerate(made)]


def allot(all_cells: Sequence[Cell], taken: Mapping[int, int], seed: int) -> Cell:
    """The cell of the next participant: one of those with the fewest people, drawn in seeded blocks, so that nobody can
    foresee it and no cell gets ahead by more than one. `taken` is how many hold each cell; a participant who dropped
    out is not counted, so their place is filled first."""
    fewest = min(taken.get(cell.number, 0) for cell in all_cells)
    block = list(all_cells)
    random.Random(f"{seed}:{fewest}").shuffle(block)  # noqa: S311
    return next(cell for cell in block if taken.get(cell.number, 0) == fewest)
