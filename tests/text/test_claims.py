"""What counts as a new claim and what does not, by words alone; the figures are benchmarks/ledger.py's."""

import time

import pytest

from app.text import claims

PARENT = (
    "In 1971 John Miller filmed 12 barn owls at night. Their soft feathers make hardly any sound, because the fringes "
    "break up the air. The owls may also hear mice under 20 cm of snow (Miller et al., 1972)."
)
SOURCE = "The owls were filmed with two infrared cameras for 40 nights. Wind above 8 m/s stopped the work."


def found(child, *sources):
    return [claim.text for claim in claims.unsupported(child, [PARENT, *sources])]


@pytest.mark.parametrize(
    "sentence",
    [
        "Farmers in Wales have begun to build nest boxes for them.",
        "Owls fly 5 km a night.",
        "Would 30 owls be enough?",
        "It is like the glove of Houdini.",
        "Marlowe saw it first.",
        "Their eggs take longer to hatch than those of any other bird.",
    ],
)
def test_an_added_sentence_without_support_is_a_claim(sentence):
    assert found(f"{PARENT} {sentence}") == [sentence]


@pytest.mark.parametrize(
    "sentence",
    [
        "How do they do it?",
        "Imagine a hand in a velvet glove.",
        "It is like a hand in a velvet glove.",
        "There is a catch.",
        "It is not known whether young birds can do the same.",
        "The fringes of the feathers break up the air.",
        "The owls can hear mice under snow.",
    ],
)
def test_questions_comparisons_signposts_and_restatements_are_none(sentence):
    assert found(f"{PARENT} {sentence}") == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("12 barn owls", "21 barn owls"),
        ("20 cm", "20 m"),
        ("John Miller", "Jane Goodall"),
        ("1972)", "1975)"),
        ("break up the air", "break up the air, so that rabbits are caught as well and eaten at dawn"),
        ("hardly any sound", "never any sound"),
    ],
)
def test_a_changed_fact_makes_its_sentence_a_claim(old, new):
    assert len(found(PARENT.replace(old, new))) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("12 barn owls", "twelve barn owls"),
        ("20 cm", "20 centimetres"),
        (" (Miller et al., 1972)", ""),
        ("may also hear", "also hear"),
        ("sound, because", "sound. This is because"),
        ("at night. Their", "at night; their"),
    ],
)
def test_respelling_dropping_splitting_and_merging_make_none(old, new):
    assert found(PARENT.replace(old, new)) == []


def test_a_source_supports_what_it_says_and_no_more():
    child = f"{PARENT} Two infrared cameras filmed the owls for 40 nights."
    assert len(found(child)) == 1
    assert found(child, SOURCE) == []
    assert found(child.replace("40", "50"), SOURCE) == ["Two infrared cameras filmed the owls for 50 nights."]


def test_places_and_reasons_are_told():
    child = f"{PARENT} Owls fly 5 km a night."
    claim = claims.unsupported(child, [PARENT])[0]
    assert child[claim.start : claim.end] == claim.text
    assert claim.reason == "new here: 5 km"


@pytest.mark.parametrize("unit", ["is like ", "think of ", "a, ", "not known whether ", "Sun. ", "- ", "Aa b. "])
def test_strange_text_takes_bounded_time(unit):
    text = (unit * 20_000)[:20_000]
    began = time.thread_time()
    claims.unsupported(f"{text} End.", [PARENT])
    assert time.thread_time() - began < 10
