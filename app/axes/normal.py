"""What a text loses before it is measured, because it says nothing of what the text does.

Quotes and apostrophes become typographic ones, as most of the training quotes have them; spaces, hyphens and invisible
characters become plain. A sentence all in capitals, or without any, is put into a sentence's case: the base model reads
capitals as shouting, in other tokens.
"""

from __future__ import annotations

import re

_PLAIN = str.maketrans(
    {"„": "“", "«": "“", "»": "”", "‚": "‘", "‑": "-", "‐": "-", "…": "..."}
    | dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", "")
)
_OPENING = re.compile(r"(?:^|(?<=[\s(\[{—–-]))([\"'])(?=\S)")
_SPACE = re.compile(r"\s+")
_FIRST_LETTER = re.compile(r"[^\W\d_]")
_BEGINNING = re.compile(r"((?:^|[.!?][\"'”’)]*\s+|\n\s*)[\"'“‘(]*)([^\W\d_])")
_LONE_I = re.compile(r"\bi\b(?!\.)")
_SHOUTED = 0.6
"""Share of capitals among the letters from which on a sentence is held to be shouted: titles have some 0.2."""


def capitalised(text: str) -> str:
    """A text without capitals, with those at the beginning of its sentences, which are found by them; others as is.

    As long as `text`, so that places in one are places in the other.
    """
    if any(c.isupper() for c in text):
        return text
    return _BEGINNING.sub(lambda m: m[1] + (m[2].upper() if len(m[2].upper()) == 1 else m[2]), text)


def shouted(text: str) -> bool:
    letters = [c for c in text if c.lower() != c.upper()]
    return len(letters) > 3 and sum(c.isupper() for c in letters) > _SHOUTED * len(letters)


def sentence(text: str) -> str:
    """One sentence as it is measured."""
    plain = _SPACE.sub(" ", text.translate(_PLAIN)).strip()
    plain = _OPENING.sub(lambda m: "“" if m[0] == '"' else "‘", plain).replace('"', "”").replace("'", "’")
    if shouted(plain):
        plain = plain.lower()
    elif any(c.isupper() for c in plain):
        return plain
    return _FIRST_LETTER.sub(lambda m: m[0].upper(), _LONE_I.sub("I", plain), count=1)
