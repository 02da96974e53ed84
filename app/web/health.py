"""Is the server up; and what the browser says it refused to run."""

from __future__ import annotations

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import Response

log = structlog.get_logger()
router = APIRouter()


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@router.post("/csp-report", status_code=204)
async def csp_report(request: Request) -> Response:
    body = await request.body()
    log.warning("content security policy", report=body[:2000].decode("utf-8", "replace"))
    return Response(status_code=204)
