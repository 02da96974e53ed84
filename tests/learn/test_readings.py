"""Which requests the default model's layer was learnt from, checked and read on: what docs/tuned-model.md rests on."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.learn import corpus
from app.writing.strategies import load_book
from benchmarks import drawn, reading
from benchmarks.lines import read_lines
from benchmarks.tuning import RESULTS, kept_apart


def test_draws_to_learn_from_are_of_topics_that_are_not_held_out() -> None:
    asked = list(drawn.asks(load_book()))
    topics = {topic for _, topic, _, _ in asked}
    held_out = {e.row.topic for e in corpus.examples() if e.row.split == "held-out"}
    assert len(asked) == len({id for id, _, _, _ in asked}) == 936
    assert len(topics) == 117
    assert not topics & held_out


def test_the_layer_that_ships_was_checked_by_the_topics_that_are_kept_apart() -> None:
    """As many draws of each kind as `benchmarks.drawn pairs` makes of the published grades."""
    (run,) = (run for run in read_lines(reading.GRADED) if run["name"] == "both-3")
    kinds = {True: 0, False: 0}
    for line in read_lines(drawn.GRADES):
        grades = [grade for _, grade in line["answers"]]
        kinds[kept_apart(line["topic"], drawn.ONE_IN)] += sum(grade > min(grades) for grade in grades)
    assert (kinds[False], kinds[True]) == (run["examples"], run["checked"])


def test_graded_draws_are_those_requests() -> None:
    graded = read_lines(drawn.GRADES)
    assert {line["id"] for line in graded} == {id for id, _, _, _ in drawn.asks(load_book())}
    assert {grade for line in graded for _, grade in line["answers"]} == {0, 1, 2, 3}


def test_second_reading_asks_the_same_paragraphs_for_what_they_were_not_asked() -> None:
    first, second = reading.pairs(load_book()), reading.later(load_book())
    assert {pair.parent.text for pair in second} == {pair.parent.text for pair in first}
    assert len(second) == len({pair.id for pair in second}) == 39 * 12
    asked = {(pair.parent.text, pair.strategy.id) for pair in first}
    assert not any((pair.parent.text, pair.strategy.id) in asked for pair in second)


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Runs a command of the reading of `both-3`; what it writes is in the folder that is given back."""
    monkeypatch.setattr(reading, "RESULTS", tmp_path)
    monkeypatch.setattr(reading, "WORK", tmp_path)

    def run(command: str, *options: str) -> Path:
        monkeypatch.setattr("sys.argv", ["reading", command, "--of", "both-3", *options])
        reading.main()
        return tmp_path

    return run


@pytest.mark.parametrize("again", [(), ("--again",)])
def test_published_answers_and_judgements_give_the_published_key_and_verdict(
    read: Callable[..., Path], again: tuple[str, ...]
) -> None:
    name = "both-3-again" if again else "both-3"
    key, judgements, verdict = (f"tuned-{kind}-{name}.json" for kind in ("key", "judgements", "verdict"))
    judged = json.loads((RESULTS / judgements).read_text())["judgements"]
    assert [one["n"] for one in judged] == list(range(1, len(judged) + 1))
    made = read("sheet", *again)
    assert (made / key).read_text() == (RESULTS / key).read_text()
    shutil.copy(RESULTS / judgements, made)
    read("verdict", *again)
    assert (made / verdict).read_text() == (RESULTS / verdict).read_text()


def test_the_sheet_shows_each_side_under_the_letter_that_the_key_has(read: Callable[..., Path]) -> None:
    made = read("sheet")
    key = json.loads((made / "tuned-key-both-3.json").read_text())
    base = {line["id"]: line["answer"] for line in read_lines(reading.ANSWERS) if line["side"] == "base"}
    items = re.split(r"^## ", (made / "sheet.md").read_text(), flags=re.MULTILINE)[1:]
    for item, shown in zip(items, key["shown"], strict=True):
        assert f"\n{shown['base_is']}: {base[key['pairs'][shown['pair']]['id']]}\n" in item
