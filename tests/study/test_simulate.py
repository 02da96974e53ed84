"""A whole study of sixteen scripted participants on recorded answers: simulated, exported, verified."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import zipfile
from collections import Counter
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from app.db.engine import Database
from app.llm.recorded import RecordedEngine, Recorder
from app.llm.types import Draw, EngineError, Message, Prompt
from app.main import create_app
from app.settings import Settings
from app.study import export, pilot, protocol, simulate, verify
from app.study.models import Participant
from app.study.record import record
from app.study.simulate import Report
from app.writing.models import LoggedEvent
from app.writing.revise import Reviser
from app.writing.setting import Switches
from tests.scripted import ScriptedEngine, ScriptedMeaning, ScriptedScorer
from tests.study.people import SHORT

N = 16
TEXT = pilot.with_responses(
    "\n".join(line for line in SHORT.split("\n") if "{id: practice" not in line and "{id: tutorial" not in line),
    "recorded",
)
"""Practice and tutorial are left out for the sake of time."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made as `study record` makes it, of a writer that follows a script."""
    path = tmp_path_factory.mktemp("recording") / "short.jsonl.gz"
    recorder = Recorder(ScriptedEngine())
    counts = list(
        record(Reviser(recorder, ScriptedScorer(), ScriptedMeaning()), [protocol.parse(TEXT)], bool, passes=2)
    )
    assert counts == sorted(counts)
    assert counts[-1] > 50
    recorder.write(path, "a test")
    return path


@pytest.fixture(scope="module")
def simulated(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[FastAPI, str, Report, Path]:
    folder = tmp_path_factory.mktemp("simulated")
    engine = RecordedEngine(recording, word_seconds=0)
    app = create_app(
        Settings(data_dir=folder, queue_bound=64), engine=engine, scorer=ScriptedScorer(), meaning=ScriptedMeaning()
    )
    study_id, report = pilot.run(app, TEXT, N, seed=3)
    database = Database(app.state.settings.db_url)
    export.export(database, study_id, folder / "study.zip")
    database.close()
    return app, study_id, report, folder / "study.zip"


def rows(path: Path, name: str) -> list[dict[str, str]]:
    with zipfile.ZipFile(path) as archive:
        return list(csv.DictReader(io.StringIO(archive.read(name).decode(), newline="")))


def test_everybody_finishes_and_each_cell_has_four(simulated: tuple[FastAPI, str, Report, Path]) -> None:
    _, _, report, path = simulated
    assert report.problems == []
    people = rows(path, "participants.csv")
    assert Counter(row["state"] for row in people) == {"finished": N}
    assert Counter(row["cell"] for row in people) == {"1": 4, "2": 4, "3": 4, "4": 4}
    assert len({one.completion for one in report.people}) == N


def test_no_event_is_lost_or_kept_twice(simulated: tuple[FastAPI, str, Report, Path]) -> None:
    app, study_id, report, path = simulated
    database = Database(app.state.settings.db_url)
    with database.read() as session:
        own = LoggedEvent.participant_id.in_(select(Participant.id).where(Participant.study_id == study_id))
        browser = LoggedEvent.seq.is_not(None)
        kept = session.scalar(select(func.count()).select_from(LoggedEvent).where(own, browser))
    database.close()
    assert kept == sum(one.sent for one in report.people)
    exported = [row for row in rows(path, "events.csv") if row["seq"]]
    assert len(exported) == kept
    assert len({(row["recorder"], row["seq"]) for row in exported}) == kept
    # What each did is what stands in the log, kind by kind.
    wanted: Counter[str] = sum((one.actions for one in report.people), Counter())
    assert Counter(row["type"] for row in exported) == wanted
    assert {"text.edit", "label.pressed", "node.opened", "versions.compared", "muse.opened"} <= set(wanted)


def test_the_export_verifies_and_says_that_answers_were_recorded(
    simulated: tuple[FastAPI, str, Report, Path],
) -> None:
    *_, path = simulated
    told = verify.report(path)
    assert told.findings == []
    assert "Cells: 4/4/4/4." in told.facts
    with zipfile.ZipFile(path) as archive:
        frozen = json.loads(archive.read("frozen.json"))
        manifest = json.loads(archive.read("manifest.json"))
    assert (frozen["responses"], manifest["responses"]) == ("recorded", "recorded")
    assert frozen["model_id"] == "scripted (recorded)"


def test_each_wrote_in_both_conditions_and_the_baseline_has_no_labels(
    simulated: tuple[FastAPI, str, Report, Path],
) -> None:
    *_, path = simulated
    asked: dict[str, set[str]] = {"spatial": set(), "baseline": set()}
    people: dict[str, set[str]] = {"spatial": set(), "baseline": set()}
    for row in rows(path, "events.csv"):
        if row["type"] == "generation.created" and row["step"] == "task":
            asked[row["condition"]].add(json.loads(row["payload"])["label"])
            people[row["condition"]].add(row["participant"])
    assert asked["baseline"] == {"own-prompt"}
    assert len(asked["spatial"] - {"combine"}) > 3
    assert "own-prompt" not in asked["spatial"]
    assert len(people["spatial"]) == len(people["baseline"]) == N


@pytest.mark.parametrize(("code", "goes_on"), [("nothing-between", True), ("no-version", False)])
def test_a_scripted_participant_goes_on_where_nothing_lies_between_two_versions(code: str, goes_on: bool) -> None:
    def refuse(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(422, json={"code": code, "detail": "No."})

    async def no_arms() -> list[dict[str, str]]:
        return []

    async def combine() -> None:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(refuse), base_url="http://testserver") as client:
            invited = simulate.Invited("S01", "token", no_arms)
            person = simulate.Person(client, invited, protocol.parse(TEXT), seed=1, pace=0)
            await simulate.Writing(person, "draft", Switches(), short=False).combine("one", "other")

    if goes_on:
        asyncio.run(combine())
    else:
        with pytest.raises(simulate.Refused, match=code):
            asyncio.run(combine())


# ── the recording itself ───────────────────────────────────────────────────────────────────────────────────────────


def drawn(engine: RecordedEngine, *draws: Draw) -> list[str]:
    import threading

    texts = [""] * len(draws)
    for chunk in engine.stream(draws, threading.Event()):
        texts[chunk.index] += chunk.text
    return texts


def draw(text: str, seed: int, prefill: str = "") -> Draw:
    return Draw(Prompt((Message("system", "Do it."), Message("user", text)), prefill), seed)


def test_a_recording_answers_word_for_word_then_by_the_nearest_text_and_says_what_it_lacks(tmp_path: Path) -> None:
    recorder = Recorder(ScriptedEngine())
    asked = [draw("Bees fly home by the sun.", 1, "So"), draw("Glaciers melt in summer.", 2, "So")]
    import threading

    for _ in recorder.stream(asked, threading.Event()):
        pass
    recorder.write(tmp_path / "a.gz", "a test")
    recorder.write(tmp_path / "b.gz", "a test")
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    engine = RecordedEngine(tmp_path / "a.gz", word_seconds=0)
    bees, glaciers = drawn(engine, *asked)
    assert bees != glaciers
    assert [bees, glaciers] == [next(line.answer for line in recorder.lines.values() if line.seed == s) for s in (1, 2)]
    assert drawn(engine, draw("Bees fly home by the light of the sun.", 9, "So")) == [bees]
    # In one batch nothing comes twice while there is something else.
    assert set(drawn(engine, draw("Bees fly.", 7, "So"), draw("Bees fly.", 8, "So"))) == {bees, glaciers}
    other_opening = drawn(engine, draw("Bees fly home by the sun.", 1, "Thus"))[0]
    assert other_opening.startswith("Thus")
    assert engine.info().kind == "recorded"
    unknown = Draw(Prompt((Message("system", "Do something else."), Message("user", "Bees."))), 1)
    with pytest.raises(EngineError, match="Nothing was recorded"):
        drawn(engine, unknown)


@pytest.mark.parametrize("data", [b"", b"not gzip", b"\x1f\x8b\x08\x00cut"])
def test_a_damaged_recording_is_told_in_words(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bad.gz"
    path.write_bytes(data)
    with pytest.raises(EngineError, match="can't be read"):
        RecordedEngine(path).load()
