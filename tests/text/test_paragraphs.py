import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.text import paragraphs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t\n ", []),
        ("One.", ["One."]),
        ("One.\n\nTwo.", ["One.", "Two."]),
        ("One.\n \t\n\n\nTwo.\n", ["One.", "Two."]),
        ("One\nstill one.\n\nTwo.", ["One\nstill one.", "Two."]),
        ("  - indented\n    code  \n\nTwo", ["  - indented\n    code  ", "Two"]),
        ("One.\r\n\r\nTwo.\r\n", ["One.", "Two."]),
        ("مرحبا.\n\n👩‍🔬 שלום", ["مرحبا.", "👩‍🔬 שלום"]),
        ("<script>alert(1)</script>\n\n\u200b", ["<script>alert(1)</script>", "\u200b"]),
    ],
)
def test_splits_at_blank_lines_and_nowhere_else(text, expected):
    assert paragraphs.split(text) == expected


@given(st.text(alphabet=st.sampled_from("ab \n\r\t.\u2028é👩") | st.characters(codec="utf-8")))
def test_joining_gives_a_text_with_the_same_paragraphs(text):
    parts = paragraphs.split(text)
    assert paragraphs.split("\n\n".join(parts)) == parts
    assert all(part.strip() for part in parts)


@given(st.text())
def test_nothing_but_white_space_is_lost(text):
    assert "".join("".join(paragraphs.split(text)).split()) == "".join(text.split())
