"""Is everything ready for a session? Each check says what it found, and what to do where it found a fault."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import httpx2
from starlette.concurrency import run_in_threadpool

from app.db.engine import Database
from app.llm.gate import QueueFull
from app.llm.types import EngineError
from app.study import auth, monitor, service, store
from app.study.addresses import is_loopback
from app.study.models import FacilitatorSession
from app.study.types import Frozen
from app.web.errors import Problem
from app.writing.revise import Landed
from app.writing.strategies import load_book
from app.writing.studio import Studio

State = Literal["ok", "warn", "bad"]
SAMPLE = (
    "Bees find their way home over several kilometres. They remember landmarks and use the position of the Sun, which "
    "they can tell even through clouds from the polarisation of the sky."
)
SKEW_WARN, SKEW_BAD = 2.0, 30.0
"""Seconds between the server's clock and the browser's."""
SLOW_PRESS = 15.0
SLOW_WRITE = 0.5


@dataclass(frozen=True)
class Check:
    """`told` is a sentence; `seconds` is what it took."""

    id: str
    name: str
    state: State
    told: str
    seconds: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


async def run(
    database: Database,
    studio: Studio,
    folder: Path,
    session_id: str,
    offered: Sequence[str],
    study_id: str | None = None,
    browser_ms: int | None = None,
) -> list[Check]:
    """`browser_ms` is the browser's clock as the form was sent, milliseconds since 1970."""
    arrived = time.time()
    checks = await asyncio.gather(
        _timed("model", "The model answers", _model(studio)),
        _timed("database", "The database writes", run_in_threadpool(_database, database, session_id)),
        _timed("clock", "The clock is right", run_in_threadpool(_clock, database, arrived, browser_ms)),
        _timed("disk", "There is space on the disk", run_in_threadpool(_disk, folder)),
        _timed("addresses", "Participants can reach it", _addresses(offered)),
        *(
            [_timed("study", "The study can be run", run_in_threadpool(_study, database, studio, study_id))]
            if study_id
            else []
        ),
    )
    return list(checks)


async def _timed(check_id: str, name: str, work: Any) -> Check:
    begun = time.monotonic()
    try:
        state, told = await work
    except Problem as problem:
        state, told = "bad", str(problem.detail)
    except EngineError as error:
        state, told = "bad", f"{error.what} {error.mend}"
    except Exception as error:  # a fault of one check must not hide the others
        state, told = "bad", f"{type(error).__name__}: {str(error).partition(chr(10))[0][:200]}"
    return Check(check_id, name, state, told, round(time.monotonic() - begun, 2))


async def _model(studio: Studio) -> tuple[State, str]:
    """A real press of a label, in its turn."""
    if studio.problem is not None:
        raise studio.problem
    try:
        ticket = studio.gate.enter("self-test")
    except QueueFull as full:
        return "warn", f"{full.waiting} requests are waiting, so the model was not asked. It is at work."
    try:
        async for _ in ticket.turns():
            pass
        begun = time.monotonic()
        written = await run_in_threadpool(_press, studio)
        took = time.monotonic() - begun
    finally:
        ticket.leave()
    info = studio.info
    what = f"{info.model_id}{f' with {info.tuned_id}' if info.tuned_id else ''} on {info.device}"
    if not written:
        return "warn", f"{what} answered, but wrote nothing usable. Press again; a small model fails now and then."
    if took > SLOW_PRESS:
        return "warn", f"{what} took {took:.0f} s for one version. Participants would wait long; see docs/settings.md."
    return "ok", f"{what} wrote {len(written.split())} words in {took:.1f} s."


def _press(studio: Studio) -> str:
    label = load_book().label("use-analogy")
    landed = [e.candidate for e in studio.reviser.revise(label, SAMPLE, n=1, seed=1) if isinstance(e, Landed)]
    return landed[0].answer if landed else ""


def _database(database: Database, session_id: str) -> tuple[State, str]:
    """The facilitator's own session is marked as seen, and read back by another connection."""
    begun = time.monotonic()
    with database.write() as session:
        auth.seen(session, session_id)
    took = time.monotonic() - begun
    with database.read() as session:
        kept = session.get_one(FacilitatorSession, session_id).seen_at.timestamp()
    if abs(time.time() - kept) > 60:
        return "bad", "What was written is not what was read back. Run `spatialbalancing db check`."
    state: State = "warn" if took > SLOW_WRITE else "ok"
    return state, f"A row was written, synced to disk and read back in {1000 * took:.0f} ms."


def _clock(database: Database, arrived: float, browser_ms: int | None) -> tuple[State, str]:
    with database.read() as session:
        latest = store.latest_event_ms(session)
    behind = latest / 1000 - arrived
    if behind > 1:
        return (
            "bad",
            f"The log holds an event {behind:.0f} s in the future: the server's clock was set back. Set it right.",
        )
    if browser_ms is None:
        return "ok", "The server's clock is not behind the log. (Without JavaScript your own clock can't be compared.)"
    skew = browser_ms / 1000 - arrived
    far = f"Your browser's clock is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} the server's"
    if abs(skew) > SKEW_BAD:
        return "bad", f"{far}. One of the two is wrong: switch time synchronisation (NTP) on."
    if abs(skew) > SKEW_WARN:
        return "warn", f"{far}. Timers go by the server's, so nothing is lost; mend it all the same."
    return "ok", "The server's clock and your browser's agree to within 2 s."


def _disk(folder: Path) -> tuple[State, str]:
    found = monitor.disk(folder)
    told = f"{found['free'] / 1e9:.1f} GB of {found['total'] / 1e9:.0f} GB are free where the data lie."
    if found["state"] == "out":
        return "bad", f"{told} Free some before anybody begins."
    return ("warn", f"{told} Free some soon.") if found["state"] == "low" else ("ok", told)


async def _addresses(offered: Sequence[str]) -> tuple[State, str]:
    """Each address that links may carry is opened from here."""
    async with httpx2.AsyncClient(timeout=3, follow_redirects=False) as client:
        answers = await asyncio.gather(*(_reach(client, origin) for origin in offered))
    good = [origin for origin, problem in zip(offered, answers, strict=True) if problem is None]
    bad = [f"{origin} ({problem})" for origin, problem in zip(offered, answers, strict=True) if problem is not None]
    if not good:
        return "bad", f"No address answers: {'; '.join(bad)}. See docs/studies.md, On the lab's network."
    away = [origin for origin in good if not is_loopback(origin)]
    told = f"Reached: {', '.join(good)}."
    if bad:
        return "warn", f"{told} Not reached from here: {'; '.join(bad)}."
    if not away:
        return (
            "warn",
            f"{told} Only this computer can open it; to let others in see docs/studies.md, On the lab's network.",
        )
    return "ok", told


async def _reach(client: httpx2.AsyncClient, origin: str) -> str | None:
    try:
        response = await client.get(f"{origin}/healthz")
    except httpx2.HTTPError as error:
        return _why(error)
    return None if response.status_code == 200 else f"answered {response.status_code}"


def _why(error: httpx2.HTTPError) -> str:
    told = str(error).lower()
    if "certificate" in told:
        return "this computer does not trust its certificate"
    if any(words in told for words in ("name or service", "name resolution", "getaddrinfo", "nodename")):
        return "this computer does not know the name"
    return "no answer in 3 s" if isinstance(error, httpx2.TimeoutException) else "nothing answers there"


def _study(database: Database, studio: Studio, study_id: str) -> tuple[State, str]:
    with database.read() as session:
        study = store.study(session, study_id)
    today = service.freeze(studio, study.protocol)
    if study.frozen is None:
        return "warn", "The protocol is sound. The study is not open yet: no link works."
    other = service.changed(Frozen.model_validate(study.frozen), today)
    if other:
        return "bad", f"Other than when the study was opened: {', '.join(other)}. Start the server as it was then."
    if study.state == "closed":
        return "warn", "Everything is as it was frozen. The study is closed: no link works."
    return "ok", f"It is open, and everything is as it was frozen. Responses are {study.frozen['responses']}."
