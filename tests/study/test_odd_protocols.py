"""Protocols that are right YAML and still odd: refused with the line, or the study goes through all its pages."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.study import auth
from app.study.protocol import Mistake, parse
from app.study.verify import verify
from tests.conftest import ORIGIN
from tests.study.people import SHORT, Person, invited, opened
from tests.study.test_admin import PAGE, PASSWORD, sign_in

TABS = ("", "/protocol", "/participants", "/live", "/analysis", "/sessions", "/export", "/check")
ONE_CONDITION = SHORT.replace("  - id: baseline\n    name: the chat\n    base: baseline\n", "")


@pytest.fixture
def db_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def admin(app: FastAPI) -> Iterator[TestClient]:
    """A facilitator who is signed in."""
    with TestClient(app, ORIGIN, headers=PAGE, raise_server_exceptions=False) as client:
        with app.state.db.write() as session:
            auth.create(session, "Ada", PASSWORD)
        assert sign_in(client).status_code == 303
        yield client


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("warn: 2", "warn: .inf", "finite number"),
        ("low: 0, high: 100", "low: -.inf, high: 100", "finite number"),
        ("low: 0, high: 100", "low: .nan, high: 100", "finite number"),
        ("step: 5", "step: .inf", "finite number"),
        ("text: Have a drink.", r'text: "Have\0a drink."', "no text has"),
        ("text: Have a drink.", r'text: "Have \udc00 drink."', "no text has"),
        ('text: "How demanding was it?"', r'text: "How\ud800?"', "no text has"),
        ("seed: 7", "7: 7", "A key is a single word"),
        ("seed: 7", "~: 7", "A key is a single word"),
        ("seed: 7", f"seed: {'9' * 5000}", "quotation marks"),
        ("seed: 7", "seed: !!python/object/apply:os.system [id]", "Take it out"),
        ("contact: the lab", "contact: 2026-99-99", "quotation marks"),
    ],
)
def test_what_no_study_could_be_run_with_is_refused_with_its_line(old: str, new: str, says: str) -> None:
    with pytest.raises(Mistake) as found:
        parse(SHORT.replace(old, new, 1))
    assert says in found.value.what
    assert found.value.line == SHORT[: SHORT.index(old)].count("\n") + 1
    assert "sys." not in found.value.what


def _through(app: FastAPI, admin: TestClient, protocol: str, tmp_path: Path) -> str:
    """One participant from the link to the end, every page of the facilitator's, and an export that holds; gives the
    study's id."""
    study = opened(app, protocol)
    [(_, token)] = invited(app, study)
    person = Person(app, token)
    assert person.client.get(f"/s/{token}").status_code == 200
    person.begin()
    while person.state["step"] != "debrief":
        assert person.client.get("/study").status_code == 200, person.state["step"]
        person.do()
    assert person.post("finish", person.page()).status_code == 200
    for tab in TABS:
        assert admin.get(f"/admin/studies/{study.id}{tab}").status_code == 200, tab
    answer = admin.get(f"/admin/studies/{study.id}/export/{study.id}.zip")
    assert "manifest.json" in zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    (tmp_path / "study.zip").write_bytes(answer.content)
    assert verify(tmp_path / "study.zip") == []
    return study.id


@pytest.mark.parametrize(
    "protocol",
    [
        SHORT.replace("name: the map", "name: 'token: the gift'", 1),  # figures name colours so
        ONE_CONDITION,
    ],
    ids=["a condition named as a colour is", "one condition"],
)
def test_an_odd_study_goes_through_all_its_pages(
    app: FastAPI, admin: TestClient, protocol: str, tmp_path: Path
) -> None:
    study_id = _through(app, admin, protocol, tmp_path)
    page = admin.get(f"/admin/studies/{study_id}/analysis").text
    figures = re.search(r'id="figures">(.*?)</script>', page, re.DOTALL)
    assert figures is not None
    assert '"token: the gift"' not in figures[1]


@pytest.mark.parametrize(
    "text",
    [
        SHORT,
        json.dumps(yaml.safe_load(SHORT)),
        SHORT.replace("name:", '"name" :', 1),
        SHORT.replace("name: short", "name: >-\n  short\n", 1),
        SHORT.replace("\n", "\r"),
        "\ufeff" + SHORT,
        SHORT.replace("title: A short study", 'title: "A study\nname: of names"', 1).replace("name: short\n", "", 1)
        + "name: short  # at the end\n",
    ],
    ids=["as it is", "JSON", "quoted", "folded", "old Mac", "byte order", "a line of the title"],
)
def test_any_protocol_that_is_taken_can_be_copied(app: FastAPI, admin: TestClient, text: str) -> None:
    made = admin.post("/admin/studies/import", data={"protocol": text})
    assert made.status_code == 200, made.text[:500]
    copied = admin.post(f"{made.url.path}/copy")
    assert copied.status_code == 200
    assert copied.url.path != f"{made.url.path}/copy"
    copy = admin.get(f"{copied.url.path}.yaml").text
    assert parse(copy) == parse(text).model_copy(update={"name": "short-2"})
    assert ("# at the end" in copy) == ("# at the end" in text)


# ── forms ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("topics", ["²", "9" * 5000, "-1", "inf", ""])
def test_a_number_of_topics_that_is_none_is_taken_for_two(admin: TestClient, topics: str) -> None:
    for more in ({}, {"add-topic": "1"}):
        answer = admin.post("/admin/studies/new", data={"template": "two-conditions", "topics": topics, **more})
        assert answer.status_code == (200 if more else 422)


def test_a_number_of_participants_with_thousands_of_digits_is_refused(admin: TestClient, app: FastAPI) -> None:
    path = f"/admin/studies/{opened(app).id}/participants"
    refused = admin.post(path, data={"how": "many", "count": "9" * 5000, "key": "0" * 8})
    assert refused.status_code == 422
    assert "from 1 to 1,000" in refused.text


def test_a_pasted_list_may_begin_with_a_byte_order_mark(admin: TestClient, app: FastAPI) -> None:
    path = f"/admin/studies/{opened(app).id}/participants"
    assert "Q1" in admin.post(path, data={"how": "list", "codes": "\ufeffcode\nQ1\n", "key": "0" * 8}).text


def test_a_form_that_is_refused_gets_a_page(admin: TestClient) -> None:
    gone = admin.post("/admin/participants/00000000-0000-4000-8000-000000000000/pause", data={"reason": "x"})
    assert gone.status_code == 404
    admin.post("/admin/sign-out")
    out = admin.post("/admin/studies/new", data={})
    assert out.status_code == 401
    for answer in (gone, out):
        assert answer.headers["content-type"].startswith("text/html"), answer.text
        assert 'href="/' in answer.text


def test_true_is_no_point_of_a_scale(app: FastAPI, admin: TestClient) -> None:
    [(_, token)] = invited(app, opened(app))
    person = Person(app, token)
    person.begin()
    person.until("before")
    for value in (True, False):
        assert person.try_answer(effort__control=value).status_code == 422
    for value in (1, 7.0):
        assert person.try_answer(effort__control=value).json()["stored"][0]["value"] == value
