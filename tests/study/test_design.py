"""Orders: Williams' square is balanced, two by two gives the four orders, allotment stays even."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest

from app.study.design import allot, cells, williams


@pytest.mark.parametrize("n", range(1, 9))
def test_each_condition_at_each_place_and_after_each_other_equally_often(n: int) -> None:
    rows = williams(n)
    assert len(rows) == (n if n % 2 == 0 or n == 1 else 2 * n)
    assert all(sorted(row) == list(range(n)) for row in rows)
    places = Counter((place, condition) for row in rows for place, condition in enumerate(row))
    assert len(set(places.values())) == 1
    follows = Counter(pair for row in rows for pair in pairwise(row))
    assert len(follows) == n * (n - 1)
    assert len(set(follows.values())) <= 1


def test_four_orders_of_two_conditions_and_two_topics() -> None:
    made = [tuple((a.condition, a.topic) for a in cell.arms) for cell in cells(["A", "B"], ["x", "y"])]
    assert made == [
        (("A", "x"), ("B", "y")),
        (("A", "y"), ("B", "x")),
        (("B", "x"), ("A", "y")),
        (("B", "y"), ("A", "x")),
    ]


def test_three_by_three_has_every_condition_with_every_topic_equally_often() -> None:
    made = cells(["A", "B", "C"], ["x", "y", "z"])
    assert len(made) == 18
    assert set(Counter((a.condition, a.topic) for cell in made for a in cell.arms).values()) == {6}
    assert all(len({a.topic for a in cell.arms}) == 3 for cell in made)
    assert set(Counter((i, a.condition, a.topic) for c in made for i, a in enumerate(c.arms)).values()) == {2}


def test_rules() -> None:
    with pytest.raises(ValueError, match="3 conditions need 3 topics"):
        cells(["A", "B", "C"], ["x", "y"])
    assert len(cells(["A", "B", "C"], ["x", "y"], "repeat")) == 12
    fixed = cells(["A", "B"], ["x", "y"], "fixed")
    assert [[a.topic for a in cell.arms] for cell in fixed] == [["x", "y"], ["x", "y"]]
    assert len(cells(["A", "B"], ["x", "y"], "crossed", "fixed")) == 2


def test_no_cell_gets_ahead_and_dropouts_are_filled_first() -> None:
    made = cells(["A", "B", "C"], ["x", "y", "z"])
    draw = random.Random(3)
    taken: Counter[int] = Counter()
    for _ in range(200):
        cell = allot(made, taken, 11).number
        assert taken[cell] == min(taken[c.number] for c in made)
        taken[cell] += 1
        if draw.random() < 0.2:
            gone = draw.choice([n for n, count in taken.items() if count])
            taken[gone] -= 1
    in_order = [c.number for c in made]
    firsts: Counter[int] = Counter()
    got = []
    for _ in made:
        got.append(allot(made, firsts, 11).number)
        firsts[got[-1]] += 1
    assert sorted(got) == in_order
    assert got != in_order  # nobody can foresee it without the seed
