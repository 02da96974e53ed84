"""Putting a layer in service and taking it back, as a person does it; what refuses to serve."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.learn import shelf, store
from app.learn.shelf import Learnt
from app.llm.store import ModelStore
from app.settings import Settings
from app.study.service import close_study
from tests.conftest import ORIGIN, OWN_PAGE
from tests.learn.session import overview
from tests.llm.tuned import make_layer
from tests.scripted import ScriptedEngine, scripted_app
from tests.study.people import opened
from tests.writing.desk import Desk, log, ok, refused

NOBODYS = "0123456789ab"


def put_on_shelf(settings: Settings, folder: Path, *, sha256: str = "", seed: int = 0) -> Learnt:
    work = settings.data_dir / "tuned" / "work"
    base = sha256 or ModelStore(settings).identify(str(folder)).sha256
    layer = make_layer(work, folder, base, seed=seed)
    learnt = Learnt(
        layer.tuned_id,
        "tiny",
        base,
        f"2026-01-0{seed + 1}T00:00:00+00:00",
        24,
        ("p",),
        None,
        1,
        "override",
        20,
        18,
        3.0,
    )
    shelf.keep(settings, work, learnt)
    return learnt


@pytest.fixture
def settings(tmp_path: Path, tiny_folder: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", model=str(tiny_folder))


@pytest.fixture
def engine(tiny_folder: Path) -> ScriptedEngine:
    return ScriptedEngine(model=str(tiny_folder))


@pytest.fixture
def learnt(settings: Settings, tiny_folder: Path) -> Learnt:
    return put_on_shelf(settings, tiny_folder)


@pytest.fixture
def client(app: FastAPI, learnt: Learnt) -> Iterator[TestClient]:
    with TestClient(app, ORIGIN, headers=OWN_PAGE, raise_server_exceptions=False) as writer:
        writer.get("/")
        yield writer


def choose(client: TestClient, choice: str) -> Any:
    return ok(client.post("/api/learn/service", json={"choice": choice}))


def tuned_ids(desk: Desk) -> set[str | None]:
    """Of the versions of one more press."""
    told = desk.revise(desk.paragraphs()[0]["head"])
    return {data["version"]["tuned_id"] for name, data in told if name == "version"}


def test_in_service_and_back(client: TestClient, engine: ScriptedEngine, learnt: Learnt) -> None:
    desk = Desk(client, "Cells divide.")
    assert tuned_ids(desk) == {None}
    [shown] = overview(client)["layers"]
    assert (shown["tuned_id"], shown["pairs"], shown["fits"]) == (learnt.tuned_id, 24, True)

    assert choose(client, learnt.tuned_id) == {"choice": learnt.tuned_id, "in_service": learnt.tuned_id}
    assert overview(client)["in_service"] == ok(client.get("/api/model"))["info"]["tuned_id"] == learnt.tuned_id
    assert tuned_ids(desk) == {learnt.tuned_id}
    assert engine.wrote_with[-1] == learnt.tuned_id, "the draws themselves asked for it"

    assert choose(client, "default") == {"choice": "default", "in_service": None}
    assert tuned_ids(desk) == {None}
    assert engine.wrote_with[-1] is None
    told = [payload for _, payload in log(client, "layer.served")]
    assert [(one["tuned_id"], one["replaced"]) for one in told] == [(learnt.tuned_id, None), (None, learnt.tuned_id)]


def test_a_press_under_way_ends_with_the_layer_it_began_with(
    client: TestClient, engine: ScriptedEngine, learnt: Learnt
) -> None:
    desk = Desk(client, "Cells divide.")
    asked = desk.ask(desk.paragraphs()[0]["head"])["id"]
    stream = engine.stream

    def changed_meanwhile(*given: Any) -> Any:
        choose(client, learnt.tuned_id)
        return stream(*given)

    engine.stream = changed_meanwhile  # type: ignore[method-assign]
    versions = [data["version"] for name, data in desk.run(asked) if name == "version"]
    assert overview(client)["in_service"] == learnt.tuned_id
    assert {v["tuned_id"] for v in versions} == {None}
    assert set(engine.wrote_with) == {None}


def test_the_same_request_twice_is_done_once(client: TestClient, learnt: Learnt) -> None:
    for _ in range(2):
        key = {"Idempotency-Key": "once"}
        ok(client.post("/api/learn/service", json={"choice": learnt.tuned_id}, headers=key))
    assert len(log(client, "layer.served")) == 1


def test_it_serves_again_after_a_restart(
    client: TestClient, settings: Settings, learnt: Learnt, tiny_folder: Path
) -> None:
    choose(client, learnt.tuned_id)
    engine = ScriptedEngine(model=str(tiny_folder))
    with TestClient(scripted_app(settings, engine), ORIGIN, headers=OWN_PAGE) as again:
        again.get("/")
        assert tuned_ids(Desk(again, "Cells divide.")) == {learnt.tuned_id}, "from the first word"


def test_a_choice_made_at_the_command_line_is_followed(app: FastAPI, client: TestClient, learnt: Learnt) -> None:
    overview(client)
    for choice, expected in ((learnt.tuned_id, learnt.tuned_id), ("off", None), ("default", None)):
        with app.state.db.write() as session:
            store.choose(session, choice, None)
        app.state.follower.follow()
        assert overview(client)["in_service"] == expected


def test_what_is_not_there_or_not_allowed_is_refused(client: TestClient) -> None:
    refused(client.post("/api/learn/service", json={"choice": NOBODYS}), 404, "not-found")
    for choice in ("../../etc", "unfinished", "", "OFF", None, 3, "a" * 500):
        refused(client.post("/api/learn/service", json={"choice": choice}), 422, "invalid")
    assert log(client, "layer.served") == []


def test_nobody_changes_the_layer_under_an_open_study(app: FastAPI, client: TestClient, learnt: Learnt) -> None:
    study = opened(app)
    answer = client.post("/api/learn/service", json={"choice": learnt.tuned_id})
    assert study.name in refused(answer, 409, "tuned-fixed")["detail"]
    assert overview(client)["fixed"] == answer.json()["detail"]
    with app.state.db.write() as session:
        close_study(session, study.id)
    ok(client.post("/api/learn/service", json={"choice": learnt.tuned_id}))


def test_a_layer_of_another_model_is_told_and_refused(
    client: TestClient, settings: Settings, tiny_folder: Path
) -> None:
    other = put_on_shelf(settings, tiny_folder, sha256="1" * 64, seed=1)
    shown = {layer["tuned_id"]: layer["fits"] for layer in overview(client)["layers"]}
    assert shown[other.tuned_id] is False
    problem = refused(client.post("/api/learn/service", json={"choice": other.tuned_id}), 409, "tuned-base")
    assert other.tuned_id in problem["detail"]
    assert overview(client)["choice"] == "default", "nothing was chosen"


def test_a_file_that_was_changed_is_refused(client: TestClient, settings: Settings, learnt: Learnt) -> None:
    file = shelf.folder(settings) / learnt.tuned_id / "layer.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    refused(client.post("/api/learn/service", json={"choice": learnt.tuned_id}), 409, "tuned-damaged")
    assert overview(client)["in_service"] is None


def test_one_that_has_gone_is_told_and_the_rest_goes_on(
    app: FastAPI, client: TestClient, settings: Settings, learnt: Learnt, tiny_folder: Path
) -> None:
    choose(client, learnt.tuned_id)
    shutil.rmtree(shelf.folder(settings) / learnt.tuned_id)
    with TestClient(scripted_app(settings, ScriptedEngine(model=str(tiny_folder))), ORIGIN, headers=OWN_PAGE) as again:
        again.get("/")
        assert tuned_ids(Desk(again, "Cells divide.")) == {None}
        seen = overview(again)
        assert learnt.tuned_id in seen["problem"]
        choose(again, "off")
        assert overview(again)["problem"] is None


@pytest.mark.parametrize("tuned", ["off", "PATH"])
def test_the_settings_may_fix_what_writes(tuned: str, settings: Settings, learnt: Learnt, tiny_folder: Path) -> None:
    path = str(shelf.folder(settings) / learnt.tuned_id)
    fixed = settings.model_copy(update={"tuned": path if tuned == "PATH" else tuned})
    with TestClient(scripted_app(fixed, ScriptedEngine(model=str(tiny_folder))), ORIGIN, headers=OWN_PAGE) as client:
        client.get("/")
        overview(client)
        refused(client.post("/api/learn/service", json={"choice": learnt.tuned_id}), 409, "tuned-fixed")
        assert "SPATIAL_TUNED" in overview(client)["fixed"]


def test_the_shelf_shows_only_what_it_can_read(settings: Settings, learnt: Learnt) -> None:
    folder = shelf.folder(settings)
    for name, text in (("0" * 12, "{"), ("1" * 12, "[]"), ("2" * 12, json.dumps({**asdict(learnt), "more": 1}))):
        (folder / name).mkdir()
        (folder / name / shelf.FACTS).write_text(text)
    (folder / ("3" * 12)).mkdir()
    shelf.note(folder / ("3" * 12), learnt)
    assert shelf.listed(settings) == [learnt], "one under another's name is left out, too"
    later = replace(learnt, tuned_id="4" * 12, made_at="2027-01-01T00:00:00+00:00")
    (folder / later.tuned_id).mkdir()
    shelf.note(folder / later.tuned_id, later)
    assert [one.tuned_id for one in shelf.listed(settings)] == [later.tuned_id, learnt.tuned_id]
    assert shelf.path(settings, "../" + learnt.tuned_id) is None
