"""What tests do over and over, through the public door."""

from __future__ import annotations

import json
import uuid
from typing import Any

from httpx2 import Response
from starlette.testclient import TestClient

LABEL = "use-analogy"
TEXT = "Cells divide. They age.\n\nTelomeres shorten by 70 bp."
Told = list[tuple[str, dict[str, Any]]]


class Desk:
    """A draft of one writer. Methods give the answer's JSON and fail on a refusal."""

    def __init__(
        self, client: TestClient, text: str = "Cells divide. They age.\n\nTelomeres shorten by 70 bp."
    ) -> None:
        self.client = client
        self.id: str = ok(client.post("/api/drafts", json={"title": "A draft", "text": text}), 201)["id"]

    def draft(self) -> Any:
        return ok(self.client.get(f"/api/drafts/{self.id}"))

    def paragraphs(self) -> list[Any]:
        return [p for p in self.draft()["paragraphs"] if not p["removed"]]

    def texts(self) -> list[str]:
        draft = self.draft()
        texts = {version["id"]: version["text"] for version in draft["versions"]}
        return [texts[p["head"]] for p in draft["paragraphs"] if not p["removed"]]

    def version(self, version_id: str) -> Any:
        return next(version for version in self.draft()["versions"] if version["id"] == version_id)

    def try_save(self, *edits: dict[str, Any], **more: Any) -> Response:
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        answer: Response = self.client.post(
            f"/api/drafts/{self.id}/save", json={"edits": edits, **more}, headers=headers
        )
        return answer

    def save(self, *edits: dict[str, Any], **more: Any) -> Any:
        return ok(self.try_save(*edits, **more))

    def type(self, paragraph: dict[str, Any], text: str) -> Any:
        """Gives the new version."""
        answer = self.save({"paragraph_id": paragraph["id"], "base": paragraph["head"], "text": text})
        return answer["versions"][0]

    def move(self, paragraph: dict[str, Any], after: str | None) -> Any:
        """The paragraph behind another, or first."""
        text = self.version(paragraph["head"])["text"]
        return self.save({"paragraph_id": paragraph["id"], "base": paragraph["head"], "text": text, "after": after})

    def ask(self, version_id: str, **more: Any) -> Any:
        body = {"version_id": version_id, "label": LABEL, **more}
        return ok(self.client.post("/api/generations", json=body), 201)

    def run(self, generation_id: str) -> Told:
        return told(self.client.get(f"/api/generations/{generation_id}/stream"))

    def revise(self, version_id: str, **more: Any) -> Told:
        return self.run(self.ask(version_id, **more)["id"])

    def try_step(self, verb: str, step: str) -> Response:
        """`verb`: undo or redo."""
        answer: Response = self.client.post(f"/api/drafts/{self.id}/{verb}", json={"step": step})
        return answer

    def all_steps(self, verb: str) -> list[str]:
        """Undo or redo as long as there is something; the kinds of what was done."""
        kinds = []
        step = self.draft()["steps"][verb]
        while step:
            answer = ok(self.try_step(verb, step["id"]))
            assert answer["step"]["id"] == step["id"]
            kinds.append(step["kind"])
            step = answer["steps"][verb]
        return kinds


def ok(answer: Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text[:1000]
    return answer.json() if answer.content else None


def refused(answer: Response, status: int, code: str) -> Any:
    """The problem document, after a look at what every refusal owes a person."""
    assert answer.status_code == status, answer.text[:1000]
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["detail"].endswith((".", "?", "!"))
    return problem


def told(answer: Response) -> Told:
    """Server-sent events as (name, data)."""
    assert answer.status_code == 200, answer.text[:1000]
    events = []
    for block in answer.text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and line[0] != ":")
        if "event" in lines:
            events.append((lines["event"], json.loads(lines["data"])))
    return events


def log(client: TestClient, kind: str) -> list[Any]:
    """What the log has of one kind, in order."""
    from sqlalchemy import select

    from app.writing.models import LoggedEvent

    with client.app.state.db.read() as session:  # type: ignore[attr-defined]
        found = session.scalars(select(LoggedEvent).where(LoggedEvent.type == kind).order_by(LoggedEvent.id))
        return [(event.version_id, event.payload) for event in found]
