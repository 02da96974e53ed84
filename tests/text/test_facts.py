"""Hand-written cases of what counts as a fact, what doesn't, and what the rules are known to get wrong."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.text import facts


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1,200 mice and 1200 rats", ["1,200", "1200"]),
        ("a mean of 3.5 and .5", ["3.5", ".5"]),
        ("10 000 cells, 10\u202f000 cells", ["10 000", "10\u202f000"]),
        ("pages (5,6) and 7", ["5", "6", "7"]),
        ("5–10 or 5 to 10", ["5", "10", "5", "10"]),
        ("it fell to -5 and −6", ["-5", "−6"]),
        ("3 × 10^6 cells, 3×10⁶, 3e6", ["3 × 10^6", "3×10⁶", "3e6"]),
        ("10^-3 and 10⁻³", ["10^-3", "10⁻³"]),
        ("about 4.5 billion years", ["4.5 billion"]),
        ("$5M, then £3.2 million", ["5M", "3.2 million"]),
        ("in the 1990s and the mid-1990s, the 19th century", ["1990s", "1990s", "19th"]),
        ("twenty-one dogs, two hundred and five cats", ["twenty-one", "two hundred and five"]),
        (
            "two-thirds, a quarter of, one half of, three quarters",
            ["two-thirds", "a quarter", "one half", "three quarters"],
        ),
        ("½ a cup, 2½ cups, 1/2 a spoon", ["½", "2½", "1/2"]),
        ("on 12/03/2019 at 10:30", ["12/03/2019", "10:30"]),
        ("a 7-year-old child", ["7"]),
        ("version 1.2.3", ["1.2.3"]),
        ("p < 0.05, n = 12", ["0.05", "12"]),
        # Not numbers.
        ("one of them, and no one else", []),
        ("the first and the second third", []),
        ("COVID-19, GPT-4, Apollo-11, IL-6", []),
        ("p53, H2O, CO2, 3D, 5G", []),
        ("often, tension, freight, weightless, attend", []),
        ("millions of stars, hundreds of thousands", []),
        # Known misses: what a person may mean by it is left to the person.
        ("half of them, a couple, a dozen", []),
    ],
)
def test_numbers(text, numbers):
    assert list(facts.find(text).numbers) == numbers


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("it ran 12 km", ["12 km"]),
        ("12km, 12-km", ["12 km", "12 km"]),
        ("5 to 10 kilometres", ["5 kilometres", "10 kilometres"]),
        ("5 ± 2 cm", ["5 cm", "2 cm"]),
        ("at 37 °C, or 37 degrees Celsius", ["37 °C", "37 degrees Celsius"]),
        ("20%, 20 percent, 20 per cent", ["20 %", "20 percent", "20 per cent"]),
        ("$5 million and €3", ["$5 million", "€3"]),
        ("a 3-fold rise, ten times", ["3 fold", "ten times"]),
        ("5 m/s or 5 metres per second", ["5 m/s", "5 metres per second"]),
        ("12 km² of 12 square kilometres", ["12 km²", "12 square kilometres"]),
        ("3 mg/L, 4 m s⁻¹", ["3 mg/L", "4 m s⁻¹"]),
        ("4.5 billion years", ["4.5 billion years"]),
        ("a load of 3.5 t, 160 Wh, 1.6 Å", ["3.5 t", "160 Wh", "1.6 Å"]),
        # Not units.
        ("5 in 10", []),
        ("300 mice in 2019", []),
        ("9 members, 6 species", []),
    ],
)
def test_units_come_with_their_number(text, units):
    assert list(facts.find(text).units) == units


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            "In 1953 Rosalind Franklin worked at King’s College in London.",
            ["Rosalind Franklin", "King", "College", "London"],
        ),
        ("It was the University of California, in Berkeley.", ["University of California", "Berkeley"]),
        ("Then Maria da Silva and John O’Neill wrote.", ["Maria da Silva", "John O’Neill"]),
        ("Rosalind Franklin took the picture.", ["Rosalind Franklin"]),
        ("Stanley Whittingham built it. John O’Keefe did not.", ["Stanley Whittingham", "John O’Keefe"]),
        ("We asked Einstein. Einstein’s answer was short.", ["Einstein"]),
        ("DNA makes mRNA, and p53 guards it.", ["DNA", "mRNA", "p53"]),
        ("COVID-19 is caused by SARS-CoV-2.", ["COVID-19", "SARS-CoV-2"]),
        ("Water is H2O and H₂O; the gas is CO₂.", ["H2O", "CO₂"]),
        ("E. coli and Homo sapiens, like Escherichia coli.", ["E. coli", "Homo sapiens", "Escherichia coli"]),
        ("*Tetrahymena thermophila* lives in ponds.", ["Tetrahymena thermophila"]),
        ("NASA’s Perseverance landed on Mars.", ["NASA", "Perseverance", "Mars"]),
        (
            "Dr. Jane Goodall of the Jane Goodall Institute spoke.",
            ["Dr. Jane Goodall", "Jane Goodall Institute"],
        ),
        ("It began in March, on a Monday.", ["March", "Monday"]),
        # Not names.
        ("Telomeres shorten. Cells age. The end is near.", []),
        ("I think I’m right, and I’d say so.", []),
        ("How Telomeres Keep Time\n\nA telomere is a cap.", []),
        ("THE WHOLE SENTENCE SHOUTS.", []),
        ("“Nobody knows,” she said. “Everybody asks.”", []),
        ("An idea: Some say so.\n- Another point", []),
        # Known misses: a name that only begins sentences looks like any other word there.
        ("Einstein was right.", []),
        # Known false positives: what is capitalised for emphasis.
        ("It obeys the Law.", ["Law"]),
    ],
)
def test_names(text, names):
    got = facts.find(text).names
    assert [name for name in got if name != "H₂O"] == names


@pytest.mark.parametrize(
    ("text", "citations"),
    [
        ("It shortens (Smith et al., 2019).", ["(Smith et al., 2019)"]),
        (
            "It shortens (Smith & Lee, 2019; van der Berg, 2020a).",
            ["(Smith & Lee, 2019)", "(van der Berg, 2020a)"],
        ),
        ("Smith and Lee (2019) saw it.", ["Smith and Lee (2019)"]),
        ("It shortens [12], grows [3–5, 7].", ["[12]", "[3]", "[4]", "[5]", "[7]"]),
        ("It shortens.¹² Then not.", ["[12]"]),
        ("doi:10.1038/s41586-020-2649-2.", ["doi:10.1038/s41586-020-2649-2"]),
        ("See https://example.org/a_(b).", ["https://example.org/a_(b)"]),
        ("In arXiv:2509.13742 and PMID: 123456", ["arXiv:2509.13742", "PMID: 123456"]),
        # Not citations.
        ("in the interval [0, 1] and (see below)", []),
        ("The war (1939) and in May (2019 was dry)", []),
        ("an area of 5 km²", []),
    ],
)
def test_citations(text, citations):
    assert list(facts.find(text).citations) == citations


def test_what_stands_in_a_citation_is_not_a_number_or_a_name_of_its_own():
    found = facts.find("It is so (Smith et al., 2019), as Lee (2020) says [12] in https://example.org/2021/Paris.")
    assert found.numbers == ()
    assert found.names == ()


@pytest.mark.parametrize(
    ("text", "hedges"),
    [
        ("It may, perhaps, indicate a change.", ["may", "perhaps", "indicate"]),
        ("Results suggested that it is likely.", ["suggested", "likely"]),
        ("May be so; it tends to grow.", ["May", "tends to"]),
        ("about 5 mice, around twenty cats", ["about", "around"]),
        # Not hedges.
        ("We met in May 2019 and talked about the cell.", []),
        ("It was unlikeliest; mayhem and shoulders.", []),
        ("They turned around. They felt cold.", []),
    ],
)
def test_hedges(text, hedges):
    assert list(facts.find(text).hedges) == hedges


@pytest.mark.parametrize(
    ("parent", "child"),
    [
        ("1,200 mice", "1200 mice"),
        ("1,200 mice", "twelve hundred mice"),
        ("12 mice", "twelve mice"),
        ("0.50", "½"),
        ("4.5 billion years", "4,500,000,000 years"),
        ("3 × 10^6 cells", "three million cells"),
        ("20%", "20 per cent"),
        ("12 km", "12 kilometres"),
        ("5 m/s", "5 metres per second"),
        ("12 km²", "12 square kilometers"),
        ("$5 million", "$5M"),
        ("37 °C", "37 degrees Celsius"),
        ("5–10 km", "between 5 and 10 km"),
        ("We met Einstein.", "Einstein met us."),
        ("We met Einstein’s student.", "A student of Einstein met us."),
        ("We saw DNA.", "The DNAs were seen."),
        ("We saw CO₂.", "We saw CO2."),
        ("It is so (Smith et al., 2019).", "Smith and Lee (2019) say so."),
        ("see doi:10.1038/S41586", "https://doi.org/10.1038/s41586"),
        ("It is so [3–5].", "It is so [3, 4, 5]."),
        ("It suggests so.", "It suggested so."),
        ("It may grow.", "It might grow."),
        ("about 5 mice", "roughly 5 mice"),
    ],
)
def test_a_fact_is_kept_however_it_is_written(parent, child):
    change = facts.compare(parent, child)
    assert change.lost == facts.Facts()
    assert change.added == facts.Facts()
    assert change.kept == facts.find(parent)


@pytest.mark.parametrize(
    ("parent", "child", "lost", "added"),
    [
        ("12 mice", "21 mice", facts.Facts(numbers=("12",)), facts.Facts(numbers=("21",))),
        ("12 km", "12 miles", facts.Facts(units=("12 km",)), facts.Facts(units=("12 miles",))),
        ("12 km", "12", facts.Facts(units=("12 km",)), facts.Facts()),
        ("5 mice, 5 rats", "5 mice", facts.Facts(numbers=("5",)), facts.Facts()),
        ("in Rome", "in Paris", facts.Facts(names=("Rome",)), facts.Facts(names=("Paris",))),
        ("It may grow.", "It grows.", facts.Facts(hedges=("may",)), facts.Facts()),
        ("It could grow. It may fall.", "It will grow. It may fall.", facts.Facts(hedges=("could",)), facts.Facts()),
        ("It may grow.", "It probably grows.", facts.Facts(hedges=("may",)), facts.Facts(hedges=("probably",))),
        ("So it is [3].", "So it is.", facts.Facts(citations=("[3]",)), facts.Facts()),
        (
            "So it is (Lee, 2019).",
            "So it is (Lee, 2020).",
            facts.Facts(citations=("(Lee, 2019)",)),
            facts.Facts(citations=("(Lee, 2020)",)),
        ),
        (
            "-5 degrees",
            "5 degrees",
            facts.Facts(("-5",), ("-5 degrees",)),
            facts.Facts(("5",), ("5 degrees",)),
        ),
        ("5 mg", "5 g", facts.Facts(units=("5 mg",)), facts.Facts(units=("5 g",))),
        ("0.5", "0.05", facts.Facts(numbers=("0.5",)), facts.Facts(numbers=("0.05",))),
    ],
)
def test_what_is_lost_and_what_is_new_is_told(parent, child, lost, added):
    change = facts.compare(parent, child)
    assert change.lost == lost
    assert change.added == added


def test_a_number_with_its_unit_is_one_quantity():
    found = facts.find("375 million years ago, 5 km, $5 and 5 of 5.")
    told = ["375 million years", "5 km", "$5", "5", "5"]
    assert facts.each(found) == [("quantity", text) for text in told]


PROSE = st.lists(
    st.sampled_from(
        [
            "In 1953 Rosalind Franklin saw DNA.",
            "It is 12 km, or 7.5 miles, from Rome.",
            "About 1,200 mice (Smith et al., 2019) may suggest 5–10 %.",
            "E. coli doubles in 20 min [3].",
            "Perhaps CO₂ rose to 420 ppm in May 2024.",
            "Telomeres shorten.",
            "NASA’s rover cost $2.7 billion.",
        ]
    ),
    min_size=1,
    max_size=6,
)


@settings(deadline=None)  # speed has a test of its own
@given(PROSE, st.integers(0, 6), st.sampled_from(["It is like a shoelace.", "What happens then?", "That is it."]))
def test_inserting_a_plain_sentence_loses_and_adds_nothing(parent, place, sentence):
    child = [*parent[:place], sentence, *parent[place:]]
    change = facts.compare(" ".join(parent), " ".join(child))
    assert change.lost == facts.Facts()
    assert change.added == facts.Facts()


@settings(deadline=None)  # speed has a test of its own
@given(st.text(max_size=300) | PROSE.map(" ".join))
def test_every_text_keeps_its_own_facts(text):
    change = facts.compare(text, text)
    assert change.lost == change.added == facts.Facts()
    assert change.kept == facts.find(text)


PIECES = st.sampled_from(
    [
        "9" * 400,
        "9" * 5000,
        *[
            "1",
            "10",
            "1,000",
            ".",
            "5",
            "×",
            "10^",
            "⁶",
            "-",
            "–",
            "$",
            "%",
            "km",
            "/",
            "e9",
            "½",
            "two",
            "hundred",
        ],
    ]
) | (
    st.sampled_from(
        [
            " ",
            "\n",
            *[
                "and",
                "Smith",
                "(",
                ")",
                "et",
                "al.",
                "2019",
                "[",
                "]",
                ",",
                ";",
                "DNA",
                "’s",
                "E.",
                "coli",
                "٣",
                "M",
                "10^99999999",
            ],
        ]
    )
)


@settings(deadline=None)  # speed has a test of its own
@given(st.lists(PIECES, max_size=30).map("".join) | st.text())
def test_no_text_is_too_strange(text):
    found = facts.find(text)
    for number in found.numbers:
        assert number in text


@pytest.mark.parametrize(
    "unit",
    [
        "A ",
        "Aa ",
        "aB",
        "Ab. ",
        "(Smith ",
        "Smith, ",
        "de ",
        "[1,",
        "[1-",
        "http://",
        "10.1234/",
        "may about ",
        "Smith and ",
        "’s",
        "E. coli ",
        "Homo sapiens ",
        "9",
        "1,",
        "1 ",
        "one ",
        "two hundred ",
        "1-",
        "$",
        "1.1",
        "1/1",
        "(",
        "👩\u200d🔬 ",
        "DNA’s ",
        "a-1-",
    ],
)
def test_twenty_thousand_characters_take_well_under_three_seconds(unit):
    text = (unit * 20_000)[:20_000]
    began = time.thread_time()
    facts.find(text)
    assert time.thread_time() - began < 3
