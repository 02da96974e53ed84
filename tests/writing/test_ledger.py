"""The claim ledger: flags at landing, the detail of a version, and the figures it has to reach."""

from __future__ import annotations

import json

from starlette.testclient import TestClient

from app.text import claims, facts
from app.writing import ledger
from benchmarks import ledger as bench
from tests.writing.desk import LABEL, Desk, ok

TEXT = "Telomeres shorten by 70 bp when a cell divides. Elizabeth Blackburn may have seen it first."


def test_a_version_that_says_something_new_is_marked(client: TestClient) -> None:
    desk = Desk(client, TEXT)
    told = desk.revise(desk.paragraphs()[0]["head"], label="enhance-understanding")
    landed = [data["version"] for name, data in told if name == "version"]
    assert landed
    assert any("new-claim" in version["flags"] for version in landed)
    for version in landed:
        detail = ok(client.get(f"/api/versions/{version['id']}/detail"))
        assert bool(detail["claims"]) == ("new-claim" in version["flags"])
        for claim in detail["claims"]:
            assert version["text"][claim["start"] : claim["end"]] == claim["text"]
            assert claim["reason"]


def test_an_analogy_is_no_claim(client: TestClient) -> None:
    desk = Desk(client, TEXT)
    child = ok(
        client.post(
            f"/api/versions/{desk.paragraphs()[0]['head']}/edits", json={"text": f"{TEXT} It is like a candle."}
        ),
        201,
    )
    assert ok(client.get(f"/api/versions/{child['id']}/detail"))["claims"] == []


def test_the_detail_tells_facts_and_claims_of_what_was_typed(client: TestClient) -> None:
    desk = Desk(client, TEXT)
    text = "Telomeres shorten by 90 bp when a cell divides. It was seen first in Boston."
    child = ok(client.post(f"/api/versions/{desk.paragraphs()[0]['head']}/edits", json={"text": text}), 201)
    detail = ok(client.get(f"/api/versions/{child['id']}/detail"))
    assert detail["facts"]["lost"]["units"] == ["70 bp"]
    assert detail["facts"]["lost"]["names"] == ["Elizabeth Blackburn"]
    assert detail["facts"]["lost"]["hedges"] == ["may"]
    assert [claim["reason"] for claim in detail["claims"]] == ["new here: 90 bp", "new here: Boston"]


def test_a_text_without_a_parent_has_no_claims(client: TestClient) -> None:
    desk = Desk(client, TEXT)
    detail = ok(client.get(f"/api/versions/{desk.paragraphs()[0]['head']}/detail"))
    assert detail["claims"] == []
    assert detail["facts"]["lost"]["units"] == []


def test_a_source_supports_a_sentence(client: TestClient) -> None:
    desk = Desk(client, TEXT)
    text = f"{TEXT} The cells were kept for 300 days in glass dishes."
    child = ok(client.post(f"/api/versions/{desk.paragraphs()[0]['head']}/edits", json={"text": text}), 201)
    address = f"/api/versions/{child['id']}/detail"
    assert len(ok(client.get(address))["claims"]) == 1
    source = {"title": "Methods", "text": "Cells were kept in glass dishes for 300 days."}
    added = ok(client.post(f"/api/drafts/{desk.id}/sources", json=source), 201)
    assert ok(client.get(address))["claims"] == []
    ok(client.delete(f"/api/drafts/{desk.id}/sources/{added['id']}"), 204)
    assert len(ok(client.get(address))["claims"]) == 1


def test_of_two_parents_both_give_facts_and_support() -> None:
    first, second = "Anna counted 12 mice.", "The mice lived 3 years in Rome."
    change = facts.compare_all([first, second], "The mice lived 3 years.")
    assert change.lost.numbers == ("12",)
    assert change.lost.names == ("Rome",)
    assert change.added == facts.Facts()
    assert ledger.new_claims([first, second], f"{first} {second}", None) == []
    assert len(ledger.new_claims([first], f"{first} {second}", None)) == 1


def test_the_evaluation_set_is_as_large_as_stated_and_its_gold_stands_in_the_texts() -> None:
    rows = [json.loads(line) for line in bench.EDITS.read_text("utf-8").splitlines()]
    assert len(rows) >= 150
    assert len({row["id"] for row in rows}) == len(rows)
    assert len({row["field"] for row in rows}) >= 12
    halves = [{row["field"] for row in rows if row["split"] == half} for half in ("design", "test")]
    assert not halves[0] & halves[1]
    assert all(claim in row["child"] for row in rows for claim in row["new"])


def test_lost_facts_and_new_claims_reach_their_figures_by_words_alone() -> None:
    """With the encoder they are higher: docs/ledger.md."""
    rows = [json.loads(line) for line in bench.EDITS.read_text("utf-8").splitlines()]
    for half in ("design", "test"):
        mine = [row for row in rows if row["split"] == half]
        lost = bench.score(bench.lost_facts(row) for row in mine)
        new = bench.score(bench.new_claims(row, None) for row in mine)
        assert min(lost["precision"], lost["recall"]) >= 0.9, (half, lost)
        assert min(new["precision"], new["recall"]) >= 0.8, (half, new)


def test_support_without_any_ground_is_none() -> None:
    assert not claims.support("Cells age.", claims.Ground([])).enough


def test_what_a_model_added_supports_nothing_until_it_is_confirmed(client: TestClient) -> None:
    desk = Desk(client, TEXT)
    desk.revise(desk.paragraphs()[0]["head"], n=1)
    made = next(v for v in desk.draft()["versions"] if v["status"] == "proposed")
    claimed = f"/api/versions/{made['id']}/detail"
    marked = ok(client.get(claimed))["claims"]
    child = ok(client.post("/api/generations", json={"version_id": made["id"], "label": LABEL, "n": 1}), 201)
    landed = next(data["version"] for name, data in desk.run(child["id"]) if name == "version")
    again = [claim["text"] for claim in ok(client.get(f"/api/versions/{landed['id']}/detail"))["claims"]]
    assert {claim["text"] for claim in marked} <= set(again), "its mark goes on with it"
    if marked:
        ok(client.post(f"/api/versions/{made['id']}/confirm", json={"base": desk.paragraphs()[0]["head"]}))
        after = [claim["text"] for claim in ok(client.get(f"/api/versions/{landed['id']}/detail"))["claims"]]
        assert not {claim["text"] for claim in marked} & set(after)
