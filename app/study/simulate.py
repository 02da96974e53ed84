"""Scripted participants: they open their link, agree, answer, write in each condition and finish, over the same HTTP
addresses that a browser uses. What they do is drawn from a seed. For piloting a protocol, for dry runs, and for tests.

What they answer means nothing: the numbers let a facilitator see what the tables and plots will look like.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import httpx2

from app.study import flow
from app.study.protocol import Protocol, Step
from app.study.questionnaires import Item
from app.study.record import OWN_PROMPTS
from app.writing.setting import Switches

TRIES = 8
"""How often a request that was refused for the moment (429, 503, 507) is sent again, under the same key."""
LOOK_SECONDS = 5.0
SENTENCES = (
    "That is easy to overlook.", "Few people expect this.", "Here the numbers matter.", "This took years to find out.",
    "It can be seen without a microscope.", "Nobody had planned it that way.", "The details are still debated.",
)  # fmt: skip
OWN_WORDS = (
    "I read the draft first and then tried a few ways to put it.", "The second text went faster than the first.",
    "I kept most of my own words.", "Sometimes I was not sure which version was better.",
)  # fmt: skip
_DRAFT = re.compile(r'data-draft="([0-9a-f-]{36})"')
_WORD = re.compile(r"\S+\s*")


class Refused(Exception):
    """A request that should have been done was not."""


@dataclass(frozen=True)
class Invited:
    """Whom to play. `arms` tells, once they have joined, what they do in each period ({condition, topic})."""

    code: str
    token: str
    arms: Callable[[], Awaitable[Sequence[Mapping[str, str]]]]


@dataclass
class Played:
    """What one of them did: `sent` events they numbered, `presses` of the model; `completion` is their code."""

    who: str
    sent: int = 0
    presses: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    receipts_ms: list[float] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    completion: str | None = None
    problem: str | None = None
    seconds: float = 0.0
    draft_ids: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    people: tuple[Played, ...]
    seconds: float

    @property
    def problems(self) -> list[str]:
        return [f"{one.who}: {one.problem}" for one in self.people if one.problem]

    def as_json(self) -> dict[str, Any]:
        receipts = sorted(ms for one in self.people for ms in one.receipts_ms)
        return {
            "participants": len(self.people),
            "finished": sum(one.completion is not None for one in self.people),
            "events_sent": sum(one.sent for one in self.people),
            "presses": sum(one.presses for one in self.people),
            "receipt_ms": {
                "n": len(receipts),
                "median": round(median(receipts), 1) if receipts else None,
                "p95": round(receipts[int(0.95 * (len(receipts) - 1))], 1) if receipts else None,
            },
            "seconds": round(self.seconds, 1),
            "problems": self.problems,
        }


async def play(
    client: Callable[[], httpx2.AsyncClient],
    people: Sequence[Invited],
    protocol: Protocol,
    *,
    seed: int = 0,
    pace: float = 0.0,
    at_once: int | None = None,
    say: Callable[[Played], object] = bool,
) -> Report:
    """Play all of them to the end. `client` makes a browser's client (a cookie jar of its own, base_url set); `pace` is
    the mean of what they think about before each action, seconds; `say` hears of each one who is through."""
    begun = time.monotonic()
    room = asyncio.Semaphore(at_once or max(1, len(people)))

    async def one(invited: Invited) -> Played:
        async with room, client() as browser:
            person = Person(browser, invited, protocol, seed, pace)
            began = time.monotonic()
            try:
                await person.run()
            except (Refused, httpx2.HTTPError, KeyError, IndexError, ValueError, TimeoutError) as error:
                person.played.problem = f"at {person.where}: {error or type(error).__name__}"
            person.played.seconds = time.monotonic() - began
            say(person.played)
            return person.played

    return Report(tuple(await asyncio.gather(*map(one, people))), time.monotonic() - begun)


class Person:
    """One scripted participant in one browser."""

    def __init__(
        self, client: httpx2.AsyncClient, invited: Invited, protocol: Protocol, seed: int, pace: float
    ) -> None:
        self.client, self.invited, self.protocol, self.pace = client, invited, protocol, pace
        self.rng = random.Random(f"{seed}/{invited.code}")  # noqa: S311
        self.mood = self.rng.gauss(0, 1)
        """Whether this person tends to the high or the low end of scales."""
        self.played = Played(invited.code)
        self.tab = self.uuid()
        self.load = ""
        self.state: dict[str, Any] = {"number": 0, "state": "invited", "step": "", "kind": ""}
        self.recorders: dict[str, int] = {}
        self.recorder = ""
        self.waiting: list[dict[str, Any]] = []
        self.arms: Sequence[Mapping[str, str]] = ()
        self.looked = 0.0

    @property
    def where(self) -> str:
        return str(self.state.get("step") or "the link")

    def uuid(self) -> str:
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    # ── the way through ──

    async def run(self) -> None:
        """Raises Refused."""
        await self.page(f"/s/{self.invited.token}")
        await self.post("/api/study/begin", {"token": self.invited.token, "tab": self.tab})
        self.arms = await self.invited.arms()
        await self.open()
        while self.state["kind"] != "debrief":
            await self.think()
            await self.do()
            await self.flush()
            number = self.state["number"]
            self.state = await self.post("/api/study/advance", {**self.here(), "recorders": self.recorders})
            if self.state["number"] == number:
                raise Refused(f"the step after {self.where} did not come")
            await self.open()
        await self.flush()
        done = await self.post("/api/study/finish", {**self.here(), "recorders": self.recorders})
        self.played.completion = done["code"]
        self.played.sent = sum(self.recorders.values())

    async def open(self) -> None:
        """Load the page of the step; a page that is loaded has a recorder of its own."""
        await self.flush()
        self.load = self.uuid()
        self.recorder = self.uuid()
        shown = self.state["number"]
        self.state = await self.post("/api/study/here", self.here())
        if self.state["number"] != shown:  # only a page of the step they are at opens it
            self.state = await self.post("/api/study/here", self.here())
        self.played.steps.append(self.state["step"])

    def here(self) -> dict[str, Any]:
        return {"tab": self.tab, "load": self.load, "number": self.state["number"]}

    async def do(self) -> None:
        step = self.protocol.step(self.state["step"])
        html = await self.page("/study")
        match step.kind:
            case "consent":
                given = {"version": self.protocol.consent.version, "agreed": True}
                self.state = await self.post("/api/study/consent", {**self.here(), **given})
            case "form":
                await self.answer(step)
            case "interview":
                written = {"instrument": flow.INTERVIEW.id, "item": flow.INTERVIEW.items[0].id}
                words = " ".join(self.rng.sample(OWN_WORDS, 2))
                await self.post("/api/study/answers", {**self.here(), "answers": [{**written, "value": words}]})
            case "practice" | "task":
                found = _DRAFT.search(html)
                if found is None:
                    raise Refused("the page of the step has no draft")
                self.played.draft_ids.append(found[1])
                await Writing(self, found[1], self.condition.switches, short=step.kind == "practice").run()
            case _:
                pass

    @property
    def condition(self) -> Any:
        return self.protocol.condition(self.arms[self.state["period"] - 1]["condition"])

    # ── questionnaires ──

    async def answer(self, step: Step) -> None:
        for instrument in self.protocol.asked(step, self.condition.id if self.state["period"] else None):
            given = [
                {"instrument": instrument.id, "item": item.id, "value": value}
                for item in instrument.items
                if (value := self.value(item)) is not None
            ]
            for start in range(0, len(given), 20):
                await self.think()
                await self.post("/api/study/answers", {**self.here(), "answers": given[start : start + 20]})

    def value(self, item: Item) -> Any:
        rng = self.rng
        if not item.required and rng.random() < 0.3:
            return None
        match item.kind:
            case "scale" | "likert" | "number":
                spatial = self.state["period"] is not None and self.condition.base == "spatial"
                towards = 0.5 + 0.12 * self.mood + (0.08 if spatial else 0.0) + rng.gauss(0, 0.15)
                share = min(1.0, max(0.0, 1 - towards if item.reversed else towards))
                steps = round(share * (item.high - item.low) / item.step)
                value = min(item.high, item.low + steps * item.step)
                return int(value) if float(value).is_integer() else value
            case "choice":
                return rng.choice(item.options).value
            case "choices":
                return [option.value for option in item.options if rng.random() < 0.5]
            case "condition":
                likes = [arm["condition"] for arm in self.arms]
                first = [c for c in likes if self.protocol.condition(c).base == "spatial"]
                return rng.choice(first if first and rng.random() < 0.6 else likes)
            case _:
                return rng.choice(OWN_WORDS)

    # ── HTTP ──

    async def think(self) -> None:
        """And tell now and then that the page is open, as it does by itself."""
        if self.pace:
            await asyncio.sleep(self.rng.expovariate(1 / self.pace))
            if self.load and time.monotonic() - self.looked > LOOK_SECONDS:
                self.looked = time.monotonic()
                await self.post("/api/study/state", {**self.here(), "recorders": self.recorders})

    async def page(self, path: str) -> str:
        response = await self.client.get(path, headers={"Accept": "text/html"})
        if response.status_code != 200:
            raise Refused(f"the page {path.partition('/s/')[0] or '/s/…'} answered {response.status_code}")
        return response.text

    async def get(self, path: str) -> Any:
        return await self._send("GET", path, None)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return await self._send("POST", path, body)

    async def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        """Sent again under the same key while the server can't take it. Raises Refused."""
        headers = {"Idempotency-Key": self.uuid()} if body is not None else {}
        for attempt in range(TRIES):
            response = await self.client.request(method, path, json=body, headers=headers)
            if response.status_code not in (429, 503, 507) and not (
                response.status_code == 409 and response.json().get("code") == "events-missing"
            ):
                break
            await asyncio.sleep(min(5.0, 0.2 * 2**attempt))
        if response.status_code >= 400:
            told = response.json()
            raise Refused(f"{path}: {response.status_code} {told.get('code', '')} {told.get('detail', '')}".strip())
        return response.json() if response.content else None

    async def stream(self, path: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Server-sent events. Raises Refused."""
        async with self.client.stream("GET", path, headers={"Accept": "text/event-stream"}) as response:
            if response.status_code != 200:
                await response.aread()
                raise Refused(f"{path}: {response.status_code} {response.json().get('detail', '')}")
            name, data = "", ""
            async for line in response.aiter_lines():
                if line.startswith("event:"):
                    name = line[6:].strip()
                elif line.startswith("data:"):
                    data += line[5:].strip()
                elif not line and data:
                    yield name, json.loads(data)
                    name, data = "", ""

    # ── what the browser notes ──

    def note(self, kind: str, **payload: Any) -> None:
        number = self.recorders.get(self.recorder, 0) + 1
        self.recorders[self.recorder] = number
        self.played.actions[kind] += 1
        self.waiting.append({"type": kind, "seq": number, "client_ms": time.time_ns() // 1_000_000, **payload})

    async def flush(self) -> None:
        while self.waiting:
            batch, self.waiting = self.waiting[:200], self.waiting[200:]
            begun = time.monotonic()
            acked = await self.post("/api/events", {"recorder": self.recorder, "events": batch})
            self.played.receipts_ms.append(1000 * (time.monotonic() - begun))
            if acked["acked"] != batch[-1]["seq"]:
                raise Refused(f"{batch[-1]['seq']} events were sent and {acked['acked']} are kept")


class Writing:
    """What one person does at one desk."""

    def __init__(self, person: Person, draft_id: str, switches: Switches, *, short: bool) -> None:
        self.person, self.draft_id, self.switches, self.short = person, draft_id, switches, short
        self.rng = person.rng
        self.heads: dict[str, str] = {}
        self.texts: dict[str, str] = {}

    async def run(self) -> None:
        person = self.person
        await self.look()
        if self.switches.canvas:
            await person.post(f"/api/drafts/{self.draft_id}/place", {"paragraph_ids": list(self.heads)})
            self.note("canvas.zoomed", range=[20.0, 80.0, 20.0, 80.0])
        presses = 1 if self.short else self.rng.randint(2, 4)
        for turn in range(presses):
            paragraph = self.rng.choice(list(self.heads))
            await person.think()
            if turn == 0 or self.rng.random() < 0.5:
                await self.type(paragraph)
            await person.think()
            await self.press(paragraph)
            if self.rng.random() < 0.3:
                self.note("focus.lost")
                self.note("focus.gained")
        if self.switches.muse and not self.short:
            await self.ask_muse()
        if not self.short and self.rng.random() < 0.4:
            await self.undo_and_redo()
        await self.type(self.rng.choice(list(self.heads)))
        await person.flush()

    def note(self, kind: str, **payload: Any) -> None:
        self.person.note(kind, draft_id=self.draft_id, **payload)

    async def look(self) -> dict[str, Any]:
        draft: dict[str, Any] = await self.person.get(f"/api/drafts/{self.draft_id}")
        versions = {version["id"]: version for version in draft["versions"]}
        here = [p for p in draft["paragraphs"] if p["head"] and not p["removed"]]
        self.heads = {p["id"]: p["head"] for p in here}
        self.texts = {i: versions[head]["text"] for i, head in self.heads.items()}
        return draft

    async def type(self, paragraph: str) -> None:
        """A sentence at the end, word by word, then it is saved."""
        text = self.texts[paragraph]
        if self.rng.random() < 0.15:
            self.note("paste", chars=5)
        for word in _WORD.findall(f" {self.rng.choice(SENTENCES)}"):
            self.note("text.edit", paragraph_id=paragraph, at=_units(text), removed="", inserted=word)
            text += word
        await self.person.flush()
        edit = {"paragraph_id": paragraph, "base": self.heads[paragraph], "text": text}
        await self.person.post(f"/api/drafts/{self.draft_id}/save", {"edits": [edit]})
        await self.look()

    async def press(self, paragraph: str) -> None:
        """Ask for versions, look at them, and decide."""
        person, head = self.person, self.heads[paragraph]
        if self.switches.labels:
            label, prompt = await self.label(), None
            self.note("label.pressed", label=label)
        else:
            label, prompt = "own-prompt", self.rng.choice(OWN_PROMPTS)
        body = {"version_id": head, "label": label, **({"prompt": prompt} if prompt else {})}
        made = await self.generate(body)
        if not made:
            return
        for version in made:
            self.note("node.opened", version_id=version)
            if self.rng.random() < 0.5:
                self.note("node.hovered", version_id=version, ms=self.rng.randint(200, 4000))
        await person.think()
        if len(made) > 1 and self.rng.random() < 0.4 and self.switches.labels:
            self.note("versions.compared", versions=made[:2])
        if len(made) > 1 and self.rng.random() < 0.5 and self.switches.canvas:
            await self.combine(made[0], made[1])
        if self.rng.random() < 0.7:
            await person.post(f"/api/versions/{made[0]}/confirm", {"base": head})
            if len(made) > 1 and self.rng.random() < 0.5:
                await person.post(f"/api/versions/{made[-1]}/discard", {})
        if self.switches.canvas and self.rng.random() < 0.5:
            self.note("canvas.panned", range=[30.0, 70.0, 30.0, 70.0])
        if self.rng.random() < 0.2:
            self.note("copy", chars=self.rng.randint(10, 200))
        await person.flush()
        await self.look()

    async def combine(self, one: str, other: str) -> None:
        """A person who is told that nothing lies between the two goes on, too."""
        try:
            await self.generate({"version_id": one, "other_version_id": other, "mix": 0.5})
        except Refused as refused:
            if " nothing-between " not in f"{refused} ":
                raise

    async def label(self) -> str:
        groups = (await self.person.get("/api/labels"))["groups"]
        known: list[str] = [label["id"] for group in groups if group["id"] != "any" for label in group["labels"]]
        return self.rng.choice(known)

    async def generate(self, body: Mapping[str, Any]) -> list[str]:
        """Ids of the versions that came, best first; none where the model wrote nothing usable."""
        person = self.person
        asked = await person.post("/api/generations", body)
        person.played.presses += 1
        for attempt in range(TRIES):
            try:
                return await self.read(asked["id"])
            except Refused as refused:
                if " 503 " not in f"{refused} " or attempt == TRIES - 1:
                    raise
                await asyncio.sleep(1.0)
        return []

    async def read(self, generation_id: str) -> list[str]:
        async for name, told in self.person.stream(f"/api/generations/{generation_id}/stream"):
            if name == "done":
                return list(told["ranking"])
            if name == "error" and told["problem"].get("code") != "nothing-usable":
                raise Refused(f"the model: {told['problem'].get('detail', 'an error')}")
            if name in ("error", "cancelled"):
                return []
        return []

    async def ask_muse(self) -> None:
        self.note("muse.opened")
        cards = []
        async for name, told in self.person.stream(f"/api/drafts/{self.draft_id}/muse/stream"):
            if name == "card":
                cards.append(told["card"]["id"])
        for card in cards:
            answer = self.rng.choice(("applied", "not-now", "not-now", "never"))
            await self.person.post(f"/api/muse/cards/{card}/{answer}", {})

    async def undo_and_redo(self) -> None:
        last = (await self.look())["steps"]["undo"]
        if last is not None:
            undone = await self.person.post(f"/api/drafts/{self.draft_id}/undo", {"step": last["id"]})
            again = undone["steps"]["redo"]
            await self.person.post(f"/api/drafts/{self.draft_id}/redo", {"step": again["id"]})
            await self.look()


def _units(text: str) -> int:
    """Length in UTF-16 code units, as browsers count."""
    return len(text.encode("utf-16-le")) // 2
