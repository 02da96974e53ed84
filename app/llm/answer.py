"""The text of one answer as it grows: what may be shown, and where it ends."""

from __future__ import annotations

import re

from app.llm.types import Sampling
from app.text import sentences

_MAY_END = re.compile(r"[.!?…。！？؟۔।]")
# Enough of what follows to tell "3. " before "5" or "Dr. " before a name from the end of a sentence.
_NEXT_BEGUN = re.compile(r"\W*(\w\w|\w\W)")


class Thoughts:
    """Leaves out what a reasoning model thinks before it answers: one `<think>…</think>` at the beginning.

    It is asked not to (see the engines); some do all the same. Thoughts that never end are no answer either.
    """

    _OPEN, _CLOSE = "<think>", "</think>"

    def __init__(self) -> None:
        self._held = ""
        self._over = False

    def add(self, piece: str) -> str:
        """The part of `piece`, and of what was held back before, that belongs to the answer."""
        if self._over:
            return piece
        self._held += piece
        begun = self._held.lstrip()
        if self._OPEN.startswith(begun):
            return ""
        if not begun.startswith(self._OPEN):
            return self.rest()
        end = begun.find(self._CLOSE)
        if end < 0:
            return ""
        self._held = begun[end + len(self._CLOSE) :].lstrip()
        return self.rest()

    def rest(self) -> str:
        """What is still held back, when nothing more comes; thoughts are not."""
        text, self._held = self._held, ""
        if not text.lstrip().startswith(self._OPEN):
            self._over = self._over or bool(text)
            return text
        return ""


class Answer:
    """Takes pieces, gives back what is certain to be part of the answer.

    White space around the answer is left out. A text that may turn out to be the start of a stop string, or
    to lie beyond the first sentence, is held back until that is known: what was given is never taken back.
    """

    def __init__(self, prefill: str, sampling: Sampling) -> None:
        self._text = prefill.rstrip()
        self._given = self._prefilled = len(self._text)
        self._stop = tuple(s for s in sampling.stop if s)
        self._one_sentence = sampling.one_sentence
        self.ended = False
        """Whether a stop string or the end of the sentence was met: nothing more will be given."""

    @property
    def text(self) -> str:
        """What was given so far, the prefill included."""
        return self._text[: self._given]

    def add(self, piece: str) -> str:
        if self.ended:
            return ""
        self._text += piece if self._text else piece.lstrip()
        end, sure = len(self._text), len(self._text)
        for stop in self._stop:
            # A stop string in the prefill is the prompt's own and ends nothing.
            at = self._text.find(stop, max(0, self._given - len(stop) + 1))
            if at >= 0:
                end, self.ended = min(end, at), True
            sure = min(sure, len(self._text) - _overlap(self._text, stop))
        if self._one_sentence:
            sentence_end, over = _first_sentence(self._text[:end], self._prefilled)
            self.ended |= over
            sure = min(sure, sentence_end)
            end = sentence_end if over else end
        return self._give(end if self.ended else min(end, sure))

    def finish(self) -> str:
        """The rest of what was held back, when the model has nothing to add."""
        end = len(self._text)
        if self._one_sentence and not self.ended:
            end, _ = _first_sentence(self._text, self._prefilled)
        return "" if self.ended else self._give(end)

    def _give(self, end: int) -> str:
        end = max(self._given, len(self._text[:end].rstrip()))
        piece, self._given = self._text[self._given : end], end
        return piece


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that begins `stop`."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)


def _first_sentence(text: str, start: int) -> tuple[int, bool]:
    """Where the first sentence that ends after `start` ends as far as can be told, and whether that is sure."""
    line_end = text.find("\n", start)
    line = text if line_end < 0 else text[:line_end]
    if _MAY_END.search(line, start):
        ends = [sentence.end for sentence in sentences.split(line)]
        for end in ends[:-1]:
            if end > start:
                return end, line_end >= 0 or _NEXT_BEGUN.match(line, end) is not None
    return len(line), line_end >= 0
