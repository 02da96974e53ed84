"""Who wrote which sentence, told from the texts of a draft's versions and their parents alone.

A sentence is followed back from the version it stands in through the parents to the version in which it first
appears. Two sentences are the same when their words are, whatever their case, punctuation and spacing. A sentence that
appears first in a version of the writer's is

* a model's, edited by the writer, when it is like a model's sentence of the parents (`EDITED` of the words or more);
* the model's, when the same words stand in an earlier version a model wrote: paragraphs are split and joined, and
  what is cut out here is pasted there (`MOVED` words at least, so that "It works." is nobody's property);
* the writer's otherwise.

What appears first in a version that a model wrote is the model's, also where it rewrote a sentence of the writer's.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from app.text import sentences

EDITED = 0.6
"""Share of words two sentences have in common, in the same order (difflib's ratio, 2·common / both), from which one is
the other, edited."""
MOVED = 4

Kind = Literal["writer", "model", "edited"]

# Chinese, Japanese and Korean don't part their words: each character counts as one.
_UNPARTED = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_UNPARTED}]|[^\W{_UNPARTED}]+")
_MOST_WORDS = 2_000
"""Sentences longer than this are compared without their order: that takes time as their length, not as its square."""


@dataclass(frozen=True)
class Stage:
    """A version, as far as it matters here."""

    id: str
    text: str
    parents: tuple[str, ...]
    by_model: bool


@dataclass(frozen=True)
class Origin:
    """`stage` is the version in which the sentence first appears; for an edited one, where the model's first does,
    whose `words` these are."""

    kind: Kind
    stage: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Traced:
    """A sentence as it stands, and where it came from."""

    text: str
    origin: Origin


def trace(stages: Sequence[Stage], wanted: Collection[str]) -> dict[str, list[Traced]]:
    """The sentences of each wanted version, in order. `stages` are the draft's versions, parents before children."""
    parents = _skipping(stages, wanted)
    place = {stage.id: i for i, stage in enumerate(stages)}
    known: dict[str, dict[tuple[str, ...], Origin]] = {}
    by_models: dict[tuple[str, ...], Origin] = {}
    found: dict[str, list[Traced]] = {}
    for stage in stages:
        if stage.id not in parents:
            continue
        before: dict[tuple[str, ...], Origin] = {}
        for parent in parents[stage.id]:
            for key, origin in known[parent].items():
                if key not in before or place[origin.stage] < place[before[key].stage]:
                    before[key] = origin
        parts = [(sentence.text, words(sentence.text)) for sentence in sentences.split(stage.text)]
        here = {key for _, key in parts}
        changed = {origin for key, origin in before.items() if key not in here and origin.kind != "writer"}
        table: dict[tuple[str, ...], Origin] = {}
        for _, key in parts:
            if key in table:
                continue
            table[key] = before.get(key) or _new(stage, key, changed, by_models)
            if table[key].kind == "model":
                by_models.setdefault(key, table[key])
        known[stage.id] = table
        if stage.id in wanted:
            found[stage.id] = [Traced(text, table[key]) for text, key in parts]
    return found


def words(sentence: str) -> tuple[str, ...]:
    """What makes a sentence the same as another; of one without words, its signs."""
    plain = unicodedata.normalize("NFKC", sentence).casefold()
    return tuple(_WORD.findall(plain)) or (" ".join(plain.split()),)


def likeness(one: Sequence[str], other: Sequence[str]) -> float:
    """0 to 1: twice the words in common, in order, over the words of both."""
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    if max(len(one), len(other)) > _MOST_WORDS:
        return 2 * sum((Counter(one) & Counter(other)).values()) / (len(one) + len(other))
    return matcher.ratio() if matcher.real_quick_ratio() >= EDITED and matcher.quick_ratio() >= EDITED else 0.0


def _new(
    stage: Stage, key: tuple[str, ...], changed: Collection[Origin], by_models: dict[tuple[str, ...], Origin]
) -> Origin:
    """The origin of a sentence that none of the stage's parents has."""
    if stage.by_model:
        return Origin("model", stage.id, key)
    if len(key) >= MOVED and key in by_models:
        return by_models[key]
    like, best = max(((likeness(o.words, key), o) for o in changed), key=lambda pair: pair[0], default=(0.0, None))
    if best is not None and like >= EDITED:
        return Origin("edited", best.stage, best.words)
    return Origin("writer", stage.id, key)


def _skipping(stages: Sequence[Stage], wanted: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Parents by version, stages of typing left out: a version a second comes of it, and only the last one counts."""
    by_id = {stage.id: stage for stage in stages}
    children = Counter(parent for stage in stages for parent in stage.parents)
    # A model's base stays: what the model added is told by it.
    kept = {parent for stage in stages if stage.by_model for parent in stage.parents} | set(wanted)

    def passing(stage: Stage) -> bool:
        only = len(stage.parents) == 1 and children[stage.id] == 1
        return only and not stage.by_model and stage.id not in kept

    def lasting(version: str) -> str:
        while passing(by_id[version]):
            version = by_id[version].parents[0]
        return version

    return {stage.id: tuple(dict.fromkeys(map(lasting, stage.parents))) for stage in stages if not passing(stage)}
