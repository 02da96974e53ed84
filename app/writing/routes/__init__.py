"""The HTTP of writing, a file for each thing it speaks of: parse, authorise, call one use case, answer."""

from __future__ import annotations

from fastapi import APIRouter

from app.writing.routes import (
    canvas,
    combine,
    drafts,
    exports,
    generations,
    log,
    model,
    prompts,
    sources,
    steps,
    versions,
)
from app.writing.routes.shared import REFUSALS

router = APIRouter(prefix="/api", responses=REFUSALS)
for part in (model, drafts, exports, canvas, generations, combine, versions, steps, sources, prompts, log):
    router.include_router(part.router)
