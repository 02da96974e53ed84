"""Goals: where a draft should land, and the way it has come."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from app.writing import audiences, goals
from app.writing import views as v
from app.writing.deps import ReadSession, Work, WriterId, needs
from app.writing.routes.shared import PathId

router = APIRouter(dependencies=[needs("canvas")])


@router.get("/audiences")
def list_audiences() -> list[audiences.Audience]:
    return list(audiences.load_audiences())


@router.post("/drafts/{draft_id}/goals", status_code=201, response_model=v.GoalList)
def set_goal(draft_id: PathId, body: v.NewGoal, unit: Work) -> Response:
    return unit.answer(lambda: goals.set_goal(unit.session, unit.writer_id, draft_id, body), 201)


@router.post("/drafts/{draft_id}/goals/clear", response_model=v.GoalList)
def clear(draft_id: PathId, unit: Work) -> Response:
    return unit.answer(lambda: goals.clear(unit.session, unit.writer_id, draft_id))


@router.post("/goals/{goal_id}/activate", response_model=v.GoalList)
def activate(goal_id: PathId, unit: Work) -> Response:
    return unit.answer(lambda: goals.activate(unit.session, unit.writer_id, goal_id))


@router.delete("/goals/{goal_id}", response_model=v.GoalList)
def remove(goal_id: PathId, unit: Work) -> Response:
    return unit.answer(lambda: goals.remove(unit.session, unit.writer_id, goal_id))


@router.get("/drafts/{draft_id}/trajectory")
def trajectory(draft_id: PathId, writer_id: WriterId, session: ReadSession) -> v.Trajectory:
    return goals.trajectory(session, writer_id, draft_id)
