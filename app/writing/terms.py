"""The word a paragraph turns on, and how hard its words are: measured by rarity (wordfreq's Zipf scale)."""

from __future__ import annotations

import re
from collections import Counter

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
# Endings of adjectives, adverbs and verb forms, which can't stand where a noun is asked for.
_NOT_A_NOUN = re.compile(
    r"(?:[^aeiou]al|ic|ous|ive|ed|ing|ly|able|ible|ary|ular|less|ful|ish|most|er|est|ise|ize|ish|ened|ant|ent|en)$"
)
_SINGULAR_S = ("ss", "us", "is", "ics")


def zipf(word: str) -> float:
    """log10 of occurrences in a billion words; 0 for a word never seen, 7 for "the"."""
    from wordfreq import zipf_frequency

    return float(zipf_frequency(word.lower(), "en"))


def hardness(sentence: str) -> float:
    """Mean of (8 - Zipf) over the three rarest words; 0 for a sentence without words."""
    rarest = sorted(zipf(w) for w in _WORD.findall(sentence) if w.islower())[:3]
    return sum(8 - z for z in rarest) / len(rarest) if rarest else 0.0


def key_term(text: str) -> str | None:
    """The rarest noun-like word written in lower case, counted by how often it stands; None where there is none."""
    words: list[str] = _WORD.findall(text)
    lower = {w.lower() for w in words if w.islower()}
    counts = Counter(w.lower() for w in words)
    fit = [w for w in lower if len(w) > 3 and not _NOT_A_NOUN.search(w) and zipf(w) < 5]
    if not fit:
        return None

    def weight(word: str) -> tuple[float, str]:
        return float(counts[word]) ** 0.5 * (8 - max(zipf(word), 1.5)), word

    return max(fit, key=weight)


def is_plural(term: str) -> bool:
    return term.endswith("s") and not term.endswith(_SINGULAR_S)
