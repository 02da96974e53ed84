"""The only wiring: which room stands behind which address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from app.axes.types import Scorer
from app.db import schema
from app.db.engine import Database
from app.learn import routes as learning
from app.learn.service import Follower
from app.llm.types import Engine
from app.settings import Settings
from app.study import service as studies
from app.study.routes import admin, participant
from app.web import errors, health, idempotency, logs, static
from app.web.security import BodyCap, OriginCheck, SecurityHeaders
from app.writing import generations, pages, routes
from app.writing.candidates import Meaning
from app.writing.projectfile import MOST_UPLOADED
from app.writing.rescore import Rescorer
from app.writing.studio import Studio

log = structlog.get_logger()
TIDY_SECONDS = 30.0
FOLLOW_SECONDS = 3.0


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
    rescorer = Rescorer(db, studio)
    follower = Follower(db, studio, studies.holds_the_layer)
    studio.when_loaded = follower.anew

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(schema.upgrade, db)
        await run_in_threadpool(generations.fail_unfinished, db)
        studio.start()
        await run_in_threadpool(rescorer.take_up)
        going_on = [
            asyncio.create_task(_every(TIDY_SECONDS, lambda: _tidy(db, studio, rescorer))),
            asyncio.create_task(_every(FOLLOW_SECONDS, follower.follow)),
        ]
        try:
            yield
        finally:
            for task in going_on:
                task.cancel()
            await run_in_threadpool(rescorer.close)
            studio.close()
            db.close()

    # FastAPI's documentation pages load their script from another host; the schema itself stays.
    app = FastAPI(title="SpatialBalancing", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.settings, app.state.db, app.state.studio = settings, db, studio
    app.state.rescorer = rescorer
    app.state.follower = follower
    app.state.static_version = static.content_version()

    app.include_router(health.router)
    app.include_router(routes.router)
    app.include_router(pages.router)
    app.include_router(learning.router)
    app.include_router(learning.pages)
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


def _tidy(db: Database, studio: Studio, rescorer: Rescorer) -> None:
    """Generations that lost their stream are ended, jobs that nobody does are taken up, answers kept for a second
    sending forgotten."""
    generations.tidy_up(db, set(studio.stoppers))
    rescorer.take_up()
    with db.write() as session:
        idempotency.forget_old(session)


async def _every(seconds: float, work: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await run_in_threadpool(work)
        except Exception as error:  # the database is away; the next round may find it back
            log.warning("left for the next round", error=logs.told(error))
