"""Each questionnaire's score is what its source says, on worked examples; an answer that can't be has none."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from app.study import protocol, scoring
from app.study.questionnaires import Instrument, built_in
from app.study.scoring import Unscorable, score


def numbered(instrument: str, *values: Any) -> dict[str, Any]:
    return dict(zip([item.id for item in built_in()[instrument].items], values, strict=True))


def csi_answers(ratings: dict[str, tuple[int, int]], order: list[str]) -> dict[str, Any]:
    """`order`: the factors, what mattered most first; of each pair the earlier one is chosen."""
    answers: dict[str, Any] = {f"{name}-{n}": pair[n - 1] for name, pair in ratings.items() for n in (1, 2)}
    for one, other in combinations(scoring.CSI, 2):
        answers[f"{one}-or-{other}"] = min(one, other, key=order.index)
    return answers


def test_sus_gives_the_worked_example_of_its_source() -> None:
    """Brooke (1996), the filled-in sheet: contributions 4 1 1 4 1 2 1 1 4 3, 22 in all, times 2.5 is 55."""
    answers = numbered("sus", 5, 4, 2, 1, 2, 3, 2, 4, 5, 2)
    assert score(built_in()["sus"], answers) == {"score": 22 * 2.5}


def test_sus_ends() -> None:
    assert score(built_in()["sus"], numbered("sus", *[5, 1] * 5)) == {"score": 100}
    assert score(built_in()["sus"], numbered("sus", *[1, 5] * 5)) == {"score": 0}


def test_raw_tlx_is_the_mean_of_six() -> None:
    found = score(built_in()["nasa-tlx"], numbered("nasa-tlx", 70, 10, 55, 40, 65, 30))
    assert found["score"] == pytest.approx(45)
    assert found["performance"] == 40, "0 is perfect as the sheet has it: nothing is turned round"


def test_csi_by_the_published_formula() -> None:
    """By hand: sums 2, 12, 18, 16, 14, 17; counts by this order of importance 0, 1, 5, 4, 2, 3; 245 / 3."""
    ratings = {
        "collaboration": (1, 1), "enjoyment": (5, 7), "exploration": (9, 9),
        "expressiveness": (8, 8), "immersion": (7, 7), "results": (9, 8),
    }  # fmt: skip
    order = ["exploration", "expressiveness", "results", "immersion", "enjoyment", "collaboration"]
    found = score(built_in()["csi"], csi_answers(ratings, order))
    counts = {"exploration": 5, "expressiveness": 4, "results": 3, "immersion": 2, "enjoyment": 1, "collaboration": 0}
    assert {name: found[f"{name}-count"] for name in scoring.CSI} == counts
    assert found["index"] == pytest.approx((18 * 5 + 16 * 4 + 17 * 3 + 14 * 2 + 12 * 1 + 2 * 0) / 3)


def test_csi_spans_0_to_100() -> None:
    order = list(scoring.CSI)
    for rating, index in ((0, 0), (10, 100)):
        answers = csi_answers(dict.fromkeys(scoring.CSI, (rating, rating)), order)
        assert score(built_in()["csi"], answers)["index"] == pytest.approx(index)


def test_likert_means_turn_reversed_items_round() -> None:
    instrument = built_in()["metacognition"]
    agreed = {item.id: 7 for item in instrument.items}
    assert score(instrument, agreed)["planning"] == pytest.approx((7 + 7 + 1) / 3)
    best = {item.id: 1 if item.reversed else 7 for item in instrument.items}
    assert set(score(instrument, best).values()) == {7}


@pytest.mark.parametrize(
    ("item", "value"), [("q4", None), ("q4", 0), ("q4", 6), ("q4", 2.5), ("q4", "3"), ("q4", True), ("q4", [])]
)
def test_missing_and_impossible_answers_are_refused_by_name(item: str, value: Any) -> None:
    answers = {**numbered("sus", *[3] * 10), item: value}
    with pytest.raises(Unscorable, match="q4"):
        score(built_in()["sus"], answers)


def test_tlx_steps_are_fives() -> None:
    with pytest.raises(Unscorable, match="mental"):
        score(built_in()["nasa-tlx"], numbered("nasa-tlx", 72, 10, 55, 40, 65, 30))


def test_a_csi_choice_outside_its_pair_is_refused() -> None:
    answers = csi_answers(dict.fromkeys(scoring.CSI, (5, 5)), list(scoring.CSI))
    with pytest.raises(Unscorable, match="enjoyment-or-results"):
        score(built_in()["csi"], {**answers, "enjoyment-or-results": "immersion"})


@pytest.mark.parametrize("name", sorted(built_in()))
def test_every_file_is_whole(name: str) -> None:
    instrument = built_in()[name]
    assert name == instrument.id
    assert instrument.source
    assert scoring.misfit(instrument) is None
    for item in instrument.items:
        assert item.kind not in ("scale", "likert") or all(item.ends)


def test_the_instruments_of_the_design_are_there() -> None:
    assert set(built_in()) >= {
        "nasa-tlx", "csi", "sus", "metacognition", "ownership", "trust", "preference", "demographics"
    }  # fmt: skip
    sizes = {name: len(built_in()[name].items) for name in ("nasa-tlx", "sus", "csi")}
    assert sizes == {"nasa-tlx": 6, "sus": 10, "csi": 12 + 15}


def test_the_items_order_is_seeded() -> None:
    instrument = built_in()["metacognition"]
    once, again, other = (instrument.ordered(*seed) for seed in ((1, "P01", 2), (1, "P01", 2), (1, "P02", 2)))
    assert once == again
    assert once != other
    assert sorted(item.id for item in once) == sorted(item.id for item in instrument.items)


def changed(name: str, **more: Any) -> Instrument:
    return Instrument.model_validate({**built_in()[name].model_dump(), **more})


def test_a_facilitators_own_file_that_can_not_be_scored_is_told_what_to_write() -> None:
    plain = changed("ownership").model_dump()
    assert "Write one of" in str(scoring.misfit(changed("ownership", scoring="average")))
    assert "Begin with the file" in str(scoring.misfit(changed("ownership", scoring="csi")))
    assert "published order" in str(scoring.misfit(changed("sus", items=plain["items"])))
    assert "`scales`" in str(scoring.misfit(changed("ownership", scales=())))
    items = [{**item, "high": 5} if item["id"] == "ownership-1" else item for item in plain["items"]]
    assert "same `low`" in str(scoring.misfit(changed("ownership", items=items)))
    items = [{**item, "required": False} if item["id"] == "ownership-1" else item for item in plain["items"]]
    assert "Require it" in str(scoring.misfit(changed("ownership", items=items)))


OWN = """
instruments:
  - id: mood
    version: "1"
    name: Mood
    scoring: means
    scales:
      - {id: mood, name: Mood, items: [calm, glad]}
    items:
      - {id: calm, text: I felt calm, kind: likert, low: 1, high: 7, ends: [low, high]}
      - {id: glad, text: I felt glad, kind: likert, low: 1, high: 7, ends: [low, high]}
"""


def test_a_protocols_own_instrument_is_refused_with_its_line() -> None:
    text = protocol.templates()["two-conditions"]
    start = text.count("\n") + 2
    good = text + OWN
    assert score(protocol.parse(good).instrument("mood"), {"calm": 5, "glad": 6}) == {"mood": 5.5}
    for old, new, line, told in (
        ("scoring: means", "scoring: average", start, "Write one of nasa-tlx-raw, sus, csi, means, none"),
        ("    scoring: means", "    points: 7\n    scoring: means", start + 4, "There is no key `points`"),
        (
            "high: 7, ends: [low, high]}\n      - {id: glad",
            "high: 5, ends: [low, high]}\n      - {id: glad",
            start,
            "same",
        ),
    ):
        with pytest.raises(protocol.Mistake, match=told) as refused:
            protocol.parse(good.replace(old, new, 1))
        assert refused.value.line == line
