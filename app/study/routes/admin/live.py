"""Watching a study run, the readiness check before it, and the dry run."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.study import monitor, selftest, store
from app.study.models import Study
from app.study.pilot import DryRun, dry_run
from app.study.routes.admin.shared import NO_STORE, Admin, Id, TheForm, to
from app.study.routes.admin.studies import shared
from app.web.errors import Problem

router = APIRouter()


def _snapshot(admin: Admin, session: Session, study: Study) -> dict[str, Any]:
    return monitor.snapshot(session, study, admin.studio, admin.settings.data_dir)


@router.get("/studies/{study_id}/live")
def live(admin: Admin, study_id: Id) -> Response:
    with admin.database.read() as session:
        study = store.study(session, study_id)
        context = {**shared(session, study, "live"), "snapshot": _snapshot(admin, session, study)}
    return admin.page("live", context)


@router.get("/studies/{study_id}/live.json")
def live_json(admin: Admin, study_id: Id) -> Response:
    with admin.database.read() as session:
        found = _snapshot(admin, session, store.study(session, study_id))
    return JSONResponse(found, headers=NO_STORE)


# ── readiness ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _check(
    admin: Admin, study_id: str, checks: list[selftest.Check] | None = None, problem: Problem | None = None
) -> Response:
    with admin.database.read() as session:
        context = shared(session, store.study(session, study_id), "check")
    run = admin.desk.jobs.get(f"dry-run {study_id}")
    return admin.page("check", {**context, "checks": checks, "run": run.as_json() if run else None}, problem=problem)


@router.get("/studies/{study_id}/check")
def check(admin: Admin, study_id: Id) -> Response:
    return _check(admin, study_id)


async def _checked(admin: Admin, study_id: str, form: TheForm) -> list[selftest.Check]:
    ms = form.one("browser-ms")
    return await selftest.run(
        admin.database,
        admin.studio,
        admin.settings.data_dir,
        admin.who.session_id,
        admin.offered,
        study_id,
        int(ms) if ms.isdecimal() and len(ms) < 16 else None,
    )


@router.post("/studies/{study_id}/check")
async def run_check(admin: Admin, study_id: Id, form: TheForm) -> Response:
    checks = await _checked(admin, study_id, form)
    if "application/json" in admin.request.headers.get("accept", ""):
        return JSONResponse([one.as_json() for one in checks], headers=NO_STORE)
    return await run_in_threadpool(_check, admin, study_id, checks)


# ── dry run ────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.post("/studies/{study_id}/dry-run")
async def start_dry_run(admin: Admin, study_id: Id) -> Response:
    """Begun once: while one is under way, another press shows that one."""

    def text() -> str:
        with admin.database.read() as session:
            return store.study(session, study_id).protocol

    found = await run_in_threadpool(text)
    name = f"dry-run {study_id}"
    known: DryRun | None = admin.desk.jobs.get(name)
    if known is None or known.state != "running":
        admin.desk.jobs[name] = run = DryRun(study_id)
        task = asyncio.create_task(dry_run(admin.request.app, run, found))
        admin.desk.tasks.add(task)
        task.add_done_callback(admin.desk.tasks.discard)
    return to(f"/admin/studies/{study_id}/check", anchor="dry-run")


@router.get("/studies/{study_id}/dry-run.json")
def dry_run_json(admin: Admin, study_id: Id) -> Response:
    run: DryRun | None = admin.desk.jobs.get(f"dry-run {study_id}")
    if run is None:
        raise Problem(404, "no-dry-run", "No dry run was made since the server started.")
    return JSONResponse(run.as_json(), headers=NO_STORE)
