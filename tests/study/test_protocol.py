"""A protocol is refused with the line and what to write; the ready ones stand."""

from __future__ import annotations

import json

import pytest

from app.study import protocol
from app.study.protocol import Mistake, Protocol, parse
from app.study.questionnaires import Instrument, Item, Option, checked
from tests.study.people import SHORT

DEBRIEF = "- {id: debrief, kind: debrief, text: It was about maps and chats.}"
XY = (Option(value="x", label="X"), Option(value="y", label="Y"))


def mistake(old: str, new: str) -> Mistake:
    assert old in SHORT
    with pytest.raises(Mistake) as found:
        parse(SHORT.replace(old, new, 1))
    return found.value


def line_of(text: str) -> int:
    return SHORT[: SHORT.index(text)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("seed: 7", "sed: 7", "no key `sed`"),
        ("title: Cells", "titel: Cells", "no key `titel`"),
        ("minutes: 10", "minuts: 10", "no key `minuts`"),
        ("seed: 7", "seed: seven", "`seed`"),
        ("base: baseline", "base: basline", "'spatial' or 'baseline'"),
        ("kind: interview", "kind: talk", "'interview'"),
        ("participants: 4", "seed: 7", "twice"),
        ("title: A short study", "title: [A short study", "not YAML"),
        ("seed: 7", "seed: &x [*x]", "repeats another place"),
        ("format: spatialbalancing-study/1", "format: another/1", "Write `format: spatialbalancing-study/1`"),
        ("Every keystroke is kept.", "All is kept.", "keystrokes"),
        ("base: baseline", "base: baseline\n    muse: true", "leave those keys out"),
        ("  - id: stars", "  - id: cells", "Two topics have the id"),
        ("instruments: [choice]", "instruments: [chioce]", "known are"),
        ("kind: break", "kind: task", "exactly one step of kind task"),
        ("{id: consent, kind: consent}", "{id: consent, kind: break}", "kind consent"),
        (DEBRIEF, f"{DEBRIEF}\n    - {{id: end, kind: break}}", "kind debrief"),
        ("ends: [very low, very high]", "ends: [very low]", "`instruments.1.items.1.ends"),
        ("exposition: [45, 60]", "exposition: [60, 45]", "from a lower to a higher"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(old: str, new: str, says: str) -> None:
    found = mistake(old, new)
    assert says in found.what, str(found)
    assert found.what.endswith(".")
    assert found.line is not None
    whole = {"keystrokes": "  text: |", "leave those": "  - id: baseline", "Two topics": "topics:"}
    whole |= dict.fromkeys(("exactly", "kind consent", "kind debrief", "known are"), "flow:")
    place = next((part for key, part in whole.items() if key in says), old)
    assert abs(found.line - line_of(place)) <= 1, found.line


def test_three_conditions_and_two_topics_need_a_rule() -> None:
    third = SHORT.replace(
        "  - id: baseline\n", "  - id: plain\n    name: the labels\n    canvas: false\n  - id: baseline\n", 1
    )
    with pytest.raises(Mistake, match=r"Line \d+: 3 conditions need 3 topics.*topics: repeat"):
        parse(third)
    assert len(parse(third.replace("instruments:", "design: {topics: repeat}\ninstruments:", 1)).cells) == 12


@pytest.mark.parametrize(
    "text",
    ["", "- a", "x", "\x00", "a: [", "format: spatialbalancing-study/1", "? {a: b} : c", "[" * 5000, "a: 2026-99-99"],
)
def test_what_is_no_protocol_at_all(text: str) -> None:
    with pytest.raises(Mistake):
        parse(text)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("name: short  # ours", "name: short-2  # ours"),
        ('name: "short"', "name: short-2"),
        ('"name": short', '"name": short-2'),
    ],
)
def test_another_name_leaves_all_else_as_it_was(line: str, wanted: str) -> None:
    made = protocol.renamed(SHORT.replace("name: short", line, 1), "short-2")
    assert made == SHORT.replace("name: short", wanted, 1)
    assert parse(made).name == "short-2"
    indented = "".join(f"  {line}\n" for line in SHORT.split("\n"))
    assert parse(protocol.renamed(indented, "short-2")).name == "short-2"


def test_the_way_of_an_arm() -> None:
    found = parse(SHORT)
    arms = [{"condition": a.condition, "topic": a.topic} for a in found.cells[0].arms]
    way = found.way(arms)
    assert [p.number for p in way] == list(range(14))
    assert [(p.condition, p.topic) for p in way if p.step == "task"] == [(a["condition"], a["topic"]) for a in arms]
    assert {p.topic for p in way if p.step == "practice"} == {"leaves"}


def test_what_is_frozen_is_read_back_as_it_was() -> None:
    found = parse(SHORT)
    again = Protocol.model_validate(json.loads(json.dumps(found.model_dump(mode="json"))))
    assert again == found
    assert not again.condition("baseline").switches.labels
    assert again.condition("baseline").switches.chat


@pytest.mark.parametrize("name", ["two-conditions", "ablation-without-muse"])
def test_the_ready_protocols_stand(name: str) -> None:
    found = parse(protocol.templates()[name])
    assert len(found.cells) == {"two-conditions": 4, "ablation-without-muse": 18}[name]
    words = [len(t.draft.split()) for t in found.topics]
    assert max(words) - min(words) <= 20, words  # matched in length


@pytest.mark.parametrize(
    ("item", "value", "stored"),
    [
        (Item(id="a", text="", kind="scale", step=5), 45, 45),
        (Item(id="a", text="", kind="scale", high=1, step=0.1), 0.3, 0.3),
        (Item(id="a", text="", kind="likert", low=1, high=7), 7, 7),
        (Item(id="a", text="", kind="number", low=18, high=99), 30.5, 30.5),
        (Item(id="a", text="", kind="choices", options=XY), ["y", "x"], ["x", "y"]),
        (Item(id="a", text="", kind="condition"), "spatial", "spatial"),
        (Item(id="a", text="", kind="text"), "e\u0301 \u200b", "e\u0301 \u200b"),
    ],
)  # fmt: skip
def test_answers_that_fit(item: Item, value: object, stored: object) -> None:
    assert checked(item, value, ("spatial", "baseline")) == stored
    between = [item.low + item.step / 2] if item.kind in ("scale", "likert") else []
    for wrong in (None, {}, 1e9, "nobody" if item.kind != "text" else 5, ["z"], *between):
        with pytest.raises(ValueError, match=r"\.$"):
            checked(item, wrong, ("spatial", "baseline"))


def test_items_are_shuffled_by_seed() -> None:
    items = tuple(Item(id=f"i{n}", text="", kind="text") for n in range(9))
    instrument = Instrument(id="x", version="1", name="X", items=items, order="seeded")
    first = instrument.ordered(1, "P01", 5)
    assert first == instrument.ordered(1, "P01", 5)
    assert first != instrument.ordered(1, "P02", 5)
    assert set(first) == set(items)
