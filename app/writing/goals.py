"""Where a draft should land. Each function is called inside one transaction and raises Problem when it refuses."""

from __future__ import annotations

from datetime import UTC, datetime
from math import isfinite

from sqlalchemy.orm import Session

from app.web.errors import Problem, not_found
from app.writing import events, landing, store, undo
from app.writing import views as v
from app.writing.events import note
from app.writing.models import Draft, Goal

LOWEST, HIGHEST, NARROWEST = -100.0, 200.0, 2.0
"""Points: what a side of a region may span."""
MOST = 50


def set_goal(session: Session, writer_id: str, draft_id: str, wanted: v.NewGoal) -> v.GoalList:
    """A new goal, the active one from now on. Raises Problem 404, 409 and 422."""
    draft = store.hold(session, writer_id, draft_id)
    audience = " ".join(wanted.audience.split())
    if not audience:
        raise Problem(422, "no-audience", "Say for whom the draft is meant.")
    engagement, exposition = _side("engagement", wanted.engagement), _side("exposition", wanted.exposition)
    if len(store.goals(session, draft_id)) >= MOST:
        raise Problem(409, "too-many-goals", f"A draft keeps at most {MOST} goals. Remove one first.")
    goal = Goal(
        draft_id=draft_id,
        audience=audience,
        engagement_low=engagement[0],
        engagement_high=engagement[1],
        exposition_low=exposition[0],
        exposition_high=exposition[1],
        active=False,
        removed=False,
    )
    session.add(goal)
    session.flush()
    return _make_active(session, draft, goal)


def _side(name: str, side: tuple[float, float]) -> tuple[float, float]:
    low, high = side
    if not (isfinite(low) and isfinite(high) and LOWEST <= low < high <= HIGHEST and high - low >= NARROWEST):
        raise Problem(
            422,
            "bad-region",
            f"The goal's {name} has to go from a lower to a higher number between {LOWEST:g} and {HIGHEST:g}, at least "
            f"{NARROWEST:g} points apart.",
        )
    return side


def activate(session: Session, writer_id: str, goal_id: str) -> v.GoalList:
    """An earlier goal becomes the active one again."""
    draft, goal = _hold(session, writer_id, goal_id)
    return _make_active(session, draft, goal)


def clear(session: Session, writer_id: str, draft_id: str) -> v.GoalList:
    """No goal is active any more; all are kept."""
    draft = store.hold(session, writer_id, draft_id)
    _rest(session, draft)
    undo.keep(session, draft, "goal")
    return goal_list(session, draft_id)


def remove(session: Session, writer_id: str, goal_id: str) -> v.GoalList:
    """It is no longer offered; its row is kept."""
    draft, goal = _hold(session, writer_id, goal_id)
    if goal.active:
        _rest(session, draft)
    goal.removed = True
    note(session, writer_id, draft.id, events.GoalRemoved(goal_id=goal.id))
    undo.keep(session, draft, "goal")
    return goal_list(session, draft.id)


def goal_list(session: Session, draft_id: str) -> v.GoalList:
    return v.GoalList(goals=[v.GoalView.of(goal) for goal in store.goals(session, draft_id)])


def _hold(session: Session, writer_id: str, goal_id: str) -> tuple[Draft, Goal]:
    goal = session.get(Goal, goal_id)
    if goal is None:
        raise not_found()
    draft = store.hold(session, writer_id, goal.draft_id)
    session.refresh(goal)
    if goal.removed:
        raise not_found()
    return draft, goal


def _make_active(session: Session, draft: Draft, goal: Goal) -> v.GoalList:
    if not goal.active:
        for other in store.goals(session, draft.id):
            other.active = other.id == goal.id
        event = events.GoalSet(
            goal_id=goal.id,
            audience=goal.audience,
            range=[goal.engagement_low, goal.engagement_high, goal.exposition_low, goal.exposition_high],
        )
        note(session, draft.writer_id, draft.id, event)
    undo.keep(session, draft, "goal")
    return goal_list(session, draft.id)


def _rest(session: Session, draft: Draft) -> None:
    for goal in store.goals(session, draft.id):
        if goal.active:
            goal.active = False
            note(session, draft.writer_id, draft.id, events.GoalCleared(goal_id=goal.id))
    session.flush()


def region(goal: Goal) -> landing.Region:
    return landing.Region(
        engagement=(goal.engagement_low, goal.engagement_high), exposition=(goal.exposition_low, goal.exposition_high)
    )


def trajectory(session: Session, writer_id: str, draft_id: str) -> v.Trajectory:
    """Where the whole draft stood after each change of a head, oldest first."""
    store.draft(session, writer_id, draft_id)
    texts = store.standing(session, draft_id)
    way = landing.trajectory(store.happened(session, draft_id), texts)
    heads = [p.head_version_id for p in store.paragraphs(session, draft_id) if not p.removed]
    return v.Trajectory(
        left_out=sum(head in texts and texts[head].elsewhere for head in heads),
        points=[
            v.WaypointView(
                at=datetime.fromtimestamp(w.at / 1000, UTC),
                engagement=round(w.point.engagement, 3),
                exposition=round(w.point.exposition, 3),
                why=w.why,
            )
            for w in way
        ],
    )
