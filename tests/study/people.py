"""A study and those who take part in it, through the public doors."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from httpx2 import Response
from starlette.testclient import TestClient

import app.study.invariants
import app.writing.invariants  # noqa: F401  (each adds its room's rules to the check)
from app.study import service
from app.study.models import Participant, Study
from app.study.types import Kind
from tests.conftest import ORIGIN, OWN_PAGE
from tests.writing.desk import ok

SHORT = Path(__file__).with_name("short.yaml").read_text("utf-8")
ANSWERS: dict[str, dict[str, Any]] = {"effort": {"demand": 40, "control": 5}, "choice": {"preferred": "spatial"}}


def opened(app: FastAPI, protocol: str = SHORT) -> Study:
    """A study that may be joined."""
    with app.state.db.write() as session:
        study = service.create(session, protocol)
        return service.open_study(session, study.id, service.freeze(app.state.studio, protocol))


def invited(app: FastAPI, study: Study, n: int = 1, kind: Kind = "person") -> list[tuple[Participant, str]]:
    with app.state.db.write() as session:
        return service.add_participants(session, study.id, [None] * n, kind=kind)


class Person:
    """Someone with a link, in a browser tab of their own. Methods fail on a refusal; with try_ they give the answer."""

    def __init__(self, app: FastAPI, token: str, client: TestClient | None = None) -> None:
        self.client = client or TestClient(app, ORIGIN, headers=OWN_PAGE, raise_server_exceptions=False)
        self.token, self.tab, self.load = token, str(uuid.uuid4()), str(uuid.uuid4())
        self.state: Any = {"number": 0}

    def post(self, path: str, body: dict[str, Any], key: str | None = None) -> Response:
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        answer: Response = self.client.post(f"/api/study/{path}", json=body, headers=headers)
        return answer

    def page(self, **more: Any) -> dict[str, Any]:
        return {"tab": self.tab, "load": self.load, "number": self.state["number"], **more}

    def begin(self) -> Any:
        ok(self.post("begin", {"token": self.token, "tab": self.tab}))
        self.state["number"] = self.look()["number"]
        return self.open()

    def look(self, **more: Any) -> Any:
        return ok(self.post("state", self.page(**more)))

    def open(self, *, take: bool = False) -> Any:
        """A document is loaded: a new one each time."""
        self.load = str(uuid.uuid4())
        self.state = ok(self.post("here", self.page(take=take)))
        return self.state

    def try_answer(self, **values: Any) -> Response:
        """`values`: INSTRUMENT__ITEM=value."""
        given = []
        for name, value in values.items():
            instrument, item = name.split("__")
            given.append({"instrument": instrument, "item": item, "value": value})
        return self.post("answers", self.page(answers=given))

    def answer_all(self, instrument: str) -> None:
        given = {f"{instrument}__{item}": value for item, value in ANSWERS[instrument].items()}
        ok(self.try_answer(**given))

    def agree(self) -> None:
        self.state = ok(self.post("consent", self.page(version="1.0", agreed=True)))

    def advance(self, **more: Any) -> Any:
        self.state = ok(self.post("advance", self.page(**more)))
        return self.open()

    def do(self) -> Any:
        """What the step asks, and on."""
        match self.state["step"]:
            case "consent":
                self.agree()
            case "before" | "after-task":
                self.answer_all("effort")
            case "preference":
                self.answer_all("choice")
        return self.advance()

    def until(self, step: str, period: int | None = None) -> Any:
        while self.state["step"] != step or (period is not None and self.state["period"] != period):
            self.do()
        return self.state

    def draft_id(self) -> str:
        """Of the step, from the page."""
        text = self.client.get("/study").text
        return text.split('data-draft="')[1].split('"')[0]
