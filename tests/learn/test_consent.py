"""Nobody's versions are learnt from without their consent, and no longer than it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.learn import store
from app.learn.comparisons import Comparison
from app.settings import Settings
from app.writing.strategies import load_book
from tests.conftest import ORIGIN, OWN_PAGE
from tests.learn.session import allow, decide, overview
from tests.scripted import scripted_app
from tests.writing.desk import Desk, log, ok, refused


@pytest.fixture
def db_url(sqlite_url: str) -> str:
    """SQLite; what PostgreSQL does is tried once, at the end."""
    return sqlite_url


def exported(app: FastAPI) -> list[Comparison]:
    with app.state.db.read() as session:
        return store.comparisons(session, load_book())


def test_off_by_default_on_by_choice_and_off_again(app: FastAPI, client: TestClient) -> None:
    confirmed = decide(Desk(client))
    assert ok(client.get("/api/learn/consent")) == {"consent": False}
    assert exported(app) == []
    seen = overview(client)
    assert (seen["consent"], seen["mine"], seen["shared"]) == (False, 4, 0)
    assert "at least 20" in seen["lack"]

    assert allow(client) == {"consent": True}
    assert [c.chosen.version for c in exported(app)] == confirmed
    allow(client)
    assert overview(client)["shared"] == 4

    assert allow(client, given=False) == {"consent": False}
    assert exported(app) == [], "revoked is gone from the next export"
    assert len(log(client, "learning.allowed")) == 1, "twice is once"
    assert len(log(client, "learning.revoked")) == 1


def test_one_writers_consent_is_not_anothers(app: FastAPI, client: TestClient) -> None:
    decide(Desk(client))
    with TestClient(app, ORIGIN, headers=OWN_PAGE) as other:
        other.get("/")
        decide(Desk(other, "Ice melts.\n\nIt flows."))
        allow(other)
        assert ok(client.get("/api/learn/consent")) == {"consent": False}
        texts = [c.chosen.messages[-1].content for c in exported(app)]
        assert len(texts) == 2
        assert all("Ice" in text or "flows" in text for text in texts)
        assert overview(other)["mine"] == 4


def test_what_is_exported_is_what_was_asked_and_written(app: FastAPI, client: TestClient) -> None:
    desk = Desk(client, "Cells divide. They age.")
    head = desk.paragraphs()[0]["head"]
    made = [data["version"] for name, data in desk.revise(head) if name == "version"]
    ok(client.post(f"/api/versions/{made[0]['id']}/confirm", json={"base": head}))
    ok(client.post(f"/api/versions/{made[1]['id']}/discard"))
    allow(client)
    [comparison] = exported(app)
    assert [c.version for c in comparison.rejected] == [made[1]["id"]], "one that was left alone was not refused"
    for one, version in ((comparison.chosen, made[0]), (comparison.rejected[0], made[1])):
        detail = ok(client.get(f"/api/versions/{one.version}/detail"))
        assert one.prompt.messages[-1].content == detail["prompt"]["messages"][-1]["content"]
        assert one.prefill == detail["prompt"]["prefill"]
        assert not one.ended
        answer = one.prefill.rstrip() + one.response
        assert answer in version["text"]
        assert version["text"].replace(answer, "").split() == ["Cells", "divide.", "They", "age."]


def test_undone_restored_and_deleted_choices_no_longer_count(app: FastAPI, client: TestClient) -> None:
    allow(client)
    desk = Desk(client, "Cells divide. They age.")
    [confirmed] = decide(desk)
    assert len(exported(app)) == 1
    step = desk.draft()["steps"]["undo"]
    undone = 0
    while step and exported(app):
        step = ok(desk.try_step("undo", step["id"]))["steps"]["undo"]
        undone += 1
    assert undone >= 1
    for _ in range(undone):
        ok(desk.try_step("redo", desk.draft()["steps"]["redo"]["id"]))
    assert [c.chosen.version for c in exported(app)] == [confirmed]
    ok(client.delete(f"/api/drafts/{desk.id}"), 204)
    assert exported(app) == []


def test_combined_and_typed_versions_teach_nothing(app: FastAPI, client: TestClient) -> None:
    allow(client)
    desk = Desk(client, "Cells divide. They age.")
    head = desk.type(desk.paragraphs()[0], "Cells divide. They age a lot.")["id"]
    one, other, *_ = [data["version"]["id"] for name, data in desk.revise(head) if name == "version"]
    asked = ok(client.post("/api/generations", json={"version_id": one, "other_version_id": other, "mix": 0.5}), 201)
    [joined] = [data["version"]["id"] for name, data in desk.run(asked["id"]) if name == "version"]
    ok(client.post(f"/api/versions/{joined}/confirm", json={"base": head}))
    for of_the_label in (one, other):
        ok(client.post(f"/api/versions/{of_the_label}/discard"))
    assert exported(app) == [], "what was discarded is no sibling of what was confirmed"
    ok(client.post(f"/api/versions/{one}/restore"))
    ok(client.post(f"/api/versions/{one}/confirm", json={"base": joined}))
    assert [c.chosen.version for c in exported(app)] == [one]


def test_bad_requests_are_refused_in_words(client: TestClient) -> None:
    for body in ({}, {"given": "perhaps"}, {"given": True, "writer_id": "x"}, []):
        refused(client.post("/api/learn/consent", json=body), 422, "invalid")
    client.cookies.clear()
    for method, path in (("GET", ""), ("GET", "/consent"), ("POST", "/consent"), ("POST", "/service")):
        refused(client.request(method, f"/api/learn{path}", json={"given": True}), 401, "no-session")


def test_where_learning_is_off_there_is_nothing(app: FastAPI, client: TestClient) -> None:
    studio = app.state.studio
    studio.settings = app.state.settings.model_copy(update={"learn": False})
    refused(client.get("/api/learn"), 404, "learning-off")
    refused(client.post("/api/learn/consent", json={"given": True}), 404, "learning-off")
    refused(client.get("/learn"), 404, "learning-off")


def test_on_postgresql_too(postgresql_url: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url=postgresql_url)
    app = scripted_app(settings)
    with TestClient(app, ORIGIN, headers=OWN_PAGE) as client:
        client.get("/")
        confirmed = decide(Desk(client))
        allow(client)
        assert [c.chosen.version for c in exported(app)] == confirmed
        ok(client.post("/api/learn/service", json={"choice": "off"}))
        assert overview(client)["choice"] == "off"
        allow(client, given=False)
        assert exported(app) == []
