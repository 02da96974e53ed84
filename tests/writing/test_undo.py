"""Undo and redo: whatever was done is taken back and done again, step by step, and nothing is deleted by it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

import app.writing.invariants  # noqa: F401  (adds its rules to the check)
from app.db.check import check
from app.writing import events, store, undo
from app.writing.models import Draft, Goal, Source
from tests.writing.desk import Desk, log, ok, refused


def sound(client: TestClient) -> bool:
    return check(client.app.state.db) == []  # type: ignore[attr-defined]


def shown(desk: Desk, among: set[str] | None = None) -> dict[str, Any]:
    """The draft as its writer sees it: what is archived does not count, unless it is `among` these versions."""
    draft = desk.draft()
    return {
        "title": draft["title"],
        "text": [(p["id"], p["head"], p["on_canvas"]) for p in draft["paragraphs"] if not p["removed"]],
        "versions": {
            v["id"]: (v["status"], v["archived"], v["folded"])
            for v in draft["versions"]
            if not v["archived"] or (among and v["id"] in among)
        },
        "sources": draft["sources"],
        "goals": draft["goals"],
    }


# ── each kind ──────────────────────────────────────────────────────────────────────────────────────────────────────


def typing(desk: Desk) -> None:
    desk.type(desk.paragraphs()[0], "Cells divide, and then they age.")


def adding(desk: Desk) -> None:
    first = desk.paragraphs()[0]["id"]
    desk.save({"paragraph_id": str(uuid.uuid4()), "base": None, "text": "A new one.", "after": first})


def removing(desk: Desk) -> None:
    desk.type(desk.paragraphs()[0], "")


def splitting(desk: Desk) -> None:
    first = desk.paragraphs()[0]
    new = {"paragraph_id": str(uuid.uuid4()), "base": None, "text": "They age.", "after": first["id"]}
    desk.save({"paragraph_id": first["id"], "base": first["head"], "text": "Cells divide."}, new)


def ordering(desk: Desk) -> None:
    first, *_, last = desk.paragraphs()
    desk.move(first, last["id"])


def placing(desk: Desk, **more: Any) -> None:
    ids = [p["id"] for p in desk.paragraphs()]
    ok(desk.client.post(f"/api/drafts/{desk.id}/place", json={"paragraph_ids": ids, **more}))


def unplacing(desk: Desk) -> None:
    placing(desk)
    placing(desk, remove=True)


def renaming(desk: Desk) -> None:
    ok(desk.client.patch(f"/api/drafts/{desk.id}", json={"title": "Another"}))


def revising(desk: Desk) -> None:
    desk.revise(desk.paragraphs()[0]["head"])


def decide(desk: Desk, version_id: str, verb: str, **body: Any) -> None:
    ok(desk.client.post(f"/api/versions/{version_id}/{verb}", json=body), 201 if verb == "edits" else 200)


def deciding(desk: Desk) -> None:
    head = desk.paragraphs()[0]["head"]
    made = [data["version"]["id"] for name, data in desk.revise(head) if name == "version"]
    decide(desk, made[0], "confirm", base=head)
    for version_id, verb in ((made[1], "discard"), (made[1], "restore"), (made[2], "archive"), (made[2], "unarchive")):
        decide(desk, version_id, verb)
    decide(desk, made[1], "edits", text="By hand.")
    ok(desk.client.post(f"/api/drafts/{desk.id}/archive", json={"version_ids": made[1:]}))


@pytest.mark.parametrize(
    ("work", "kinds"),
    [
        (typing, ["typing"]),
        (adding, ["typing"]),
        (removing, ["remove"]),
        (splitting, ["typing"]),
        (ordering, ["order"]),
        (placing, ["place"]),
        (unplacing, ["place", "unplace"]),
        (renaming, ["rename"]),
        (revising, ["label"]),
        (deciding, ["label", "confirm", "discard", "restore", "archive", "unarchive", "edit", "archive"]),
    ],
)
def test_what_was_done_is_undone_and_redone(client: TestClient, work: Callable[[Desk], None], kinds: list[str]) -> None:
    desk = Desk(client)
    before = shown(desk)
    known = set(before["versions"])
    assert desk.draft()["steps"] == {"undo": None, "redo": None}
    work(desk)
    after, versions = shown(desk), len(desk.draft()["versions"])
    assert desk.all_steps("undo") == kinds[::-1]
    assert shown(desk, known) == before
    assert len(desk.draft()["versions"]) == versions, "nothing is deleted"
    assert sound(client)
    assert desk.all_steps("redo") == kinds
    assert shown(desk) == after
    assert sound(client)
    assert len(log(client, "step.undone")) == len(log(client, "step.redone")) == len(kinds)


def test_what_comes_of_one_press_is_one_step_whatever_else_is_done_meanwhile(client: TestClient) -> None:
    desk = Desk(client)
    head = desk.paragraphs()[0]["head"]
    generation = desk.ask(head)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(desk.run, generation["id"])
        typing(desk)
        run.result()
    desk.revise(head, n=1)
    assert sorted(desk.all_steps("undo")) == ["label", "label", "typing"]
    assert all(version["archived"] for version in desk.draft()["versions"] if version["generation_id"])
    assert len([kind for kind in desk.all_steps("redo") if kind == "label"]) == 2
    assert sound(client)


def land_late(desk: Desk) -> str:
    """Another result of the generation that made versions; by hand, as the scripted model is too quick to be
    overtaken. Gives its id."""
    first = next(version for version in desk.draft()["versions"] if version["generation_id"])
    with desk.client.app.state.db.write() as session:  # type: ignore[attr-defined]
        from app.writing.models import Generation, Version
        from app.writing.service import note_version

        draft = session.get_one(Draft, desk.id)
        values = Version(
            paragraph_id=first["paragraph_id"], operation="label", text="Late.", status="proposed", flags=[],
            generation_id=first["generation_id"],
        )  # fmt: skip
        late = store.add_version(session, draft, values, first["parents"])
        note_version(session, draft, late, first["parents"], head=False)
        undo.keep(session, draft, "label", late.paragraph_id)
        generation = session.get_one(Generation, first["generation_id"])
        generation.ranking = [*generation.ranking, late.id]
        return late.id


def test_what_lands_after_its_press_was_undone_is_put_away_with_it(client: TestClient) -> None:
    desk = Desk(client)
    revising(desk)
    step = desk.draft()["steps"]["undo"]["id"]
    ok(desk.try_step("undo", step))
    assert desk.version(land_late(desk))["archived"]
    assert sound(client)
    ok(desk.try_step("redo", step))
    assert not any(version["archived"] for version in desk.draft()["versions"])
    assert sound(client)


def test_what_lands_after_its_press_was_undone_for_good_stays_put_away(client: TestClient) -> None:
    desk = Desk(client)
    revising(desk)
    ok(desk.try_step("undo", desk.draft()["steps"]["undo"]["id"]))
    renaming(desk)
    steps = desk.draft()["steps"]
    assert steps["redo"] is None
    late = [land_late(desk), land_late(desk)]
    assert all(desk.version(version_id)["archived"] for version_id in late)
    assert desk.draft()["steps"] == steps
    assert sound(client)


def test_what_lands_while_typing_is_undone_costs_none_of_what_can_be_redone(client: TestClient) -> None:
    desk = Desk(client)
    second = desk.paragraphs()[1]
    generation = desk.ask(second["head"])
    typing(desk)
    renaming(desk)
    before = shown(desk)
    assert desk.all_steps("undo") == ["rename", "typing"]
    desk.run(generation["id"])
    made = [version["id"] for version in desk.draft()["versions"] if version["generation_id"]]
    assert made
    assert desk.draft()["steps"]["redo"]["kind"] == "typing"
    assert sound(client)
    assert desk.all_steps("undo") == ["label"]
    assert desk.all_steps("redo") == ["label", "typing", "rename"]
    after = shown(desk)
    assert (after["title"], after["text"]) == (before["title"], before["text"])
    assert not any(desk.version(version_id)["archived"] for version_id in made)
    assert sound(client)


# ── bursts, and the way on after undoing ───────────────────────────────────────────────────────────────────────────


def test_a_burst_of_typing_is_one_step_and_a_pause_begins_another(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(client, "A.\n\nB.")
    clock = datetime(2030, 1, 1, tzinfo=UTC)
    for seconds, paragraph, text in (
        (0, 0, "A b."),
        (1, 0, "A b c."),
        (2.9, 0, "A b c d."),
        (6, 0, "E."),
        (7, 1, "F."),
    ):
        moment = clock + timedelta(seconds=seconds)
        monkeypatch.setattr(undo, "now", lambda moment=moment: moment)
        desk.type(desk.paragraphs()[paragraph], text)
    texts = []
    while step := desk.draft()["steps"]["undo"]:
        ok(desk.try_step("undo", step["id"]))
        texts.append(desk.texts())
    assert texts == [["E.", "B."], ["A b c d.", "B."], ["A.", "B."]]
    assert len(desk.all_steps("redo")) == 3
    assert desk.texts() == ["E.", "F."]


def test_undone_typing_leaves_no_node_and_what_is_typed_then_goes_on_from_there(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undo, "ONE_BURST", timedelta(minutes=5))  # a slow machine is no pause
    desk = Desk(client, "A.")
    paragraph = desk.paragraphs()[0]
    for text in ("A b.", "A b c."):
        desk.type(desk.paragraphs()[0], text)
    ok(desk.try_step("undo", desk.draft()["steps"]["undo"]["id"]))
    draft = desk.draft()
    assert desk.texts() == ["A."]
    assert [v["id"] for v in draft["versions"] if not v["archived"]] == [paragraph["head"]]
    made = desk.type(desk.paragraphs()[0], "A z.")
    assert made["parents"] == [paragraph["head"]]
    assert desk.draft()["steps"]["redo"] is None, "a new step drops what was undone"
    decide(desk, draft["versions"][-1]["id"], "confirm", base=made["id"])
    assert desk.texts() == ["A b c."], "and yet nothing is lost"
    assert sound(client)


def test_the_text_of_a_paragraph_whose_making_was_undone_comes_back_only_with_it(client: TestClient) -> None:
    desk = Desk(client)
    adding(desk)
    head = desk.paragraphs()[1]["head"]
    ok(desk.try_step("undo", desk.draft()["steps"]["undo"]["id"]))
    refused(client.post(f"/api/versions/{head}/unarchive"), 409, "taken-back")
    assert desk.version(head)["archived"]
    assert sound(client)
    packed = client.get(f"/api/drafts/{desk.id}/project.spatial").content
    ok(client.post("/api/projects", files={"file": ("a.spatial", packed)}), 201)
    ok(desk.try_step("redo", desk.draft()["steps"]["redo"]["id"]))
    assert "A new one." in desk.texts()
    assert sound(client)


def test_a_paragraph_whose_making_was_undone_comes_back_when_another_tab_types_on(client: TestClient) -> None:
    desk = Desk(client)
    adding(desk)
    added = desk.paragraphs()[1]
    ok(desk.try_step("undo", desk.draft()["steps"]["undo"]["id"]))
    assert len(desk.paragraphs()) == 2
    desk.save({"paragraph_id": added["id"], "base": added["head"], "text": "A new one."})
    assert desk.texts()[1] == "A new one.", "where it stood"
    assert sound(client)
    ok(desk.try_step("undo", desk.draft()["steps"]["undo"]["id"]))
    assert len(desk.paragraphs()) == 2
    assert sound(client)


# ── refusals ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_of_undos_at_the_same_time_exactly_one_wins(client: TestClient) -> None:
    desk = Desk(client)
    renaming(desk)
    placing(desk)
    step = desk.draft()["steps"]["undo"]["id"]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: desk.try_step("undo", step), range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
    for answer in answers:
        if answer.status_code == 409:
            refused(answer, 409, "stale-step")
    assert desk.draft()["title"] == "Another", "the step before it still stands"
    assert not any(p["on_canvas"] for p in desk.paragraphs())
    assert sound(client)


def test_the_same_undo_sent_twice_is_done_once(client: TestClient) -> None:
    desk = Desk(client)
    renaming(desk)
    placing(desk)
    body, headers = {"step": desk.draft()["steps"]["undo"]["id"]}, {"Idempotency-Key": "once"}
    first = client.post(f"/api/drafts/{desk.id}/undo", json=body, headers=headers)
    assert ok(client.post(f"/api/drafts/{desk.id}/undo", json=body, headers=headers)) == ok(first)
    assert ok(client.get(f"/api/drafts/{desk.id}/steps")) == first.json()["steps"]


def test_where_there_is_nothing_and_where_something_changed_since(client: TestClient) -> None:
    desk = Desk(client)
    refused(desk.try_step("undo", str(uuid.uuid4())), 409, "nothing")
    refused(desk.try_step("redo", str(uuid.uuid4())), 409, "nothing")
    renaming(desk)
    step = desk.draft()["steps"]["undo"]["id"]
    refused(desk.try_step("undo", str(uuid.uuid4())), 409, "stale-step")
    with client.app.state.db.write() as session:  # type: ignore[attr-defined]
        session.get_one(Draft, desk.id).title = "By some other way"
    refused(desk.try_step("undo", step), 409, "changed-since")
    assert desk.draft()["title"] == "By some other way"
    assert desk.draft()["steps"]["undo"]["id"] == step


def test_what_is_in_the_draft_is_not_archived(client: TestClient) -> None:
    desk = Desk(client)
    head, other = (p["head"] for p in desk.paragraphs())
    refused(client.post(f"/api/versions/{head}/archive"), 409, "in-draft")
    made = [data["version"]["id"] for name, data in desk.revise(head) if name == "version"]
    address = f"/api/drafts/{desk.id}/archive"
    refused(client.post(address, json={"version_ids": [*made, other]}), 409, "in-draft")
    refused(client.post(address, json={"version_ids": [str(uuid.uuid4())]}), 404, "not-found")
    assert not any(version["archived"] for version in desk.draft()["versions"])
    decide(desk, made[0], "archive")
    assert desk.version(made[0])["archived"]
    decide(desk, made[0], "confirm", base=head)
    assert not desk.version(made[0])["archived"], "what is confirmed is in the draft again"
    assert sound(client)


# ── what others build on ───────────────────────────────────────────────────────────────────────────────────────────


def test_goals_and_sources_come_and_go_with_one_line_of_their_use_cases(client: TestClient) -> None:
    desk = Desk(client)
    write = client.app.state.db.write  # type: ignore[attr-defined]

    def set_goal(audience: str) -> None:
        with write() as session:
            draft = session.get_one(Draft, desk.id)
            for goal in store.goals(session, desk.id):
                goal.active = False
            low_high = {"engagement_low": 1, "engagement_high": 2, "exposition_low": 1, "exposition_high": 2}
            goal = Goal(draft_id=desk.id, audience=audience, **low_high)
            session.add(goal)
            session.flush()
            told = events.GoalSet(goal_id=goal.id, audience=audience, range=[1, 2, 1, 2])
            events.note(session, draft.writer_id, desk.id, told)
            undo.keep(session, draft, "goal")

    before = shown(desk)
    set_goal("pupils")
    set_goal("teachers")
    with write() as session:
        draft = session.get_one(Draft, desk.id)
        session.add(Source(id=(source_id := str(uuid.uuid4())), draft_id=desk.id, title="Notes", text="70 bp"))
        told = events.SourceAdded(source_id=source_id, title="Notes", chars=5, text_sha256="0" * 64)
        events.note(session, draft.writer_id, desk.id, told)
        undo.keep(session, draft, "source")
    after = shown(desk)
    assert [goal["active"] for goal in after["goals"]] == [False, True]
    assert desk.all_steps("undo") == ["source", "goal", "goal"]
    assert shown(desk) == before
    assert sound(client)
    assert desk.all_steps("redo") == ["goal", "goal", "source"]
    assert shown(desk) == after
    assert sound(client)


# ── anything, in any order ─────────────────────────────────────────────────────────────────────────────────────────


def anything(desk: Desk, seed: int) -> None:
    """One random thing a writer can do; some are refused, which is as good."""
    rng = random.Random(seed)
    draft = desk.draft()
    shown_ones = [p for p in draft["paragraphs"] if not p["removed"]]
    version = rng.choice(draft["versions"])
    kind = rng.choice(
        ["type", "type", "remove", "add", "order", "place", "rename", "revise", "decide", "decide", "decide", "undo",
         "undo", "redo", "tidy"]
    )  # fmt: skip
    if kind in ("type", "remove") and draft["paragraphs"]:
        paragraph = rng.choice(draft["paragraphs"])  # a removed one is what another tab may still type into
        text = "" if kind == "remove" else f"Text {rng.randrange(4)} of it."
        desk.save({"paragraph_id": paragraph["id"], "base": paragraph["head"], "text": text})
    elif kind == "add":
        after = rng.choice(shown_ones)["id"] if shown_ones else None
        desk.save(
            {
                "paragraph_id": str(uuid.uuid4()),
                "base": None,
                "text": "New one.",
                "after": after,
            }
        )
    elif kind == "order":
        moved, after = rng.choice(shown_ones), rng.choice([None, *shown_ones])
        desk.move(moved, after and after["id"])
    elif kind == "place" and shown_ones:
        ids = [p["id"] for p in rng.sample(shown_ones, rng.randint(1, len(shown_ones)))]
        ok(desk.client.post(f"/api/drafts/{desk.id}/place", json={"paragraph_ids": ids, "remove": rng.random() < 0.3}))
    elif kind == "rename":
        ok(desk.client.patch(f"/api/drafts/{desk.id}", json={"title": f"Title {rng.randrange(3)}"}))
    elif kind == "revise" and version["text"]:
        desk.revise(version["id"], n=rng.randint(1, 2))
    elif kind == "decide":
        verb = rng.choice(["confirm", "discard", "restore", "archive", "unarchive", "edits"])
        base = next(p["head"] for p in draft["paragraphs"] if p["id"] == version["paragraph_id"])
        body = {"confirm": {"base": base}, "edits": {"text": f"Hand {rng.randrange(3)}."}}.get(verb)
        desk.client.post(f"/api/versions/{version['id']}/{verb}", json=body)
    elif kind == "tidy":
        ids = [v["id"] for v in draft["versions"] if v["status"] in ("proposed", "discarded")]
        desk.client.post(f"/api/drafts/{desk.id}/archive", json={"version_ids": ids})
    elif kind in ("undo", "redo") and draft["steps"][kind]:
        ok(desk.try_step(kind, draft["steps"][kind]["id"]))


@given(seeds=st.lists(st.integers(0, 10**6), min_size=3, max_size=12))
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # every example is some hundred requests: too slow to shrink
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whatever_was_done_all_is_undone_and_redone(client: TestClient, seeds: list[int]) -> None:
    desk = Desk(client, "Cells divide.\n\nThey age.\n\nTelomeres shorten.")
    start = shown(desk)
    known = set(start["versions"])
    for seed in seeds:
        anything(desk, seed)
    end, everything = shown(desk), {version["id"] for version in desk.draft()["versions"]}
    undone = desk.all_steps("undo")
    assert shown(desk, known) == start
    for _ in undone:
        ok(desk.try_step("redo", desk.draft()["steps"]["redo"]["id"]))
    assert shown(desk) == end
    assert {version["id"] for version in desk.draft()["versions"]} == everything
    assert sound(client)
