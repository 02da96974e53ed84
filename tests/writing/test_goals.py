"""Where a draft should land, how far it is from there, and the way it has come."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

import app.writing.invariants  # noqa: F401  (adds its rules to the check)
from app.db.check import check
from app.writing import events
from app.writing.audiences import load_audiences
from app.writing.events import note
from app.writing.landing import (
    Happened,
    Point,
    Region,
    Text,
    distance,
    gap,
    how_far,
    needs,
    trajectory,
    whole,
)
from app.writing.models import Draft
from tests.writing.desk import Desk, log, ok, refused

GOAL = {"audience": "Students", "engagement": [45, 55], "exposition": [50, 62.5]}
REGION = Region(engagement=(45, 55), exposition=(50, 60))


def set_goal(desk: Desk, **more: Any) -> Any:
    return ok(desk.client.post(f"/api/drafts/{desk.id}/goals", json={**GOAL, **more}), 201)["goals"]


# ── goals ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_goal_is_set_changed_cleared_and_removed(app: FastAPI, client: TestClient) -> None:
    desk = Desk(client)
    first = set_goal(desk)[0]
    assert {**GOAL, "id": first["id"], "active": True} == first
    both = set_goal(desk, audience="  General \n readers ")
    assert [(g["audience"], g["active"]) for g in both] == [("Students", False), ("General readers", True)]
    again = ok(client.post(f"/api/goals/{first['id']}/activate"))["goals"]
    assert [g["active"] for g in again] == [True, False]
    ok(client.post(f"/api/goals/{first['id']}/activate"))
    cleared = ok(client.post(f"/api/drafts/{desk.id}/goals/clear"))["goals"]
    assert [g["active"] for g in cleared] == [False, False]
    ok(client.post(f"/api/drafts/{desk.id}/goals/clear"))
    ok(client.post(f"/api/goals/{both[1]['id']}/activate"))
    left = ok(client.delete(f"/api/goals/{both[1]['id']}"))["goals"]
    assert [g["id"] for g in left] == [first["id"]]
    assert desk.draft()["goals"] == left
    refused(client.post(f"/api/goals/{both[1]['id']}/activate"), 404, "not-found")
    assert [payload["audience"] for _, payload in log(client, "goal.set")] == [
        "Students",
        "General readers",
        "Students",
        "General readers",
    ], "what changes nothing is no event"
    assert [len(log(client, kind)) for kind in ("goal.cleared", "goal.removed")] == [2, 1]
    assert check(app.state.db) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"engagement": [55, 45]},
        {"engagement": [50, 50]},
        {"exposition": [50, 51.9]},
        {"exposition": [-101, 50]},
        {"exposition": [50, 200.5]},
        {"engagement": [1e308, 1.1e308]},
    ],
)
def test_a_region_that_is_none_is_refused(client: TestClient, wrong: dict[str, Any]) -> None:
    desk = Desk(client)
    refused(client.post(f"/api/drafts/{desk.id}/goals", json={**GOAL, **wrong}), 422, "bad-region")
    assert desk.draft()["goals"] == []


def test_bad_goals_are_refused(client: TestClient) -> None:
    desk = Desk(client)
    address = f"/api/drafts/{desk.id}/goals"
    refused(client.post(address, json={**GOAL, "audience": "  "}), 422, "no-audience")
    assert client.post(address, json={**GOAL, "audience": "x" * 81}).status_code == 422
    assert client.post(address, json={**GOAL, "engagement": [1, 2, 3]}).status_code == 422
    for number in ("NaN", "Infinity"):
        body = json.dumps({**GOAL, "engagement": [0, 60]}).replace("[0", f"[{number}")
        answer = client.post(address, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422), answer.text
    assert desk.draft()["goals"] == []


def test_audiences_are_suggestions_that_can_be_set(client: TestClient) -> None:
    desk = Desk(client)
    told = ok(client.get("/api/audiences"))
    assert {"General readers", "Students", "Policy makers", "Specialists in another field"} <= {a["name"] for a in told}
    for audience in told:
        assert audience["reason"].endswith(".")
        region = {axis: audience[axis] for axis in ("engagement", "exposition")}
        assert set_goal(desk, audience=audience["name"], **region)[-1]["active"]
    assert len(load_audiences()) == len(told)


# ── distances ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("point", "away", "words", "lacks"),
    [
        (Point(50, 55), 0, "inside", ""),
        (Point(45, 60), 0, "inside", ""),
        (Point(50, 48), 2, "a little outside", "more exposition"),
        (Point(60, 55), 5, "outside", "less engagement"),
        (Point(39, 42), 10, "far outside", "more exposition and more engagement"),
    ],
)
def test_how_far_it_is(point: Point, away: float, words: str, lacks: str) -> None:
    assert distance(point, REGION) == pytest.approx(away)
    assert (how_far(point, REGION), needs(point, REGION)) == (words, lacks)


@given(st.floats(-100, 200), st.floats(-100, 200))
def test_what_is_lacking_leads_inside(engagement: float, exposition: float) -> None:
    point = Point(engagement, exposition)
    lacks = gap(point, REGION)
    moved = Point(engagement + lacks.engagement, exposition + lacks.exposition)
    assert distance(moved, REGION) == pytest.approx(0, abs=1e-9)


# ── the whole draft ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_whole_is_weighted_by_words() -> None:
    assert whole([]) is None
    assert whole([(0, Point(1, 1))]) is None
    assert whole([(30, Point(40, 60)), (10, Point(60, 40))]) == Point(45, 55)


@given(st.lists(st.tuples(st.integers(1, 500), st.floats(0, 100), st.floats(0, 100)), min_size=1))
def test_the_whole_lies_among_its_parts(parts: list[tuple[int, float, float]]) -> None:
    found = whole((words, Point(x, y)) for words, x, y in parts)
    assert found is not None
    for value, column in ((found.engagement, 1), (found.exposition, 2)):
        assert min(p[column] for p in parts) - 1e-6 <= value <= max(p[column] for p in parts) + 1e-6


def created(at: int, paragraph: str, version: str, operation: str, *, removed: bool = False) -> Happened:
    payload = {"paragraph_id": paragraph, "head": True, "operation": operation, "removed": removed}
    return Happened(at, "version.created", payload, version)


def test_the_way_follows_the_heads_through_undo_and_redo() -> None:
    texts = {
        "a": Text(10, Point(40, 40), None),
        "b": Text(10, Point(60, 60), None),
        "a2": Text(10, Point(50, 60), "a"),
        "typing": Text(11, None, "a"),
        "gone": Text(0, None, "b"),
    }
    undone = {
        "changes": [{"what": "head", "id": "p", "value": "a"}, {"what": "status", "id": "a2", "value": "proposed"}]
    }
    redone = {"changes": [{"what": "head", "id": "p", "value": "a2"}]}
    log = [
        created(1, "p", "a", "import"),
        created(2, "q", "b", "import"),
        created(3, "p", "typing", "manual"),
        Happened(4, "version.confirmed", {"paragraph_id": "p"}, "a2"),
        Happened(5, "step.undone", undone, None),
        Happened(6, "step.undone", {"changes": [{"what": "title", "id": "d", "value": "T"}]}, None),
        Happened(7, "step.redone", redone, None),
        created(8, "q", "gone", "manual", removed=True),
    ]
    way = trajectory(log, texts)
    assert [(w.at, w.why, w.point) for w in way] == [
        (2, "imported", Point(50, 50)),
        (4, "confirmed", Point(55, 60)),
        (5, "undone", Point(50, 50)),
        (7, "redone", Point(55, 60)),
        (8, "removed", Point(50, 60)),
    ]


def test_what_is_not_measured_stands_where_it_came_from() -> None:
    texts = {"a": Text(5, Point(40, 40), None), "b": Text(5, None, "a"), "new": Text(5, None, None)}
    log = [created(1, "p", "a", "import"), created(2, "p", "b", "manual"), created(3, "q", "new", "manual")]
    assert [w.point for w in trajectory(log, texts)] == [Point(40, 40)]
    assert trajectory([created(1, "q", "new", "import")], texts) == []


def mean(desk: Desk) -> tuple[float, float]:
    draft = desk.draft()
    versions = {version["id"]: version for version in draft["versions"]}
    heads = [versions[p["head"]] for p in draft["paragraphs"] if not p["removed"]]
    words = [len(head["text"].split()) for head in heads]
    return (
        sum(n * head["placement"]["engagement"] for n, head in zip(words, heads, strict=True)) / sum(words),
        sum(n * head["placement"]["exposition"] for n, head in zip(words, heads, strict=True)) / sum(words),
    )


def way(desk: Desk) -> list[Any]:
    points: list[Any] = ok(desk.client.get(f"/api/drafts/{desk.id}/trajectory"))["points"]
    return points


def test_the_way_of_a_draft_ends_where_it_stands(app: FastAPI, client: TestClient) -> None:
    desk = Desk(client)
    assert way(desk) == []
    first, second = desk.paragraphs()
    ok(client.post(f"/api/drafts/{desk.id}/place", json={"paragraph_ids": [first["id"], second["id"]]}))
    start = way(desk)
    assert [w["why"] for w in start] == ["imported"]
    assert (start[0]["engagement"], start[0]["exposition"]) == pytest.approx(mean(desk), abs=0.01)
    made = [data["version"]["id"] for name, data in desk.revise(first["head"]) if name == "version"]
    assert way(desk) == start, "a proposed version is not in the draft"
    ok(client.post(f"/api/versions/{made[0]}/confirm", json={"base": first["head"]}))
    then = way(desk)
    assert [w["why"] for w in then] == ["imported", "confirmed"]
    assert (then[1]["engagement"], then[1]["exposition"]) == pytest.approx(mean(desk), abs=0.01)
    # The compensating event of an undo, as the log has it.
    with app.state.db.write() as session:
        change = events.Change(what="head", id=first["id"], value=first["head"])
        event = events.StepUndone(step_id=first["id"], kind="confirm", changes=[change])
        note(session, session.get_one(Draft, desk.id).writer_id, desk.id, event)
    back = way(desk)
    assert back[-1]["why"] == "undone"
    assert {k: back[-1][k] for k in ("engagement", "exposition")} == {
        k: start[0][k] for k in ("engagement", "exposition")
    }
