"""The HTTP of writing, a file for each thing it speaks of: parse, authorise, call one use case, answer."""

from __future__ import annotations

from fastapi import APIRouter

from app.writing.routes import canvas, drafts, generations, goals, log, model, muse, versions
from app.writing.routes.shared import REFUSALS

router = APIRouter(prefix="/api", responses=REFUSALS)
for part in (model, drafts, canvas, generations, versions, goals, muse, log):
    router.include_router(part.router)
