"""The HTTP of writing, a file for each thing it speaks of: parse, authorise, call one use case, answer."""

from __future__ import annotations

from fastapi import APIRouter

from app.writing.routes import (
    canvas,
    combine,
    drafts,
    exports,
    generations,
    goals,
    log,
    model,
    muse,
    places,
    prompts,
    sources,
    steps,
    versions,
)
from app.writing.routes.shared import REFUSALS

PARTS = (
    *(model, drafts, exports, canvas, generations, combine, versions, places),
    *(steps, goals, muse, sources, prompts, log),
)
router = APIRouter(prefix="/api", responses=REFUSALS)
for part in PARTS:
    router.include_router(part.router)
