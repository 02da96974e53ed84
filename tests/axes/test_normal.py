"""What a text may lose before it is measured, and what it may not."""

import pytest

from app.axes import doubt, normal


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('"It\'s over," she said.', "“It’s over,” she said."),
        ("Cells  divide\n\tquickly.", "Cells divide quickly."),
        ("Cells divide\u00a0quickly.\u200b", "Cells divide quickly."),
        ("THE ICE IS MELTING.", "the ice is melting."),
        ('("quoted" twice)', "(“quoted” twice)"),
    ],
)
def test_writings_of_one_sentence_are_measured_alike(one: str, other: str) -> None:
    assert normal.sentence(one) == normal.sentence(other)


def test_capitals_of_names_and_the_words_are_kept() -> None:
    assert normal.sentence("NASA and Dr. Mary Leakey met in 1976.") == "NASA and Dr. Mary Leakey met in 1976."
    assert normal.sentence("when i asked, nobody knew.") == "When I asked, nobody knew."


def test_a_text_without_capitals_gets_those_that_tell_where_sentences_begin() -> None:
    text = 'cells divide. "do they?" some do.\n(not all.) 5 µm is small'
    assert normal.capitalised(text) == 'Cells divide. "Do they?" Some do.\n(Not all.) 5 µm is small'
    assert normal.capitalised("Cells divide. some do.") == "Cells divide. some do."


PROSE = (
    "The enzyme consists of four subunits and binds one molecule of oxygen at each of them. Binding at one subunit "
    "raises the affinity of the others, which is called cooperativity."
)


def test_ordinary_prose_raises_no_doubt() -> None:
    assert doubt.of(PROSE) == {}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Why?", "short"),
        ("Gletscher wachsen, wenn im Winter mehr Schnee fällt, als im Sommer schmilzt, sonst nicht.", "not-prose"),
        ("def mean(xs):\n    total = sum(xs)\n    return total / len(xs)\nprint(mean(values))", "not-prose"),
        ("Planet\tDiameter (km)\tMoons\nMercury\t4,879\t0\nVenus\t12,104\t0\nEarth\t12,756\t1", "notation"),
        ("water " * 30, "repeated"),
        (PROSE.upper(), "capitals"),
    ],
)  # fmt: skip
def test_what_the_heads_never_saw_is_doubted_by_name(text: str, name: str) -> None:
    assert name in doubt.of(text)
