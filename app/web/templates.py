"""Pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.templating import Jinja2Templates

from app.settings import PROJECT_ROOT

_templates = Jinja2Templates(PROJECT_ROOT / "templates")


def page(
    request: Request,
    name: str,
    context: dict[str, Any],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Rendered with `static_version`, under which the page's files never change."""
    shared = {"static_version": request.app.state.static_version}
    return _templates.TemplateResponse(
        request, name, {**shared, **context}, status, {"Cache-Control": "no-store", **(headers or {})}
    )
