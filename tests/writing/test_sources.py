"""The source pack: bounds, search, and strategies that take their facts from there only."""

from __future__ import annotations

import random

import pytest
from starlette.testclient import TestClient

from app.db.check import check
from app.llm.types import Prompt, Sampling
from app.text import claims
from app.writing import candidates, sources
from app.writing.candidates import Ask, Parent
from app.writing.sources import MISSING, MOST_CHARS, MOST_SOURCES, Pack
from app.writing.strategies import load_book
from tests.scripted import THINGS
from tests.writing.desk import Desk, log, ok, refused

LABEL = "strengthen-credibility"
STRATEGY = "method-sample-source"
NOTES = "Telomeres of 48 donors were measured with a gel. The gel ran for six hours. Donors were 20 to 90 years old."


def attach(desk: Desk, text: str = NOTES, title: str = "Notes") -> dict[str, object]:
    added: dict[str, object] = ok(
        desk.client.post(f"/api/drafts/{desk.id}/sources", json={"title": title, "text": text}), 201
    )
    return added


def test_attached_read_and_removed(client: TestClient) -> None:
    desk = Desk(client)
    added = attach(desk)
    assert added["chars"] == len(NOTES)
    assert desk.draft()["sources"] == [added]
    address = f"/api/drafts/{desk.id}/sources/{added['id']}"
    assert ok(client.get(address))["text"] == NOTES
    ok(client.delete(address), 204)
    ok(client.delete(address), 204)
    assert desk.draft()["sources"] == []
    refused(client.get(address), 404, "not-found")
    assert [payload["source_id"] for _, payload in log(client, "source.added")] == [added["id"]]
    assert [payload["source_id"] for _, payload in log(client, "source.removed")] == [added["id"]]
    assert check(client.app.state.db) == []  # type: ignore[attr-defined]


def test_without_a_title_it_is_called_by_its_first_words(client: TestClient) -> None:
    assert attach(Desk(client), title=" ")["title"] == "Telomeres of 48 donors were measured with a"


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [("", 422, "empty"), (" …\n", 422, "empty"), ("a" * (MOST_CHARS + 1), 422, "source-too-long")],
    ids=["blank", "wordless", "too long"],
)
def test_what_is_no_source_is_refused_in_words(client: TestClient, text: str, status: int, code: str) -> None:
    desk = Desk(client)
    refused(client.post(f"/api/drafts/{desk.id}/sources", json={"title": "T", "text": text}), status, code)
    assert desk.draft()["sources"] == []


def test_a_draft_takes_so_many_and_none_twice(client: TestClient) -> None:
    desk = Desk(client)
    for i in range(MOST_SOURCES):
        attach(desk, f"Note {i} on cells.")
    address = f"/api/drafts/{desk.id}/sources"
    refused(client.post(address, json={"text": "One more note."}), 409, "too-many-sources")
    first = desk.draft()["sources"][0]
    ok(client.delete(f"{address}/{first['id']}"), 204)
    problem = refused(client.post(address, json={"text": "Note 7 on cells."}), 409, "source-known")
    assert "Notes" in problem["detail"]


def test_another_writers_sources_do_not_exist(client: TestClient) -> None:
    desk = Desk(client)
    added = attach(desk)
    with TestClient(client.app, str(client.base_url), headers=dict(client.headers)) as other:
        other.get("/")
        address = f"/api/drafts/{desk.id}/sources"
        refused(other.get(f"{address}/{added['id']}"), 404, "not-found")
        refused(other.delete(f"{address}/{added['id']}"), 404, "not-found")
        refused(other.post(address, json={"text": "Mine now."}), 404, "not-found")
        elsewhere = Desk(other)
        refused(other.get(f"/api/drafts/{elsewhere.id}/sources/{added['id']}"), 404, "not-found")


def long_text(chars: int) -> str:
    rng = random.Random(11)
    words = [word for thing in THINGS for word in thing.split()] + ["cell", "measured", "river", "under", "again"]
    pages = []
    size = 0
    while size < chars:
        sentence = " ".join(rng.choice(words) for _ in range(14)).capitalize() + "."
        pages.append(sentence)
        size += len(sentence) + 1
    return " ".join(pages)[:chars]


def test_two_hundred_pages_are_taken_and_searched_in_seconds(client: TestClient) -> None:
    desk = Desk(client)
    text = f"{long_text(599_000)}. Telomeres of 48 donors were measured with a gel. {long_text(900)}"
    attach(desk, text)
    with client.app.state.db.read() as session:  # type: ignore[attr-defined]
        pack = sources.pack_of(session, desk.id)
    assert pack is not None
    assert pack.nearest("How were the telomeres of donors measured?")[0].text.startswith("Telomeres of 48 donors")
    assert len(pack.nearest("a gel for telomeres under the river")) == 3


def test_a_million_characters_of_another_script_fit(client: TestClient) -> None:
    attach(Desk(client), "клетка " * (MOST_CHARS // 7))


@pytest.mark.parametrize("text", ["1 2 3. 4 5 6.", "…", "the of and. to be or."])
def test_a_source_without_words_to_find_finds_nothing(text: str) -> None:
    assert Pack([("T", text)]).nearest("telomeres") == []


def test_the_strategy_states_what_the_source_says(client: TestClient) -> None:
    desk = Desk(client)
    attach(desk)
    head = desk.paragraphs()[1]["head"]
    dropped_or_landed = desk.revise(head, label=LABEL, strategy=STRATEGY)
    reasons = {data["reason"] for name, data in dropped_or_landed if name == "dropped"}
    # The scripted writer writes of lamps and gates: none of that is let through as what the source says.
    assert reasons <= {"unsourced", "echo", "repeats"}
    assert "unsourced" in reasons
    assert not [data for name, data in dropped_or_landed if name == "version"]


def test_without_a_source_the_label_works_and_says_what_is_missing(client: TestClient) -> None:
    desk = Desk(client)
    head = desk.paragraphs()[1]["head"]
    told = desk.revise(head, label=LABEL)
    assert [name for name, _ in told].count("version") >= 1
    assert told[-1][0] == "done"
    assert told[-1][1]["message"].endswith(MISSING)
    body = {"version_id": head, "label": LABEL, "strategy": STRATEGY}
    assert refused(client.post("/api/generations", json=body), 422, "no-source")["detail"] == MISSING


def test_with_a_source_nothing_is_missing_and_its_strategy_is_among_them(client: TestClient) -> None:
    desk = Desk(client)
    attach(desk)
    told = desk.revise(desk.paragraphs()[1]["head"], label=LABEL)
    started = next(data for name, data in told if name == "started")
    assert STRATEGY in [slot["strategy"] for slot in started["slots"]]
    assert MISSING not in told[-1][1].get("message", "")


def test_labels_tell_which_strategy_needs_a_source(client: TestClient) -> None:
    groups = ok(client.get("/api/labels"))["groups"]
    strategies = [s for group in groups for label in group["labels"] for s in label["strategies"]]
    assert [s["id"] for s in strategies if s["source"]] == [STRATEGY]


# ── the guards ─────────────────────────────────────────────────────────────────────────────────────────────────────

BOOK = load_book()
SOURCED = next(s for s in BOOK.label(LABEL).strategies if s.id == STRATEGY)
PARENT = Parent("Telomeres shorten when a cell divides.", (NOTES,))


def verdict(answer: str, notes: tuple[str, ...] = (NOTES,)) -> str | None:
    prompt = Prompt((), "According to the source,")
    return candidates.degenerate(
        answer, Ask(SOURCED, "insert-after", prompt, Sampling(0.7, 0.9, 48), notes=notes), PARENT, "stop"
    )


def test_the_prompt_shows_the_sentences_and_says_so() -> None:
    asked = candidates.ask(BOOK, SOURCED, PARENT, "In the study,", full=False)
    assert NOTES in asked.prompt.messages[-1].content
    assert "The source says:" in asked.prompt.messages[1].content
    assert asked.notes == (NOTES,)
    full = candidates.ask(BOOK, SOURCED, PARENT, "", full=True)
    assert NOTES in full.prompt.messages[-1].content


def test_other_strategies_never_see_the_source() -> None:
    other = next(s for s in BOOK.label(LABEL).strategies if s.id == "calibrate")
    without = candidates.ask(BOOK, other, Parent(PARENT.text), "x", full=False)
    assert candidates.ask(BOOK, other, PARENT, "x", full=False) == without


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("According to the source, telomeres of 48 donors were measured with a gel.", None),
        ("According to the source, telomeres of 84 donors were measured with a gel.", "invented"),
        ("According to the source, telomeres were measured in Boston with a gel.", "invented"),
        ("According to the source, farmers sell most of their milk in spring.", "unsourced"),
        ("According to the source, telomeres were measured with a gel, but the lamp was broken.", "unsourced"),
        ("According to the source, “telomeres of donors” were measured.", "quotes"),
    ],
)
def test_facts_come_from_the_source_or_not_at_all(answer: str, reason: str | None) -> None:
    assert verdict(answer) == reason


def test_whoever_is_quoted_is_quoted_word_for_word() -> None:
    notes = ("Anna Berg said: “The gel of the donors ran for six hours.”",)
    assert verdict("According to the source, Anna Berg said: “The gel of the donors ran.”", notes) is None
    assert verdict("According to the source, Anna Berg said: “The donors ran for six gel hours.”", notes) == "quotes"


def test_the_index_knows_words_by_their_stem() -> None:
    assert claims.content("Measurements were measured") == [claims.stem("measured")]
