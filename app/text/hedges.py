"""Words that say how sure a text is.

The list is Hyland's (K. Hyland, Metadiscourse: Exploring Interaction in Writing, Continuum 2005, appendix,
"Hedges"), without the entries that in prose for the public mostly say something else: "feel", "felt",
"guess", "suppose" (people's own states), "quite", "fairly", "rather x" (style more than certainty),
"couldn't", "wouldn't" (inability, refusal). "about", "around" and (not on the list) "nearly", "close to" count only
before a quantity, "may" not where it can be the month.

Hedges are compared by what they hedge and how much: "may" kept as "might" is kept, "may" turned to "probably" is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_VERBS = """
appear argue assume claim doubt estimate indicate postulate seem suggest suspect
"""
_WORDS = """
almost apparent apparently approximately broadly could doubtful essentially frequently generally
largely likely mainly maybe might mostly often ought perhaps plausible plausibly possible possibly
presumable presumably probable probably relatively roughly should sometimes somewhat typical
typically uncertain uncertainly unclear unlikely usually would
"""
_PHRASES = """
certain amount, certain extent, certain level, from our perspective, from this perspective,
in general, in most cases, in most instances, in our opinion, in our view, on the whole,
to our knowledge
"""
# One line a degree: what may stand for one another.
_DEGREES = """
may might could maybe perhaps possible possibly
likely probable probably presumable presumably plausible plausibly
unlikely doubtful doubt
about around approximately roughly almost nearly close_to
suggest indicate
appear seem apparent apparently
assume suspect postulate
often frequently
usually generally mostly mainly largely typical typically in_general in_most_cases in_most_instances on_the_whole
unclear uncertain uncertainly
somewhat relatively
in_our_opinion in_our_view from_our_perspective from_this_perspective
"""
_DEGREE = {word.replace("_", " "): line.split()[0] for line in _DEGREES.strip().splitlines() for word in line.split()}
_FORMS = {form: form for form in [*_WORDS.split(), *re.split(r",\s+", _PHRASES.strip())]}
for _verb in _VERBS.split():
    _stem = _verb.removesuffix("e")
    _FORMS |= dict.fromkeys([_verb, f"{_verb}s", f"{_stem}ed", f"{_stem}ing"], _verb)
_FORMS |= {"tend to": "tend", "tends to": "tend", "tended to": "tend"}

_QUANTITY = (
    r"(?=\s+(?:\d|[$€£]|half\b|twice\b|(?:a|one|two|three|four|five|six|seven|eight|nine|ten|twenty|thirty|forty"
    r"|fifty)\s+(?:quarter|third|hundred|thousand|million|dozen)|(?:two|three|four|five|six|seven|eight|nine|ten"
    r"|twenty|thirty|forty|fifty)\b))"
)
_PATTERN = re.compile(
    rf"\b(?:(?P<form>(?i:{'|'.join(sorted(_FORMS, key=len, reverse=True))}))"
    r"|(?P<may>may|May(?=\s(?:be|have|not|also|it|this|the|we|they)\b))"
    rf"|(?P<about>(?:[Aa]bout|[Aa]round|[Nn]early|[Cc]lose to){_QUANTITY}))\b"
)


def find(text: str) -> Iterator[tuple[str, str]]:
    """Each hedge as written and the one form it is compared by ("suggested" is "suggest", "might" "may"), in order."""
    for match in _PATTERN.finditer(text):
        form = _FORMS.get(match[0].lower(), match[0].lower())
        yield match[0], _DEGREE.get(form, form)
