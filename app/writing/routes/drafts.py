"""Drafts: listing, saving, texts in."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated

from fastapi import APIRouter, File, UploadFile
from fastapi.responses import Response

from app.text import documents
from app.web.errors import Problem
from app.writing import service, store
from app.writing import views as v
from app.writing.deps import OWN_DESK, ReadSession, Work, WriterId
from app.writing.routes.shared import PathId

router = APIRouter()


@router.get("/drafts")
def list_drafts(writer_id: WriterId, session: ReadSession) -> v.DraftList:
    return service.list_drafts(session, writer_id)


@router.post("/drafts", status_code=201, response_model=v.DraftView, dependencies=[OWN_DESK])
def create_draft(body: v.NewDraft, unit: Work) -> Response:
    return unit.answer(lambda: service.create_draft(unit.session, unit.writer_id, body), 201)


@router.get("/drafts/{draft_id}")
def get_draft(draft_id: PathId, writer_id: WriterId, session: ReadSession) -> v.DraftView:
    return service.draft_view(session, store.draft(session, writer_id, draft_id))


@router.patch("/drafts/{draft_id}", response_model=v.DraftEntry, dependencies=[OWN_DESK])
def rename_draft(draft_id: PathId, body: v.Renamed, unit: Work) -> Response:
    return unit.answer(lambda: service.rename(unit.session, unit.writer_id, draft_id, body.title))


@router.delete("/drafts/{draft_id}", status_code=204, dependencies=[OWN_DESK])
def delete_draft(draft_id: PathId, unit: Work) -> Response:
    return unit.answer(lambda: service.delete(unit.session, unit.writer_id, draft_id), 204)


@router.post("/drafts/{draft_id}/save", response_model=v.Changed)
def save(draft_id: PathId, body: v.Save, unit: Work) -> Response:
    return unit.answer(lambda: service.save(unit.session, unit.writer_id, draft_id, body))


@router.post("/imports", dependencies=[OWN_DESK])
def import_file(file: Annotated[UploadFile, File()], _writer: WriterId) -> v.Imported:
    """Nothing is stored, so the same file twice gives the same answer: there is no Idempotency-Key to send."""
    name = PurePath((file.filename or "").replace("\\", "/"))
    try:
        text = documents.read(name.name, file.file.read())
    except documents.Unreadable as problem:
        raise Problem(422, "unreadable-file", str(problem)) from problem
    title, paragraphs = service.titled(text, name.stem[:200] or service.UNTITLED)
    return v.Imported(title=title, paragraphs=paragraphs)
