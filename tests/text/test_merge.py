"""Two texts sentence by sentence: what belongs together, where a third's come from, and what lies between."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.text import merge

A = "Cells divide. Imagine a candle burning at both ends. Each division trims 70 bp. They age."
B = "Cells divide. Each division trims about 70 bp. They age. It is like a shoelace. Blackburn saw it in 1978."


def marks(found):
    return [piece.origin for piece in found]


@pytest.mark.parametrize(
    ("one", "other", "least", "most"),
    [
        ("Cells divide.", "cells divide!", 1, 1),
        ("Each division trims 70 bp.", "Each division trims about 70 bp.", 0.85, 0.95),
        ("When telomeres are short, the cell stops dividing.", "The cell stops dividing.", merge.NEAR, 0.8),
        ("Cells divide.", "It is like a shoelace.", 0, 0),
        ("The cell stops dividing.", "The sun stops shining.", 0, merge.NEAR - 0.01),
    ],
)
def test_likeness_is_the_share_of_words_in_order(one, other, least, most):
    assert least <= merge.likeness(one, other) <= most
    assert merge.likeness(one, other) == merge.likeness(other, one)


def test_sentences_that_belong_together_are_paired_also_when_reworded_or_moved():
    pairs = merge.align(
        "One stays here. Two is a long one. Three goes.", "Three goes. Two is a very long one. One stays here."
    )
    assert {(p.a, p.b) for p in pairs} == {(0, 2), (1, 1), (2, 0)}
    assert 0 < sum(p.moved for p in pairs) < 3
    assert {(p.a, p.b): p.same for p in pairs}[1, 1] is False


def test_each_sentence_of_a_child_is_told_its_origin():
    child = "Cells divide. Imagine a candle burning at both ends. They age. It is like a worn shoelace. Nobody knows."
    assert marks(merge.origins(child, A, B)) == ["both", "a", "both", "b", "new"]
    assert marks(merge.origins("Each division trims about 70 bp.", A, B)) == ["b"], "the likelier one"
    assert merge.origins("", A, B) == []


@pytest.mark.parametrize("share", [merge.NEAR - 0.05, merge.NEAR + 0.05])
def test_new_begins_where_less_than_the_threshold_is_kept(share):
    words = [f"word{i}" for i in range(20)]
    kept = round(20 * share)
    child = " ".join([*words[:kept], *(f"other{i}" for i in range(20 - kept))]) + "."
    assert marks(merge.origins(child, " ".join(words) + ".", "Nothing alike here.")) == [
        "a" if share >= merge.NEAR else "new"
    ]


def test_at_the_ends_stand_the_texts_themselves_and_in_the_middle_all_of_both():
    assert merge.merge(A, B, 0).text == A
    assert merge.merge(A, B, 1).text == B
    middle = merge.merge(A, B, 0.5)
    assert "candle" in middle.text
    assert "shoelace" in middle.text
    assert "1978" in middle.text
    assert middle.text.count("70 bp") == 1, "two forms of a sentence do not both appear"
    assert marks(middle.pieces) == ["both", "a", "a", "both", "b", "b"]


def test_sentences_come_in_one_by_one_those_with_facts_first():
    assert "1978" in merge.merge(A, B, 0.2).text
    assert "shoelace" not in merge.merge(A, B, 0.2).text
    assert "candle" not in merge.merge(A, B, 0.9).text


def test_a_moved_sentence_stands_once():
    a, b = "Rain falls on hills. Snow melts in spring. Rivers rise.", "Rivers rise. Rain falls on hills. Fish return."
    for step in range(11):
        text = merge.merge(a, b, step / 10).text
        assert text.count("Rivers rise.") == 1
        assert text.count("Rain falls on hills.") == 1


def test_white_space_of_the_source_is_kept_where_neighbours_stay():
    assert merge.merge("One is here.\nTwo is there.", "Unlike all this.", 0).text == "One is here.\nTwo is there."
    assert merge.merge("你好。世界！", "再见。", 0).text == "你好。世界！"


POOL = (
    "Glaciers store winter snow for months.", "Bees steer by the light.", "In 1978 Blackburn counted repeats.",
    "Why do cats land softly?", "Salt lowers the freezing point of lakes.", "Nobody expected such quick success!",
    "Telomeres cap chromosomes like plastic tips.", "Old maps show seven lost islands.", "Every evening fog rolls in.",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(POOL), min_size=1, max_size=7, unique=True)
MIXES = st.floats(0, 1)


@settings(deadline=None)
@given(TEXTS, TEXTS, MIXES)
def test_a_merge_is_made_of_their_sentences_each_once_in_their_order(a, b, mix):
    merged = merge.merge(" ".join(a), " ".join(b), mix)
    told = [piece.text for piece in merged.pieces]
    assert " ".join(told) == merged.text
    assert len(set(told)) == len(told)
    assert set(told) <= set(a) | set(b)
    for source, origin in ((a, "a"), (b, "b")):
        own = [piece.text for piece in merged.pieces if piece.origin == origin]
        assert own == sorted(own, key=source.index)
    assert {p.text for p in merged.pieces if p.origin == "both"} == set(a) & set(b)
    assert set(a) & set(b) <= set(told), "what both say stays"
    assert merged == merge.merge(" ".join(a), " ".join(b), mix), "the same each time"


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_more_of_the_mix_never_means_less_of_the_other_text(a, b):
    own_a, own_b = set(a) - set(b), set(b) - set(a)
    held = [{p.text for p in merge.merge(" ".join(a), " ".join(b), step / 20).pieces} for step in range(21)]
    counts_a, counts_b = [len(h & own_a) for h in held], [len(h & own_b) for h in held]
    assert counts_a == sorted(counts_a, reverse=True)
    assert counts_b == sorted(counts_b)
    assert held[0] == set(a)
    assert held[10] == set(a) | set(b)
    assert held[20] == set(b)


@settings(deadline=None)
@given(TEXTS, TEXTS, MIXES)
def test_nothing_in_a_merge_is_new(a, b, mix):
    a, b = " ".join(a), " ".join(b)
    assert "new" not in marks(merge.origins(merge.merge(a, b, mix).text, a, b))


@settings(deadline=None)
@given(st.text(max_size=80), st.text(max_size=80), MIXES)
def test_any_texts_can_be_merged(a, b, mix):
    merged = merge.merge(a, b, mix)
    assert merge.merge(a, b, 0).text.split() == a.split()
    assert merge.merge(a, b, 1).text.split() == b.split()
    assert [p.text for p in merged.pieces] == [p.text for p in merge.merge(a, b, mix).pieces]


@pytest.mark.parametrize("unit", ["Word {} is here and there. ", "One. ", "A. B. "])
def test_texts_of_twenty_thousand_characters_take_seconds_not_minutes(unit):
    a = "".join(unit.format(i) for i in range(20_000 // len(unit)))
    b = "".join(unit.format(i * 2) for i in range(20_000 // len(unit)))
    began = time.thread_time()
    merge.merge(a, b, 0.3)
    merge.origins(a, a, b)
    assert time.thread_time() - began < 20
