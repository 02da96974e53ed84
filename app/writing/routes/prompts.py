"""The writer's kept prompts."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from app.writing import prompts
from app.writing import views as v
from app.writing.deps import ReadSession, Work, WriterId, needs
from app.writing.events import Id
from app.writing.routes.shared import PathId

router = APIRouter(dependencies=[needs("labels")])


@router.get("/prompts")
def list_prompts(writer_id: WriterId, session: ReadSession, draft_id: Id | None = None) -> v.PromptList:
    return prompts.listed(session, writer_id, draft_id)


@router.post("/prompts", status_code=201, response_model=v.PromptView)
def keep_prompt(body: v.NewPrompt, unit: Work) -> Response:
    return unit.answer(lambda: prompts.keep(unit.session, unit.writer_id, body), 201)


@router.patch("/prompts/{prompt_id}", response_model=v.PromptView)
def change_prompt(prompt_id: PathId, body: v.PromptChange, unit: Work) -> Response:
    return unit.answer(lambda: prompts.change(unit.session, unit.writer_id, prompt_id, body))


@router.delete("/prompts/{prompt_id}", status_code=204)
def remove_prompt(prompt_id: PathId, unit: Work) -> Response:
    return unit.answer(lambda: prompts.remove(unit.session, unit.writer_id, prompt_id), 204)
