"""More requests than the model can take, writers who leave, and a model that fails in every way it can."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.reliability.server import Server
from tests.reliability.writers import stream

BOUND = 4


class Desk:
    """One writer's open draft."""

    def __init__(self, server: Server) -> None:
        self.client = server.client()
        self.client.get("/")
        text = "Telomeres shorten by about 70 base pairs a year. Cells then stop dividing."
        draft = self.client.post("/api/drafts", json={"title": "Desk", "text": text}).json()
        self.draft, self.paragraph = draft["id"], draft["paragraphs"][0]["id"]
        self.version = draft["paragraphs"][0]["head"]
        groups = self.client.get("/api/labels").json()["groups"]
        self.label = next(one["id"] for group in groups for one in group["labels"] if one["strategies"])

    def ask(self) -> httpx2.Response:
        body = {"version_id": self.version, "label": self.label}
        return self.client.post("/api/generations", json=body)

    def save(self, text: str) -> httpx2.Response:
        edit = {"paragraph_id": self.paragraph, "base": self.version, "text": text}
        answer = self.client.post(f"/api/drafts/{self.draft}/save", json={"edits": [edit]})
        if answer.status_code == 200:
            self.version = next(p["head"] for p in answer.json()["paragraphs"] if p["id"] == self.paragraph)
        return answer

    def queue(self) -> dict[str, int]:
        return dict(self.client.get("/api/model").json()["queue"])

    def generation(self, identifier: str) -> dict[str, Any]:
        draft = self.client.get(f"/api/drafts/{self.draft}").json()
        return next(one for one in draft["generations"] if one["id"] == identifier)

    def run(self, identifier: str) -> list[tuple[str, dict[str, Any]]]:
        return list(stream(self.client, identifier))


def wait_for(what: Any) -> None:
    until = time.monotonic() + 60
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def go_wrong(server: Server, kind: str, at: int | str) -> None:
    """Once, in the next generation; see tests/scripted.py."""
    (server.data_dir / "fault.json").write_text(json.dumps({"kind": kind, "at": at, "times": 1}))


PATIENT = {"SPATIAL_STALL_DEADLINE": "600", "SPATIAL_GENERATION_DEADLINE": "600"}


def test_a_flooded_queue_refuses_at_once_and_saves_go_on(tmp_path: Path) -> None:
    # A word takes longer than a client waits for an answer: no place gets free, and what waits for one fails.
    with Server(tmp_path, None, "--delay", "45", SPATIAL_QUEUE_BOUND=str(BOUND), **PATIENT) as server:
        desks = [Desk(server) for _ in range(10 * BOUND)]
        positions: list[int] = []

        def follow(desk: Desk, identifier: str) -> None:
            try:
                for name, data in stream(desk.client, identifier):
                    if name == "queued":
                        positions.append(data["position"])
            except httpx2.TransportError:
                pass  # the server is stopped under those who still wait

        taken, refused = 0, 0
        for desk in desks:
            answer = desk.ask()
            if answer.status_code == 201:
                taken += 1
                threading.Thread(target=follow, args=(desk, answer.json()["id"]), daemon=True).start()
                time.sleep(0.1)
            else:
                assert answer.status_code == 503, answer.text
                assert int(answer.headers["Retry-After"]) >= 1
                assert answer.json()["detail"].endswith(".")
                refused += 1
        assert taken in (BOUND, BOUND + 1)
        assert refused == len(desks) - taken
        wait_for(lambda: any(position >= 1 for position in positions))  # somebody is told a place in the queue
        for n, desk in enumerate(desks):
            assert desk.save(f"Saved {n} while the queue was full.").status_code == 200


def test_a_writer_who_leaves_frees_the_slot(tmp_path: Path) -> None:
    with Server(tmp_path, None, "--delay", "0.01", **PATIENT) as server:
        desk = Desk(server)
        for _ in range(3):
            go_wrong(server, "stall", 5)  # so that it writes until it is left
            identifier = desk.ask().json()["id"]
            leaving = server.client(cookies=desk.client.cookies)
            with leaving.stream("GET", f"/api/generations/{identifier}/stream") as answer:
                lines = answer.iter_lines()
                next(line for line in lines if line.startswith("event: token"))
                assert desk.queue()["running"] == 1
            leaving.close()
            wait_for(lambda: desk.queue()["running"] == 0)
            wait_for(lambda i=identifier: desk.generation(i)["status"] == "cancelled")
        events = [name for name, _ in desk.run(desk.ask().json()["id"])]
        assert events[-1] == "done"


def test_a_writer_who_leaves_while_waiting_gives_up_the_place(tmp_path: Path) -> None:
    with Server(tmp_path, None, "--delay", "0.01", **PATIENT) as server:
        first, second = Desk(server), Desk(server)
        go_wrong(server, "stall", 5)
        writing = first.ask().json()["id"]
        running = threading.Thread(target=first.run, args=(writing,), daemon=True)
        running.start()
        wait_for(lambda: first.queue()["running"] == 1)
        identifier = second.ask().json()["id"]
        leaving = server.client(cookies=second.client.cookies)
        with leaving.stream("GET", f"/api/generations/{identifier}/stream") as answer:
            lines = answer.iter_lines()
            next(line for line in lines if line.startswith("event: queued"))
        leaving.close()
        wait_for(lambda: first.queue()["waiting"] == 0)
        wait_for(lambda: second.generation(identifier)["status"] == "cancelled")
        assert first.queue()["running"] == 1, "the one who writes goes on"
        assert first.client.post(f"/api/generations/{writing}/stop").status_code == 200
        running.join(30)


STALL = 2.0
CODES = {
    "reset": "model-server-down", "crash": "model-failed", "memory": "model-memory", "stall": "model-stalled",
    "hang": "model-stalled",
}  # fmt: skip


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Its faults are set while it runs."""
    options = ("--delay", "0.01")
    with Server(tmp_path_factory.mktemp("faulty"), None, *options, SPATIAL_STALL_DEADLINE=str(STALL)) as server:
        yield server


@pytest.mark.parametrize("at", [0, 10, "last"])
@pytest.mark.parametrize("kind", ["reset", "crash", "memory", "stall", "hang"])
def test_a_failing_model_is_told_in_time_and_a_retry_works(kind: str, at: int | str, faulty: Server) -> None:
    desk = Desk(faulty)
    go_wrong(faulty, kind, at)
    identifier = desk.ask().json()["id"]
    events = desk.run(identifier)
    name, data = events[-1]
    assert name == "error"
    problem = data["problem"]
    assert problem["code"] == CODES[kind]
    assert problem["detail"].endswith(".")
    told = {int(index): text for index, text in data["partial"].items() if text}
    streamed: dict[int, str] = {}
    for kind_of, token in events:
        if kind_of == "token":
            streamed[token["index"]] = streamed.get(token["index"], "") + token["text"]
    landed = {token["index"] for kind_of, token in events if kind_of == "version"}
    assert bool(told or landed) == bool(streamed), "what was written is kept"
    failed = desk.generation(identifier)
    assert failed["status"] == "failed"
    assert desk.queue()["waiting"] == 0
    again = desk.client.post(f"/api/generations/{identifier}/retry")
    assert again.status_code == 201, again.text
    events = desk.run(again.json()["id"])
    assert events[-1][0] == "done", events[-1]


def test_a_model_that_is_slow_beyond_the_deadline_is_ended_and_its_words_kept(tmp_path: Path) -> None:
    with Server(tmp_path, None, "--delay", "1", SPATIAL_GENERATION_DEADLINE="3") as server:
        desk = Desk(server)
        identifier = desk.ask().json()["id"]
        events = desk.run(identifier)
        assert (events[-1][0], events[-1][1]["problem"]["code"]) == ("error", "model-slow")
        assert any(events[-1][1]["partial"].values())


def test_a_generation_the_server_died_under_is_failed_with_a_reason_and_can_be_retried(tmp_path: Path) -> None:
    server = Server(tmp_path, None, "--delay", "0.2")
    server.start()
    try:
        desk = Desk(server)
        identifier = desk.ask().json()["id"]
        with contextlib.suppress(httpx2.TransportError):
            for name, _ in stream(desk.client, identifier):
                if name == "token" and server.process and server.process.poll() is None:
                    server.kill()
        server.start()
        failed = desk.generation(identifier)
        assert failed["status"] == "failed"
        assert failed["problem"]["code"] == "server-stopped"
        again = desk.client.post(f"/api/generations/{identifier}/retry")
        assert desk.run(again.json()["id"])[-1][0] == "done"
    finally:
        server.stop()
