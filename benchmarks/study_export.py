"""How long a study of 200,000 events takes to export and to verify, and in how much memory; as JSON.

`python -m benchmarks.study_export [EVENTS]`. The export runs in a process of its own, whose peak of resident memory is
counted whole, the program itself included.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from app.db import schema
from app.db.base import new_id, now
from app.db.engine import Database
from app.study import export, flow, protocol, service, verify
from app.study import views as v
from app.study.models import Participant
from app.study.types import Frozen
from app.writing.models import LoggedEvent
from benchmarks.machine import machine

EVENTS = 200_000
PEOPLE = 16
AT_ONCE = 5_000


def fill(database: Database, events: int) -> str:
    """People who came as far as their second task, each with their share of keystrokes and hovers in both."""
    text = protocol.templates()["two-conditions"]
    plan = protocol.parse(text)
    frozen = Frozen(
        protocol=plan.model_dump(mode="json", by_alias=True), protocol_sha256=protocol.sha256(text),
        app_version="bench", model_id="none", model_sha256=None, backend="local", device="cpu", dtype="none",
        tuned_id=None,
        strategies_sha256="0" * 64, prompts_sha256="0" * 64, scorer_id="none", responses="recorded",
        opened_at=now().isoformat(),
    )  # fmt: skip
    with database.write() as session:
        study_id = service.create(session, text).id
        service.open_study(session, study_id, frozen)
        tokens = [token for _, token in service.add_participants(session, study_id, [None] * PEOPLE)]
    for token in tokens:
        walk(database, token, events // PEOPLE // 2)
    return study_id


def walk(database: Database, token: str, events: int) -> None:
    tab, recorder, seq = new_id(), new_id(), 0
    with database.write() as session:
        person, _ = flow.begin(session, token, tab)
        page: dict[str, Any] = {"tab": tab, "load": new_id(), "number": 0}
        consent = service.protocol_of(flow.at(session, person).study).consent  # type: ignore[union-attr]
        flow.consent(session, str(person.writer_id), v.ConsentIn(**page, version=consent.version, agreed=True))
        flow.advance(session, str(person.writer_id), v.Advance(**page))
    for _ in range(2):
        with database.write() as session:
            here = flow.at(session, session.get_one(Participant, person.id))
            while here is not None and here.place.kind != "task":
                flow.move_on(session, person.id)
                here = flow.at(session, session.get_one(Participant, person.id))
            assert here is not None
            rows = list(noted(here, str(person.writer_id), recorder, seq, events))
            seq += events
            for start in range(0, len(rows), AT_ONCE):
                session.execute(insert(LoggedEvent), rows[start : start + AT_ONCE])
            if here.place.period == 1:
                flow.move_on(session, person.id)


def noted(here: flow.Here, writer_id: str, recorder: str, before: int, count: int) -> Any:
    at = time.time_ns() // 1_000_000
    paragraph = new_id()
    for i in range(count):
        typed = i % 4 != 3
        payload = {"paragraph_id": paragraph, "at": 0, "removed": "", "inserted": "word "} if typed else {"ms": 700}
        yield {
            "writer_id": writer_id, "draft_id": here.stay.draft_id, "recorder": recorder, "seq": before + i + 1,
            "client_ms": at + i, "server_ms": at + i, "type": "text.edit" if typed else "node.hovered",
            "payload": payload, "version_id": None, "participant_id": here.participant.id,
            "condition": here.place.condition, "topic": here.place.topic, "step": here.place.step,
        }  # fmt: skip


def exported(url: str, study_id: str, path: Path) -> None:
    """In a process of its own."""
    database = Database(url)
    began = time.perf_counter()
    counts = export.export(database, study_id, path)
    told = {
        "events": counts["events.jsonl"],
        "seconds": round(time.perf_counter() - began, 1),
        "peak MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "zip MB": round(path.stat().st_size / 1e6, 1),
    }
    database.close()
    print(json.dumps(told))


def main() -> None:
    if len(sys.argv) == 4:
        exported(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
        return
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with tempfile.TemporaryDirectory() as folder:
        url, path = f"sqlite:///{folder}/bench.sqlite3", Path(folder) / "study.zip"
        database = Database(url)
        schema.upgrade(database)
        study_id = fill(database, events)
        database.close()
        command = [sys.executable, "-m", "benchmarks.study_export", url, study_id, str(path)]
        told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        began = time.perf_counter()
        findings = verify.verify(path)
        told |= {"verify seconds": round(time.perf_counter() - began, 1), "findings": findings[:5]}
    libraries = " ".join(f"{name} {version(name)}" for name in ("scipy", "statsmodels", "pandas", "sqlalchemy"))
    print(
        json.dumps(
            {**told, **machine(), "libraries": libraries, "date": datetime.now(UTC).date().isoformat()}, indent=1
        )
    )


if __name__ == "__main__":
    main()
