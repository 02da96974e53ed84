"""What a facilitator and 32 participants wait for: `python -m benchmarks.study [--participants 32] [--pace 2]`.

The monitor: 100 participants in the middle of their task with 2,000 events each, asked for over HTTP as its page does.
The receipt: scripted participants at once on one server with recorded answers and the real scorer; the time from
sending a batch of events to its answer, and whether each event is kept once.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select
from starlette.testclient import TestClient

from app.db.base import now
from app.llm.recorded import RecordedEngine
from app.main import create_app
from app.settings import Settings
from app.study import auth, pilot, protocol, service
from app.study import monitor as watch
from app.study.models import Participant, Progress, Study
from app.writing.models import LoggedEvent, Writer
from benchmarks.machine import machine

WATCHED, EVENTS, LOOKS = 100, 2_000, 50
ORIGIN = "http://testserver"


class _NoModel:
    """The monitor asks the model nothing."""

    scorer_id = "none"

    def load(self) -> None: ...
    def close(self) -> None: ...
    def encode(self, texts: Any) -> Any: ...
    def score(self, texts: Any) -> Any: ...
    def stream(self, draws: Any, cancel: Any) -> Any: ...

    def info(self) -> Any:
        from app.llm.types import EngineInfo

        return EngineInfo("none", None, "cpu", "none", None, "local")


def monitor(folder: Path) -> dict[str, Any]:
    nobody: Any = _NoModel()
    app = create_app(Settings(data_dir=folder), engine=nobody, scorer=nobody, meaning=nobody)
    headers = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
    with TestClient(app, ORIGIN, headers=headers) as client:
        while app.state.studio.problem is not None:
            time.sleep(0.01)
        with app.state.db.write() as session:
            auth.create(session, "bench", "a password for it")
        study_id = _watched(app)
        client.post("/admin/sign-in", data={"name": "bench", "password": "a password for it"})
        took = []
        cpu = time.process_time()
        for _ in range(LOOKS):
            begun = time.perf_counter()
            answer = client.get(f"/admin/studies/{study_id}/live.json")
            took.append(1000 * (time.perf_counter() - begun))
            assert len(answer.json()["participants"]) == WATCHED
        cpu = 1000 * (time.process_time() - cpu) / LOOKS
        alone = time.process_time()
        for _ in range(LOOKS):
            with app.state.db.read() as session:
                watch.snapshot(session, session.get_one(Study, study_id), app.state.studio, folder)
        alone = 1000 * (time.process_time() - alone) / LOOKS
    return {
        "participants": WATCHED, "events": WATCHED * EVENTS, "ms": _spread(took), "cpu_ms": round(cpu, 1),
        "gathering_cpu_ms": round(alone, 1),
        "bytes": len(answer.content),
    }  # fmt: skip


def _watched(app: Any) -> str:
    text = protocol.templates()["two-conditions"]
    frozen = service.freeze(app.state.studio, text)
    parsed = protocol.parse(text)
    with app.state.db.write() as session:
        study: Study = service.create(session, text)
        service.open_study(session, study.id, frozen)
        for i, (person, _) in enumerate(service.add_participants(session, study.id, [None] * WATCHED)):
            writer = Writer(token_hash=uuid.uuid4().hex)
            session.add(writer)
            session.flush()
            cell = parsed.cells[i % len(parsed.cells)]
            arms = [vars(arm) for arm in cell.arms]
            place = next(p for p in parsed.way(arms) if p.kind == "task")
            person.writer_id, person.cell, person.arms, person.number = writer.id, cell.number, arms, place.number
            person.state, person.joined_at, person.seen_at = "active", now(), now()
            stay = Progress(
                participant_id=person.id, number=place.number, step=place.step, kind=place.kind, period=place.period,
                condition=place.condition, topic=place.topic, seconds=1200, warned=False, blocked=False,
            )  # fmt: skip
            session.add(stay)
            ms = time.time_ns() // 1_000_000
            rows = [
                {
                    "writer_id": writer.id, "participant_id": person.id, "server_ms": ms, "client_ms": ms,
                    "recorder": writer.id, "seq": n + 1, "type": "node.opened", "payload": {}, "step": place.step,
                }
                for n in range(EVENTS)
            ]  # fmt: skip
            session.execute(insert(LoggedEvent), rows)
        return study.id


def receipts(folder: Path, participants: int, pace: float) -> dict[str, Any]:
    settings = Settings().model_copy(
        update={
            "database_url": f"sqlite:///{folder / 'receipts.sqlite3'}", "model": "recorded",
            "queue_bound": participants,
        }
    )  # fmt: skip
    app = create_app(settings, engine=RecordedEngine(word_seconds=0))
    text = pilot.with_responses(protocol.templates()["two-conditions"], "recorded")
    study_id, report = pilot.run(app, text, participants, seed=1, pace=pace)
    from app.db.engine import Database

    database = Database(app.state.settings.db_url)
    with database.read() as session:
        own = LoggedEvent.participant_id.in_(select(Participant.id).where(Participant.study_id == study_id))
        kept = session.scalar(select(func.count()).select_from(LoggedEvent).where(own, LoggedEvent.seq.is_not(None)))
        different = session.scalar(
            select(func.count()).select_from(
                select(LoggedEvent.recorder, LoggedEvent.seq)
                .where(own, LoggedEvent.seq.is_not(None))
                .distinct()
                .subquery()
            )
        )
    database.close()
    found = report.as_json()
    return {
        **found, "pace_s": pace, "events_kept": kept, "events_lost": found["events_sent"] - (different or 0),
        "events_doubled": (kept or 0) - (different or 0),
    }  # fmt: skip


def _spread(took: list[float]) -> dict[str, float]:
    ordered = sorted(took)
    return {"median": round(statistics.median(took), 1), "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 1)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--participants", type=int, default=32)
    parser.add_argument("--pace", type=float, default=2.0)
    parser.add_argument("--only", choices=("monitor", "receipts"))
    given = parser.parse_args()
    told: dict[str, Any] = {"machine": machine()}
    with tempfile.TemporaryDirectory() as scratch:
        if given.only != "receipts":
            told["monitor"] = monitor(Path(scratch))
        if given.only != "monitor":
            told["receipts"] = receipts(Path(scratch), given.participants, given.pace)
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
