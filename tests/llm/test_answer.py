"""Where an answer ends, fed in pieces of every size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.llm.answer import Answer, Thoughts
from app.llm.types import Sampling


def feed(text: str, size: int, sampling: Sampling, prefill: str = "") -> tuple[str, bool]:
    answer = Answer(prefill, sampling)
    given = answer.text
    for start in range(0, len(text), size):
        given += answer.add(text[start : start + size])
        assert given == answer.text
        if answer.ended:
            return given, True
    given += answer.finish()
    assert given == answer.text
    return given, False


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("It is like a lace. Once cut, it frays.", "It is like a lace."),
        ("The rate is 3.5 per cent of it. Next one.", "The rate is 3.5 per cent of it."),
        ("See e.g. the lace of a shoe. It frays.", "See e.g. the lace of a shoe."),
        ("Dr. Smith found it. Nobody else did.", "Dr. Smith found it."),
        ("Smith et al. (2009) found it. Nobody else did.", "Smith et al. (2009) found it."),
        ("Who knows? Nobody does.", "Who knows?"),
        ('She said "It works." Then she left.', 'She said "It works."'),
        ("One line without an end\nand another line", "One line without an end"),
        ("A sentence.\n\nAn explanation of it.", "A sentence."),
        ("  \n A sentence first. Then more.", "A sentence first."),
        ("No end at all", "No end at all"),
    ],
)
def test_one_sentence_ends_after_the_first(text: str, sentence: str, size: int) -> None:
    given, _ = feed(text, size, Sampling(one_sentence=True))
    assert given == sentence


def test_the_prefill_belongs_to_the_sentence() -> None:
    given, ended = feed(" a lace. Once cut, it frays.", 1, Sampling(one_sentence=True), prefill="It is like")
    assert (given, ended) == ("It is like a lace.", True)


def test_a_sentence_within_the_prefill_does_not_count() -> None:
    given, _ = feed(" cut, it frays. Then more.", 1, Sampling(one_sentence=True), prefill="It is a lace. Once")
    assert given == "It is a lace. Once cut, it frays."


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_a_stop_string_ends_the_answer_and_is_no_part_of_it(size: int) -> None:
    given, ended = feed("one two\n###\nthree", size, Sampling(stop=("###", "three")))
    assert (given, ended) == ("one two", True)


def test_the_start_of_a_stop_string_is_given_when_it_was_none() -> None:
    assert feed("a ## b", 1, Sampling(stop=("###",))) == ("a ## b", False)
    assert feed("a ##", 1, Sampling(stop=("###",))) == ("a ##", False)


def test_a_stop_string_in_the_prefill_ends_nothing() -> None:
    assert feed(" b", 1, Sampling(stop=("a",)), prefill="a") == ("a b", False)


@given(st.text(max_size=60), st.integers(1, 5), st.lists(st.text(min_size=1, max_size=3), max_size=2))
def test_pieces_make_no_difference_and_nothing_given_is_taken_back(text: str, size: int, stops: list[str]) -> None:
    sampling = Sampling(stop=tuple(stops))
    cut = min([text.find(s, len(text) - len(text.lstrip())) for s in stops if s in text.lstrip()], default=len(text))
    assert feed(text, size, sampling)[0] == text[:cut].strip()


@given(st.text("ab. \n?!\"'3", max_size=40), st.integers(1, 4))
def test_one_sentence_is_always_a_beginning_of_the_text(text: str, size: int) -> None:
    given, _ = feed(text, size, Sampling(one_sentence=True))
    assert text.strip().startswith(given)


@pytest.mark.parametrize("size", [1, 2, 5, 8, 1000])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<think>\nThe user wants a lace.\n</think>\n\nIt is like a lace.", "It is like a lace."),
        ("\n<think></think>It is like a lace.", "It is like a lace."),
        ("<think>The user wants", ""),
        ("It is like a lace.", "It is like a lace."),
        (" a lace. <think>so</think>", " a lace. <think>so</think>"),
        ("<thin ice", "<thin ice"),
        ("<thi", "<thi"),
    ],
)
def test_thoughts_before_the_answer_are_left_out(text: str, told: str, size: int) -> None:
    thoughts = Thoughts()
    given = "".join(thoughts.add(text[start : start + size]) for start in range(0, len(text), size))
    assert (given + thoughts.rest()).strip() == told.strip()
