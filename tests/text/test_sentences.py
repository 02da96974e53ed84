import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.text import sentences


def texts(text):
    return [sentence.text for sentence in sentences.split(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("   \n\n ", []),
        ("no punctuation at all", ["no punctuation at all"]),
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("E. coli grows at 3.5 °C. It does.", ["E. coli grows at 3.5 °C.", "It does."]),
        ("It is older than the Sun. Nobody knows why.", ["It is older than the Sun.", "Nobody knows why."]),
        ("Dr. Curie said so. So it was.", ["Dr. Curie said so.", "So it was."]),
        ("See Fig. 3 and approx. 5 km. Then rest.", ["See Fig. 3 and approx. 5 km.", "Then rest."]),
        ("Smith et al. Found it hard. Really.", ["Smith et al. Found it hard.", "Really."]),
        ("He said “Stop.” Then he left.", ["He said “Stop.”", "Then he left."]),
        ("A heading\n\nA sentence. Another.", ["A heading", "A sentence.", "Another."]),
        ("مرحبا بكم. كيف حالك؟ أنا بخير.", ["مرحبا بكم.", "كيف حالك؟", "أنا بخير."]),
        (
            "It shortens (Blackburn et al., 1991). Then it stops [3]. Why?",
            ["It shortens (Blackburn et al., 1991).", "Then it stops [3].", "Why?"],
        ),
        ("你好。世界！", ["你好。", "世界！"]),
        ("It works 👩🏽‍🔬! Does it 🎉? Yes.", ["It works 👩🏽‍🔬!", "Does it 🎉?", "Yes."]),
    ],
)
def test_splits_where_a_reader_would(text, expected):
    assert texts(text) == expected


PIECES = st.sampled_from(
    [
        "One",
        ". ",
        "! ",
        "? ",
        "\n",
        "\n\n",
        " ",
        "et al. ",
        "5.3",
        "(",
        ")",
        "“",
        "”",
        "。",
        "؟ ",
        "👩‍🔬",
        "\u200b",
        "-",
        "’t",
    ]
)


@given(st.lists(PIECES | st.characters(codec="utf-8"), max_size=60).map("".join))
def test_places_are_exact_and_only_white_space_lies_between(text):
    end = 0
    for sentence in sentences.split(text):
        assert sentence.text == text[sentence.start : sentence.end] != ""
        assert not text[end : sentence.start].strip()
        end = sentence.end
    assert not text[end:].strip()


@pytest.mark.parametrize(
    "unit",
    ["a", "word ", "(", ".", "A. ", "👩‍🔬", "「", "a-b_", "\u200f", "\n\n", "'t", "Aa", "One. ", "et al. "],
)
def test_twenty_thousand_characters_take_well_under_two_seconds(unit):
    text = (unit * 20_000)[:20_000]
    began = time.thread_time()
    found = sentences.split(text)
    assert time.thread_time() - began < 2
    assert "".join(text.split()) == "".join("".join(s.text for s in found).split())
