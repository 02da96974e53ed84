"""The two pages: the start, which leads on to the latest draft, and the editor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from app.web import security
from app.web.errors import not_found
from app.web.static import plotly_version
from app.web.templates import page
from app.writing import service, store
from app.writing import views as v
from app.writing.deps import Db
from app.writing.routes.model import ready_router
from app.writing.routes.shared import PathId
from app.writing.setting import Setting, Switches

router = APIRouter(include_in_schema=False)
router.include_router(ready_router)


@router.get("/")
def start(request: Request, database: Db) -> Response:
    """A first visit begins with a copy of the sample."""
    writer = service.find_writer(database, request.cookies.get(security.COOKIE))
    if writer is not None and writer.setting:
        return _to_the_study(writer.setting)
    writer_id = writer.id if writer is not None else None
    latest = None
    if writer_id is not None:
        with database.read() as session:
            latest = service.latest_draft(session, writer_id)
    token = None
    if latest is None:
        with database.write() as session:
            if writer_id is None:
                newcomer, token = service.new_writer(session)
                writer_id = newcomer.id
            latest = service.create_draft(session, writer_id, v.NewDraft(sample=True)).id
    response = RedirectResponse(f"/drafts/{latest}", 303, {"Cache-Control": "no-store"})
    if token is not None:
        security.set_cookie(request, response, token)
    return response


@router.get("/drafts/{draft_id}")
def editor(request: Request, draft_id: PathId, database: Db) -> Response:
    writer = service.find_writer(database, request.cookies.get(security.COOKIE))
    if writer is None:
        raise not_found()
    if writer.setting:
        return _to_the_study(writer.setting)
    with database.read() as session:
        store.draft(session, writer.id, draft_id)
    return editor_page(request, draft_id, Switches(muse=request.app.state.settings.muse))


def editor_page(
    request: Request, draft_id: str, switches: Switches, study: Mapping[str, Any] | None = None
) -> Response:
    """The desk with the parts that are switched on; `study` is what its study bar shows (templates/editor.html)."""
    headers = {"Content-Security-Policy": security.EDITOR_POLICY}
    context = {"draft_id": draft_id, "plotly_version": plotly_version(), "switches": switches, "study": study}
    return page(request, "editor.html", context, headers=headers)


def _to_the_study(setting: Mapping[str, Any]) -> Response:
    return RedirectResponse(Setting.model_validate(setting).page, 303, {"Cache-Control": "no-store"})
