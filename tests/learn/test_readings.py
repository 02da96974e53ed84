"""Which requests the default model's layer was learnt from, checked and read on: what docs/tuned-model.md rests on."""

from __future__ import annotations

import json

from app.learn import corpus
from app.writing.strategies import load_book
from benchmarks import drawn, tuned


def test_draws_to_learn_from_are_of_topics_that_are_not_held_out() -> None:
    asked = list(drawn.asks(load_book()))
    topics = {topic for _, topic, _, _ in asked}
    held_out = {e.row.topic for e in corpus.examples() if e.row.split == "held-out"}
    assert len(asked) == len({id for id, _, _, _ in asked}) == 936
    assert len(topics) == 117
    assert not topics & held_out
    assert 0 < sum(map(drawn.kept_apart, topics)) < 117 / 3


def test_graded_draws_are_those_requests() -> None:
    graded = [json.loads(line) for line in drawn.GRADES.read_text().splitlines()]
    assert {line["id"] for line in graded} == {id for id, _, _, _ in drawn.asks(load_book())}
    assert {grade for line in graded for _, grade in line["answers"]} == {0, 1, 2, 3}


def test_second_reading_asks_the_same_paragraphs_for_what_they_were_not_asked() -> None:
    first, second = tuned.pairs(load_book()), tuned.later(load_book())
    assert {pair.parent.text for pair in second} == {pair.parent.text for pair in first}
    assert len(second) == len({pair.id for pair in second}) == 39 * 12
    asked = {(pair.parent.text, pair.strategy.id) for pair in first}
    assert not any((pair.parent.text, pair.strategy.id) in asked for pair in second)


def test_judgements_are_of_the_key_they_were_made_for() -> None:
    for name, of in (("both-3", tuned.pairs), ("both-3-again", tuned.later)):
        key = json.loads((tuned.RESULTS / f"tuned-key-{name}.json").read_text())
        judged = json.loads((tuned.RESULTS / f"tuned-judgements-{name}.json").read_text())["judgements"]
        assert {one["id"] for one in key["pairs"]} == {pair.id for pair in of(load_book())}
        assert [one["n"] for one in judged] == list(range(1, len(key["shown"]) + 1))
