"""Versions side by side, and single changes taken over."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

import app.writing.invariants  # noqa: F401  (adds its rules to the check)
from app.db.check import check
from tests.writing.desk import Desk, ok, refused

TEXT = "Cells divide. Each division trims 70 bp. They age.\n\nBees see the Sun."


@pytest.fixture
def desk(client: TestClient) -> Desk:
    return Desk(client, TEXT)


def edited(desk: Desk, version_id: str, text: str) -> Any:
    return ok(desk.client.post(f"/api/versions/{version_id}/edits", json={"text": text}), 201)


def compare(desk: Desk, *ids: str) -> Any:
    return ok(desk.client.get(f"/api/drafts/{desk.id}/compare", params={"version": list(ids)}))


def accept(desk: Desk, base: str, other: str, accepted: list[int]) -> Any:
    body = {"base": base, "other": other, "accepted": accepted}
    return desk.client.post(f"/api/drafts/{desk.id}/compare/accept", json=body)


def test_three_versions_are_compared_pair_by_pair(desk: Desk) -> None:
    first = desk.paragraphs()[0]["head"]
    second = edited(desk, first, "Cells divide. Each division trims 50 bp. They age.")["id"]
    third = edited(desk, first, "Cells divide. Each division trims 70 bp. They age. Imagine that, you people.")["id"]
    paragraph = desk.paragraphs()[0]["id"]
    ok(desk.client.post(f"/api/drafts/{desk.id}/place", json={"paragraph_ids": [paragraph]}))
    ok(desk.client.post(f"/api/drafts/{desk.id}/score"))
    told = compare(desk, first, second, third)
    assert [version["id"] for version in told["versions"]] == [first, second, third]
    assert len(told["pairs"]) == 6
    texts = {version["id"]: version["text"] for version in told["versions"]}
    for pair in told["pairs"]:
        before = "".join(h["before"] + h["removed"] for h in pair["hunks"]) + pair["rest"]
        after = "".join(h["before"] + h["added"] for h in pair["hunks"]) + pair["rest"]
        assert (before, after) == (texts[pair["base"]], texts[pair["other"]])
        assert [h["index"] for h in pair["hunks"]] == list(range(len(pair["hunks"])))
        assert pair["acceptable"]
        assert pair["move"] is not None
    lost = next(pair for pair in told["pairs"] if (pair["base"], pair["other"]) == (first, second))["facts"]
    assert (lost["lost"]["numbers"], lost["added"]["numbers"]) == (["70"], ["50"])
    forth, back = (
        next(pair["move"] for pair in told["pairs"] if (pair["base"], pair["other"]) == ids)
        for ids in ((first, third), (third, first))
    )
    assert forth == [-value for value in back]


def test_unmeasured_versions_have_no_move(desk: Desk) -> None:
    first = desk.paragraphs()[0]["head"]
    second = edited(desk, first, "Cells divide.")["id"]
    assert compare(desk, first, second)["pairs"][0]["move"] is None


def test_picked_changes_make_a_version_of_two_parents(desk: Desk) -> None:
    first = desk.paragraphs()[0]["head"]
    other = edited(desk, first, "Skin cells divide. Each division trims 70 bp. They all age.")["id"]
    hunks = compare(desk, first, other)["pairs"][0]["hunks"]
    assert len(hunks) >= 2
    made = ok(accept(desk, first, other, [hunks[-1]["index"]]), 201)
    assert made["text"] == "Cells divide. Each division trims 70 bp. They all age."
    assert (made["operation"], made["strategy"], made["status"]) == ("combine", "picked changes", "proposed")
    assert made["parents"] == [first, other]
    every = ok(accept(desk, first, other, [h["index"] for h in hunks]), 201)
    assert every["text"] == desk.version(other)["text"]
    assert desk.paragraphs()[0]["head"] == first, "nothing enters the draft by itself"
    assert check(desk.client.app.state.db) == []  # type: ignore[attr-defined]


def test_what_can_not_be_accepted_is_refused_with_a_reason(desk: Desk) -> None:
    first, elsewhere = (paragraph["head"] for paragraph in desk.paragraphs())
    other = edited(desk, first, "Cells divide. They age.")["id"]
    number = desk.draft()["number"]
    refused(accept(desk, first, other, []), 422, "nothing-picked")
    refused(accept(desk, first, other, [99]), 422, "unknown-change")
    refused(accept(desk, first, other, [-1]), 422, "unknown-change")
    refused(accept(desk, first, first, [0]), 422, "same-version")
    refused(accept(desk, first, elsewhere, [0]), 409, "other-paragraph")
    assert desk.draft()["number"] == number


def test_versions_of_two_paragraphs_can_be_read_side_by_side(desk: Desk) -> None:
    told = compare(desk, *(paragraph["head"] for paragraph in desk.paragraphs()))
    assert [pair["acceptable"] for pair in told["pairs"]] == [False, False]


@pytest.mark.parametrize("count", [0, 1, 4])
def test_two_or_three_are_compared_and_no_other_number(desk: Desk, count: int) -> None:
    ids = [desk.paragraphs()[0]["head"]] * count
    answer = desk.client.get(f"/api/drafts/{desk.id}/compare", params={"version": ids})
    assert answer.status_code == 422


def test_a_version_is_not_compared_with_itself_nor_with_another_drafts(client: TestClient, desk: Desk) -> None:
    first = desk.paragraphs()[0]["head"]
    address = f"/api/drafts/{desk.id}/compare"
    refused(client.get(address, params={"version": [first, first]}), 422, "same-version")
    theirs = Desk(client).paragraphs()[0]["head"]
    refused(client.get(address, params={"version": [first, theirs]}), 404, "not-found")
