import random
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.text import diff


def pairs(old, new):
    return [(change.kind, change.text) for change in diff.words(old, new)]


def rebuilt(changes):
    return (
        "".join(change.text for change in changes if change.kind != "added"),
        "".join(change.text for change in changes if change.kind != "removed"),
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", []),
        ("", "new", [("added", "new")]),
        ("old", "", [("removed", "old")]),
        ("same text", "same text", [("same", "same text")]),
        (
            "the cat sat",
            "the dog sat",
            [("same", "the "), ("removed", "cat"), ("added", "dog"), ("same", " sat")],
        ),
        ("one two three", "one three", [("same", "one "), ("removed", "two "), ("same", "three")]),
        (
            "hello world.",
            "hello brave new world.",
            [("same", "hello "), ("added", "brave new "), ("same", "world.")],
        ),
        ("a b c", "x y z", [("removed", "a b c"), ("added", "x y z")]),
        ("a b", "a  b", [("same", "a"), ("removed", " "), ("added", "  "), ("same", "b")]),
    ],
)
def test_shows_what_a_reader_calls_changed(old, new, expected):
    assert pairs(old, new) == expected


WORDS = st.lists(
    st.sampled_from(
        ["a", "the", "cat", " ", "  ", "\n", "\n\n", ".", ",", "é", "👩‍🔬", "\u200b", "שלום", "don’t", "3.5"]
    ),
    max_size=40,
).map("".join)


@given(WORDS | st.text(), WORDS | st.text())
def test_both_texts_are_rebuilt_exactly(old, new):
    changes = diff.words(old, new)
    assert rebuilt(changes) == (old, new)
    kinds = [change.kind for change in changes]
    assert all(change.text for change in changes)
    assert all(a != b for a, b in pairwise(kinds))


VOCABULARY = [
    "the",
    "of",
    "a",
    "cell",
    "DNA",
    "grows",
    "in",
    "water",
    ",",
    ".",
    "and",
    "12",
    "km",
    "when",
    "it",
    "is",
    "then",
    "split",
    "by",
    "heat",
    "or",
    "light",
]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["a "] * 10_000, ["b ", "a "] * 5_000),
        (["x"] * 20_000, ["y"] * 20_000),
        (["a b c. "] * 3_000, ["a c b. "] * 3_000),
        (["word "] * 4_000, ["word "] * 4_001),
    ],
)
def test_long_repetitive_texts_take_well_under_three_seconds(old, new):
    old, new = "".join(old), "".join(new)
    began = time.thread_time()
    changes = diff.words(old, new)
    assert time.thread_time() - began < 3
    assert rebuilt(changes) == (old, new)


def test_a_long_revised_text_is_compared_word_by_word_in_bounded_time():
    rng = random.Random(7)
    words = [rng.choice(VOCABULARY) + str(rng.randrange(900)) for _ in range(3_000)]
    revised = [word if rng.random() > 0.1 else "changed" for word in words]
    began = time.thread_time()
    changes = diff.words(" ".join(words), " ".join(revised))
    assert time.thread_time() - began < 3
    assert rebuilt(changes) == (" ".join(words), " ".join(revised))
    kept = sum(len(change.text) for change in changes if change.kind == "same")
    assert kept > 0.8 * len(" ".join(words))


def test_too_repetitive_for_words_still_finds_the_sentences_that_stayed():
    rng = random.Random(3)
    lines = ["".join(rng.choice(["a ", "b ", "c ", "d "]) for _ in range(30)) + "." for _ in range(400)]
    revised = [line if n % 10 else "entirely new words here." for n, line in enumerate(lines)]
    changes = diff.words("\n".join(lines), "\n".join(revised))
    assert rebuilt(changes) == ("\n".join(lines), "\n".join(revised))
    assert sum(len(c.text) for c in changes if c.kind == "same") > 0.7 * len("\n".join(lines))
