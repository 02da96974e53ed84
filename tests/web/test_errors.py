"""On a small app of its own: what becomes of each kind of error, told to a person and to a program."""

from __future__ import annotations

import errno
import sqlite3

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, Field
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.testclient import TestClient

from app.web import errors
from app.web.errors import Problem
from app.web.security import SecurityHeaders


class Order(BaseModel):
    count: int = Field(ge=1)


def app_that_raises(error: Exception | None = None) -> TestClient:
    app = FastAPI()
    app.state.static_version = "v"
    errors.install(app)
    app.add_middleware(SecurityHeaders)

    @app.get("/page")
    @app.get("/api/thing")
    def _thing() -> None:
        if error is not None:
            raise error

    @app.post("/api/orders")
    def _order(order: Order) -> Order:
        return order

    return TestClient(app)


def by_database(message: str) -> OperationalError:
    return OperationalError("INSERT …", {}, sqlite3.OperationalError(message))


ABOUT_A_LOCK = IntegrityError(
    "INSERT …", {"text": "The door is locked and no space left."}, sqlite3.IntegrityError("UNIQUE")
)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Problem(409, "stale", "Somebody was quicker."), 409, "stale"),
        (by_database("database or disk is full"), 507, "disk-full"),
        (by_database('could not extend file "base/1": No space left on device'), 507, "disk-full"),
        (OSError(errno.ENOSPC, "No space left on device"), 507, "disk-full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 507, "disk-full"),
        (by_database("database is locked"), 503, "database-busy"),
        (PoolTimeout("QueuePool limit reached"), 503, "database-busy"),
        (by_database("connection refused"), 503, "database-gone"),
        (by_database("unable to open database file"), 503, "database-gone"),
        (ABOUT_A_LOCK, 500, "fault"),
        (RuntimeError("/home/somebody/secret.key"), 500, "fault"),
        (OSError(errno.EACCES, "Permission denied", "/etc/shadow"), 500, "fault"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_each_error_has_its_status_its_code_and_a_sentence(error, status, code):
    answer = app_that_raises(error).get("/api/thing")
    told = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, told["status"], told["code"]) == (status, status, code)
    assert {"type", "title", "detail"} <= told.keys()
    assert told["detail"].endswith((".", "!"))
    assert ("Retry-After" in answer.headers) == (status in (503, 507))
    assert "Content-Security-Policy" in answer.headers
    for inside in ("secret", "shadow", "INSERT", "Traceback"):
        assert inside not in answer.text


def test_what_else_a_problem_carries_stands_in_its_document():
    answer = app_that_raises(Problem(409, "stale", "So.", headers={"X-A": "b"}, conflicts=[1])).get("/api/thing")
    assert answer.json()["conflicts"] == [1]
    assert answer.headers["X-A"] == "b"


def test_an_unknown_address_and_a_wrong_method_are_told():
    client = app_that_raises()
    for answer, status in ((client.get("/api/nothing"), 404), (client.put("/api/thing"), 405)):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"].endswith(".")


def test_a_person_in_the_address_bar_gets_a_page_with_nothing_run_in_it():
    client = app_that_raises(Problem(404, "not-found", "There is no <script>alert(1)</script> & co."))
    answer = client.get("/page", headers={"Accept": "text/html,application/xhtml+xml"})
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "&lt;script&gt;alert(1)" in answer.text
    assert "<script>alert" not in answer.text
    assert client.get("/page", headers={"Accept": "application/json"}).json()["code"] == "not-found"
    assert client.get("/api/thing", headers={"Accept": "text/html"}).json()["code"] == "not-found"


@pytest.mark.parametrize("body", [b'{"count": 0}', b'{"count": "many"}', b"{}", b"[]", b"null", b'"text"'])
def test_a_wrong_field_is_named(body):
    answer = app_that_raises().post("/api/orders", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert "body" in answer.json()["detail"]
    if body.startswith(b"{"):
        assert "count" in answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [b"{", b"\xff\xfe\x00", b"[" * 100_000, b'{"count": ' * 50_000, b'{"count": ' + b"9" * 10_000 + b"}"],
    ids=["cut", "binary", "deep list", "deep object", "long number"],
)
def test_what_is_no_json_is_refused_and_faults_nothing(body):
    answer = app_that_raises().post("/api/orders", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 10_000
