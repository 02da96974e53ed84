"""The use cases of undo and redo. Each is called inside one transaction and raises Problem when it refuses."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from app.writing import service, store
from app.writing import undo as history
from app.writing import views as v
from app.writing.events import OF_VERSIONS
from app.writing.models import Draft, Paragraph, Step, Version


def steps(session: Session, writer_id: str, draft_id: str) -> v.StepsView:
    return service.steps_view(session, store.draft(session, writer_id, draft_id).id)


def undo(session: Session, writer_id: str, draft_id: str, step_id: str) -> v.Stepped:
    """Raises Problem 404, and 409 as `take_back` does."""
    return _do(session, writer_id, draft_id, step_id, history.take_back)


def redo(session: Session, writer_id: str, draft_id: str, step_id: str) -> v.Stepped:
    """Raises Problem 404, and 409 as `do_again` does."""
    return _do(session, writer_id, draft_id, step_id, history.do_again)


def _do(
    session: Session, writer_id: str, draft_id: str, step_id: str, work: Callable[[Session, Draft, str], Step]
) -> v.Stepped:
    draft = store.hold(session, writer_id, draft_id)
    step = work(session, draft, step_id)
    touched = {change["id"] for change in step.changes}
    reordered = any(change["what"] == "order" for change in step.changes)
    paragraphs = store.paragraphs(session, draft_id)
    return v.Stepped(
        number=draft.number,
        versions=service.version_views(session, draft_id, _versions(session, step)),
        paragraphs=[v.ParagraphView.of(p) for p in paragraphs if reordered or p.id in touched],
        step=v.StepView.of(step),
        steps=service.steps_view(session, draft_id),
        order=[p.id for p in paragraphs if not p.removed],
        title=draft.title,
        sources=[v.SourceView.of(s) for s in store.sources(session, draft_id)],
        goals=[v.GoalView.of(g) for g in store.goals(session, draft_id)],
    )


def _versions(session: Session, step: Step) -> list[Version]:
    """Those whose standing changed, and those they hang from, which may be folded now or not any more."""
    ids = {change["id"] for change in step.changes if change["what"] in OF_VERSIONS}
    ids |= {change[side] for change in step.changes if change["what"] == "head" for side in ("before", "after")}
    # A paragraph that comes back has a text that may be new to the page.
    orders = [set(change[side]) for change in step.changes if change["what"] == "order" for side in ("before", "after")]
    for paragraph_id in set().union(*orders) - set.intersection(*orders) if orders else ():
        ids.add(session.get_one(Paragraph, paragraph_id).head_version_id)
    for parents in store.parents(session, Version.id.in_(ids)).values():
        ids.update(parents)
    return [version for version_id in sorted(ids) if (version := session.get(Version, version_id))]
