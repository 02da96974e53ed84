"""Why a version stands where it does, where the writer puts it instead, and measuring a draft again."""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import app.writing.invariants  # noqa: F401  (adds its rules to the check)
from app.axes.types import Placement, Unplaceable
from app.db.check import check
from app.settings import PROJECT_ROOT, Settings
from app.web.errors import Problem
from app.writing import export, rescore
from app.writing.landing import Point, Region
from app.writing.why import ENOUGH, Move, most, moves
from tests.conftest import ORIGIN, OWN_PAGE
from tests.scripted import ScriptedScorer, scripted_app
from tests.writing.desk import Desk, log, ok, refused

TEXT = "Cells divide because they age. People like it every day!\n\nTelomeres shorten by 70 bp.\n\nThe result stands."
GIVEN = {"exposition": 71.5, "engagement": 30.0}


BOTH = pytest.mark.parametrize("db_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def db_url(request: pytest.FixtureRequest) -> str:
    """SQLite where nothing else is asked for: most of this is the same on both."""
    url: str = request.getfixturevalue(f"{getattr(request, 'param', 'sqlite')}_url")
    return url


@pytest.fixture
def desk(client: TestClient) -> Desk:
    """With every paragraph on the canvas."""
    desk = Desk(client, TEXT)
    place(desk)
    return desk


def place(desk: Desk) -> None:
    ids = [p["id"] for p in desk.paragraphs()]
    ok(desk.client.post(f"/api/drafts/{desk.id}/place", json={"paragraph_ids": ids}))


def head(desk: Desk, number: int = 1) -> Any:
    return desk.version(desk.paragraphs()[number - 1]["head"])


def correct(desk: Desk, version: Any, status: int = 200, **body: Any) -> Any:
    return ok(desk.client.post(f"/api/versions/{version['id']}/correction", json={**GIVEN, **body}), status)


def clean(client: TestClient) -> bool:
    return check(client.app.state.db) == []  # type: ignore[attr-defined]


# ── why here ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sentences_add_up_to_words_and_three_reasons_come_first(desk: Desk) -> None:
    version = head(desk)
    why = ok(desk.client.get(f"/api/versions/{version['id']}/why"))
    assert why["placement"] == version["placement"]
    shown = [version["text"][s["start"] : s["end"]] for s in why["sentences"]]
    assert shown == ["Cells divide because they age.", "People like it every day!"]
    assert why["sentences"][0]["exposition"] > 0 > why["sentences"][1]["exposition"]
    sizes = [abs(reason["points"]) for reason in why["reasons"]]
    assert len(sizes) == 3
    assert sizes == sorted(sizes, reverse=True)
    assert any("because" in reason["evidence"] for reason in why["reasons"])


def test_it_is_explained_once_a_text(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    told = ScriptedScorer.explain

    def explain(self: ScriptedScorer, text: str) -> Any:
        asked.append(text)
        return told(self, text)

    monkeypatch.setattr(ScriptedScorer, "explain", explain)
    for _ in range(2):
        ok(desk.client.get(f"/api/versions/{head(desk)['id']}/why"))
    assert len(asked) == 1
    ok(desk.client.get(f"/api/drafts/{desk.id}"))
    assert len(asked) == 1, "listing explains nothing"


def test_a_text_without_words_says_why_it_has_no_place(client: TestClient) -> None:
    desk = Desk(client, "2026")
    refused(client.get(f"/api/versions/{head(desk)['id']}/why"), 422, "unplaceable")


def test_the_label_named_is_the_one_that_was_measured_to_move_most(desk: Desk) -> None:
    version = head(desk)
    assert ok(desk.client.get(f"/api/versions/{version['id']}/why"))["label"] is None, "nothing is measured yet"
    made = []
    for _ in range(2):
        made += [told["version"] for name, told in desk.revise(version["id"]) if name == "version"]
    assert len(made) == ENOUGH
    ways = [
        (m["placement"]["engagement"] - version["placement"]["engagement"],
         m["placement"]["exposition"] - version["placement"]["exposition"])
        for m in made
    ]  # fmt: skip
    label = ok(desk.client.get(f"/api/versions/{version['id']}/why"))["label"]
    assert (label["label"], label["n"], label["source"]) == ("use-analogy", ENOUGH, "draft")
    assert label["engagement"] == pytest.approx(sum(x for x, _ in ways) / ENOUGH, abs=0.06)
    assert label["exposition"] == pytest.approx(sum(y for _, y in ways) / ENOUGH, abs=0.06)
    other = Desk(desk.client, "Another draft of the same writer.")
    assert ok(desk.client.get(f"/api/versions/{head(other)['id']}/why"))["label"]["source"] == "writer"


def test_few_versions_say_nothing_and_the_table_stands_in() -> None:
    table = [Move("a", 1.0, 2.0, 36, "benchmark"), Move("gone", 9.0, 9.0, 36, "benchmark")]
    few = [("d", "a", 50.0, 50.0)] * (ENOUGH - 1)
    assert moves(few, "d", table, {"a"}) == table[:1]
    assert moves([*few, ("e", "a", 44.0, 50.0)], "d", table, {"a"}) == [Move("a", 49.0, 50.0, ENOUGH, "writer")]


def test_with_a_goal_the_label_leads_there() -> None:
    up, right = Move("up", 0.0, 6.0, 9, "draft"), Move("right", 3.0, 0.0, 9, "draft")
    at = Point(engagement=50, exposition=50)
    assert most([up, right], at, None) == up
    assert most([up, right], at, Region(engagement=(55, 60), exposition=(45, 55))) == right
    assert most([up, right], at, Region(engagement=(30, 40), exposition=(45, 55))) is None, "none leads there"
    assert most([up, right], at, Region(engagement=(45, 55), exposition=(45, 55))) is None, "it is there"


# ── correction ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_both_points_are_kept_and_the_measured_one_goes_on_counting(desk: Desk) -> None:
    before = head(desk)
    way = ok(desk.client.get(f"/api/drafts/{desk.id}/trajectory"))
    after = correct(desk, before, note="  Reads  like a lecture. ")
    assert after["placement"] == before["placement"]
    told = {**GIVEN, "note": "Reads like a lecture.", "scorer_id": "scripted"}
    assert after["human_placement"] == told == head(desk)["human_placement"]
    assert log(desk.client, "version.corrected")[-1] == (before["id"], told)
    assert ok(desk.client.get(f"/api/drafts/{desk.id}/trajectory")) == way
    assert clean(desk.client)


@BOTH
def test_it_can_be_undone_redone_and_taken_back(desk: Desk) -> None:
    version = head(desk)
    correct(desk, version)
    step = desk.draft()["steps"]["undo"]
    assert (step["kind"], step["version_id"]) == ("correct", version["id"])
    undone = ok(desk.try_step("undo", step["id"]))
    assert [x["human_placement"] for x in undone["versions"] if x["id"] == version["id"]] == [None]
    assert clean(desk.client)
    ok(desk.try_step("redo", step["id"]))
    assert head(desk)["human_placement"]["exposition"] == GIVEN["exposition"]
    assert clean(desk.client)
    taken = ok(desk.client.delete(f"/api/versions/{version['id']}/correction"))
    assert taken["human_placement"] is None
    assert clean(desk.client)
    ok(desk.client.delete(f"/api/versions/{version['id']}/correction"))
    assert len(log(desk.client, "version.uncorrected")) == 1, "twice is once"
    ok(desk.try_step("undo", desk.draft()["steps"]["undo"]["id"]))
    assert head(desk)["human_placement"]["exposition"] == GIVEN["exposition"]
    assert clean(desk.client)


def test_the_same_request_twice_is_one_correction(desk: Desk) -> None:
    path, headers = f"/api/versions/{head(desk)['id']}/correction", {"Idempotency-Key": str(uuid.uuid4())}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: desk.client.post(path, json=GIVEN, headers=headers), range(4)))
    assert {answer.text for answer in answers} == {answers[0].text}
    assert len(log(desk.client, "version.corrected")) == 1


def test_what_another_window_placed_is_not_overwritten_unseen(desk: Desk) -> None:
    version = head(desk)
    correct(desk, version)
    path = f"/api/versions/{version['id']}/correction"
    refused(desk.client.post(path, json={"exposition": 1, "engagement": 1}), 409, "stale")
    refused(
        desk.client.post(path, json={"exposition": 1, "engagement": 1, "over": {**GIVEN, "exposition": 2}}),
        409,
        "stale",
    )
    moved = correct(desk, version, exposition=40, over=GIVEN)
    assert moved["human_placement"]["exposition"] == 40


NO_PLACES: list[Any] = [
    {"exposition": 100.1, "engagement": 50},
    {"exposition": -1, "engagement": 50},
    {"exposition": "high", "engagement": 50},
    {"engagement": 50},
    {**GIVEN, "note": "x" * 301},
    {**GIVEN, "note": "a\0b"},
    {**GIVEN, "placement": 1},
    [],
]


def test_what_is_no_place_is_refused_in_words(desk: Desk) -> None:
    path = f"/api/versions/{head(desk)['id']}/correction"
    for body in NO_PLACES:
        refused(desk.client.post(path, json=body), 422, "invalid")
    for number in ("NaN", "Infinity", "-Infinity", "1e999"):
        body = f'{{"exposition": {number}, "engagement": 50}}'
        answer = desk.client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422), answer.text
    assert head(desk)["human_placement"] is None


def test_what_is_not_measured_or_deleted_has_no_place_to_correct(client: TestClient) -> None:
    desk = Desk(client)
    version = head(desk)
    path = f"/api/versions/{version['id']}"
    refused(client.post(f"{path}/correction", json=GIVEN), 409, "unplaced")
    ok(client.delete(f"/api/drafts/{desk.id}"), 204)
    refused(client.post(f"{path}/correction", json=GIVEN), 404, "not-found")
    refused(client.delete(f"{path}/correction"), 404, "not-found")
    refused(client.get(f"{path}/why"), 404, "not-found")


# ── measuring again ────────────────────────────────────────────────────────────────────────────────────────────────


Restart = Callable[..., TestClient]


@pytest.fixture
def restarted(settings: Settings, client: TestClient, request: pytest.FixtureRequest) -> Restart:
    """The server again, on the same data and for the same writer, with a scorer of another scale."""

    def restart(scale: int = 2, scorer: ScriptedScorer | None = None) -> TestClient:
        app = scripted_app(settings, scorer=scorer or ScriptedScorer(scale))
        again = TestClient(app, ORIGIN, headers=OWN_PAGE, raise_server_exceptions=False)
        again.__enter__()
        request.addfinalizer(lambda: again.__exit__(None, None, None))
        again.cookies.update(dict(client.cookies))
        return again

    return restart


class HeldScorer(ScriptedScorer):
    """Of another scale; so many pieces are measured at once, the next when it is let go."""

    def __init__(self, pieces: int) -> None:
        super().__init__(2)
        self.pieces = pieces
        self.reached, self.let_go = threading.Event(), threading.Event()

    def score(self, texts: Sequence[str]) -> list[Placement]:
        if self.pieces == 0:
            self.reached.set()
            assert self.let_go.wait(60)
        self.pieces -= 1
        return super().score(texts)


def over(desk: Desk, seconds: float = 60) -> Any:
    """The job, when it has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        job = ok(desk.client.get(f"/api/drafts/{desk.id}/rescore"))["job"]
        if job is None or job["status"] != "running":
            return job
        time.sleep(0.02)
    raise AssertionError(job)


def test_nothing_is_measured_again_unasked(desk: Desk, restarted: Restart) -> None:
    before = desk.draft()
    desk.client = restarted()
    place(desk)
    ok(desk.client.post(f"/api/drafts/{desk.id}/score"))
    assert [v["placement"] for v in desk.draft()["versions"]] == [v["placement"] for v in before["versions"]]
    assert ok(desk.client.get(f"/api/drafts/{desk.id}/rescore")) == {"job": None}


@BOTH
def test_measured_again_the_old_values_are_kept_shown_and_exported(
    desk: Desk, restarted: Restart, tmp_path: Path
) -> None:
    old = head(desk)
    correct(desk, old)
    desk.client = restarted()
    ok(desk.client.post(f"/api/drafts/{desk.id}/rescore"), 202)
    job = over(desk)
    assert (job["status"], job["done"], job["total"]) == ("done", 3, 3)
    new = head(desk)
    assert new["placement"]["scorer_id"] == "scripted-2"
    assert new["placement"]["exposition"] == pytest.approx(
        old["placement"]["exposition"] + ScriptedScorer.SHIFT, abs=0.02
    )
    assert new["human_placement"]["scorer_id"] == "scripted", "on whose map it was put"
    earlier = ok(desk.client.get(f"/api/versions/{old['id']}/detail"))["earlier"]
    assert [{k: e[k] for k in old["placement"]} for e in earlier] == [old["placement"]]
    assert clean(desk.client)
    refused(desk.client.post(f"/api/drafts/{desk.id}/rescore"), 409, "up-to-date")
    export.export(desk.client.app.state.db, tmp_path / "out", desk.id)  # type: ignore[attr-defined]
    rows = (tmp_path / "out" / "versions.csv").read_text("utf-8")
    assert '""scorer_id"": ""scripted""' in rows
    project = desk.client.get(f"/api/drafts/{desk.id}/project.spatial")
    brought = ok(desk.client.post("/api/projects", files={"file": ("p.spatial", project.content)}), 201)
    desk.id = brought["id"]
    assert {k: head(desk)[k] for k in ("placement", "human_placement")} == {
        k: new[k] for k in ("placement", "human_placement")
    }
    assert [e["until"] for e in ok(desk.client.get(f"/api/versions/{head(desk)['id']}/detail"))["earlier"]] == [
        e["until"] for e in earlier
    ]
    assert desk.client.get(f"/api/drafts/{desk.id}/project.spatial").content == project.content
    assert clean(desk.client)


def test_asked_for_twice_it_is_one_job_and_it_can_be_stopped(desk: Desk, restarted: Restart) -> None:
    scorer = HeldScorer(pieces=0)
    desk.client = restarted(scorer=scorer)
    path = f"/api/drafts/{desk.id}/rescore"
    with ThreadPoolExecutor(3) as pool:
        jobs = list(pool.map(lambda _: ok(desk.client.post(path), 202), range(3)))
    assert len({job["id"] for job in jobs}) == 1
    assert scorer.reached.wait(60)
    assert ok(desk.client.post(f"{path}/stop"))["job"]["status"] == "cancelled"
    assert ok(desk.client.post(f"{path}/stop"))["job"]["status"] == "cancelled"
    assert len(log(desk.client, "rescore.ended")) == 1
    scorer.let_go.set()
    desk.client.app.state.rescorer._thread.submit(bool).result(60)  # type: ignore[attr-defined]  # behind the piece
    assert head(desk)["placement"]["scorer_id"] == "scripted", "what was in hand when it was stopped is let go"
    assert clean(desk.client)
    ok(desk.client.post(path), 202)
    assert over(desk)["status"] == "done"


def test_a_stopped_server_goes_on_where_it_was(desk: Desk, restarted: Restart) -> None:
    text = "\n\n".join(f"Cell {i} divides because of age." for i in range(14))
    desk = Desk(desk.client, text)
    place(desk)
    scorer = HeldScorer(pieces=1)
    first = restarted(scorer=scorer)
    desk.client = first
    ok(first.post(f"/api/drafts/{desk.id}/rescore"), 202)
    assert scorer.reached.wait(60)
    rescorer = first.app.state.rescorer  # type: ignore[attr-defined]
    with ThreadPoolExecutor(1) as pool:
        closing = pool.submit(rescorer.close)
        assert rescorer._closed.wait(60)
        scorer.let_go.set()
        closing.result(60)
    left = ok(first.get(f"/api/drafts/{desk.id}/rescore"))["job"]
    assert (left["status"], left["done"]) == ("running", 2 * rescore.PIECE)
    desk.client = restarted()
    job = over(desk)
    assert (job["id"], job["status"], job["done"]) == (left["id"], "done", 14)
    assert {v["placement"]["scorer_id"] for v in desk.draft()["versions"]} == {"scripted-2"}
    assert clean(desk.client)


def test_all_drafts_can_be_measured_again_at_once(desk: Desk) -> None:
    other = Desk(desk.client, "Another draft of one cell.")
    place(other)
    db = desk.client.app.state.db  # type: ignore[attr-defined]
    second = ScriptedScorer(2)
    with pytest.raises(Problem):
        rescore.run(db, second, "nobody's")
    assert rescore.run(db, second, other.id) == {other.id: 1}
    assert head(desk)["placement"]["scorer_id"] == "scripted"
    assert rescore.run(db, second) == {desk.id: 3}
    assert rescore.run(db, second) == {}
    assert clean(desk.client)


def test_what_cannot_be_placed_any_more_keeps_its_place_and_holds_nothing_up(
    desk: Desk, restarted: Restart, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = ScriptedScorer._parts

    def parts(self: ScriptedScorer, text: str) -> Any:
        if self.scale == 2 and text.startswith("Telomeres"):
            raise Unplaceable("This can't be placed any more.")
        return told(self, text)

    monkeypatch.setattr(ScriptedScorer, "_parts", parts)
    desk.client = restarted()
    ok(desk.client.post(f"/api/drafts/{desk.id}/rescore"), 202)
    assert over(desk)["status"] == "done"
    assert [head(desk, i)["placement"]["scorer_id"] for i in (1, 2, 3)] == ["scripted-2", "scripted", "scripted-2"]


def test_a_scorer_changed_meanwhile_ends_it_in_words(desk: Desk, restarted: Restart) -> None:
    desk.client = restarted()
    ok(desk.client.post(f"/api/drafts/{desk.id}/rescore"), 202)
    desk.client.app.state.rescorer._closed.set()  # type: ignore[attr-defined]
    desk.client.app.state.rescorer.close()  # type: ignore[attr-defined]
    with desk.client.app.state.db.write() as session:  # type: ignore[attr-defined]
        from app.writing import store

        job = store.last_rescore(session, desk.id)
        assert job is not None
        job.status, job.scorer_id = "running", "scripted-2"
    desk.client = restarted(scale=3)
    job = over(desk)
    assert (job["status"], job["problem"]["code"]) == ("failed", "other-scale")


def test_points_of_two_scales_are_not_compared(desk: Desk, restarted: Restart) -> None:
    version = head(desk)
    others = [(len(x["text"].split()), x["placement"]["exposition"]) for x in (head(desk, 2), head(desk, 3))]
    stays = sum(words * y for words, y in others) / sum(words for words, _ in others)
    desk.client = restarted()
    made = next(told["version"] for name, told in desk.revise(version["id"]) if name == "version")
    assert made["placement"]["scorer_id"] == "scripted-2"
    pair = f"version={version['id']}&version={made['id']}"
    compared = ok(desk.client.get(f"/api/drafts/{desk.id}/compare?{pair}"))
    assert [p["move"] for p in compared["pairs"]] == [None, None]
    ok(desk.client.post(f"/api/versions/{made['id']}/confirm", json={"base": version["id"]}))
    way = ok(desk.client.get(f"/api/drafts/{desk.id}/trajectory"))
    assert way["left_out"] == 1
    assert ok(desk.client.get(f"/api/versions/{version['id']}/why"))["label"] is None
    assert way["points"][-1]["exposition"] == pytest.approx(stays, abs=0.01), "the two paragraphs of one scale"


def test_every_reason_has_words() -> None:
    from app.axes import features
    from app.axes.heads import STRATEGIES

    names = {*STRATEGIES, *features.NAMES, "exposition", "engagement"}
    table = (PROJECT_ROOT / "static" / "js" / "words.js").read_text("utf-8")
    table = table[table.index("const REASONS") : table.index("const STRATEGY")]
    assert names <= set(re.findall(r"^  (\w+): \[", table, re.MULTILINE))


def test_the_shipped_table_is_of_the_shipped_scorer_and_layer() -> None:
    from app.axes.scorer import BaseScorer
    from app.llm.layers import SHIPPED
    from app.writing.strategies import load_book
    from app.writing.why import MOVES, benchmark
    from app.zo.layer import DELTA_NAME, TunedLayer

    table = json.loads(MOVES.read_text("utf-8"))
    assert table["scorer_id"] == BaseScorer(None).scorer_id, "python -m benchmarks.moves makes it anew"  # type: ignore[arg-type]
    assert table["tuned_id"] == TunedLayer.load(SHIPPED / DELTA_NAME).tuned_id, "collect, then measure"
    assert {move.label for move in benchmark(table["scorer_id"])} <= {label.id for label in load_book().labels}
