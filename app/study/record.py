"""Makes a recording (app/llm/recorded.py): the model is asked all that the desk could ask it about a study's texts."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from app.axes.types import Unplaceable
from app.llm.recorded import Recorder
from app.study.protocol import Protocol, Topic
from app.text import paragraphs
from app.writing import questions
from app.writing.digest import History, Seen, digest
from app.writing.landing import Point
from app.writing.revise import Landed, Reviser
from app.writing.sources import Pack
from app.writing.strategies import Label

OWN_PROMPTS = (
    "Make this easier to understand.",
    "Add an example from everyday life.",
    "Make the reader curious.",
    "Say why this matters to the reader.",
    "Write a better ending.",
    "Explain the most difficult word.",
)
"""What writers who have no labels ask for, after the labels' own purposes."""
CANDIDATES = 3


@dataclass
class _Desk:
    """A topic while it is asked about: what stands in its draft, and what came of it."""

    topic: Topic
    pack: Pack | None
    texts: list[str]
    versions: dict[str, Seen] = field(default_factory=dict)
    made: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, reviser: Reviser, topic: Topic) -> _Desk:
        pack = Pack([(source.title, source.text) for source in topic.sources]) if topic.sources else None
        desk = cls(topic, pack, paragraphs.split(topic.draft))
        desk.versions = {f"v{k}": _seen(reviser, k, text) for k, text in enumerate(desk.texts)}
        return desk


def record(
    reviser: Reviser, protocols: Sequence[Protocol], say: Callable[[str], object], passes: int | None = None
) -> Iterator[int]:
    """Press labels on paragraphs, join what came of it, and ask Muse's questions. In each pass every label is pressed
    once, on a paragraph that it was not pressed on before; after as many passes as there are paragraphs, the most, each
    was pressed on each. All strategies of a label are asked for, and in one's own words, which is all that the chat
    condition has, on every paragraph in each pass. Yields now and then how many answers there are.

    `reviser.engine` is a Recorder. Raises EngineError.
    """
    recorder = reviser.engine
    assert isinstance(recorder, Recorder)
    topics = {topic.draft: topic for protocol in protocols for topic in protocol.every_topic}
    desks = [_Desk.of(reviser, topic) for topic in topics.values()]
    places = [(desk, k) for desk in desks for k in range(len(desk.texts))]
    for turn in range(min(passes or len(places), len(places))):
        say(f"Pass {turn + 1} of {len(places)} …")
        for j, label in enumerate(reviser.book.labels):
            # Three paragraphs further for the next label: the first pass already speaks of every topic.
            pressed = (turn + 3 * j) % len(places)
            for n, (desk, k) in enumerate(places):
                if n == pressed:
                    own = OWN_PROMPTS[turn % len(OWN_PROMPTS)] if label.strategies[0].takes_prompt else ""
                    desk.made[k] += _press(reviser, label, desk, k, turn, own)
                elif label.strategies[0].takes_prompt:
                    _press(reviser, label, desk, k, turn, OWN_PROMPTS[(turn + n) % len(OWN_PROMPTS)])
        yield len(recorder.lines)
        for desk in desks:
            _join(reviser, desk, turn)
            _ask_muse(reviser, desk, turn)
        yield len(recorder.lines)


def _press(reviser: Reviser, label: Label, desk: _Desk, k: int, seed: int, own: str) -> list[str]:
    """What came of all strategies of the label."""
    n = max(CANDIDATES, len(label.usable(None, full=reviser.full, sourced=desk.pack is not None)))
    events = reviser.revise(label, desk.texts[k], n=n, seed=seed, own=own, pack=desk.pack)
    return [event.candidate.text for event in events if isinstance(event, Landed)]


def _join(reviser: Reviser, desk: _Desk, seed: int) -> None:
    for made in desk.made.values():
        if len(made) > 1:
            for _ in reviser.combine(made[-2], made[-1], 0.5, n=CANDIDATES, seed=seed, pack=desk.pack):
                pass


def _ask_muse(reviser: Reviser, desk: _Desk, seed: int) -> None:
    for k, made in desk.made.items():
        for text in made[-1:]:
            number = len(desk.versions) + 1
            desk.versions[f"v{k}.{number}"] = _seen(reviser, k, text, number)
    heads = {f"p{k}": f"v{k}" for k in range(len(desk.texts))}
    history = History(heads, desk.versions, [label for label in reviser.book.labels if label.group != "any"])
    kinds: set[str] = set()
    for item in digest(history):
        kind = questions.about(item)
        if kind is not None and kind not in kinds:
            kinds.add(kind)
            questions.ask(item, history, reviser.engine, reviser.meaning, seed, threading.Event())


def _seen(reviser: Reviser, k: int, text: str, number: int = 0) -> Seen:
    """`number` of a version that was made; 0 is the paragraph as it was."""
    try:
        placed = reviser.scorer.score([text])[0]
        point = Point(placed.engagement, placed.exposition)
    except Unplaceable:
        point = None
    return Seen(
        id=f"v{k}.{number}" if number else f"v{k}",
        number=number or k + 1,
        paragraph_id=f"p{k}",
        parents=(f"v{k}",) if number else (),
        operation="label" if number else "import",
        label="use-analogy" if number else None,
        status="proposed" if number else "written",
        text=text,
        point=point,
    )
