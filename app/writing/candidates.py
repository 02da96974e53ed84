"""From a strategy to a candidate text: the prompt, what makes an answer unusable, and where it goes in the parent.

A small model keeps a paragraph's facts if it never rewrites it: it writes one sentence, and the app splices that in.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from app.llm.types import FinishReason, Message, Prompt, Sampling
from app.text import claims, facts
from app.text import sentences as text_sentences
from app.text.sentences import Sentence
from app.writing import terms
from app.writing.strategies import Book, Strategy


class Meaning(Protocol):
    """Sentence embeddings of unit length, shape (texts, dimensions)."""

    def encode(self, sentences: Sequence[str]) -> npt.NDArray[np.float32]: ...


Turns = tuple[tuple[str, str], ...]
"""What was asked and what was answered, oldest first."""


@dataclass(frozen=True)
class Parent:
    """The paragraph a candidate is made from."""

    text: str
    notes: tuple[str, ...] = ()
    """Sentences of the draft's sources that fit it best."""

    @cached_property
    def sentences(self) -> list[Sentence]:
        return text_sentences.split(self.text)

    @cached_property
    def key_term(self) -> str | None:
        return terms.key_term(self.text)

    @cached_property
    def hardest(self) -> Sentence:
        return max(self.sentences, key=lambda s: terms.hardness(s.text))


@dataclass(frozen=True)
class Ask:
    """One candidate to be written. `notes`: the sentences of sources that its prompt shows."""

    strategy: Strategy
    plan: str
    prompt: Prompt
    sampling: Sampling
    own: str = ""
    """What the writer typed, where the strategy asks for it."""
    notes: tuple[str, ...] = ()
    """Sentences of the draft's sources that the prompt shows."""
    earlier: Turns = ()
    """What was asked and answered before, where that is shown."""

    def ground(self, parent: Parent) -> str:
        """All that an answer may take its facts and words from."""
        return "\n".join([parent.text, self.own, *self.notes, *(text for turn in self.earlier for text in turn)])


def ask(
    book: Book, strategy: Strategy, parent: Parent, prefill: str, *, full: bool, own: str = "", earlier: Turns = ()
) -> Ask:
    """The prompt for one candidate. `own` is the writer's instruction, for strategies that ask for one; `earlier` is
    what they asked before and what was answered, which a larger model goes on from."""
    if strategy.plan == "rewrite-sentence":
        return _ask_sentence(book, strategy, parent)
    if full or not strategy.small or strategy.plan == "rewrite-all":
        return _ask_full(book, strategy, parent, own, earlier)
    term = parent.key_term
    notes = parent.notes if strategy.source else ()
    turns = [Message("system", book.system)]
    said = strategy.notes or ("",) * len(strategy.answers)
    for example, answer, note in zip(book.examples, strategy.answers, said, strict=False):
        turns.append(
            Message("user", _request(_with_notes(example.text, (note,) * bool(note)), strategy.ask, example.term))
        )
        turns.append(Message("assistant", answer))
    turns.append(Message("user", _request(_with_notes(parent.text, notes), strategy.ask, term or "this", own)))
    sampling = Sampling(temperature=0.7, top_p=0.9, max_tokens=48, one_sentence=True)
    return Ask(strategy, strategy.plan, Prompt(tuple(turns), fill(prefill, term)), sampling, own, notes)


def _ask_full(book: Book, strategy: Strategy, parent: Parent, own: str, earlier: Turns) -> Ask:
    instruction = strategy.full.replace("{prompt}", own)
    notes = parent.notes if strategy.source else ()
    asked = f"{_with_notes(parent.text, notes)}\n\n{instruction}"
    said = [m for prompt, answer in earlier for m in (Message("user", prompt), Message("assistant", answer))]
    turns = (Message("system", book.full_system), *said, Message("user", asked))
    sampling = Sampling(temperature=0.7, top_p=0.9, max_tokens=3 * len(parent.text.split()) + 80)
    return Ask(strategy, "rewrite-all", Prompt(turns), sampling, own, notes, earlier)


def _ask_sentence(book: Book, strategy: Strategy, parent: Parent) -> Ask:
    """The paragraph is shown, its hardest sentence asked for."""
    sentence = parent.hardest.text
    instruction = strategy.full.replace("{sentence}", sentence)
    turns = (Message("system", book.sentence_system), Message("user", f"{parent.text}\n\n{instruction}"))
    sampling = Sampling(temperature=0.7, top_p=0.9, max_tokens=3 * len(sentence.split()) + 80)
    return Ask(strategy, strategy.plan, Prompt(turns), sampling)


def _with_notes(text: str, notes: Sequence[str]) -> str:
    return "\n".join([text, "", "The source says:", *notes]) if notes else text


def _request(text: str, instruction: str, term: str, own: str = "") -> str:
    return f"{text}\n\n{instruction.replace('{term}', term).replace('{prompt}', own)}"


def fill(prefill: str, term: str | None) -> str:
    """Puts the key term in; where a paragraph has none, "this" stands for it."""
    term = term or "this"
    verb = "are" if terms.is_plural(term) else "is"
    for slot, word in (("{term}", term), ("{Term}", term[:1].upper() + term[1:]), ("{is}", verb)):
        prefill = prefill.replace(slot, word)
    return prefill


def prefills(strategy: Strategy, seed: int) -> list[str]:
    """The strategy's prefills in an order that depends on the seed only."""
    order = list(strategy.prefills or ("",))
    random.Random(seed).shuffle(order)  # noqa: S311 (a draw of openings, not of secrets)
    return order


TOLD = 0.6
"""Share of a clause's words that the source has to have where it is named as the source."""
_LEAK = re.compile(r"<\||\|>|```|\b(?:as an ai|language model|(?:this|the) (?:sentence|text))\b", re.I)
_MARKUP = re.compile(r"<(?:/?[a-z][a-z0-9-]*(?:\s[^<>]*|/)?|!--.*?--|!doctype[^<>]*)>", re.I | re.S)
_SPANS = re.compile(
    r"""“([^“”]*)”|„([^„“”]*)[“”]|"([^"]*)"|«([^«»]*)»|»([^«»]*)«"""
    # Single marks are apostrophes as well: those that open stand before a word, those that close after one.
    r"""|(?<!\w)‘(.+?)’(?!\w)|(?<!\w)'(?=\w)(.+?)(?<=[\w.,!?…])'(?!\w)"""
)
_QUOTES = re.compile(r"[\"“”„«»]")
_ENDS = re.compile(r"[.!?…。！？؟][\"'”’»)\]]*$")


def tidy(answer: str) -> str:
    """White space folded; nothing else of the answer is touched."""
    return " ".join(answer.split())


def degenerate(answer: str, asked: Ask, parent: Parent, finish: FinishReason) -> str | None:
    """Why an answer can't be shown, as one word, or None.

    empty, markup (HTML), leak (the system prompt, talk about the task), run-on, copy (of the parent), echo (of the
    instruction or an example), repeats, quotes (words between quotation marks that the parent does not have), invented
    (numbers, names or studies the parent lacks), unsourced (a sentence that should say what a source says and does
    not). What the writer's own prompt has, and the sentences of a source that the prompt shows, count as the parent's.
    """
    words = _words(answer)
    given = len(_words(asked.prompt.prefill))
    source = asked.ground(parent)
    reasons = {
        "empty": len(words) < max(4, given + 2),
        "markup": bool(set(_MARKUP.findall(answer)) - set(_MARKUP.findall(parent.text))),
        "leak": _leaks(answer, asked, parent),
        "run-on": finish == "length" or not _ENDS.search(answer),
        "copy": _copies(answer, asked.plan, parent),
        "echo": _echoes(words, asked, parent),
        "repeats": _repeats(words, _words(source)),
        "quotes": _quotes(answer, source),
        "invented": _invents(answer, source),
        "unsourced": bool(asked.notes) and asked.plan.startswith("insert") and _unsourced(answer, asked),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def unfit(answer: str, copied: Sequence[Parent], parent: Parent, finish: FinishReason) -> str | None:
    """As `degenerate`, for a whole text made of several (`copied`, together `parent`)."""
    words = _words(answer)
    reasons = {
        "empty": len(words) < 4,
        "markup": bool(set(_MARKUP.findall(answer)) - set(_MARKUP.findall(parent.text))),
        "run-on": finish == "length" or not _ENDS.search(answer),
        "copy": any(words == _words(one.text) for one in copied),
        "leak": bool(_LEAK.search(answer)) and not _LEAK.search(parent.text),
        "repeats": _repeats(words, _words(parent.text)),
        "quotes": _quotes(answer, parent.text),
        "invented": _invents(answer, parent.text),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _copies(answer: str, plan: str, parent: Parent) -> bool:
    """What was to be rewritten stands as it was, or what is to be added, or a sentence's place, has what is there."""
    words = _words(answer)
    if plan == "rewrite-all":
        return words == _words(parent.text)
    if plan == "rewrite-sentence":
        old = parent.hardest
        others = [_words(s.text) for s in parent.sentences if s != old]
        new = [_words(s.text) for s in text_sentences.split(answer)]
        return words == _words(old.text) or any(_alike(a, b) for a in new for b in others)
    return any(_alike(words, _words(s.text)) for s in parent.sentences)


def _alike(a: list[str], b: list[str]) -> bool:
    return SequenceMatcher(None, a, b, autojunk=False).ratio() > 0.75


def _grams(words: list[str], n: int) -> set[tuple[str, ...]]:
    return set(zip(*(words[i:] for i in range(n)), strict=False))


def _echoes(words: list[str], asked: Ask, parent: Parent) -> bool:
    """It is the writer's prompt, or more than a third of its four-word runs stand in the instructions or examples,
    and neither in the parent nor in the writer's prompt, which may be followed word by word."""
    if words == _words(asked.own):
        return True
    runs = _grams(words, 4)
    shown = [m.content.replace(parent.text, "") for m in asked.prompt.messages]
    theirs = set().union(*(_grams(_words(text), 4) for text in shown))
    theirs -= _grams(_words(asked.ground(parent)), 4)
    return len(runs & theirs) > max(0, len(runs) - 1) / 3


def _leaks(answer: str, asked: Ask, parent: Parent) -> bool:
    """Talk about the task, or six words in a row of the system prompt."""
    if _LEAK.search(answer) and not _LEAK.search(parent.text):
        return True
    system = [_words(m.content) for m in asked.prompt.messages if m.role == "system"]
    secret = set().union(*(_grams(words, 6) for words in system)) - _grams(_words(parent.text), 6)
    return bool(_grams(_words(answer), 6) & secret)


def _repeats(words: list[str], source: list[str]) -> bool:
    """Pairs of words come again and again, more often than in the source; or one word twice running, as never there."""
    pairs, theirs = Counter(pairwise(words)), Counter(pairwise(source))
    bound = max(2, len(words) // 20)
    return any(
        n > max(bound, theirs[pair]) or (pair[0] == pair[1] and not pair[0].isdigit() and not theirs[pair])
        for pair, n in pairs.items()
    )


def _quotes(answer: str, source: str) -> bool:
    """Words stand between quotation marks that are not the source's, or a mark is left over that it does not have."""
    known = f" {' '.join(_words(source))} "
    for match in _SPANS.finditer(answer):
        span = _words(next(group for group in match.groups() if group is not None))
        if span and f" {' '.join(span)} " not in known:
            return True
    left = [Counter(_QUOTES.findall(_SPANS.sub("", text))) for text in (answer, source)]
    return bool(left[0] - left[1])


def _unsourced(answer: str, asked: Ask) -> bool:
    """What is said to come from the source has to, every clause of it; more strictly than a claim of the writer's."""
    said = answer.removeprefix(asked.prompt.prefill).strip()
    told = claims.support(said, claims.Ground(asked.notes), shortest=1)
    return min(told.words, told.clause) < TOLD or bool(claims.unsupported(said[:1].upper() + said[1:], asked.notes))


def _invents(answer: str, source: str) -> bool:
    added = facts.compare(source, answer).added
    return bool(added.numbers or added.names or added.citations)


def splice(answer: str, asked: Ask, parent: Parent, meaning: Meaning) -> str:
    """The candidate's whole text. A sentence to insert goes after the one it is nearest to in meaning."""
    text = parent.text
    match asked.plan:
        case "insert-opening":
            return f"{answer} {text}"
        case "insert-ending":
            return f"{text.rstrip()} {answer}"
        case "insert-after":
            vectors = meaning.encode([answer, *(s.text for s in parent.sentences)])
            after = parent.sentences[int(np.argmax(vectors[1:] @ vectors[0]))].end
            return f"{text[:after]} {answer}{text[after:]}"
        case "rewrite-sentence":
            old = parent.hardest
            return f"{text[: old.start]}{answer}{text[old.end :]}"
        case _:
            return answer


def relatedness(answer: str, parent: Parent, meaning: Meaning) -> float:
    """Cosine of the embeddings of the answer and the paragraph, -1 to 1."""
    a, b = meaning.encode([answer, parent.text])
    return float(a @ b)
