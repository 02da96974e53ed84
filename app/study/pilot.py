"""A whole study of scripted participants: on a server of its own for `study simulate`, inside the running one for a dry
run, of which nothing is left."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx2
import structlog
from starlette.concurrency import run_in_threadpool

from app.db.base import new_id
from app.db.engine import Database
from app.study import erase, protocol, service, simulate, store
from app.study.models import Participant
from app.study.simulate import Invited, Played, Report
from app.study.types import Kind
from app.web.errors import Problem
from app.web.logs import told

if TYPE_CHECKING:
    from fastapi import FastAPI

log = structlog.get_logger()
READY_SECONDS = 300.0
DRY_RUN = "dry-run-"
"""What the names of studies begin with that are made for a dry run and deleted after it."""
_DRY_RUN_ORIGIN = "http://dry-run.localhost"


class PilotError(Exception):
    """The message is a sentence for the person at the command line."""


def clients(base: str, app: FastAPI | None = None) -> Callable[[], httpx2.AsyncClient]:
    """Browsers of their own, at a server's address or straight at an app."""

    def make() -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app) if app is not None else None,
            base_url=base,
            headers={"Origin": base, "Sec-Fetch-Site": "same-origin"},
            timeout=600,
            follow_redirects=True,
        )

    return make


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The app on a free port of this computer, in a thread of its own; its address, once its model is ready.

    Raises PilotError."""
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="pilot server", daemon=True)
    thread.start()
    try:
        _until_ready(app, thread, base)
        yield base
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


def _until_ready(app: FastAPI, thread: threading.Thread, base: str) -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and thread.is_alive():
        problem = app.state.studio.problem
        try:
            if problem is None and httpx2.get(f"{base}/healthz", timeout=5).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        if problem is not None and problem.code != "model-loading":
            raise PilotError(str(problem.detail))
        time.sleep(0.1)
    raise PilotError("The server did not come up.")


def arms_of(database: Database, participant_id: str) -> Callable[[], Any]:
    def read() -> list[dict[str, str]]:
        with database.read() as session:
            return list(session.get_one(Participant, participant_id).arms)

    async def arms() -> list[dict[str, str]]:
        return await run_in_threadpool(read)

    return arms


def invite(
    database: Database, studio: Any, text: str, count: int, kind: Kind, name: str | None = None
) -> tuple[str, list[Invited]]:
    """A new study that is open, with so many participants: its id and whom to play. Raises Problem."""
    if name is not None:
        text = protocol.renamed(text, name)
    frozen = service.freeze(studio, text)
    with database.write() as session:
        study = service.create(session, text)
        service.open_study(session, study.id, frozen)
        made = service.add_participants(session, study.id, [None] * count, kind=kind)
        people = [Invited(p.code, token, arms_of(database, p.id)) for p, token in made]
        return study.id, people


def with_responses(text: str, responses: str) -> str:
    """The protocol with `responses: …` in place of what it says."""
    lines = [line for line in text.split("\n") if not line.startswith("responses:")]
    at = next(i for i, line in enumerate(lines) if line.startswith("name:"))
    return "\n".join([*lines[: at + 1], f"responses: {responses}", *lines[at + 1 :]])


def run(
    app: FastAPI,
    text: str,
    count: int,
    *,
    seed: int = 0,
    pace: float = 0.0,
    at_once: int | None = None,
    say: Callable[[Played], object] = bool,
) -> tuple[str, Report]:
    """`study simulate` but for the export: the study's id, and what its participants did.

    Raises PilotError, Problem."""
    with serving(app) as base:
        study_id, people = invite(app.state.db, app.state.studio, text, count, "simulated")
        parsed = protocol.parse(text)
        playing = simulate.play(clients(base), people, parsed, seed=seed, pace=pace, at_once=at_once, say=say)
        return study_id, asyncio.run(playing)


# ── dry run ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class DryRun:
    """One under way, or over. `state`: running, passed or failed."""

    study_id: str
    key: str = field(default_factory=new_id)
    state: str = "running"
    begun: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    played: list[dict[str, Any]] = field(default_factory=list)
    problem: str | None = None
    left: dict[str, int] = field(default_factory=dict)
    """Rows erased after it, by table."""

    def as_json(self) -> dict[str, Any]:
        seconds = self.seconds or time.monotonic() - self.begun
        return {
            "state": self.state, "seconds": round(seconds, 1), "steps": self.played, "problem": self.problem,
            "erased": sum(self.left.values()),
        }  # fmt: skip


async def dry_run(app: FastAPI, found: DryRun, text: str) -> None:
    """Play one participant through a copy of the study, over the app's own addresses, and erase every row of it."""
    database: Database = app.state.db
    study_id, state = None, "failed"
    try:
        await run_in_threadpool(forget, database)
        study_id, people = await run_in_threadpool(
            invite, database, app.state.studio, text, 1, "dry-run", f"{DRY_RUN}{found.key[:8]}"
        )
        player = simulate.Person(clients(_DRY_RUN_ORIGIN, app)(), people[0], protocol.parse(text), seed=1, pace=0.0)
        watch = asyncio.create_task(_watch(player, found))
        try:
            async with player.client:
                await player.run()
        finally:
            watch.cancel()
            _tell(player, found)
        state = "passed"
    except (simulate.Refused, httpx2.HTTPError, Problem, KeyError, ValueError) as error:
        found.problem = str(getattr(error, "detail", error))
    except Exception as error:  # whatever it is, the page has to say so
        log.exception("dry run failed", exc_info=error)
        found.problem = f"{type(error).__name__}: {told(error)}"
    finally:
        found.seconds = time.monotonic() - found.begun
        if study_id is not None:
            found.left = await run_in_threadpool(_erase, database, study_id)
        found.state = state  # not before everything is gone


async def _watch(player: simulate.Person, found: DryRun) -> None:
    while True:
        _tell(player, found)
        await asyncio.sleep(0.5)


def _tell(player: simulate.Person, found: DryRun) -> None:
    found.played = [{"step": step} for step in player.played.steps]


def _erase(database: Database, study_id: str) -> dict[str, int]:
    with database.write() as session:
        return erase.erase_study(session, study_id)


def forget(database: Database) -> None:
    """Dry runs that a killed server left behind."""
    with database.write() as session:
        for study in store.studies(session):
            if study.name.startswith(DRY_RUN):
                erase.erase_study(session, study.id)
