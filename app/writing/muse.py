"""Muse: what the history says, and the cards about it that a writer may answer. Each function is called inside one
transaction and raises Problem when it refuses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session

from app.db.base import now
from app.llm.types import EngineInfo
from app.web.errors import Problem, not_found
from app.writing import events, goals, questions, store
from app.writing import views as v
from app.writing.digest import Aim, History, Item, Seen, digest
from app.writing.events import note
from app.writing.models import MuseCard
from app.writing.strategies import Label

CARDS = 3
"""Most cards shown at once."""
Answer = Literal["applied", "not-now", "never"]

# What matters most first; where several fit, kinds take turns before one comes twice.
_ORDER = ("facts", "goal", "oscillation", "unreviewed", "unused", "untouched", "path")


@dataclass(frozen=True)
class Reflection:
    """What one press of Muse has to work with: the digest, the cards that still stand, what to ask the model about."""

    history: History
    items: tuple[Item, ...]
    standing: tuple[v.CardView, ...]
    topics: tuple[Item, ...]


def read(session: Session, writer_id: str, draft_id: str, labels: Sequence[Label]) -> History:
    """The draft's history as the digest takes it; `labels` are those that can be pressed. Raises Problem 404."""
    store.draft(session, writer_id, draft_id)
    parents, folded = store.all_parents(session, draft_id), store.folded(session, draft_id)
    goal = next((g for g in store.goals(session, draft_id) if g.active), None)
    own = store.versions(session, draft_id)
    on = store.scale(session, draft_id, own)
    versions = {
        version.id: Seen(
            id=version.id,
            number=version.number,
            paragraph_id=version.paragraph_id,
            parents=tuple(parents.get(version.id, ())),
            operation=version.operation,
            label=version.label,
            status=version.status,
            text=version.text,
            point=store.point(version, on),
            generation_id=version.generation_id,
            archived=version.archived,
        )
        for version in own
    }
    unfolded = _without(versions, folded)
    return History(
        heads={
            p.id: p.head_version_id for p in store.paragraphs(session, draft_id) if p.head_version_id and not p.removed
        },
        versions=unfolded,
        labels=[label for label in labels if label.group != "any"],
        aim=Aim(goal.id, goal.audience, goals.region(goal)) if goal else None,
    )


def _without(versions: dict[str, Seen], folded: set[str]) -> dict[str, Seen]:
    """Stages of typing left out: what came after them comes from what was before them."""

    def parent(version_id: str) -> str | None:
        at: str | None = version_id
        while at in folded:
            at = next(iter(versions[at].parents), None)
        return at

    kept = {}
    for version in versions.values():
        if version.id not in folded:
            up = tuple(dict.fromkeys(p for i in version.parents if (p := parent(i)) is not None))
            kept[version.id] = Seen(**{**vars(version), "parents": up})
    return kept


def reflect(session: Session, writer_id: str, draft_id: str, labels: Sequence[Label]) -> Reflection:
    """Raises Problem 404."""
    history = read(session, writer_id, draft_id, labels)
    items = digest(history)
    cards = store.cards(session, draft_id)
    latest = {card.topic: card for card in cards}
    never = {card.topic for card in cards if card.status == "never"}
    standing, fresh = [], []
    for item in _by_weight(item for item in items if questions.about(item) and item.topic not in never):
        card = latest.get(item.topic)
        same = card is not None and (card.observation, card.cites) == (item.text, list(item.cites))
        if card is not None and card.status == "shown" and same:
            standing.append(card)
        elif not same:
            fresh.append(item)
    shown = standing[:CARDS]
    asked: list[Item] = []
    for item in fresh:
        # Two cards that lead to the same press are one too many.
        if item.action not in [card.action for card in shown] + [other.action for other in asked]:
            asked.append(item)
    views = tuple(v.CardView.of(card) for card in shown)
    return Reflection(history, tuple(items), views, tuple(asked[: CARDS - len(shown)]))


def _by_weight(items: Iterable[Item]) -> list[Item]:
    """By what matters, the first of each kind before the second of any."""
    turns: dict[str, int] = {}
    weighed = []
    for item in sorted(items, key=lambda i: _ORDER.index(i.kind)):
        turn = turns[item.kind] = turns.get(item.kind, -1) + 1
        weighed.append((turn, item))
    return [item for _, item in sorted(weighed, key=lambda w: w[0])]


def digest_view(session: Session, writer_id: str, draft_id: str, labels: Sequence[Label]) -> v.DigestView:
    return item_views(digest(read(session, writer_id, draft_id, labels)))


def item_views(items: Iterable[Item]) -> v.DigestView:
    return v.DigestView(
        items=[
            v.DigestItem(topic=i.topic, kind=i.kind, text=i.text, cites=list(i.cites), action=i.action) for i in items
        ]
    )


def keep_card(
    session: Session, writer_id: str, draft_id: str, item: Item, question: str, model: EngineInfo
) -> v.CardView | None:
    """A card to be shown; the same one when another press of Muse was quicker, and None when the writer said never to
    its topic meanwhile. Raises Problem 404."""
    store.hold(session, writer_id, draft_id)
    earlier = [card for card in store.cards(session, draft_id) if card.topic == item.topic]
    if any(card.status == "never" for card in earlier):
        return None
    for card in earlier:
        if card.status == "shown" and (card.observation, card.cites) == (item.text, list(item.cites)):
            return v.CardView.of(card)
    card = MuseCard(
        draft_id=draft_id,
        topic=item.topic,
        observation=item.text,
        question=question,
        cites=list(item.cites),
        action=item.action,
        model_id=model.model_id,
        tuned_id=model.tuned_id,
        status="shown",
    )
    session.add(card)
    session.flush()
    return v.CardView.of(card)


def shown(session: Session, writer_id: str, draft_id: str, cards: Sequence[v.CardView], dropped: int) -> None:
    """Note that Muse was shown."""
    store.draft(session, writer_id, draft_id)
    event = events.MuseShown(cards=[c.id for c in cards], topics=[c.topic for c in cards], dropped=dropped)
    note(session, writer_id, draft_id, event)


def answer(session: Session, writer_id: str, card_id: str, given: Answer) -> v.CardView:
    """The writer's answer. *Never* stands for all cards of the topic; raises Problem 404, and 409 for another answer
    after it."""
    card = session.get(MuseCard, card_id)
    if card is None:
        raise not_found()
    store.hold(session, writer_id, card.draft_id)
    session.refresh(card)
    never = {other.topic for other in store.cards(session, card.draft_id) if other.status == "never"}
    if card.topic in never and given != "never":
        raise Problem(409, "never", "You said never to this card, so it stays away.")
    if card.status != given:
        card.status, card.changed_at = given, now()
        event = events.MuseAnswered(card_id=card.id, topic=card.topic, answer=given)
        note(session, writer_id, card.draft_id, event)
    session.flush()
    return v.CardView.of(card)
