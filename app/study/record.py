"""Makes a recording (app/llm/recorded.py): the model is asked all that the desk could ask it about a study's texts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

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
    """Ask for every strategy of every label on every paragraph, for OWN_PROMPTS, for joining what came of it, and for
    Muse's questions. Yields after each topic how many answers there are. `reviser.engine` is a Recorder.

    Raises EngineError.
    """
    recorder = reviser.engine
    assert isinstance(recorder, Recorder)
    done: set[str] = set()
    for topic in (t for p in protocols for t in (*p.topics, *([p.practice] if p.practice else []))):
        if topic.draft not in done:
            done.add(topic.draft)
            say(f"{topic.title} …")
            _topic(reviser, topic)
            yield len(recorder.lines)


def _topic(reviser: Reviser, topic: Topic) -> None:
    pack = Pack([(source.title, source.text) for source in topic.sources]) if topic.sources else None
    labels = reviser.book.labels
    heads, versions = {}, {}
    for k, text in enumerate(paragraphs.split(topic.draft)):
        heads[f"p{k}"] = f"v{k}"
        versions[f"v{k}"] = _seen(reviser, f"v{k}", k, text, ())
        made = [text]
        for label in labels:
            for strategy in label.usable(None, full=reviser.full, sourced=pack is not None):
                for seed, own in enumerate(OWN_PROMPTS if strategy.takes_prompt else ("",)):
                    made += _press(reviser, label, text, strategy.id, seed, own, pack)
        for seed, other in enumerate(made[1:-1:7]):
            versions[f"v{k}.{seed}"] = _seen(reviser, f"v{k}.{seed}", k, other, (f"v{k}",), len(versions))
            for _ in reviser.combine(other, made[2 + seed], 0.5, n=CANDIDATES, seed=seed, pack=pack):
                pass
    history = History(heads, versions, [label for label in labels if label.group != "any"])
    for item in digest(history):
        if questions.about(item):
            for seed in range(CANDIDATES):
                questions.ask(item, history, reviser.engine, reviser.meaning, seed, threading.Event())


def _press(
    reviser: Reviser, label: Label, text: str, strategy: str, seed: int, own: str, pack: Pack | None
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
