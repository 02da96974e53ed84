"""Two versions into one: by the model, and without it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

import app.writing.invariants  # noqa: F401  (adds its rules to the check)
from app.db.check import check
from app.llm.types import Message, Prompt
from app.settings import Settings
from app.text.merge import merge
from app.writing import join
from app.writing.strategies import load_book
from tests.conftest import ORIGIN, OWN_PAGE
from tests.scripted import LINKS, Fault, ScriptedEngine, scripted_app
from tests.writing.desk import Desk, log, ok, refused
from tests.writing.test_stream import generation, queue, until

TEXT = "Cells divide every day. Each division trims 70 bp from each end. They age.\n\nBees see the Sun."
A = "Cells divide every day. It is like a candle that burns down. Each division trims 70 bp from each end. They age."
B = "Cells divide every day. Each division trims 70 bp from each end. They age. Blackburn told the story in 1978."


class Two(Desk):
    """A draft with two versions to combine."""

    def __init__(self, client: TestClient, a: str = A, b: str = B) -> None:
        super().__init__(client, TEXT)
        head = self.paragraphs()[0]["head"]
        self.a, self.b = (
            ok(client.post(f"/api/versions/{head}/edits", json={"text": text}), 201)["id"] for text in (a, b)
        )

    def try_combine(self, a: str, b: str, mix: float = 0.5) -> Any:
        return self.client.post("/api/generations", json={"version_id": a, "other_version_id": b, "mix": mix})

    def combine(self, mix: float = 0.5) -> Any:
        return ok(self.try_combine(self.a, self.b, mix), 201)

    def try_merge(self, a: str, b: str, mix: float = 0.5) -> Any:
        return self.client.post(f"/api/drafts/{self.id}/merges", json={"a": a, "b": b, "mix": mix})


@pytest.fixture
def two(client: TestClient) -> Two:
    return Two(client)


def test_two_versions_become_one_with_two_parents(two: Two) -> None:
    asked = two.combine()
    assert (asked["label"], asked["other_version_id"], asked["mix"]) == ("combine", two.b, 0.5)
    told = two.run(asked["id"])
    names = [name for name, _ in told]
    assert (names[0], names[-1], names.count("version")) == ("started", "done", 1)
    assert "token" in names
    made = next(data["version"] for name, data in told if name == "version")
    assert told[-1][1]["ranking"] == [made["id"]]
    assert made["parents"] == [two.a, two.b]
    assert (made["operation"], made["label"], made["strategy"]) == ("combine", "combine", "joined by the model")
    assert made["placement"] is not None
    assert made["flags"] == []
    for fact in ("70 bp", "1978", "candle"):
        assert fact in made["text"]
    assert any(link in made["text"] for link in LINKS)
    assert two.version(made["id"]) == made
    detail = ok(two.client.get(f"/api/versions/{made['id']}/detail"))
    assert [piece["origin"] for piece in detail["origins"]] == ["both", "a", "both", "both", "b"]
    assert [parent["parent_id"] for parent in detail["diff"]] == [two.a, two.b]
    assert not any(detail["facts"]["lost"].values())
    outranked = [payload for _, payload in log(two.client, "candidate.dropped") if payload["reason"] == "outranked"]
    assert len(outranked) <= 2
    ((_, created),) = log(two.client, "generation.created")
    assert (created["other_version_id"], created["mix"]) == (two.b, 0.5)
    assert check(two.client.app.state.db) == []  # type: ignore[attr-defined]


def test_the_mix_says_whose_the_result_mostly_is(client: TestClient) -> None:
    more = " Fish swim south. Owls hunt at night. Frogs sing in rain. Crabs walk sideways."
    two = Two(client, "Cells divide every day." + more, B)
    lengths = {}
    for mix in (0.1, 0.9):
        made = dict(two.run(two.combine(mix)["id"]))["version"]["version"]
        detail = ok(client.get(f"/api/versions/{made['id']}/detail"))
        origins = [piece["origin"] for piece in detail["origins"]]
        lengths[mix] = origins.count("a") - origins.count("b")
    assert lengths[0.1] > lengths[0.9]


@pytest.mark.parametrize("kind", ["reset", "crash", "memory"])
def test_a_fault_is_told_the_merge_is_there_without_the_model_and_a_retry_combines(
    two: Two, engine: ScriptedEngine, kind: Any
) -> None:
    engine.fault = Fault(kind, 3, 1)
    asked = two.combine()
    told = two.run(asked["id"])
    assert told[-1][0] == "error"
    assert told[-1][1]["problem"]["detail"].endswith(".")
    failed = generation(two, asked["id"])
    assert (failed["status"], failed["other_version_id"], failed["mix"]) == ("failed", two.b, 0.5)
    merged = ok(two.try_merge(two.a, two.b), 201)
    assert (merged["strategy"], merged["operation"], merged["parents"]) == ("sentence merge", "combine", [two.a, two.b])
    assert merged["text"] == merge(A, B, 0.5).text
    assert merged["placement"]["scorer_id"] == "scripted"
    assert merged["model_id"] is None
    again = ok(two.client.post(f"/api/generations/{asked['id']}/retry"), 201)
    assert (again["label"], again["other_version_id"], again["mix"]) == ("combine", two.b, 0.5)
    assert two.run(again["id"])[-1][0] == "done"
    assert check(two.client.app.state.db) == []  # type: ignore[attr-defined]


def test_a_stalled_model_is_given_up_and_a_stopped_one_ends_at_once(settings: Settings) -> None:
    engine = ScriptedEngine(fault=Fault("stall", 2, 1))
    quick = settings.model_copy(update={"stall_deadline": 1.0})
    with TestClient(scripted_app(quick, engine), ORIGIN, headers=OWN_PAGE) as client:
        client.get("/")
        two = Two(client)
        assert two.run(two.combine()["id"])[-1][1]["problem"]["code"] == "model-stalled"
        client.app.state.studio.settings = settings  # type: ignore[attr-defined]
        engine.hold_at, told = 1, len(log(client, "generation.first_token"))
        asked = two.combine()
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(two.run, asked["id"])
            until(lambda: len(log(client, "generation.first_token")) == told + 1)
            ok(client.post(f"/api/generations/{asked['id']}/stop"))
            assert running.result(30)[-1][0] == "cancelled"
        assert queue(two)["running"] == 0


def test_without_a_model_only_the_sentence_merge_is_made(settings: Settings) -> None:
    with TestClient(scripted_app(settings, ScriptedEngine(broken=True)), ORIGIN, headers=OWN_PAGE) as client:
        client.get("/")
        until(lambda: ok(client.get("/api/model"))["status"] == "error")
        two = Two(client)
        refused(two.try_combine(two.a, two.b), 503, "model-missing")
        assert ok(two.try_merge(two.a, two.b), 201)["text"] == merge(A, B, 0.5).text


def test_a_larger_model_rewrites_both_with_the_mix_in_words(settings: Settings) -> None:
    full = settings.model_copy(update={"plans": "full"})
    with TestClient(scripted_app(full), ORIGIN, headers=OWN_PAGE) as client:
        client.get("/")
        two = Two(client)
        told = two.run(two.combine(0.3)["id"])
        made = next(data["version"] for name, data in told if name == "version")
        detail = ok(client.get(f"/api/versions/{made['id']}/detail"))
        request = detail["prompt"]["messages"][-1]["content"]
        assert A in request
        assert B in request
        assert "Take most from the first version" in request


def test_the_slider_is_previewed_sentence_by_sentence(two: Two) -> None:
    told = ok(two.client.get(f"/api/drafts/{two.id}/merges", params={"a": two.a, "b": two.b}))
    assert (told["merges"][0]["text"], told["merges"][-1]["text"]) == (A, B)
    mixes = [step["mix"] for step in told["merges"]]
    assert mixes == sorted(mixes)
    assert len({step["text"] for step in told["merges"]}) == len(mixes) >= 3
    for step in told["merges"]:
        assert step["text"] == merge(A, B, step["mix"]).text
        assert " ".join(piece["text"] for piece in step["sentences"]) == step["text"]
        assert step["placement"] is not None


def test_a_merge_is_made_once_under_one_key(two: Two) -> None:
    body = {"a": two.a, "b": two.b, "mix": 0.5}
    address, headers = f"/api/drafts/{two.id}/merges", {"Idempotency-Key": "once"}
    made = [ok(two.client.post(address, json=body, headers=headers), 201)["id"] for _ in range(2)]
    assert made[0] == made[1]
    assert [version_id for version_id, _ in log(two.client, "version.created")].count(made[0]) == 1


@pytest.mark.parametrize("way", ["try_combine", "try_merge"])
def test_what_can_not_be_combined_is_refused_in_words(two: Two, way: str) -> None:
    combine, number = getattr(two, way), two.draft()["number"]
    head, elsewhere = (paragraph["head"] for paragraph in two.paragraphs())
    refused(combine(two.a, two.a), 422, "same-version")
    refused(combine(two.a, elsewhere), 409, "other-paragraph")
    same = ok(two.client.post(f"/api/versions/{head}/edits", json={"text": A + " "}), 201)["id"]
    refused(combine(two.a, same), 422, "identical")
    ok(two.client.post(f"/api/versions/{two.b}/discard"))
    refused(combine(two.a, two.b), 409, "discarded")
    ok(two.client.post(f"/api/versions/{two.b}/restore"))
    two.save({"paragraph_id": two.paragraphs()[0]["id"], "base": head, "text": ""})
    emptied = next(v["id"] for v in two.draft()["versions"] if v["text"] == "")
    refused(combine(two.a, emptied), 409, "empty")
    assert two.draft()["number"] == number + 2
    assert combine(two.a, two.b, 7).status_code == 422


def test_a_refused_request_is_told_by_its_own_fields(two: Two) -> None:
    detail = refused(two.try_combine(two.a, two.b, 7), 422, "invalid")["detail"]
    assert "mix" in detail
    assert "label" not in detail
    detail = refused(two.client.post("/api/generations", json={"version_id": two.a}), 422, "invalid")["detail"]
    assert "label" in detail
    for body in ([], "text", None):
        refused(two.client.post("/api/generations", json=body), 422, "invalid")


def test_at_the_ends_a_merge_would_only_repeat_a_version(two: Two) -> None:
    refused(two.try_merge(two.a, two.b, 0), 422, "unchanged")
    refused(two.try_merge(two.a, two.b, 1), 422, "unchanged")


def test_anothers_version_is_nobodys(two: Two, client: TestClient) -> None:
    other = Desk(client).paragraphs()[0]["head"]
    refused(two.try_merge(two.a, other), 404, "not-found")
    client.cookies.clear()
    client.get("/")
    mine = Two(client)
    refused(mine.try_combine(mine.a, two.b), 404, "not-found")
    refused(mine.try_merge(mine.a, two.b), 404, "not-found")


# ── what the model's few words may be ──────────────────────────────────────────────────────────────────────────────


def base() -> join.Base:
    return next(b for b in join.joints(merge(A, B, 0.5)) if b.after.startswith("It is like"))


@pytest.mark.parametrize(
    ("answer", "link"),
    [
        ("In a way", "In a way"),
        ("in a way,", "In a way"),
        ("", None),
        ("In 1999", None),
        ("As Miller said", None),
        ("The text says", None),
        ("In a way, it is like a wall.", None),
    ],
)
def test_a_link_is_one_of_the_books_and_claims_nothing(answer: str, link: str | None) -> None:
    assert join.link_of(answer, load_book()) == link


def test_a_link_leaves_every_sentence_as_it_is() -> None:
    text = join.linked("In a way", base())
    assert text == merge(A, B, 0.5).text.replace("It is like", "In a way, it is like")


@pytest.mark.parametrize(
    ("sentence", "led"),
    [
        ("Think of it today.", True),
        ("A cat sleeps.", True),
        ("Cats sleep and old cats dream.", True),
        ("Blackburn saw it.", False),
        ("NASA flew there.", False),
        ("In 2019, it rained.", False),
        ("“Cells” it said.", False),
    ],
)
def test_no_link_stands_before_a_name_or_another_link(sentence: str, led: bool) -> None:
    found = join.joints(merge(f"Cells divide. {sentence}", "Cells divide. Nobody knows why.", 0.5))
    assert any(base.after == sentence for base in found) == led
    if led:
        assert (
            join.linked("Here", found[0])
            == f"Cells divide. Here, {sentence[0].lower()}{sentence[1:]} Nobody knows why."
        )


def test_where_nothing_is_to_be_joined_the_sentence_merge_lands_and_is_named_so(client: TestClient) -> None:
    two = Two(client, f"Alas, nobody knew. {TEXT.splitlines()[0]}", f"In 1978, people knew. {TEXT.splitlines()[0]}")
    made = dict(two.run(two.combine()["id"]))["version"]["version"]
    assert (made["strategy"], made["model_id"]) == ("sentence merge", None)


def test_where_the_model_finds_no_link_the_sentence_merge_lands_and_is_named_so(
    two: Two, engine: ScriptedEngine
) -> None:
    engine.fault = Fault("empty", 3, 3)
    told = two.run(two.combine()["id"])
    made = dict(told)["version"]["version"]
    assert (made["strategy"], made["model_id"], made["parents"]) == ("sentence merge", None, [two.a, two.b])
    assert made["text"] == merge(A, B, 0.5).text
    assert told[-1][0] == "done"
    assert check(two.client.app.state.db) == []  # type: ignore[attr-defined]


def test_where_no_text_lies_between_the_writer_is_sent_to_the_comparison(client: TestClient) -> None:
    assert join.near("Cells divide.", "Cells divide slowly.", 0.5) == []
    two = Two(client, "Cells divide now.", "Cells divide slowly now.")
    assert "Compare" in refused(two.try_combine(two.a, two.b), 422, "nothing-between")["detail"]


def test_worked_examples_stand_before_the_sentences() -> None:
    prompt, sampling = join.ask(load_book(), base())
    assert isinstance(prompt, Prompt)
    assert prompt.messages[-1] == Message("user", f"First: {base().before}\nSecond: {base().after}")
    assert sampling.stop[0] == ","
