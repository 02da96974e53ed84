"""The model, and the labels it can carry out."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from app.writing.deps import TheStudio, WriterId
from app.writing.routes.shared import ProblemDocument

router = APIRouter()
ready_router = APIRouter()


@ready_router.get("/readyz", responses={503: {"model": ProblemDocument}})
def readyz(studio: TheStudio) -> dict[str, Any]:
    if studio.problem is not None:
        raise studio.problem
    return {"status": "ready", **studio.status()["info"]}


@router.get("/model")
def model(studio: TheStudio) -> dict[str, Any]:
    return studio.status()


@router.post("/model/retry", status_code=202)
def retry_model(_writer: WriterId, studio: TheStudio) -> dict[str, Any]:
    """Load what failed. Twice is once, without an Idempotency-Key: what loads or is ready stays as it is."""
    studio.start()
    return studio.status()


@router.get("/labels")
def labels(studio: TheStudio) -> dict[str, Any]:
    return studio.labels()
