"""The linear chat of a study's baseline. What was said is not stored twice: a turn is a generation with the writer's
own prompt, and its answer the version that came of it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.writing import store
from app.writing import views as v


def turns(session: Session, writer_id: str, draft_id: str) -> v.Turns:
    """Oldest first. Raises Problem 404."""
    store.draft(session, writer_id, draft_id)
    made = store.made_by(session, draft_id)
    return v.Turns(
        turns=[
            v.Turn(**v.GenerationView.of(g).model_dump(), versions=dict(enumerate(made.get(g.id, []))))
            for g in store.generations(session, draft_id)
            if g.prompt
        ]
    )
