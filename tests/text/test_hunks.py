"""Single differences of two texts, taken or left."""

from hypothesis import given, settings
from hypothesis import strategies as st

from app.text import hunks


def told(old, new):
    return [(hunk.removed, hunk.added) for hunk in hunks.find(old, new)[0]]


def test_words_inside_a_sentence_and_whole_sentences_are_hunks_of_their_own():
    old = "A red fox runs over a hill. It sleeps. Picture a gardener that keeps a room bright."
    new = "A brown fox runs over a hill. It sleeps. The amount of a gas over a place is given."
    assert told(old, new) == [
        ("red", "brown"),
        (" Picture a gardener that keeps a room bright.", ""),
        ("", " The amount of a gas over a place is given."),
    ]


def test_a_new_opening_is_one_hunk_with_its_blank():
    assert told("Cells divide.", "Imagine a candle. Cells divide.") == [("", "Imagine a candle. ")]
    assert told("Imagine a candle. Cells divide.", "Cells divide.") == [("Imagine a candle. ", "")]


def test_hunks_are_accepted_one_by_one():
    old, new = "A red fox runs away. It sleeps.", "A brown fox walks away. It sleeps. All is well."
    assert hunks.accept(old, new, [0]) == "A brown fox runs away. It sleeps."
    assert hunks.accept(old, new, [2]) == "A red fox runs away. It sleeps. All is well."


PIECES = st.sampled_from(
    ["One is here. ", "Two is there. ", "Three! ", "Two is where? ", "\n", " ", "four ", "。", "\u200b"]
)
TEXTS = st.lists(PIECES | st.characters(codec="utf-8"), max_size=30).map("".join)


@settings(deadline=None)
@given(TEXTS, TEXTS, st.data())
def test_none_gives_the_old_text_all_give_the_new(old, new, data):
    found, rest = hunks.find(old, new)
    assert hunks.accept(old, new, []) == old
    assert hunks.accept(old, new, range(len(found))) == new
    some = data.draw(st.sets(st.integers(0, 40)))
    kept = hunks.accept(old, new, some)
    assert kept.endswith(rest)
    assert all(hunk.removed != hunk.added for hunk in found)
