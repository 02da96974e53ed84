"""What every route of the room takes and refuses."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel

from app.writing.events import UUID_PATTERN

PathId = Annotated[str, Path(pattern=UUID_PATTERN)]


class ProblemDocument(BaseModel):
    """RFC 9457; `detail` is a sentence for a person, `code` is for programs."""

    type: str
    title: str
    status: int
    code: str
    detail: str


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemDocument} for status in (400, 401, 403, 404, 409, 413, 422, 503, 507)
}
