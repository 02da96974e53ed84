"""A generation from its place in the queue to its end, whichever it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.axes.types import Placement
from app.llm.types import Chunk, Draw
from app.settings import Settings
from tests.conftest import ORIGIN, OWN_PAGE
from tests.scripted import Fault, ScriptedEngine, ScriptedScorer, scripted_app
from tests.writing.desk import Desk, log, ok, refused


def until(holds: Callable[[], Any], within: float = 30) -> Any:
    began = time.perf_counter()
    while not (found := holds()):
        assert time.perf_counter() - began < within
        time.sleep(0.02)
    return found


def queue(desk: Desk) -> Any:
    return ok(desk.client.get("/api/model"))["queue"]


def generation(desk: Desk, generation_id: str) -> Any:
    return next(g for g in desk.draft()["generations"] if g["id"] == generation_id)


def test_what_is_told_is_stored_before_and_words_add_up(client: TestClient) -> None:
    desk = Desk(client)
    told = desk.revise(desk.paragraphs()[0]["head"])
    words: dict[int, str] = {}
    for name, data in told:
        if name == "dropped":
            words[data["index"]] = ""
        if name == "token":
            words[data["index"]] = words.get(data["index"], "") + data["text"]
        if name == "version":
            assert words[data["index"]].strip() in data["version"]["text"]
    started = dict(told)["started"]["slots"]
    assert [slot["index"] for slot in started] == [0, 1, 2]
    kinds = ["generation.created", "generation.started", "generation.first_token", "generation.ended"]
    assert [len(log(client, kind)) for kind in kinds] == [1, 1, 1, 1]


def test_a_stream_runs_once(client: TestClient) -> None:
    desk = Desk(client)
    asked = desk.ask(desk.paragraphs()[0]["head"])
    desk.run(asked["id"])
    refused(client.get(f"/api/generations/{asked['id']}/stream"), 409, "already-run")
    other = desk.ask(desk.paragraphs()[0]["head"])
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.get(f"/api/generations/{other['id']}/stream"), range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


def test_stop_ends_it_and_keeps_what_came(client: TestClient, engine: ScriptedEngine) -> None:
    engine.hold_at = 5
    desk = Desk(client)
    asked = desk.ask(desk.paragraphs()[0]["head"])
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(desk.run, asked["id"])
        until(lambda: log(client, "generation.first_token"))
        ok(client.post(f"/api/generations/{asked['id']}/stop"))
        told = running.result(30)
    assert told[-1][0] == "cancelled"
    kept = generation(desk, asked["id"])
    assert kept["status"] == "cancelled"
    assert kept["partial"] == told[-1][1]["partial"]
    assert any(kept["partial"].values())
    assert queue(desk)["running"] == 0
    until(lambda: engine.active == 0)
    engine.hold_at = None
    again = ok(client.post(f"/api/generations/{asked['id']}/retry"), 201)
    assert (again["label"], again["parent_version_id"]) == (asked["label"], asked["parent_version_id"])
    assert desk.run(again["id"])[-1][0] == "done"


def test_stop_before_it_began_ends_it(client: TestClient) -> None:
    desk = Desk(client)
    asked = desk.ask(desk.paragraphs()[0]["head"])
    assert ok(client.post(f"/api/generations/{asked['id']}/stop"))["status"] == "cancelled"
    refused(client.get(f"/api/generations/{asked['id']}/stream"), 409, "already-run")
    assert ok(client.post(f"/api/generations/{asked['id']}/stop"))["status"] == "cancelled", "twice is once"


def test_a_second_writer_waits_is_told_and_can_stop_waiting(
    app: FastAPI, client: TestClient, engine: ScriptedEngine
) -> None:
    engine.hold_at = 5
    desk = Desk(client)
    first, second = desk.ask(desk.paragraphs()[0]["head"]), desk.ask(desk.paragraphs()[1]["head"])
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(desk.run, first["id"])
        until(lambda: queue(desk)["running"] == 1)
        waiting = pool.submit(desk.run, second["id"])
        until(lambda: queue(desk)["waiting"] == 1)
        ok(client.post(f"/api/generations/{second['id']}/stop"))
        told = waiting.result(30)
        assert told[0] == ("queued", {"position": 1})
        assert told[-1][0] == "cancelled"
        assert queue(desk)["waiting"] == 0
        engine.hold_at = None
        assert running.result(30)[-1][0] == "done"


def test_past_the_bound_a_request_is_refused_at_once(settings: Settings) -> None:
    small = settings.model_copy(update={"queue_bound": 2})
    with TestClient(scripted_app(small), ORIGIN, headers=OWN_PAGE) as client:
        client.get("/")
        desk = Desk(client)
        head = desk.paragraphs()[0]["head"]
        desk.ask(head)
        desk.ask(head)
        body = {"version_id": head, "label": "use-analogy"}
        answer = client.post("/api/generations", json=body)
        refused(answer, 503, "queue-full")
        assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("at", [0, 10, "last"])
@pytest.mark.parametrize("kind", ["reset", "crash", "memory"])
def test_a_model_that_breaks_off_is_told_and_what_came_is_kept(
    client: TestClient, engine: ScriptedEngine, kind: Any, at: Any
) -> None:
    engine.fault = Fault(kind, at, 1)
    desk = Desk(client)
    asked = desk.ask(desk.paragraphs()[0]["head"])
    told = desk.run(asked["id"])
    name, data = told[-1]
    assert name == "error"
    assert data["problem"]["detail"].endswith(".")
    assert data["problem"]["mend"]
    failed = generation(desk, asked["id"])
    assert (failed["status"], failed["problem"]) == ("failed", data["problem"])
    assert failed["partial"] == data["partial"]
    landed = sum(name == "version" for name, _ in told)
    assert len(desk.draft()["versions"]) == 2 + landed
    if at == 10:
        assert data["partial"]
    again = ok(client.post(f"/api/generations/{asked['id']}/retry"), 201)
    assert desk.run(again["id"])[-1][0] == "done"


@pytest.mark.parametrize("kind", ["stall", "hang"])
def test_a_model_that_hangs_is_given_up_at_the_deadline(
    app: FastAPI, client: TestClient, engine: ScriptedEngine, kind: Any
) -> None:
    """The deadline is a short one only while nothing comes, so that no slow machine passes for a stalled model."""
    engine.fault, engine.hold_at = Fault(kind, 6, 1), 5
    desk, settings = Desk(client), vars(app.state.studio.settings)  # as a dict, since they are frozen
    patience = settings["stall_deadline"]
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(desk.revise, desk.paragraphs()[0]["head"])
        until(lambda: log(client, "generation.first_token"))
        settings["stall_deadline"] = 0.2
        engine.hold_at = None
        told = running.result(60)
    assert (told[-1][0], told[-1][1]["problem"]["code"]) == ("error", "model-stalled")
    assert told[-1][1]["partial"]
    assert queue(desk)["running"] == 0
    settings["stall_deadline"] = patience
    assert desk.revise(desk.paragraphs()[0]["head"])[-1][0] == "done"


STALL = 3.0
"""Seconds, of the two tests below: a machine that pauses for as long would pass for a stalled model."""
ON_SQLITE = pytest.mark.parametrize("db_url", ["sqlite"], indirect=True)


class SlowScorer(ScriptedScorer):
    def score(self, texts: Sequence[str]) -> list[Placement]:
        time.sleep(1.2 * STALL)
        return super().score(texts)


@ON_SQLITE
def test_a_scorer_that_is_busy_is_no_stalled_model(settings: Settings) -> None:
    quick = settings.model_copy(update={"stall_deadline": STALL})
    with TestClient(scripted_app(quick, scorer=SlowScorer()), ORIGIN, headers=OWN_PAGE) as client:
        client.get("/")
        desk = Desk(client)
        assert desk.revise(desk.paragraphs()[0]["head"], n=1)[-1][0] == "done"


class SlowReader(ScriptedEngine):
    """Reads the prompt for longer than the deadline, with a sign of life every now and then."""

    def stream(self, draws: Sequence[Draw], cancel: threading.Event) -> Iterator[Chunk]:
        for _ in range(6):
            time.sleep(0.2 * STALL)
            yield Chunk(0, "")
        yield from super().stream(draws, cancel)


@ON_SQLITE
def test_a_model_that_reads_a_long_prompt_is_not_stalled(settings: Settings) -> None:
    quick = settings.model_copy(update={"stall_deadline": STALL})
    with TestClient(scripted_app(quick, SlowReader()), ORIGIN, headers=OWN_PAGE) as client:
        client.get("/")
        desk = Desk(client)
        told = desk.revise(desk.paragraphs()[0]["head"], n=1)
        assert told[-1][0] == "done"
        assert all(data["text"] for name, data in told if name == "token")


def test_the_whole_has_a_deadline_too(settings: Settings) -> None:
    quick = settings.model_copy(update={"generation_deadline": 1.0})
    with TestClient(scripted_app(quick, ScriptedEngine(0.3)), ORIGIN, headers=OWN_PAGE) as client:
        client.get("/")
        desk = Desk(client)
        told = desk.revise(desk.paragraphs()[0]["head"])
        assert (told[-1][0], told[-1][1]["problem"]["code"]) == ("error", "model-slow")


def test_a_model_without_a_word_ends_in_a_reason(client: TestClient, engine: ScriptedEngine) -> None:
    engine.fault = Fault("empty")
    desk = Desk(client)
    told = desk.revise(desk.paragraphs()[0]["head"])
    assert told[-1][1]["problem"]["code"] == "nothing-usable"
    again = [data["again"] for name, data in told if name == "dropped" and data["index"] == 0]
    assert again == [True, True, False]
    assert {reason["reason"] for _, reason in log(client, "candidate.dropped")} == {"empty"}


def test_what_an_earlier_server_left_has_failed_and_can_be_retried(app: FastAPI, client: TestClient) -> None:
    desk = Desk(client)
    asked = desk.ask(desk.paragraphs()[0]["head"])
    with TestClient(scripted_app(app.state.settings), ORIGIN, headers=OWN_PAGE, cookies=client.cookies) as later:
        desk.client = later
        left = generation(desk, asked["id"])
        assert (left["status"], left["problem"]["code"]) == ("failed", "server-stopped")
        again = ok(later.post(f"/api/generations/{asked['id']}/retry"), 201)
        assert desk.run(again["id"])[-1][0] == "done"


def test_a_draft_deleted_meanwhile_ends_the_writing(client: TestClient, engine: ScriptedEngine) -> None:
    engine.hold_at = 5
    desk = Desk(client)
    asked = desk.ask(desk.paragraphs()[0]["head"])
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(desk.run, asked["id"])
        until(lambda: log(client, "generation.first_token"))
        client.delete(f"/api/drafts/{desk.id}")
        engine.hold_at = None
        assert running.result(30)[-1][1]["problem"]["code"] == "not-found"
    assert len(log(client, "generation.failed")) == 1


def test_without_a_model_the_rest_works(settings: Settings) -> None:
    with TestClient(scripted_app(settings, ScriptedEngine(broken=True)), ORIGIN, headers=OWN_PAGE) as client:
        assert client.get("/").status_code == 200
        until(lambda: ok(client.get("/api/model"))["status"] == "error")
        desk = Desk(client)
        paragraph = desk.paragraphs()[0]
        desk.type(paragraph, "Typing works.")
        ok(client.post(f"/api/drafts/{desk.id}/place", json={"paragraph_ids": [paragraph["id"]]}))
        body = {"version_id": desk.paragraphs()[0]["head"], "label": "use-analogy"}
        problem = refused(client.post("/api/generations", json=body), 503, "model-missing")
        assert "make setup" in problem["mend"]
        shown = ok(client.get("/api/model"))["problem"]
        assert shown["mend"] == problem["mend"]


def test_no_connection_is_held_while_words_stream(app: FastAPI, client: TestClient, engine: ScriptedEngine) -> None:
    engine.hold_at = 5
    desk = Desk(client)
    asked = desk.ask(desk.paragraphs()[0]["head"])
    thread = threading.Thread(target=desk.run, args=(asked["id"],))
    thread.start()
    until(lambda: log(client, "generation.first_token"))
    held = [until(lambda: engine.active and app.state.db.engine.pool.checkedout() == 0) for _ in range(5)]
    assert all(held)
    ok(client.post(f"/api/generations/{asked['id']}/stop"))
    thread.join(30)
