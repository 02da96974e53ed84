"""A draft as a file to take away, and a project file brought back."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, File, UploadFile
from fastapi.responses import Response

from app.web.idempotency import answer_once
from app.writing import manuscript, projectfile, projects
from app.writing import views as v
from app.writing.deps import OWN_DESK, Db, Key, WriterId, WriteSession
from app.writing.routes.shared import PathId

router = APIRouter(dependencies=[OWN_DESK])

READERS = 2
"""Project files that may be unpacked at once: each may take some hundred megabytes of memory while it is read."""
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PROJECT = "application/vnd.spatialbalancing.project+zip"


def _file(content: str | bytes, title: str, suffix: str, media_type: str) -> Response:
    name = re.sub(r"[^\w\- ]", "", title).strip() or "draft"
    plain = name.encode("ascii", "ignore").decode().strip() or "draft"
    disposition = f"attachment; filename=\"{plain}.{suffix}\"; filename*=UTF-8''{quote(name)}.{suffix}"
    return Response(content, media_type=media_type, headers={"Content-Disposition": disposition})


@router.get("/drafts/{draft_id}/export.md", response_class=Response)
def export_markdown(draft_id: PathId, writer_id: WriterId, database: Db, provenance: bool = False) -> Response:
    with database.read() as session:
        found = manuscript.read(session, writer_id, draft_id, with_provenance=provenance)
    text = manuscript.markdown(found)
    database.try_write(
        lambda session: manuscript.note_export(
            session, writer_id, draft_id, found.number, "md", with_provenance=provenance
        )
    )
    return _file(text, found.title, "md", "text/markdown")


@router.get("/drafts/{draft_id}/export.docx", response_class=Response)
def export_word(draft_id: PathId, writer_id: WriterId, database: Db, provenance: bool = False) -> Response:
    with database.read() as session:
        found = manuscript.read(session, writer_id, draft_id, with_provenance=provenance)
    document = manuscript.docx(found)
    database.try_write(
        lambda session: manuscript.note_export(
            session, writer_id, draft_id, found.number, "docx", with_provenance=provenance
        )
    )
    return _file(document, found.title, "docx", WORD)


@router.get("/drafts/{draft_id}/project.spatial", response_class=Response)
def export_project(draft_id: PathId, writer_id: WriterId, database: Db) -> Response:
    with database.read() as session:
        draft, project = projects.read(session, writer_id, draft_id)
    packed = projectfile.pack(project)
    database.try_write(lambda session: manuscript.note_export(session, writer_id, draft_id, draft.number, "spatial"))
    return _file(packed, draft.title, "spatial", PROJECT)


Read = tuple[projectfile.Project, str]


def read_project(file: Annotated[UploadFile, File()], _writer: WriterId) -> Read:
    """The project and the file's SHA-256, before the transaction. Raises Problem 413 and 422."""
    digest = hashlib.file_digest(file.file, "sha256").hexdigest()  # type: ignore[arg-type]
    file.file.seek(0)
    return projectfile.unpack(file.file), digest


@router.post("/projects", status_code=201, response_model=v.DraftEntry)
def bring_project(
    read: Annotated[Read, Depends(read_project, max_concurrency=READERS)],
    writer_id: WriterId,
    session: WriteSession,
    key: Key = None,
) -> Response:
    """A new draft of the writer's. The same file sent again under the same key is brought in once."""
    project, sha256 = read
    # The file's hash, not the body's: a form is wrapped anew each time it is sent.
    return answer_once(
        session,
        writer_id,
        key,
        "POST /api/projects",
        sha256,
        lambda: projects.bring_in(session, writer_id, project, sha256),
        201,
    )
