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
    notes: tuple[str, ...] = ()


def ask(book: Book, strategy: Strategy, parent: Parent, prefill: str, *, full: bool, own: str = "") -> Ask:
    """The prompt for one candidate. `own` is the writer's instruction, for strategies that ask for one."""
    if full or not strategy.small or strategy.plan == "rewrite-all":
        return _ask_full(book, strategy, parent, own)
    term = parent.key_term
    subject = parent.hardest.text if strategy.plan == "rewrite-sentence" else parent.text
    notes = parent.notes if strategy.source else ()
    turns = [Message("system", book.system)]
    said = strategy.notes or ("",) * len(strategy.answers)
    for example, answer, note in zip(book.examples, strategy.answers, said, strict=False):
        turns.append(
            Message("user", _request(_with_notes(example.text, (note,) * bool(note)), strategy.ask, example.term))
        )
        turns.append(Message("assistant", answer))
    turns.append(Message("user", _request(_with_notes(subject, notes), strategy.ask, term or "this", own)))
    whole = strategy.plan == "rewrite-sentence"
    words = len(subject.split())
    sampling = Sampling(temperature=0.7, top_p=0.9, max_tokens=2 * words + 30 if whole else 48, one_sentence=not whole)
    return Ask(strategy, strategy.plan, Prompt(tuple(turns), fill(prefill, term)), sampling, notes)


def _ask_full(book: Book, strategy: Strategy, parent: Parent, own: str) -> Ask:
    instruction = strategy.full.replace("{prompt}", own)
    notes = parent.notes if strategy.source else ()
    asked = f"{_with_notes(parent.text, notes)}\n\n{instruction}"
    turns = (Message("system", book.full_system), Message("user", asked))
    sampling = Sampling(temperature=0.7, top_p=0.9, max_tokens=3 * len(parent.text.split()) + 80)
    return Ask(strategy, "rewrite-all", Prompt(turns), sampling, notes)


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
_QUOTES = re.compile(r"[\"“”«»]")
_QUOTED = re.compile(r"[\"“«]([^\"“”«»]*)")
_ENDS = re.compile(r"[.!?…。！？؟][\"'”’»)\]]*$")


def tidy(answer: str) -> str:
    """White space folded; nothing else of the answer is touched."""
    return " ".join(answer.split())


def degenerate(answer: str, asked: Ask, parent: Parent, finish: FinishReason) -> str | None:
    """Why an answer can't be shown, as one word, or None.

    empty, run-on, copy (of the parent), echo (of the prompt or an example), leak (talk about the task), repeats,
    quotes (nobody is quoted whom the parent does not quote), invented (numbers, names or studies the parent lacks).
    The sentences of a source that the prompt shows count as the parent does; unsourced is a sentence that should say
    what they say and does not.
    """
    words = _words(answer)
    given = len(_words(asked.prompt.prefill))
    inserted = asked.plan.startswith("insert")
    reasons = {
        "empty": len(words) < max(4, given + 2),
        "run-on": finish == "length" or not _ENDS.search(answer),
        "copy": _copies(answer, parent, inserted=inserted),
        "echo": _echoes(words, asked, parent),
        "leak": bool(_LEAK.search(answer)) and not _LEAK.search(parent.text),
        "repeats": _repeats(words),
        "quotes": _quotes_freely(answer, parent, asked.notes),
        "invented": _invents(answer, parent, asked.notes),
        "unsourced": inserted and asked.strategy.source and _unsourced(answer, asked),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _copies(answer: str, parent: Parent, *, inserted: bool) -> bool:
    if not inserted:
        return _words(answer) == _words(parent.text)
    words = _words(answer)
    return any(SequenceMatcher(None, words, _words(s.text), autojunk=False).ratio() > 0.75 for s in parent.sentences)


def _grams(words: list[str], n: int) -> set[tuple[str, ...]]:
    return set(zip(*(words[i:] for i in range(n)), strict=False))


def _echoes(words: list[str], asked: Ask, parent: Parent) -> bool:
    """More than a third of its four-word runs stand in the instructions or examples, and not in the parent."""
    own = _grams(words, 4)
    shown = [m.content.replace(parent.text, "") for m in asked.prompt.messages]
    theirs = set().union(*(_grams(_words(text), 4) for text in shown)) - _grams(_words(parent.text), 4)
    theirs -= set().union(*(_grams(_words(note), 4) for note in asked.notes))
    return len(own & theirs) > max(0, len(own) - 1) / 3


def _repeats(words: list[str]) -> bool:
    pairs = Counter(pairwise(words))
    return any(n > max(2, len(words) // 20) or (a == b and not a.isdigit()) for (a, b), n in pairs.items())


def _quotes_freely(answer: str, parent: Parent, notes: Sequence[str]) -> bool:
    """With a source, whoever is quoted is quoted word for word."""
    ground = "\n".join([parent.text, *notes])
    if not _QUOTES.search(answer):
        return False
    if not notes or not _QUOTES.search(ground):
        return not _QUOTES.search(ground)
    said = " ".join(_words(ground))
    return any(" ".join(_words(quoted)) not in said for quoted in _QUOTED.findall(answer))


def _unsourced(answer: str, asked: Ask) -> bool:
    """What is said to come from the source has to, every clause of it; more strictly than a claim of the writer's."""
    said = answer.removeprefix(asked.prompt.prefill).strip()
    told = claims.support(said, claims.Ground(asked.notes), shortest=1)
    return min(told.words, told.clause) < TOLD or bool(claims.unsupported(said[:1].upper() + said[1:], asked.notes))


def _invents(answer: str, parent: Parent, notes: Sequence[str] = ()) -> bool:
    added = facts.compare("\n\n".join([parent.text, *notes]), answer).added
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
