"""What the browser noted."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from app.writing import service
from app.writing import views as v
from app.writing.deps import Work

router = APIRouter()


@router.post("/events", response_model=v.Acked)
def record(body: v.Batch, unit: Work) -> Response:
    # Numbered by their recorder, events are stored once without a key, and a second's answer is not kept for days.
    return JSONResponse(service.record(unit.session, unit.writer_id, body).model_dump())
