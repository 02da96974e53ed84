"""Makes a recording (app/llm/recorded.py): the model is asked all that the desk could ask it about a study's texts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import count

from app.axes.types import Unplaceable
from app.llm.recorded import Recorder
from app.study.protocol import Protocol, Topic
from app.text import paragraphs
from app.writing import questions
from app.writing.digest import History, Seen, digest
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


def record(reviser: Reviser, protocols: Sequence[Protocol], say: Callable[[str], object]) -> Iterator[int]:
    """Press every label on every paragraph, ask for one of OWN_PROMPTS, join what came of it, and ask Muse's questions.
    Strategies take turns over the paragraphs, so that each has answers. Yields now and then how many there are.

    `reviser.engine` is a Recorder. Raises EngineError.
    """
    recorder = reviser.engine
    assert isinstance(recorder, Recorder)
    done: set[str] = set()
    seeds = count()
    for topic in (t for p in protocols for t in (*([p.practice] if p.practice else []), *p.topics)):
        if topic.draft not in done:
            done.add(topic.draft)
            say(f"{topic.title} …")
            for _ in _topic(reviser, topic, seeds):
                yield len(recorder.lines)


def _topic(reviser: Reviser, topic: Topic, seeds: Iterator[int]) -> Iterator[None]:
    pack = Pack([(source.title, source.text) for source in topic.sources]) if topic.sources else None
    labels = reviser.book.labels
    heads, versions = {}, {}
    for k, text in enumerate(paragraphs.split(topic.draft)):
        seed = next(seeds)
        heads[f"p{k}"] = f"v{k}"
        versions[f"v{k}"] = _seen(reviser, f"v{k}", k, text, ())
        made = [text]
        for label in labels:
            own = OWN_PROMPTS[seed % len(OWN_PROMPTS)] if label.strategies[0].takes_prompt else ""
            made += _press(reviser, label, text, None, seed, own, pack)
        for number, other in enumerate(made[1:-1:12]):
            versions[f"v{k}.{number}"] = _seen(reviser, f"v{k}.{number}", k, other, (f"v{k}",), len(versions))
            for _ in reviser.combine(other, made[2 + number], 0.5, n=CANDIDATES, seed=seed, pack=pack):
                pass
        yield
    history = History(heads, versions, [label for label in labels if label.group != "any"])
    for item in digest(history):
        if questions.about(item):
            questions.ask(item, history, reviser.engine, reviser.meaning, next(seeds), threading.Event())
    yield


def _press(
    reviser: Reviser, label: Label, text: str, strategy: str | None, seed: int, own: str, pack: Pack | None
) -> list[str]:
    events = reviser.revise(label, text, n=CANDIDATES, seed=seed, strategy=strategy, own=own, pack=pack)
    return [event.candidate.text for event in events if isinstance(event, Landed)]


def _seen(reviser: Reviser, name: str, k: int, text: str, parents: tuple[str, ...], number: int = 1) -> Seen:
    try:
        placed = reviser.scorer.score([text])[0]
        point = (placed.engagement, placed.exposition)
    except Unplaceable:
        point = None
    return Seen(
        id=name, number=number, paragraph_id=f"p{k}", parents=parents, operation="label" if parents else "import",
        label="use-analogy" if parents else None, status="proposed" if parents else "written", text=text, point=point,
    )  # fmt: skip
