"""Writers who work on a server that may die under them, and remember exactly what it told them is done."""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.reliability.server import Server

WORDS = [
    "telomere",
    "light",
    "12",
    "km",
    "5 %",
    "شمس",
    "שלום",
    "👩‍🔬",
    "“quoted”",
    "<b>bold</b>",
    "it's",
    "naïve,",
    "Perhaps!",
]


@dataclass
class Ledger:
    """What one writer was told is stored. Only what was answered with success gets in."""

    texts: dict[str, tuple[int, str]] = field(default_factory=dict)  # version → number, text
    statuses: dict[str, str] = field(default_factory=dict)  # version → the status last acknowledged
    events: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    heads: dict[str, str] = field(default_factory=dict)  # paragraph → version last acknowledged as its head
    troubles: list[str] = field(default_factory=list)


class Gate:
    """Shut while the server is down. Counts who waits, so that the killer knows when all have noticed."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.open, self.waiting = True, 0

    def shut(self) -> None:
        with self.condition:
            self.open = False

    def let_through(self) -> None:
        with self.condition:
            self.open = True
            self.condition.notify_all()

    def wait(self) -> None:
        with self.condition:
            self.waiting += 1
            self.condition.notify_all()
            self.condition.wait_for(lambda: self.open)
            self.waiting -= 1

    def until_waiting(self, number: int, within: float) -> None:
        with self.condition:
            if not self.condition.wait_for(lambda: self.waiting >= number, within):
                raise AssertionError(
                    f"Only {self.waiting} of {number} writers noticed the server's death in {within} s"
                )


def checked(rng: random.Random, length: int = 30) -> str:
    """A text that carries its own checksum, so that half of one shows."""
    body = " ".join(rng.choice(WORDS) for _ in range(rng.randrange(3, length)))
    return f"{body} #{hashlib.sha256(body.encode()).hexdigest()[:16]}"


def is_whole(text: str) -> bool:
    body, mark, digest = text.rpartition(" #")
    return bool(mark) and hashlib.sha256(body.encode()).hexdigest()[:16] == digest


def stream(client: httpx2.Client, generation: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The server-sent events of a generation. Raises httpx2.TransportError where it breaks off."""
    with client.stream("GET", f"/api/generations/{generation}/stream") as answer:
        if answer.status_code != 200:
            answer.read()
            yield "refused", {"status": answer.status_code, **answer.json()}
            return
        name = "message"
        for line in answer.iter_lines():
            if line.startswith("event:"):
                name = line[6:].strip()
            elif line.startswith("data:"):
                yield name, json.loads(line[5:])


class Writer(threading.Thread):
    """Saves, logs, generates, confirms and discards in seeded order until told to stop."""

    def __init__(self, server: Server, gate: Gate, seed: int, *, generations: bool = True) -> None:
        super().__init__(daemon=True, name=f"writer-{seed}")
        self.server, self.gate, self.rng = server, gate, random.Random(seed)
        self.generations = generations
        self.ledger = Ledger()
        self.stopped = threading.Event()
        self.client = server.client()
        self.recorder, self.seq = str(uuid.UUID(int=self.rng.getrandbits(128), version=4)), 0
        self.draft, self.label = "", ""
        self.done = 0

    def run(self) -> None:
        try:
            self.prepare()
            while not self.stopped.is_set():
                acts = [self.save, self.save, self.save, self.log, self.log]
                self.rng.choice([*acts, self.generate] if self.generations else acts)()
        except Exception as problem:  # told to the test, which has the ledger
            if not self.stopped.is_set():
                self.ledger.troubles.append(f"{self.name}: {problem!r}")
        finally:
            self.client.close()
            with self.gate.condition:  # a writer who gave up must not be waited for
                self.gate.waiting += 1
                self.gate.condition.notify_all()

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx2.Response:
        """Sent again with the same key, across deaths, until there is an answer."""
        headers = {"Idempotency-Key": str(uuid.UUID(int=self.rng.getrandbits(128), version=4))}
        while True:
            try:
                answer = self.client.request(method, path, json=body, headers=headers)
            except httpx2.TransportError:
                if self.stopped.is_set():
                    raise
                time.sleep(0.05)
                self.gate.wait()
                continue
            self.done += 1
            return answer

    def told(self, answer: httpx2.Response, *expected: int) -> dict[str, Any] | None:
        if answer.status_code in expected:
            return dict(answer.json())
        request = answer.request
        self.ledger.troubles.append(f"{request.method} {request.url.path}: {answer.status_code} {answer.text[:300]}")
        return None

    def prepare(self) -> None:
        self.call("GET", "/")  # the cookie
        text = "\n\n".join(checked(self.rng) for _ in range(3))
        draft = self.told(self.call("POST", "/api/drafts", {"title": self.name, "text": text}), 201)
        assert draft
        self.draft = draft["id"]
        self.remember(draft["versions"])
        self.ledger.heads |= {paragraph["id"]: paragraph["head"] for paragraph in draft["paragraphs"]}
        labels = self.call("GET", "/api/labels").json()
        usable = [one["id"] for group in labels["groups"] if group["id"] != "any" for one in group["labels"]]
        self.label = self.rng.choice(usable)

    def remember(self, versions: list[dict[str, Any]]) -> None:
        for version in versions:
            self.ledger.texts[version["id"]] = (version["number"], version["text"])
            self.ledger.statuses[version["id"]] = version["status"]

    def save(self) -> None:
        heads = self.ledger.heads
        chosen = self.rng.sample(sorted(heads), self.rng.randrange(1, min(3, len(heads)) + 1))
        edits: list[dict[str, Any]] = [{"paragraph_id": p, "base": heads[p], "text": checked(self.rng)} for p in chosen]
        if len(heads) < 8 and self.rng.random() < 0.1:
            fresh = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
            edits.append({"paragraph_id": fresh, "base": None, "text": checked(self.rng), "after": chosen[0]})
        answer = self.told(self.call("POST", f"/api/drafts/{self.draft}/save", {"edits": edits}), 200)
        if answer:
            written = {edit["paragraph_id"]: edit["text"] for edit in edits}
            self.remember(answer["versions"])
            texts = {version["id"]: version["text"] for version in answer["versions"]}
            for paragraph in answer["paragraphs"]:
                if paragraph["id"] in written:
                    heads[paragraph["id"]] = paragraph["head"]
                    if texts.get(paragraph["head"]) != written.pop(paragraph["id"]):
                        self.ledger.troubles.append(f"{paragraph['id']}: another text than was sent came back")
            if written:
                self.ledger.troubles.append(f"saved, but nothing is said of {sorted(written)}")

    def log(self) -> None:
        events = []
        for _ in range(self.rng.randrange(1, 6)):
            self.seq += 1
            inserted = checked(self.rng, 8)
            events.append(
                {"seq": self.seq, "client_ms": self.seq * 10, "type": "text.edit", "draft_id": self.draft,
                 "paragraph_id": self.rng.choice(sorted(self.ledger.heads)),
                 "at": 0, "removed": "", "inserted": inserted}
            )  # fmt: skip
        answer = self.told(self.call("POST", "/api/events", {"recorder": self.recorder, "events": events}), 200)
        if answer:
            if answer["acked"] != self.seq:
                self.ledger.troubles.append(f"acked {answer['acked']}, sent up to {self.seq}")
            first = self.seq - len(events) + 1
            self.ledger.events |= {(self.recorder, first + n): event for n, event in enumerate(events)}

    def generate(self) -> None:
        paragraph = self.rng.choice(sorted(self.ledger.heads))
        body = {"version_id": self.ledger.heads[paragraph], "label": self.label}
        answer = self.call("POST", "/api/generations", body)
        if answer.status_code == 503:  # the queue is full
            return
        generation = self.told(answer, 201)
        if not generation:
            return
        made: list[str] = []
        try:
            for name, data in stream(self.client, generation["id"]):
                if name == "version":
                    self.remember([data["version"]])
                    made.append(data["version"]["id"])
                elif name == "error":
                    self.ledger.troubles.append(f"generation: {data['problem']}")
        except httpx2.TransportError:
            return
        if made:
            self.judge(paragraph, made)

    def judge(self, paragraph: str, made: list[str]) -> None:
        best, *others = made
        if others:
            answer = self.told(self.call("POST", f"/api/versions/{others[0]}/discard", {}), 200)
            if answer:
                self.ledger.statuses[others[0]] = "discarded"
        body = {"base": self.ledger.heads[paragraph]}
        answer = self.told(self.call("POST", f"/api/versions/{best}/confirm", body), 200)
        if answer:
            self.ledger.statuses[best] = "confirmed"
            self.ledger.heads[paragraph] = best
            self.remember([answer["version"]])


def missing(server: Server, ledgers: list[Ledger], *, heads: bool = False) -> list[str]:
    """Each acknowledged thing that the database doesn't hold exactly, and each text that is not whole."""
    versions = {row.id: row for row in server.rows("select id, number, text, status, operation from version")}
    events = {
        (row.recorder, row.seq): row
        for row in server.rows("select recorder, seq, type, client_ms, payload from event where recorder is not null")
    }
    found: list[str] = []
    for ledger in ledgers:
        for version, (number, text) in ledger.texts.items():
            row = versions.get(version)
            if row is None or (row.number, row.text) != (number, text):
                found.append(
                    f"version {version} ({number}): {'not there' if row is None else 'another text or number'}"
                )
            elif ledger.statuses[version] == "confirmed" and row.status != "confirmed":
                found.append(f"version {version}: {row.status}, was acknowledged as confirmed")
        for key, event in ledger.events.items():
            row = events.get(key)
            stored = (json.loads(row.payload) if isinstance(row.payload, str) else row.payload) if row else {}
            if not row or row.client_ms != event["client_ms"] or stored.get("inserted") != event["inserted"]:
                found.append(f"event {key}: {'not there' if row is None else 'not as it was sent'}")
        if heads:
            now = {row.id: row.head_version_id for row in server.rows("select id, head_version_id from paragraph")}
            found += [f"paragraph {p}: another head" for p, head in ledger.heads.items() if now.get(p) != head]
    typed = [row for row in versions.values() if row.operation in {"import", "manual"} and " #" in row.text]
    return found + [f"version {row.id}: half a text" for row in typed if not is_whole(row.text)]
