"""Muse: a digest that cites what exists, cards that pass, answers that hold."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

import app.writing.invariants  # noqa: F401  (adds its rules to the check)
from app.db.check import check
from app.llm.types import Chunk, Draw, Prompt
from app.settings import Settings
from app.writing import questions
from app.writing.digest import Aim, History, Item, Seen, digest
from app.writing.landing import Point, Region
from app.writing.strategies import load_book
from tests.conftest import ORIGIN, OWN_PAGE
from tests.scripted import Fault, ScriptedEngine, ScriptedMeaning, scripted_app
from tests.writing.desk import Desk, Told, log, ok, refused, told

LABELS = load_book().labels
TEXT = (
    "Telomeres cap the ends of chromosomes in 46 places.\n\nIn 1985 Carol Greider described the enzyme telomerase.\n\n"
    "Cells stop dividing when their telomeres are short."
)


def seen(
    id: str, number: int, paragraph: str = "p", *parents: str, at: tuple[float, float] | None = None, **more: Any
) -> Seen:
    values = {"operation": "import", "label": None, "status": "written", "text": f"Text {id}.", **more}
    return Seen(
        id=id, number=number, paragraph_id=paragraph, parents=parents, point=Point(*at) if at else None, **values
    )


def history(*versions: Seen, heads: dict[str, str], aim: Aim | None = None) -> History:
    return History(heads, {v.id: v for v in versions}, [x for x in LABELS if x.group != "any"], aim)


def of_kind(found: History, kind: str) -> list[Item]:
    return [item for item in digest(found) if item.kind == kind]


# ── the digest ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_empty_history_says_nothing() -> None:
    assert digest(history(heads={})) == []


def test_labels_used_and_unused() -> None:
    found = history(
        seen("a", 1, at=(50, 50)),
        seen("b", 2, "p", "a", at=(52, 50), label="use-analogy", status="proposed", operation="label"),
        heads={"p": "a"},
    )
    assert of_kind(found, "used")[0].text == "Labels used so far: “Use an Analogy” (1 version)."
    unused = of_kind(found, "unused")
    assert [item.topic for item in unused] == ["unused:engagement", "unused:exposition"]
    assert unused[0].action == {"kind": "label", "label": "captivate", "version_id": "a"}
    assert of_kind(history(seen("a", 1), heads={"p": "a"}), "unused") == [], "nothing was used yet"


@pytest.mark.parametrize(
    ("places", "turned"),
    [
        ([50, 56, 50], True),
        ([50, 44, 50, 44], True),
        ([50, 56, 54], False),
        ([50, 50.5, 50], False),
        ([50, 53, 56, 59], False),
        ([50], False),
        ([], False),
    ],
)
def test_going_back_and_forth(places: list[float], turned: bool) -> None:
    versions = [seen(str(i), i + 1, "p", *([str(i - 1)] if i else []), at=(x, 50)) for i, x in enumerate(places)]
    found = history(*versions, heads={"p": versions[-1].id} if versions else {})
    items = of_kind(found, "oscillation")
    assert bool(items) == turned
    if turned:
        assert items[0].topic == "oscillation:p"
        assert "more and less gripping" in items[0].text


def test_what_waits_and_what_was_decided() -> None:
    new = {"status": "proposed", "operation": "label", "label": "use-analogy"}
    decided = {**new, "generation_id": "g1"}
    waiting = {**new, "generation_id": "g2"}
    found = history(
        seen("a", 1),
        seen("b", 2, "p", "a", **{**decided, "status": "confirmed"}),
        seen("c", 3, "p", "a", **decided),
        seen("d", 4, "p", "b", **waiting),
        seen("e", 5, "p", "b", **waiting),
        heads={"p": "b"},
    )
    item = of_kind(found, "unreviewed")[0]
    assert (item.cites, item.action) == (("d", "e"), {"kind": "compare", "versions": ["d", "e"]})
    assert item.text == "Paragraph 1 has 2 new versions that you neither confirmed nor discarded."


def test_facts_that_the_original_had() -> None:
    found = history(
        seen("a", 1, text="In 1985 Carol Greider found 12 km of it."),
        seen("b", 2, "p", "a", text="Somebody found it."),
        heads={"p": "b"},
    )
    item = of_kind(found, "facts")[0]
    assert item.cites == ("a", "b")
    assert all(f"“{fact}”" in item.text for fact in ("12 km", "1985", "Carol Greider"))


def test_the_way_to_the_goal() -> None:
    aim = Aim("g", "Students", Region((45, 55), (55, 65)))
    found = history(seen("a", 1, at=(50, 60)), seen("b", 2, "q", at=(50, 40)), heads={"p": "a", "q": "b"}, aim=aim)
    item = of_kind(found, "goal")[0]
    assert item.text == (
        "The draft as a whole is outside the goal “Students”: it needs more exposition. Paragraph 2 is farthest from "
        "it and needs more exposition."
    )
    assert item.action == {"kind": "label", "label": "enhance-understanding", "version_id": "b"}
    inside = history(seen("a", 1, at=(50, 60)), heads={"p": "a"}, aim=aim)
    assert of_kind(inside, "goal")[0].text == "The draft as a whole is inside the goal “Students”."
    assert of_kind(inside, "goal")[0].about is None, "there is nothing to ask then"


# ── what passes as a question ──────────────────────────────────────────────────────────────────────────────────────

PASSAGE = "Telomeres cap the ends of chromosomes and shorten by 70 base pairs."
OPENING = Prompt(
    questions.draws(
        Item("t", "unreviewed", "Paragraph 1 has 2 new versions.", ("a",), None, "a"),
        history(seen("a", 1, text=PASSAGE), heads={"p": "a"}),
        0,
    )[0].prompt.messages,
    "Could paragraph 1 begin with the moment when",
)


@pytest.mark.parametrize(
    ("added", "reason"),
    [
        ("a chromosome loses its cap?", None),
        ("they have shortened by 70 base pairs?", None),
        ("a chromosome loses its cap.", "form"),
        ("a chromosome loses its cap", "run-on"),
        ("the?", "run-on"),
        ("it shows why are the chromosomes shorter?", "grammar"),
        ("it divides? Or does a chromosome lose it?", "form"),
        ("divides?", "length"),
        ("a <b>chromosome</b> loses it?", "markup"),
        ("the text asks for a question?", "leak"),
        ("ends ends of chromosomes?", "repeats"),
        ("“caps” come off chromosomes?", "quotes"),
        ("they lose 300 base pairs?", "invented"),
        ("Elizabeth Blackburn looked at chromosomes?", "invented"),
        ("macrophages clear germs away?", "echo"),
    ],
)
def test_what_does_not_pass_is_named(added: str, reason: str | None) -> None:
    text = f"{OPENING.prefill} {added}"
    assert questions.unusable(text, OPENING, "Paragraph 1 has 2 new versions.", [PASSAGE], "stop") == reason


def test_every_kind_that_is_asked_about_has_its_prompts() -> None:
    kinds = set(questions.load_prompts().kinds)
    assert {f"unused-{g}" for g in ("engagement", "exposition", "bridge")} <= kinds
    assert {f"goal-{n}{a}" for n in ("", "less-") for a in ("engagement", "exposition")} <= kinds


# ── through the door ───────────────────────────────────────────────────────────────────────────────────────────────


def look(desk: Desk) -> Told:
    return told(desk.client.get(f"/api/drafts/{desk.id}/muse/stream"))


def cards_of(events: Told) -> list[Any]:
    return [data["card"] for name, data in events if name == "card"]


def live(desk: Desk, rng: random.Random, steps: int = 6) -> None:
    """A writer's hour in short: whatever comes to mind."""
    client = desk.client
    ids = [p["id"] for p in desk.paragraphs()]
    ok(client.post(f"/api/drafts/{desk.id}/place", json={"paragraph_ids": ids}))
    if rng.random() < 0.5:
        goal = {"audience": "Students", "engagement": [60, 70], "exposition": [60, 70]}
        ok(client.post(f"/api/drafts/{desk.id}/goals", json=goal), 201)
    for _ in range(steps):
        paragraph = rng.choice(desk.paragraphs())
        own = [v for v in desk.draft()["versions"] if v["paragraph_id"] == paragraph["id"]]
        version = rng.choice(own)
        deed = rng.choice(["press", "press", "confirm", "discard", "type", "hand"])
        if deed == "press":
            desk.revise(version["id"], label=rng.choice([x.id for x in LABELS if x.group != "any"]), n=2)
        elif deed == "type":
            desk.type(paragraph, f"{rng.choice(own)['text']} And so it goes, {rng.randint(0, 99)} times.")
        elif deed == "hand":
            client.post(f"/api/versions/{version['id']}/edits", json={"text": f"{version['text']} By hand."})
        else:
            client.post(f"/api/versions/{version['id']}/{deed}", json={"base": paragraph["head"]})


@pytest.fixture
def lived(client: TestClient) -> Desk:
    desk = Desk(client, TEXT)
    live(desk, random.Random(3))
    return desk


def test_citations_exist_over_random_histories(app: FastAPI, client: TestClient) -> None:
    shown = items = 0
    for seed in range(4):
        desk = Desk(client, TEXT)
        live(desk, random.Random(seed))
        events = look(desk)
        digest_items = events[0][1]["items"]
        assert digest_items == ok(client.get(f"/api/drafts/{desk.id}/muse/digest"))["items"]
        known = {version["id"] for version in desk.draft()["versions"]}
        for it in (*digest_items, *cards_of(events)):
            assert it["cites"]
            assert set(it["cites"]) <= known
            action = it["action"] or {}
            assert (
                {action["version_id"]} <= known if "version_id" in action else set(action.get("versions", ())) <= known
            )
        assert [name for name, _ in events[:1]] == ["digest"]
        assert events[-1][0] == "done"
        assert len(cards_of(events)) <= 3
        items, shown = items + len(digest_items), shown + len(cards_of(events))
    assert items > 12
    assert shown > 4
    assert check(app.state.db) == []


def test_nothing_happens_before_it_is_asked(client: TestClient, lived: Desk) -> None:
    ok(client.get(f"/api/drafts/{lived.id}/muse/digest"))
    assert log(client, "muse.shown") == []
    cards = cards_of(look(lived))
    payload = log(client, "muse.shown")[0][1]
    assert payload["cards"] == [card["id"] for card in cards]
    assert payload["topics"] == [card["topic"] for card in cards]


def test_an_open_card_stays_and_is_not_written_again(client: TestClient, lived: Desk) -> None:
    first, second = cards_of(look(lived)), cards_of(look(lived))
    assert first
    assert [card["id"] for card in second[: len(first)]] == [card["id"] for card in first]


def test_never_is_never(client: TestClient, lived: Desk) -> None:
    rng = random.Random(5)
    never: set[str] = set()
    for _ in range(4):
        cards = cards_of(look(lived))
        assert not never & {card["topic"] for card in cards}
        for card in cards:
            answered = ok(client.post(f"/api/muse/cards/{card['id']}/never"))
            assert answered["status"] == "never"
            never.add(card["topic"])
        live(lived, rng, 2)
    assert never
    assert {payload["answer"] for _, payload in log(client, "muse.answered")} == {"never"}
    card = cards[0]["id"] if cards else None
    if card:
        refused(client.post(f"/api/muse/cards/{card}/applied"), 409, "never")


def test_several_presses_at_once_make_no_twins(client: TestClient, lived: Desk) -> None:
    with ThreadPoolExecutor(4) as pool:
        looks = [cards_of(events) for events in pool.map(look, [lived] * 4)]
    assert looks[0]
    for cards in looks:
        for card in cards:
            twins = {
                x["id"]
                for other in looks
                for x in other
                if (x["topic"], x["observation"]) == (card["topic"], card["observation"])
            }
            assert twins == {card["id"]}


def test_never_holds_for_an_older_card_about_the_same(client: TestClient) -> None:
    desk = Desk(client, TEXT)
    first = desk.paragraphs()[0]
    topic, cards = f"unreviewed:{first['id']}", []
    for _ in range(2):
        desk.revise(first["head"])
        cards += [card for card in cards_of(look(desk)) if card["topic"] == topic]
    older, newer = cards
    assert older["id"] != newer["id"]
    ok(client.post(f"/api/muse/cards/{newer['id']}/never"))
    for given in ("applied", "not-now"):
        refused(client.post(f"/api/muse/cards/{older['id']}/{given}"), 409, "never")
    assert ok(client.post(f"/api/muse/cards/{older['id']}/never"))["status"] == "never"


@pytest.mark.parametrize("given", ["not-now", "applied"])
def test_what_was_answered_rests_until_something_changed(client: TestClient, given: str) -> None:
    desk = Desk(client, TEXT)
    first = desk.paragraphs()[0]
    desk.revise(first["head"])
    topic = f"unreviewed:{first['id']}"
    card = next(card for card in cards_of(look(desk)) if card["topic"] == topic)
    ok(client.post(f"/api/muse/cards/{card['id']}/{given}"))
    ok(client.post(f"/api/muse/cards/{card['id']}/{given}"))
    assert len(log(client, "muse.answered")) == 1, "twice is once"
    for other in cards_of(look(desk)):
        assert other["topic"] != topic
        ok(client.post(f"/api/muse/cards/{other['id']}/not-now"))
    desk.revise(first["head"])
    assert topic in {card["topic"] for card in cards_of(look(desk))}


class Babbling(ScriptedEngine):
    """Answers that no parser can make a question of."""

    def stream(self, draws: list[Draw], cancel: threading.Event) -> Iterator[Chunk]:  # type: ignore[override]
        for i, draw in enumerate(draws):
            yield Chunk(i, f"{draw.prompt.prefill} {{'card': <b>1</b>", "stop", tokens=1)


@pytest.fixture
def other(settings: Settings) -> Iterator[Any]:
    """An app with another engine, or other settings, and its client."""
    open_clients = []

    def make(engine: ScriptedEngine, **changes: Any) -> TestClient:
        made = TestClient(scripted_app(settings.model_copy(update=changes), engine), ORIGIN, headers=OWN_PAGE)
        made.__enter__()
        open_clients.append(made)
        made.get("/")
        return made

    yield make
    for made in open_clients:
        made.__exit__(None, None, None)


def worked_on(client: TestClient) -> Desk:
    """A history without a model's help."""
    desk = Desk(client, TEXT)
    first = desk.paragraphs()[0]
    desk.type(first, "Telomeres cap the ends of chromosomes.")
    return desk


def test_what_does_not_parse_leaves_the_digest_alone(other: Any) -> None:
    events = look(worked_on(other(Babbling())))
    assert events[0][1]["items"]
    assert cards_of(events) == []
    name, data = events[-1]
    assert (name, data["alone"]) == ("done", True)
    assert data["dropped"] > 0
    assert data["reason"].endswith("from your history alone.")


def test_without_a_model_the_digest_comes_with_the_reason(other: Any) -> None:
    client = other(ScriptedEngine(broken=-1))
    for _ in range(100):
        if ok(client.get("/api/model"))["status"] == "error":
            break
        time.sleep(0.05)
    events = look(worked_on(client))
    assert events[0][1]["items"]
    assert events[-1][0] == "done"
    assert "not installed" in events[-1][1]["reason"]


def test_off_it_is_not_there(other: Any) -> None:
    client = other(ScriptedEngine(), muse=False)
    desk = Desk(client, TEXT)
    for address in (f"/api/drafts/{desk.id}/muse/digest", f"/api/drafts/{desk.id}/muse/stream"):
        refused(client.get(address), 404, "muse-off")
    refused(client.post(f"/api/muse/cards/{desk.id}/never"), 404, "muse-off")
    assert 'data-muse="off"' in client.get(f"/drafts/{desk.id}").text


def test_a_model_that_fails_is_told_and_frees_its_place(
    client: TestClient, engine: ScriptedEngine, lived: Desk
) -> None:
    engine.fault = Fault("crash", 3, 1)
    events = look(lived)
    assert [events[0][0], events[-1][0]] == ["digest", "error"]
    assert events[-1][1]["problem"]["detail"].endswith(".")
    assert ok(client.get("/api/model"))["queue"]["running"] == 0
    assert look(lived)[-1][0] == "done"


def test_a_model_that_hangs_is_given_up(other: Any) -> None:
    client = other(ScriptedEngine(fault=Fault("hang", 3, 1)), stall_deadline=0.5)
    desk = worked_on(client)
    assert look(desk)[-1][1]["problem"]["code"] == "model-stalled"
    assert ok(client.get("/api/model"))["queue"]["running"] == 0


def test_the_scripted_meaning_is_near_everything() -> None:
    a, b = ScriptedMeaning().encode(["one text", "another"])
    assert float(a @ b) > questions.OFF_TOPIC
