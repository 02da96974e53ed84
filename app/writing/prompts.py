"""Instructions of the writer's own that are kept: named, reused, and pinned as labels of theirs."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.web.errors import Problem, not_found
from app.writing import events, store
from app.writing import views as v
from app.writing.events import note
from app.writing.models import SavedPrompt

MOST = 100
RECENT = 8


def listed(session: Session, writer_id: str, draft_id: str | None = None) -> v.PromptList:
    """By name, and with a draft what was asked for there lately."""
    recent: list[str] = []
    if draft_id is not None:
        store.draft(session, writer_id, draft_id)
        recent = store.recent_prompts(session, draft_id, RECENT)
    return v.PromptList(prompts=[v.PromptView.of(one) for one in store.prompts(session, writer_id)], recent=recent)


def keep(session: Session, writer_id: str, wanted: v.NewPrompt) -> v.PromptView:
    """Raises Problem 422 without words, 409 when the name is taken or there are too many."""
    name, text = _named(wanted.name), _worded(wanted.text)
    known = store.prompts(session, writer_id)
    if len(known) >= MOST:
        raise Problem(409, "too-many-prompts", f"You have {MOST} kept prompts, which is the most. Remove one first.")
    _refuse_taken(known, name)
    prompt = SavedPrompt(writer_id=writer_id, name=name, text=text, pinned=wanted.pinned, removed=False)
    session.add(prompt)
    session.flush()
    _note(session, prompt)
    return v.PromptView.of(prompt)


def change(session: Session, writer_id: str, prompt_id: str, wanted: v.PromptChange) -> v.PromptView:
    """What is left out stays. Raises Problem 404, 409 and 422 as `keep` does."""
    prompt = _own(session, writer_id, prompt_id)
    before = (prompt.name, prompt.text, prompt.pinned)
    if wanted.name is not None:
        prompt.name = _named(wanted.name)
        _refuse_taken([p for p in store.prompts(session, writer_id) if p.id != prompt.id], prompt.name)
    if wanted.text is not None:
        prompt.text = _worded(wanted.text)
    if wanted.pinned is not None:
        prompt.pinned = wanted.pinned
    if before != (prompt.name, prompt.text, prompt.pinned):
        _note(session, prompt)
    return v.PromptView.of(prompt)


def remove(session: Session, writer_id: str, prompt_id: str) -> None:
    """The row is kept."""
    prompt = _own(session, writer_id, prompt_id)
    prompt.removed = True
    note(session, writer_id, None, events.PromptRemoved(prompt_id=prompt.id))


def _own(session: Session, writer_id: str, prompt_id: str) -> SavedPrompt:
    prompt = session.get(SavedPrompt, prompt_id)
    if prompt is None or prompt.writer_id != writer_id or prompt.removed:
        raise not_found()
    return prompt


def _named(name: str) -> str:
    if not name.strip():
        raise Problem(422, "no-name", "Give the prompt a name, so that you find it again.")
    return " ".join(name.split())


def _worded(text: str) -> str:
    if not text.strip():
        raise Problem(422, "no-prompt", "Say in your own words what should change.")
    return text.strip()


def _refuse_taken(known: list[SavedPrompt], name: str) -> None:
    if any(prompt.name.casefold() == name.casefold() for prompt in known):
        raise Problem(409, "name-taken", f"You have a prompt called “{name}” already. Choose another name.")


def _note(session: Session, prompt: SavedPrompt) -> None:
    event = events.PromptSaved(prompt_id=prompt.id, name=prompt.name, pinned=prompt.pinned)
    note(session, prompt.writer_id, None, event)
