"""Typing: what is acknowledged is there, nobody is overwritten, the numbers have no holes."""

from __future__ import annotations

import random
import threading
import uuid
from collections import Counter
from typing import Any

import pytest
from starlette.testclient import TestClient

import app.writing.invariants  # noqa: F401  (adds its rules to the check)
from app.db.check import check
from tests.writing.desk import Desk, ok, refused


def new(text: str, **more: Any) -> dict[str, Any]:
    return {"paragraph_id": str(uuid.uuid4()), "base": None, "text": text, **more}


def test_a_stale_base_gets_both_texts_and_nothing_is_written(client: TestClient) -> None:
    desk = Desk(client)
    first, second = desk.paragraphs()
    theirs = desk.type(first, "The other tab was here.")
    before = desk.draft()
    answer = desk.try_save(
        {"paragraph_id": second["id"], "base": second["head"], "text": "Innocent, but in the same save."},
        {"paragraph_id": first["id"], "base": first["head"], "text": "Mine."},
    )
    conflict = refused(answer, 409, "stale")["conflicts"]
    assert len(conflict) == 1
    assert (conflict[0]["paragraph_id"], conflict[0]["yours"]) == (first["id"], "Mine.")
    assert conflict[0]["theirs"]["text"] == "The other tab was here."
    assert conflict[0]["theirs"]["id"] == theirs["id"]
    assert desk.draft() == before
    desk.type({"id": first["id"], "head": theirs["id"]}, "Mine.")
    assert desk.texts()[0] == "Mine."


def test_two_tabs_in_500_interleaved_saves_overwrite_nothing(client: TestClient) -> None:
    desk = Desk(client, "Start.")
    paragraph = desk.paragraphs()[0]
    acknowledged: list[tuple[str, str]] = []
    counts: Counter[int] = Counter()
    faults: list[str] = []

    def tab(name: str) -> None:
        rng, head = random.Random(name), paragraph["head"]
        for n in range(250):
            text = f"{name} {n} {rng.random()}"
            answer = desk.try_save({"paragraph_id": paragraph["id"], "base": head, "text": text})
            counts[answer.status_code] += 1
            if answer.status_code == 200:
                head = answer.json()["versions"][0]["id"]
                acknowledged.append((head, text))
            elif answer.status_code == 409:
                conflict = answer.json()["conflicts"][0]
                if conflict["yours"] != text or not conflict["theirs"]["text"]:
                    faults.append(str(conflict))
                head = conflict["theirs"]["id"]
            else:
                faults.append(answer.text)

    tabs = [threading.Thread(target=tab, args=(name,)) for name in ("left", "right")]
    for thread in tabs:
        thread.start()
    for thread in tabs:
        thread.join()
    assert not faults
    assert sum(counts.values()) == 500
    draft = desk.draft()
    by_id = {version["id"]: version for version in draft["versions"]}
    assert all(by_id[version]["text"] == text for version, text in acknowledged)
    assert [version["number"] for version in draft["versions"]] == list(range(1, len(acknowledged) + 2))
    # One line from the first text to the head: no save was built beside another.
    line, at = [], draft["paragraphs"][0]["head"]
    while by_id[at]["parents"]:
        line.append(at)
        at = by_id[at]["parents"][0]
    assert set(line) == {version for version, _ in acknowledged}
    assert check(client.app.state.db) == []  # type: ignore[attr-defined]


def test_paragraphs_are_put_where_they_are_wanted(client: TestClient) -> None:
    desk = Desk(client, "A.\n\nB.")
    a, b = (p["id"] for p in desk.paragraphs())
    desk.save(new("First.", after=None), new("Between.", after=a), new("Last."))
    assert desk.texts() == ["First.", "A.", "Between.", "B.", "Last."]
    ids = [p["id"] for p in desk.paragraphs()]
    head = desk.paragraphs()[3]["head"]
    desk.save({"paragraph_id": b, "base": head, "text": "B.", "after": None})
    assert desk.texts() == ["B.", "First.", "A.", "Between.", "Last."]
    desk.save({"paragraph_id": b, "base": head, "text": "B.", "after": ids[1]})
    assert desk.texts() == ["First.", "A.", "B.", "Between.", "Last."]
    assert check(client.app.state.db) == []  # type: ignore[attr-defined]


def test_an_emptied_paragraph_leaves_the_draft_and_comes_back_when_typed_into(client: TestClient) -> None:
    desk = Desk(client, "A.\n\nB.\n\nC.")
    paragraph = desk.paragraphs()[1]
    empty = desk.type(paragraph, "")
    assert (empty["text"], desk.texts()) == ("", ["A.", "C."])
    back = desk.type({"id": paragraph["id"], "head": empty["id"]}, "B again.")
    assert desk.texts() == ["A.", "B again.", "C."]
    empty = desk.type({"id": paragraph["id"], "head": back["id"]}, "")
    desk.save({"paragraph_id": paragraph["id"], "base": empty["id"], "text": "First of all.", "after": None})
    assert desk.texts() == ["First of all.", "A.", "C."]
    assert check(client.app.state.db) == []  # type: ignore[attr-defined]


def test_stages_of_typing_are_folded_and_choices_are_not(client: TestClient) -> None:
    desk = Desk(client, "A.")
    paragraph = desk.paragraphs()[0]
    made = []
    for text in ("A b.", "A b c.", "A b c d."):
        made.append(desk.type(paragraph, text)["id"])
        paragraph = desk.paragraphs()[0]
    folded = {version["id"]: version["folded"] for version in desk.draft()["versions"]}
    assert [folded[version] for version in made] == [True, True, False]
    desk.revise(made[0], n=1)
    assert desk.version(made[0])["folded"] is False, "a version hangs from it now"
    assert desk.version(made[1])["folded"] is True
    assert [desk.version(version)["text"] for version in made] == ["A b.", "A b c.", "A b c d."]
    assert desk.texts() == ["A b c d."]


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script> & <b>bold</b>",
        "שלום עולם, مرحبا",
        "👩‍🔬 says: naïve µm, e\u0301 and \u200bzero-width",
        "  spaces at both ends\nand a line break  ",
        "word " * 4000,
        "{{ 7 * 7 }} ${x} %s \\u0000 '; drop table version; --",
    ],
)
def test_texts_come_back_exactly(client: TestClient, text: str) -> None:
    desk = Desk(client, "A.")
    desk.type(desk.paragraphs()[0], text)
    assert desk.texts() == [text]


def test_what_no_database_holds_is_refused(client: TestClient) -> None:
    desk = Desk(client, "A.")
    paragraph = desk.paragraphs()[0]
    edit = {"paragraph_id": paragraph["id"], "base": paragraph["head"], "text": "NUL \x00 here"}
    refused(desk.try_save(edit), 422, "invalid")
    refused(desk.try_save(edit | {"text": "x"}, edit | {"text": "y"}), 422, "twice")
    refused(desk.try_save(edit | {"paragraph_id": "not-an-id", "text": "x"}), 422, "invalid")
    assert desk.texts() == ["A."]


def test_an_unchanged_text_makes_no_version(client: TestClient) -> None:
    desk = Desk(client, "A.")
    paragraph = desk.paragraphs()[0]
    answer = desk.save({"paragraph_id": paragraph["id"], "base": paragraph["head"], "text": "A."})
    assert (answer["number"], answer["versions"]) == (1, [])


def test_measuring_does_not_put_back_what_was_taken_off_the_canvas(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(client, "A cell divides.")
    paragraph = desk.paragraphs()[0]
    wanted = {"paragraph_ids": [paragraph["id"]]}
    ok(client.post(f"/api/drafts/{desk.id}/place", json=wanted))
    desk.type(paragraph, "A cell divides twice.")
    scorer = client.app.state.studio.scorer  # type: ignore[attr-defined]
    measure = scorer.score

    def meanwhile(texts: list[str]) -> Any:
        ok(client.post(f"/api/drafts/{desk.id}/place", json={**wanted, "remove": True}))
        return measure(texts)

    monkeypatch.setattr(scorer, "score", meanwhile)
    placed = ok(client.post(f"/api/drafts/{desk.id}/score"))
    assert [version["placement"] is not None for version in placed["versions"]] == [True]
    assert desk.paragraphs()[0]["on_canvas"] is False
