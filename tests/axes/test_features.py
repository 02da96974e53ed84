"""Features show the words they count."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.axes import doubt, features, normal


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("jargon", "It is the telomeric end of it.", ("telomeric",)),
        ("numbers", "It took 30 years and two teams.", ("30", "two")),
        ("measures", "It grew 5 km in 3 steps.", ("5 km",)),
        ("attribution", "According to the report, it fell.", ("According to", "report")),
        ("hedges", "It may be over.", ("may",)),
        ("definition", "This effect is called hormesis.", ("called",)),
        ("cause", "It fell because of rain.", ("because of",)),
        ("person", "My grandmother told him.", ("grandmother", "him")),
        ("question", "It stopped. But why?", (" But why?",)),
        ("address", "Imagine your own hand.", ("Imagine", "your")),
        ("comparison", "It looks like a sponge.", ("looks like",)),
        ("scene", "One morning he walked.", ("One morning", "walked")),
        ("concrete", "The bridges sway.", ("bridges",)),
    ],
)
def test_evidence_is_the_words_that_are_counted(name: str, text: str, shown: tuple[str, ...]) -> None:
    index = features.NAMES.index(name)
    assert features.evidence(text, index) == shown
    words = sum(1 for _ in features.WORD.finditer(text))
    assert features.measure(text)[index] == pytest.approx(np.log1p(100 * len(shown) / words), rel=1e-5)


def test_the_grade_is_kincaids_by_hand() -> None:
    # 7 words, 1 sentence, 11 syllables: 0.39 * 7 + 11.8 * 11 / 7 - 15.59 = 5.68
    assert features.grade("The doctor will carefully open the window.") == pytest.approx(5.68, abs=1.8)
    plain, learned = (
        "The cat sat on the mat.",
        "Heterogeneous populations necessitate multidimensional characterisation.",
    )
    assert features.grade(plain) < 3
    assert features.grade(learned) > 12


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=400))
def test_any_text_is_measured_and_doubted_in_finite_numbers(text: str) -> None:
    assert np.isfinite(features.measure(normal.sentence(text))).all()
    assert all(0 < points <= doubt.WIDE for points in doubt.of(text).values())
