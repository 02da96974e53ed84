"""Sentences with their places in the text, by syntok's rules."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from syntok import segmenter
from syntok.tokenizer import Tokenizer

_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n)+")
# syntok ends no sentence at these; they are unambiguous where they are used.
# Ends that syntok doesn't see: those of other scripts, and a stop after a bracket, a sign or an emoji.
_END = re.compile(
    r"(?<=[。！？؟۔।])[\"'”’»」』)\]]*\s*(?=\S)|(?<=[^\w\s.,;:][.!?])\s+(?=[\"“‘(]?[^\W\d_a-z])"
    r"|(?<=the Sun\.)\s+(?=[\"“‘(]?[^\W\d_a-z])"  # our star, where syntok reads a weekday
)
# syntok knows "et al." and "Fig." but parts from what follows these when it is capitalised.
_NO_END = re.compile(r"(?:\b(?:et al|cf|ca|approx|vs|viz|resp|spp?|subsp|var|Figs?|Eqs?|Refs?|Nos?|Drs?|Profs?))\.$")


@dataclass(frozen=True)
class Sentence:
    """`text` is the characters `start` to `end` (exclusive) of the text it was found in."""

    start: int
    end: int
    text: str


def split(text: str) -> list[Sentence]:
    """Sentences in order. They don't overlap, and only white space lies before, between and after them."""
    found: list[Sentence] = []
    start = 0
    for gap in _BLANK_LINES.finditer(text):
        found += _in_paragraph(text, start, gap.start())
        start = gap.end()
    return found + _in_paragraph(text, start, len(text))


def _in_paragraph(text: str, start: int, end: int) -> list[Sentence]:
    """Only the places where syntok begins a sentence are used: what lies between can then never be lost."""
    body = text[start:end]
    cuts = {0, len(body)}
    for tokens in segmenter.segment(Tokenizer(replace_not_contraction=False).tokenize(body)):
        at = tokens[0].offset
        if not _NO_END.search(body[max(0, at - 12) : at].rstrip()):
            cuts.add(at)
    cuts.update(match.end() for match in _END.finditer(body))
    ordered = sorted(cuts)
    sentences: list[Sentence] = []
    for left, right in pairwise(ordered):
        piece = body[left:right]
        if stripped := piece.strip():
            at = start + left + len(piece) - len(piece.lstrip())
            sentences.append(Sentence(at, at + len(stripped), stripped))
    return sentences
