"""A participant's way: in order, once, resumable, and with everything stamped."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select, update
from starlette.testclient import TestClient

from app.db.base import now
from app.study import clocks, flow, service
from app.study.models import Answer, Consent, Participant, Progress, Study
from app.writing.models import LoggedEvent
from tests.study.people import SHORT, Person, invited, opened
from tests.writing.desk import ok, refused

ON_SQLITE = pytest.mark.parametrize("db_url", ["sqlite"], indirect=True)
"""For what does not touch how rows are locked or written."""


@pytest.fixture
def study(app: FastAPI, client: TestClient) -> Study:
    return opened(app)


@pytest.fixture
def person(app: FastAPI, study: Study) -> Person:
    (_, token), *_ = invited(app, study)
    return Person(app, token)


def log(app: FastAPI, kind: str) -> list[LoggedEvent]:
    with app.state.db.read() as session:
        return list(session.scalars(select(LoggedEvent).where(LoggedEvent.type == kind).order_by(LoggedEvent.id)))


def one(app: FastAPI) -> Participant:
    with app.state.db.read() as session:
        return session.scalars(select(Participant)).one()


def make_late(app: FastAPI, minutes: float) -> None:
    """As if the step had begun so much earlier."""
    with app.state.db.write() as session:
        stay = session.scalars(select(Progress).where(Progress.outcome.is_(None))).one()
        stay.entered_at = now() - timedelta(minutes=minutes)
        session.flush()
        participant = session.get_one(Participant, stay.participant_id)
        clocks.tell_desk(session, participant, stay)


def test_a_whole_study(app: FastAPI, person: Person) -> None:
    looked = person.client.get(f"/s/{person.token}")
    assert looked.status_code == 200
    assert looked.headers["referrer-policy"] == "no-referrer"
    assert one(app).writer_id is None  # a mail scanner's visit burns nothing
    person.begin()
    steps = [(person.state["step"], person.state["period"])]
    while person.state["step"] != "debrief":
        person.do()
        steps.append((person.state["step"], person.state["period"]))
        assert person.client.get("/study").status_code == 200, steps
    each = ("tutorial", "practice", "task", "after-task")
    assert steps == [
        ("consent", None),
        ("before", None),
        *((step, 1) for step in each),
        ("break", None),
        *((step, 2) for step in each),
        ("preference", None),
        ("interview", None),
        ("debrief", None),
    ]
    code = ok(person.post("finish", person.page()))["code"]
    assert code == ok(person.post("finish", person.page()))["code"]
    assert code in person.client.get("/study").text
    found = one(app)
    assert (found.state, found.completion_code) == ("finished", code)
    assert "finished" in person.client.get(f"/s/{person.token}").text
    refused(person.post("begin", {"token": person.token, "tab": person.tab}), 410, "finished")

    # Everything is stamped, and each event of a period with its condition and topic.
    with app.state.db.read() as session:
        rows = session.scalars(select(LoggedEvent).where(LoggedEvent.writer_id == found.writer_id)).all()
        consent = session.scalars(select(Consent)).one()
    assert {row.participant_id for row in rows} == {found.id}
    made = [(row.condition, row.topic, row.step) for row in rows if row.type == "draft.created"]
    arms = [(arm["condition"], arm["topic"]) for arm in found.arms]
    assert made == [
        (arms[0][0], "leaves", "practice"),
        (*arms[0], "task"),
        (arms[1][0], "leaves", "practice"),
        (*arms[1], "task"),
    ]
    assert ("keystroke" in consent.text, consent.version, consent.agreed) == (True, "1.0", True)
    entered = [row.payload["number"] for row in rows if row.type == "step.entered"]
    assert entered == list(range(14))
    left = [row.payload["outcome"] for row in rows if row.type == "step.left"]
    assert left == ["done"] * 14


def test_cells_are_filled_evenly_and_a_dropout_is_replaced(app: FastAPI, study: Study) -> None:
    people = invited(app, study, 9)
    for _, token in people[:8]:
        Person(app, token).begin()
    with app.state.db.write() as session:
        assert service.taken(session, study.id) == {1: 2, 2: 2, 3: 2, 4: 2}
        found = session.get_one(Participant, people[3][0].id)
        service.exclude(session, found.id, excluded=True, why="fell ill")
        cell = found.cell
    Person(app, people[8][1]).begin()
    with app.state.db.read() as session:
        assert session.get_one(Participant, people[8][0].id).cell == cell
        assert service.taken(session, study.id) == {1: 2, 2: 2, 3: 2, 4: 2}


@ON_SQLITE
def test_the_same_seed_allots_the_same(app: FastAPI, study: Study) -> None:
    def cells(kind: Any) -> list[int | None]:
        people = invited(app, study, 4, kind)
        for _, token in people:
            Person(app, token).begin()
        with app.state.db.read() as session:
            return [session.get_one(Participant, p.id).cell for p, _ in people]

    first = cells("person")
    assert sorted(map(str, first)) == ["1", "2", "3", "4"]
    assert cells("dry-run") == first  # counted by themselves


@ON_SQLITE
def test_answers_are_checked_kept_and_resumed(app: FastAPI, person: Person) -> None:
    person.begin()
    person.until("before")
    problem = refused(person.post("advance", person.page()), 422, "unanswered")
    assert {wrong["item"] for wrong in problem["wrong"]} == {"demand", "control"}
    for value in (105, -1, 42, "much", ["1"], 1e99):
        refused(person.try_answer(effort__demand=value), 422, "bad-answer")
    refused(person.try_answer(effort__demand=True), 422, "invalid")
    refused(person.try_answer(effort__nothing=1), 422, "no-item")
    refused(person.try_answer(effort__read=["film"]), 422, "bad-answer")
    ok(person.try_answer(effort__demand=40, effort__why="<b>بله</b> 🙂"))
    ok(person.try_answer(effort__demand=40))  # as before: no revision
    ok(person.try_answer(effort__demand=55))
    with app.state.db.read() as session:
        kept = session.scalars(select(Answer).where(Answer.item == "demand").order_by(Answer.revision)).all()
    assert [(a.revision, a.value) for a in kept] == [(1, 40), (2, 55)]
    assert [e.payload["value"] for e in log(app, "answer.given") if e.payload["item"] == "demand"] == [40, 55]
    person.open()  # a reload
    text = person.client.get("/study").text
    assert 'value="55"' in text
    assert "data-blank" not in text
    assert "&lt;b&gt;بله&lt;/b&gt; 🙂" in text
    ok(person.try_answer(effort__control=3))
    person.advance()
    assert person.state["step"] == "tutorial"


def test_skipping_back_and_ahead_is_refused_politely(person: Person) -> None:
    person.begin()
    person.until("tutorial")
    back = person.post("advance", person.page(number=1))
    assert "done" in refused(back, 409, "past")["detail"]
    refused(person.post("advance", person.page(number=9)), 409, "ahead")
    refused(person.post("consent", person.page(version="1.0", agreed=True, number=2)), 409, "past")
    refused(person.post("finish", person.page()), 409, "ahead")
    key = str(uuid.uuid4())
    first = ok(person.post("advance", body := person.page(), key=key))
    assert ok(person.post("advance", body, key=key)) == first  # sent twice, done once
    refused(person.post("advance", body), 409, "past")


@ON_SQLITE
def test_two_tabs_the_second_is_told_and_can_take_over(app: FastAPI, person: Person) -> None:
    person.begin()
    second = Person(app, person.token, person.client)
    second.state = {"number": 0}
    assert second.open()["elsewhere"]
    refused(second.post("consent", second.page(version="1.0", agreed=True)), 409, "elsewhere")
    assert not second.open(take=True)["elsewhere"]
    assert person.look()["elsewhere"]
    refused(person.post("consent", person.page(version="1.0", agreed=True)), 409, "elsewhere")
    second.agree()
    assert [e.payload["by"] for e in log(app, "participant.returned")] == ["window"]


@ON_SQLITE
def test_another_browser_takes_the_link_up_where_it_was(app: FastAPI, person: Person) -> None:
    person.begin()
    person.until("task")
    draft = person.draft_id()
    other = Person(app, person.token)
    other.begin()
    assert (other.state["step"], other.draft_id()) == ("task", draft)
    assert not other.state["elsewhere"]
    refused(person.post("state", person.page()), 401, "no-session")


@ON_SQLITE
def test_what_a_reload_does_is_the_steps_policy(app: FastAPI, person: Person) -> None:
    person.begin()
    person.until("practice")
    first = person.draft_id()
    place = person.state["place"]
    assert person.open()["place"] != place  # restart
    again = person.draft_id()
    assert again != first
    assert [e.payload["outcome"] for e in log(app, "step.left")][-1] == "restarted"
    person.until("task")
    draft = person.draft_id()
    assert person.open()["blocked"] is False  # resume
    assert person.draft_id() == draft
    person.until("after-task")
    assert person.open()["blocked"]  # block
    refused(person.try_answer(effort__demand=5), 409, "blocked")
    with app.state.db.write() as session:
        service.unblock(session, one(app).id)
    assert not person.open()["blocked"]
    person.do()


def save(person: Person, draft_id: str, text: str) -> Any:
    draft = ok(person.client.get(f"/api/drafts/{draft_id}"))
    head = draft["paragraphs"][0]
    edits = [{"paragraph_id": head["id"], "base": head["head"], "text": text}]
    return person.client.post(f"/api/drafts/{draft_id}/save", json={"edits": edits})


def test_the_clock_is_the_servers(app: FastAPI, person: Person) -> None:
    person.begin()
    person.until("task")
    draft = person.draft_id()
    clock = person.state["clock"]
    assert 590 < clock["left"] <= 600
    assert not clock["warn"]
    refused(person.post("advance", person.page(time_up=True)), 409, "not-yet")
    make_late(app, 8.5)
    assert person.look()["clock"]["warn"]
    person.look()
    assert len(log(app, "step.warned")) == 1
    with app.state.db.write() as session:
        service.pause(session, one(app).id, "the fire alarm", "Ada")
    assert person.look()["clock"]["paused"] == "the fire alarm"
    assert "paused" in refused(save(person, draft, "Typed in the pause."), 409, "closed")["detail"]
    refused(person.post("advance", person.page()), 409, "paused")
    with app.state.db.write() as session:
        service.resume(session, one(app).id)
    ok(save(person, draft, "Typed after the pause."))
    make_late(app, 10.1)
    ok(save(person, draft, "Typed at the last moment."))
    make_late(app, 11)
    refused(save(person, draft, "Too late."), 409, "closed")
    person.advance(time_up=True)
    assert person.state["step"] == "after-task"
    assert log(app, "step.left")[-1].payload["outcome"] == "time-up"
    refused(save(person, draft, "Much too late."), 409, "closed")


@ON_SQLITE
def test_only_a_hard_stop_ends_a_step_by_itself(app: FastAPI, client: TestClient) -> None:
    soft = opened(app, SHORT.replace(", hard_stop: true", ""))
    (_, token), *_ = invited(app, soft)
    person = Person(app, token)
    person.begin()
    person.until("task")
    make_late(app, 11)
    assert person.look()["clock"]["left"] < 0
    refused(person.post("advance", person.page(time_up=True)), 409, "not-yet")
    ok(save(person, person.draft_id(), "Typed after the time."))
    person.advance()
    assert log(app, "step.left")[-1].payload["outcome"] == "done"


@ON_SQLITE
def test_a_pause_costs_no_time(app: FastAPI, person: Person) -> None:
    person.begin()
    person.until("task")
    make_late(app, 6)
    assert 230 < person.look()["clock"]["left"] <= 240
    with app.state.db.write() as session:
        # As if five of the six minutes had been a pause.
        service.pause(session, one(app).id, "the fire alarm", "Ada").started_at = now() - timedelta(minutes=5)
    assert 530 < person.look()["clock"]["left"] <= 540
    with app.state.db.write() as session:
        service.resume(session, one(app).id)
    assert 530 < person.look()["clock"]["left"] <= 540


@ON_SQLITE
def test_late_events_count_for_the_step_they_were_made_in(app: FastAPI, person: Person) -> None:
    person.begin()
    person.until("task")
    draft = person.draft_id()
    person.do()
    event = {"seq": 1, "client_ms": 0, "type": "copy", "chars": 3, "draft_id": draft}
    loose = {"seq": 2, "client_ms": 0, "type": "focus.lost"}
    recorder = str(uuid.uuid4())
    ok(person.client.post("/api/events", json={"recorder": recorder, "events": [event, loose]}))
    arm = one(app).arms[0]
    assert [(e.step, e.condition, e.topic) for e in (*log(app, "copy"), *log(app, "focus.lost"))] == [
        ("task", arm["condition"], arm["topic"]),
        ("after-task", arm["condition"], arm["topic"]),
    ]


def test_no_code_before_every_event_is_there(app: FastAPI, person: Person) -> None:
    person.begin()
    recorder = str(uuid.uuid4())
    person.agree()
    person.advance(recorders={recorder: 3})
    person.until("debrief")
    assert refused(person.post("finish", person.page()), 409, "events-missing")["missing"] == 3
    events = [{"seq": n, "client_ms": 0, "type": "focus.lost"} for n in (1, 2)]
    ok(person.client.post("/api/events", json={"recorder": recorder, "events": events}))
    refused(person.post("finish", person.page(recorders={recorder: 2})), 409, "events-missing")
    ok(person.client.post("/api/events", json={"recorder": recorder, "events": [{**events[0], "seq": 3}]}))
    assert ok(person.post("finish", person.page()))["code"]
    assert log(app, "participant.finished")[-1].payload["events"] == 3


@ON_SQLITE
def test_links_that_lead_nowhere_say_so(app: FastAPI, study: Study, person: Person) -> None:
    def said(token: str, status: int) -> str:
        answer = Person(app, token).client.get(f"/s/{token}")
        assert answer.status_code == status
        return answer.text

    assert "not known" in said("nobody-s", 404)
    refused(Person(app, "x").post("begin", {"token": "x", "tab": str(uuid.uuid4())}), 404, "unknown-link")
    person.begin()
    with app.state.db.write() as session:
        _, fresh = service.new_link(session, one(app).id)
    assert "not known" in said(person.token, 404)
    person.look()  # the browser that is there goes on
    with app.state.db.write() as session:
        service.revoke_link(session, one(app).id)
    assert "no longer works" in said(fresh, 410)
    refused(person.post("state", person.page()), 401, "no-session")
    with app.state.db.write() as session:
        _, token = service.new_link(session, one(app).id)
        service.close_study(session, study.id)
    assert "closed" in said(token, 409)


@ON_SQLITE
def test_who_does_not_agree_is_not_asked_again(app: FastAPI, person: Person) -> None:
    person.begin()
    state = ok(person.post("consent", person.page(version="1.0", agreed=False)))
    assert state["state"] == "withdrawn"
    with app.state.db.read() as session:
        assert service.taken(session, one(app).study_id) == {}
    refused(person.post("advance", person.page()), 409, "over")
    assert person.client.get("/study").status_code == 200


@ON_SQLITE
def test_a_writers_own_desk_comes_back_when_the_study_is_over(app: FastAPI, study: Study, client: TestClient) -> None:
    mine = ok(client.get("/api/drafts"))["drafts"][0]["id"]
    (_, token), *_ = invited(app, study)
    person = Person(app, token, client)
    person.begin()
    assert client.get("/").url.path == "/study"
    assert client.get(f"/drafts/{mine}").url.path == "/study"
    ok(person.post("leave", {}))
    assert ok(client.get("/api/drafts"))["drafts"][0]["id"] == mine


@ON_SQLITE
def test_a_facilitator_can_pass_over_a_step_and_give_the_code(app: FastAPI, person: Person) -> None:
    person.begin()
    person.until("task")
    with app.state.db.write() as session:
        flow.move_on(session, one(app).id)
        session.execute(update(Participant).values(recorders={str(uuid.uuid4()): 9}))
    person.state["number"] += 1
    person.open()
    assert person.state["step"] == "after-task"
    person.until("debrief")
    refused(person.post("finish", person.page()), 409, "events-missing")
    with app.state.db.write() as session:
        code = flow.release(session, one(app).id)
    assert ok(person.post("finish", person.page()))["code"] == code
