"""The only wiring: which room stands behind which address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from app.axes.types import Scorer
from app.db import schema
from app.db.engine import Database
from app.llm.types import Engine
from app.settings import Settings
from app.study.routes import admin, participant
from app.web import errors, health, idempotency, logs, static
from app.web.security import BodyCap, OriginCheck, SecurityHeaders
from app.writing import generations, pages, routes
from app.writing.candidates import Meaning
from app.writing.projectfile import MOST_UPLOADED
from app.writing.studio import Studio

log = structlog.get_logger()
TIDY_SECONDS = 30.0


def create_app(
    settings: Settings,
    *,
    engine: Engine | None = None,
    scorer: Scorer | None = None,
    meaning: Meaning | None = None,
) -> FastAPI:
    """The app, its database untouched until it starts. Without an engine, a scorer or an encoder of meaning,
    those the settings name."""
    logs.configure()
    db = Database(settings.db_url)
    studio = Studio(settings, engine, scorer, meaning)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(schema.upgrade, db)
        await run_in_threadpool(generations.fail_unfinished, db)
        studio.start()
        tidying = asyncio.create_task(_tidy(db, studio))
        try:
            yield
        finally:
            tidying.cancel()
            studio.close()
            db.close()

    # FastAPI's documentation pages load their script from another host; the schema itself stays.
    app = FastAPI(title="SpatialBalancing", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.settings, app.state.db, app.state.studio = settings, db, studio
    app.state.static_version = static.content_version()

    app.include_router(health.router)
    app.include_router(routes.router)
    app.include_router(pages.router)
    app.include_router(participant.router)
    app.include_router(static.router)
    admin.install(app)
    app.mount("/static", static.files())
    errors.install(app)

    # The last added is the outermost: a refusal gets the headers too.
    uploads = dict.fromkeys(("/api/imports", "/api/drafts/*/sources"), settings.max_upload_bytes)
    larger = {**uploads, "/api/projects": MOST_UPLOADED, **admin.BODIES}
    app.add_middleware(BodyCap, most=settings.max_body_bytes, larger=larger)
    app.add_middleware(OriginCheck, allowed_origins=settings.allowed_origins)
    app.add_middleware(SecurityHeaders)
    return app


async def _tidy(db: Database, studio: Studio) -> None:
    """Now and then: generations that lost their stream are ended, answers kept for a second sending forgotten."""

    def once() -> None:
        generations.tidy_up(db, set(studio.stoppers))
        with db.write() as session:
            idempotency.forget_old(session)

    while True:
        await asyncio.sleep(TIDY_SECONDS)
        try:
            await run_in_threadpool(once)
        except Exception as error:  # the database is away; the next round may find it back
            log.warning("tidying failed", error=logs.told(error))
