"""One question about one observation: what the model is asked, and what makes its answer unusable.

The observation is the app's own sentence (app/writing/digest.py); the model finishes a question whose opening it is
given, after two worked examples. Knows no database and no HTTP.
"""

from __future__ import annotations

import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, model_validator

from app.llm.types import Draw, Engine, FinishReason, Message, Prompt, Sampling
from app.text import facts
from app.writing import terms
from app.writing.candidates import Meaning, tidy
from app.writing.digest import History, Item
from app.writing.strategies import Example

DEFAULT = Path(__file__).with_name("muse.yaml")
DRAWS = 4
"""Answers drawn together for one card; the nearest in meaning to the paragraph is shown."""
FEWEST, MOST = 6, 35
"""Words of a question."""
MOST_WORDS_READ = 180
"""Words of the paragraph that the model is shown."""
OFF_TOPIC = 0.4
"""Cosine between question and paragraph under which it speaks of something else; docs/muse.md."""
SAMPLING = Sampling(temperature=0.6, top_p=0.9, repetition_penalty=1.05, max_tokens=40, one_sentence=True)


class Asked(BaseModel):
    """How the model is asked about one kind of observation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ask: str
    openings: tuple[str, ...]
    answers: tuple[str, ...]


class Prompts(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str
    examples: tuple[Example, ...]
    kinds: dict[str, Asked]

    @model_validator(mode="after")
    def _consistent(self) -> Prompts:
        for kind, asked in self.kinds.items():
            if not asked.openings or len(asked.answers) != len(self.examples):
                raise ValueError(f"{kind} needs an opening and {len(self.examples)} answers, one an example")
        return self


@cache
def load_prompts(path: Path = DEFAULT) -> Prompts:
    """Raises pydantic.ValidationError or yaml.YAMLError, each naming the place."""
    return Prompts.model_validate(yaml.safe_load(path.read_text("utf-8")))


@dataclass(frozen=True)
class Question:
    """What is shown, and how the model came to it."""

    text: str
    prompt: Prompt
    seed: int


@dataclass(frozen=True)
class Dropped:
    """An answer that can't be shown; `reason` is one word."""

    reason: str
    text: str


def about(item: Item) -> str | None:
    """The kind of question that fits an item; None where there is nothing to ask."""
    if item.about is None:
        return None
    kind = f"{item.kind}-{item.needs}" if item.needs else item.kind
    return kind if kind in load_prompts().kinds else None


def draws(item: Item, history: History, seed: int, tuned_id: str | None = None) -> list[Draw]:
    """What to have written for an item. Raises KeyError for one that there is nothing to ask about."""
    prompts, kind = load_prompts(), about(item)
    if kind is None or item.about is None:
        raise KeyError(item.topic)
    asked, version = prompts.kinds[kind], history.versions[item.about]
    rng = random.Random(f"{seed}/{item.topic}")  # noqa: S311 (a draw of openings, not of secrets)
    openings = list(asked.openings)
    rng.shuffle(openings)
    turns = [Message("system", prompts.system)]
    for example, answer in zip(prompts.examples, asked.answers, strict=True):
        turns += [Message("user", f"{example.text}\n\n{asked.ask}"), Message("assistant", answer)]
    shown = " ".join(version.text.split()[:MOST_WORDS_READ])
    turns.append(Message("user", f"{shown}\n\n{asked.ask}"))
    slots = {
        "{n}": str(history.number(version.paragraph_id)),
        "{term}": terms.key_term(version.text) or "this",
        "{fact}": f"“{item.found[0]}”" if item.found else "it",
    }
    return [
        Draw(Prompt(tuple(turns), _filled(openings[i % len(openings)], slots)), rng.getrandbits(31), SAMPLING, tuned_id)
        for i in range(DRAWS)
    ]


def _filled(opening: str, slots: dict[str, str]) -> str:
    for slot, word in slots.items():
        opening = opening.replace(slot, word)
    return opening


def ask(
    item: Item,
    history: History,
    engine: Engine,
    meaning: Meaning,
    seed: int,
    cancel: threading.Event,
    heard: Callable[[], object] = bool,
    tuned_id: str | None = None,
) -> tuple[Question | None, list[Dropped]]:
    """The best usable question, and what could not be used. `heard` is called whenever the model wrote something.

    Raises EngineError; after `cancel` is set nothing comes.
    """
    drawn = draws(item, history, seed, tuned_id)
    given = [history.versions[i].text for i in item.cites]
    dropped, usable = [], []
    for draw, answer, finish in _written(drawn, engine, cancel, heard):
        if finish == "cancelled" or cancel.is_set():
            return None, []
        text = tidy(answer)
        reason = unusable(text, draw.prompt, item.text, given, finish)
        if reason is None and nearness(text, draw.prompt, given, meaning) < OFF_TOPIC:
            reason = "off-topic"
        if reason is None:
            usable.append(Question(text, draw.prompt, draw.seed))
        else:
            dropped.append(Dropped(reason, text))
    best = max(usable, key=lambda q: nearness(q.text, q.prompt, given, meaning), default=None)
    return best, dropped


def _written(
    drawn: list[Draw], engine: Engine, cancel: threading.Event, heard: Callable[[], object]
) -> Iterator[tuple[Draw, str, FinishReason]]:
    so_far = [""] * len(drawn)
    for chunk in engine.stream(drawn, cancel):
        heard()
        so_far[chunk.index] += chunk.text
        if chunk.finish is not None:
            yield drawn[chunk.index], so_far[chunk.index], chunk.finish


def nearness(question: str, prompt: Prompt, given: list[str], meaning: Meaning) -> float:
    """Cosine of what the model added to the opening and the nearest cited text, -1 to 1."""
    vectors = meaning.encode([question.removeprefix(prompt.prefill), *given])
    return float(max(vectors[1:] @ vectors[0]))


_MARKUP = re.compile(r"[<>`*_#\[\]{}|\\]|https?:|\n")
_TALK = re.compile(r"\b(?:as an ai|language model|(?:this|the) (?:sentence|text|question|answer)|assistant)\b", re.I)
_SUGGESTS = re.compile(r"^(?:try|consider|perhaps|maybe|you could|paragraph \d+ could)\b", re.I)
# What the openings ask for has to follow them: a question that ends in one of these breaks off.
_DANGLING = re.compile(r"\b(?:a|an|the|of|to|and|or|that|how|why|when|with|for)\W*$", re.I)
# "…tells most plainly how did they measure it": after how and why the question's order is a sentence's.
_TURNED = re.compile(r"\b(?:how|why|when) (?:did|do|does|is|are|was|were|can|could|will|would|has|have|had)\b", re.I)


def unusable(text: str, prompt: Prompt, observation: str, given: list[str], finish: FinishReason) -> str | None:
    """Why an answer can't be shown, as one word, or None.

    run-on (no end), grammar, form (neither question nor suggestion), length, markup, leak (talk about the task),
    repeats, echo (of the worked examples), quotes (beyond the opening's), invented (numbers, names or studies that
    neither the observation nor the cited texts have).
    """
    words = _words(text)
    added = text.removeprefix(prompt.prefill)
    source = " ".join([observation, *given, prompt.prefill])
    reasons = {
        "run-on": finish == "length" or not text.endswith(("?", ".")) or bool(_DANGLING.search(text)),
        "grammar": bool(_TURNED.search(text)),
        "form": not (text.endswith("?") or _SUGGESTS.match(text)) or "?" in text[:-1],
        "length": not FEWEST <= len(words) <= MOST or len(_words(added)) < 2,
        "markup": bool(_MARKUP.search(text)),
        "leak": bool(_TALK.search(added)),
        "repeats": _repeats(words),
        "echo": _echoes(words, prompt, source),
        "quotes": any(mark in added for mark in '"“”«»'),
        "invented": _invents(text, source),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _repeats(words: list[str]) -> bool:
    pairs = Counter(pairwise(words))
    return any(n > 2 or a == b for (a, b), n in pairs.items())


def _echoes(words: list[str], prompt: Prompt, source: str) -> bool:
    """A three-word run that stands in the worked examples, and neither in the opening nor in what it is about."""

    def runs(text: list[str]) -> set[tuple[str, ...]]:
        return set(zip(text, text[1:], text[2:], strict=False))

    shown = (turn.content for turn in prompt.messages[:-1])
    theirs = set().union(*(runs(_words(text)) for text in shown)) - runs(_words(source))
    return len(runs(words) & theirs) > 1


def _invents(text: str, source: str) -> bool:
    added = facts.compare(source, text).added
    return bool(added.numbers or added.names or added.citations)
