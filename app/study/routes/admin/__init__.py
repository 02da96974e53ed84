"""The facilitator's pages, rendered on the server: forms are sent, pages come back."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response

from app.study.routes.admin import data, door, live, participants, studies
from app.study.routes.admin.shared import Desk, SignInFirst

router = APIRouter(prefix="/admin", include_in_schema=False)
router.get("")(studies.studies)
for part in (door, studies, participants, live, data):
    router.include_router(part.router)

BODIES = {"/admin/studies/*": 20_000_000, "/admin/studies": 20_000_000}
"""Protocols with long sources are larger than what a writer sends."""


def install(app: FastAPI) -> None:
    app.state.admin = Desk()
    app.include_router(router)

    @app.exception_handler(SignInFirst)
    async def _first(request: Request, _error: Exception) -> Response:
        return door.sign_in_first(request)
