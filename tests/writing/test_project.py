"""The project file: out, in and out again it is the same file; what is wrong with one is said, nothing is stored."""

from __future__ import annotations

import hashlib
import io
import json
import random
import uuid
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import Response
from sqlalchemy import func, select, update
from starlette.testclient import TestClient

import app.writing.invariants  # noqa: F401  (adds its rules to the check)
from app.db.base import Base
from app.db.check import check
from app.db.engine import Database
from app.settings import Settings
from app.writing import models, projectfile
from app.writing.events import VersionCorrected
from app.writing.models import Draft, Goal, MuseCard, Source, Version, VersionParent
from tests.conftest import ORIGIN, OWN_PAGE
from tests.scripted import scripted_app
from tests.writing.desk import Desk, log, ok, refused

Files = dict[str, bytes]


def export(client: TestClient, draft_id: str) -> bytes:
    answer = client.get(f"/api/drafts/{draft_id}/project.spatial")
    assert answer.status_code == 200, answer.text
    return answer.content


def bring(client: TestClient, data: bytes, **headers: str) -> Response:
    answer: Response = client.post("/api/projects", files={"file": ("A draft.spatial", data)}, headers=headers)
    return answer


def unzipped(data: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: Files, *, seal: bool = True) -> bytes:
    """`seal` gives the manifest the hashes of the files as they are."""
    if seal:
        manifest = json.loads(files["manifest.json"])
        manifest["files"] = {
            name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != "manifest.json"
        }
        files = {**files, "manifest.json": json.dumps(manifest).encode()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def everything_in(db: Database) -> dict[str, int]:
    with db.read() as session:
        return {
            table.name: session.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
        }


@pytest.fixture
def db(app: FastAPI) -> Database:
    database: Database = app.state.db
    return database


def attach(desk: Desk) -> None:
    """Goals, the first the active one, and sources; one of each taken off again."""
    area = {"engagement": [40, 60.25], "exposition": [45.1, 70]}
    for audience in ("Farmers", "Judges", "Teachers"):
        goals = ok(desk.client.post(f"/api/drafts/{desk.id}/goals", json={"audience": audience, **area}), 201)["goals"]
    ok(desk.client.delete(f"/api/goals/{goals[1]['id']}"))
    ok(desk.client.post(f"/api/goals/{goals[0]['id']}/activate"))
    sources = [
        ok(desk.client.post(f"/api/drafts/{desk.id}/sources", json={"title": f"S{i}", "text": f"Source {i}.\n"}), 201)
        for i in range(4)
    ]
    ok(desk.client.delete(f"/api/drafts/{desk.id}/sources/{sources[1]['id']}"), 204)


@pytest.fixture
def desk(client: TestClient, db: Database) -> Desk:
    """A draft that has been through everything there is."""
    made = Desk(client, "One cell divides.\n\nTwo cells divide.\n\nThree cells divide.\n\nשלום 👩‍🔬 <b>\u2028\x01 end.")
    first, second, third, _ = made.paragraphs()
    ok(client.post(f"/api/drafts/{made.id}/place", json={"paragraph_ids": [first["id"], second["id"]]}))
    landed = [data["version"]["id"] for name, data in made.revise(first["head"]) if name == "version"]
    made.revise(second["head"], label="own-prompt", prompt="Say it for a child.", n=1)
    ok(client.post(f"/api/versions/{landed[0]}/confirm", json={"base": first["head"]}))
    ok(client.post(f"/api/versions/{landed[1]}/discard"))
    ok(client.post(f"/api/versions/{first['head']}/discard"))
    ok(client.post(f"/api/versions/{landed[2]}/edits", json={"text": "Edited by hand."}), 201)
    made.type(third, "")
    made.type(second, "Two cells divide again.")
    second, first = (next(p for p in made.paragraphs() if p["id"] == it["id"]) for it in (second, first))
    made.move(second, None)
    made.ask(second["head"])  # waits for its turn, and ends in the file
    stopped = made.ask(landed[0])["id"]
    ok(client.post(f"/api/generations/{stopped}/stop"))
    attach(made)
    by_hand = VersionCorrected(exposition=50.5, engagement=49, note="By ear.", scorer_id="scripted")
    with db.write() as session:
        draft = session.get_one(Draft, made.id)
        draft.number += 1
        combined = Version(
            draft_id=made.id, paragraph_id=first["id"], number=draft.number, operation="combine", text="Both of them.",
            status="proposed", archived=True, flags=["new-claim"], human_placement=by_hand.model_dump(exclude={"type"}),
            model_id="a/model", tuned_id="tuned-1", seed=2**40,
        )  # fmt: skip
        session.add(combined)
        session.flush()
        session.add_all(
            VersionParent(version_id=combined.id, parent_id=p, ordinal=i) for i, p in enumerate((landed[2], landed[0]))
        )
        from app.writing.events import VersionArchived, note
        from app.writing.service import note_version

        note_version(session, draft, combined, [landed[2], landed[0]], head=False)
        note(session, draft.writer_id, draft.id, VersionArchived(), combined.id)
        note(session, draft.writer_id, draft.id, by_hand, combined.id)
        # Of one moment, so that only their order of ids tells them apart.
        session.execute(update(Source).values(created_at=datetime(2026, 3, 1, 12, 0, 0, 5, UTC)))
        session.execute(
            update(Goal).where(Goal.audience == "Teachers").values(created_at=datetime(2100, 1, 1, tzinfo=UTC))
        )
        card = {"topic": f"path:{first['id']}", "observation": "You went back and forth.", "question": "Is that meant?"}
        actions: list[tuple[str, dict[str, Any] | None]] = [
            ("never", {"kind": "label", "label": "use-analogy", "version_id": landed[0]}),
            ("shown", {"kind": "compare", "versions": [landed[0], landed[2], combined.id]}),
            ("applied", {"kind": "open", "version_id": landed[1]}),
            ("not-now", None),
        ]
        session.add_all(
            MuseCard(
                draft_id=made.id, cites=[landed[0], combined.id], status=status, model_id="m", action=action,
                created_at=datetime(2026, 3, 1 + i, tzinfo=UTC), **card,
            )
            for i, (status, action) in enumerate(actions)
        )  # fmt: skip
    assert check(db) == []
    return made


@pytest.fixture
def elsewhere(tmp_path: Path, settings: Settings) -> Iterator[TestClient]:
    """Another server with a database of its own, and another writer."""
    other = Settings(data_dir=tmp_path / "other")
    with TestClient(scripted_app(other), ORIGIN, headers=OWN_PAGE, raise_server_exceptions=False) as writer:
        writer.get("/")
        yield writer


# ── there and back ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_out_in_and_out_again_is_the_same_file(
    client: TestClient, db: Database, desk: Desk, elsewhere: TestClient
) -> None:
    first = export(client, desk.id)
    assert export(client, desk.id) == first, "the same draft is the same bytes"
    entry = ok(bring(elsewhere, first), 201)
    assert entry["title"] == "A draft"
    assert export(elsewhere, entry["id"]) == first
    # And home again, to another writer of the first database.
    client.cookies.clear()
    client.get("/")
    back = ok(bring(client, export(elsewhere, entry["id"])), 201)["id"]
    assert back not in (desk.id, entry["id"])
    assert export(client, back) == first
    for database in (db, elsewhere.app.state.db):  # type: ignore[attr-defined]
        assert check(database) == []
    assert log(elsewhere, "draft.imported") == [(None, {"sha256": hashlib.sha256(first).hexdigest()})]


def test_what_is_brought_in_is_what_was_there(client: TestClient, desk: Desk, elsewhere: TestClient) -> None:
    before = desk.draft()
    after = ok(elsewhere.get(f"/api/drafts/{ok(bring(elsewhere, export(client, desk.id)), 201)['id']}"))

    def told(draft: Any) -> Any:
        number = {version["id"]: version["number"] for version in draft["versions"]}
        versions = [
            {
                **{k: x for k, x in version.items() if k not in ("id", "paragraph_id", "generation_id", "parents")},
                "parents": [number[parent] for parent in version["parents"]],
            }
            for version in draft["versions"]
        ]
        paragraphs = [(p["on_canvas"], p["removed"], number[p["head"]]) for p in draft["paragraphs"]]
        goals = [{**goal, "id": None} for goal in draft["goals"]]
        sources = [{**source, "id": None} for source in draft["sources"]]
        return draft["title"], draft["number"], versions, paragraphs, goals, sources

    assert told(after) == told(before)
    assert [g["status"] for g in after["generations"]] == ["cancelled", "cancelled"]
    with elsewhere.app.state.db.read() as session:  # type: ignore[attr-defined]
        cards = session.scalars(select(MuseCard).order_by(MuseCard.created_at, MuseCard.id)).all()
        known = {version["id"]: version["number"] for version in after["versions"]}
        assert {known[i] for i in cards[0].cites} == {known_of(before, i) for i in cited(client, desk)}
        assert cards[0].topic == f"path:{after['paragraphs'][1]['id']}"
        numbers = {version["id"]: version["number"] for version in before["versions"]}
        assert [numbered(card.action, known) for card in cards] == [
            numbered(action, numbers) for action in actions_of(client, desk)
        ]
        assert [card.status for card in cards] == ["never", "shown", "applied", "not-now"]


def numbered(action: Any, numbers: dict[str, int]) -> Any:
    """An action with numbers instead of versions' ids."""
    if isinstance(action, dict):
        return {key: numbered(value, numbers) for key, value in action.items()}
    if isinstance(action, list):
        return [numbers[one] for one in action]
    return numbers.get(action, action)


def actions_of(client: TestClient, desk: Desk) -> list[Any]:
    with client.app.state.db.read() as session:  # type: ignore[attr-defined]
        own = select(MuseCard).where(MuseCard.draft_id == desk.id).order_by(MuseCard.created_at, MuseCard.id)
        return [card.action for card in session.scalars(own)]


def known_of(draft: Any, version_id: str) -> int:
    return next(version["number"] for version in draft["versions"] if version["id"] == version_id)


def cited(client: TestClient, desk: Desk) -> list[str]:
    with client.app.state.db.read() as session:  # type: ignore[attr-defined]
        cards = session.scalars(select(MuseCard).where(MuseCard.draft_id == desk.id)).all()
        return [i for card in cards for i in card.cites]


def test_the_imported_draft_can_be_worked_on(client: TestClient, desk: Desk, elsewhere: TestClient) -> None:
    desk.client, desk.id = elsewhere, ok(bring(elsewhere, export(client, desk.id)), 201)["id"]
    paragraph = desk.paragraphs()[0]
    desk.type(paragraph, "Two cells divide, at home.")
    discarded = [version for version in desk.draft()["versions"] if version["status"] == "discarded"]
    restored = {ok(elsewhere.post(f"/api/versions/{x['id']}/restore"))["status"] for x in discarded}
    assert restored == {"proposed", "written"}
    desk.revise(desk.paragraphs()[1]["head"])
    for generation in desk.draft()["generations"]:
        ok(elsewhere.post(f"/api/generations/{generation['id']}/retry"), 201)
    assert check(elsewhere.app.state.db) == []  # type: ignore[attr-defined]


def test_a_draft_without_anything_goes_out_and_in(client: TestClient) -> None:
    draft = ok(client.post("/api/drafts", json={"title": ""}), 201)
    data = export(client, draft["id"])
    assert export(client, ok(bring(client, data), 201)["id"]) == data


def test_a_file_sent_twice_under_one_key_is_one_draft(client: TestClient, desk: Desk) -> None:
    data, key = export(client, desk.id), str(uuid.uuid4())
    made = [ok(bring(client, data, **{"Idempotency-Key": key}), 201)["id"] for _ in range(2)]
    assert made[0] == made[1]
    refused(bring(client, data + b"\0", **{"Idempotency-Key": key}), 422, "key-reused")


def test_every_column_is_in_the_file_or_left_out_on_purpose() -> None:
    """A column that is added later is lost on the way until it is named here or goes into the file."""
    parts: dict[type[Base], tuple[type[Any], set[str]]] = {
        models.Draft: (projectfile.DraftPart, {"id", "writer_id", "number", "stamp", "updated_at", "deleted_at"}),
        models.Paragraph: (projectfile.ParagraphPart, {"id", "draft_id", "position", "head_version_id"}),
        models.Version: (
            projectfile.VersionPart,
            {"id", "draft_id", "paragraph_id", "generation_id", "exposition", "engagement", "spread", "scorer_id"},
        ),
        models.EarlierPlacement: (projectfile.EarlierPart, {"id", "version_id"}),
        models.Generation: (
            projectfile.GenerationPart,
            {"id", "draft_id", "paragraph_id", "parent_version_id", "other_version_id"},
        ),
        models.Source: (projectfile.SourcePart, {"id", "draft_id", "removed"}),
        models.Goal: (projectfile.GoalPart, {"id", "draft_id", "removed"}),
        models.MuseCard: (projectfile.CardPart, {"id", "draft_id"}),
    }
    for table, (part, renamed) in parts.items():
        columns = {column.name for column in table.__table__.columns}
        assert columns - renamed <= set(part.model_fields), table.__tablename__
        assert renamed <= columns


def test_nothing_in_the_file_names_a_person_or_a_row(client: TestClient, desk: Desk) -> None:
    files = unzipped(export(client, desk.id))
    assert list(files) == sorted({*projectfile.NAMES, "manifest.json"})
    with client.app.state.db.read() as session:  # type: ignore[attr-defined]
        ids = [*session.scalars(select(Version.id)), *session.scalars(select(models.Writer.id)), desk.id]
    content = b"".join(files.values()).decode()
    assert not [one for one in ids if one in content]
    with zipfile.ZipFile(io.BytesIO(export(client, desk.id))) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {projectfile.EPOCH}


# ── refusals ───────────────────────────────────────────────────────────────────────────────────────────────────────


def edited(files: Files, name: str, change: Callable[[list[Any]], Any]) -> Files:
    """With the lines of a file changed, and sealed anew."""
    lines = [json.loads(line) for line in files[name].splitlines()]
    change(lines)
    return {**files, name: b"".join(json.dumps(line).encode() + b"\n" for line in lines)}


def put(line: int, **values: Any) -> Callable[[list[Any]], Any]:
    return lambda lines: lines[line].update(values)


def opens(ref: str) -> dict[str, Any]:
    return {"kind": "open", "version_id": {"$ref": ref}}


def compares(*refs: str) -> dict[str, Any]:
    return {"kind": "compare", "versions": [{"$ref": ref} for ref in refs]}


WRONG: dict[str, tuple[str, Callable[[list[Any]], Any], str]] = {
    "parent-that-is-not-there": ("versions.jsonl", put(4, parents=[999]), "project-wrong"),
    "parent-of-itself": ("versions.jsonl", put(4, parents=[5]), "project-wrong"),
    "cycle": ("versions.jsonl", put(0, parents=[5]), "project-wrong"),
    "three-parents": ("versions.jsonl", put(4, parents=[1, 2, 3]), "project-damaged"),
    "twice-the-same-parent": ("versions.jsonl", put(4, parents=[1, 1]), "project-wrong"),
    "hole": ("versions.jsonl", lambda lines: lines.pop(1), "project-wrong"),
    "number-twice": ("versions.jsonl", put(1, number=1), "project-wrong"),
    "two-paragraphs-one-head": ("paragraphs.jsonl", lambda x: x[0].update(head=x[1]["head"]), "project-wrong"),
    "two-heads": ("paragraphs.jsonl", put(0, head=[1, 2]), "project-damaged"),
    "no-head": ("paragraphs.jsonl", put(0, head=None), "project-damaged"),
    "head-beyond": ("paragraphs.jsonl", put(0, head=9999), "project-wrong"),
    "removed-with-text": ("paragraphs.jsonl", put(0, removed=True), "project-wrong"),
    "paragraph-that-is-not-there": ("versions.jsonl", put(4, paragraph=77), "project-wrong"),
    "generation-that-is-not-there": ("versions.jsonl", put(4, generation=77), "project-wrong"),
    "ranking-of-others": ("generations.jsonl", put(0, ranking=[1]), "project-wrong"),
    "generation-from-nowhere": ("generations.jsonl", put(0, parent=9999), "project-wrong"),
    "two-active-goals": ("goals.jsonl", lambda x: [goal.update(active=True) for goal in x], "project-wrong"),
    "card-cites-nothing": ("cards.jsonl", put(0, cites=[9999]), "project-wrong"),
    "card-opens-nothing": ("cards.jsonl", put(0, action=opens("version/9999")), "project-wrong"),
    "card-compares-nothing": ("cards.jsonl", put(0, action=compares("version/1", "version/9999")), "project-wrong"),
    "card-opens-anothers": (
        "cards.jsonl",
        put(0, action={"kind": "open", "version_id": str(uuid.uuid4())}),
        "project-damaged",
    ),
    "card-opens-no-version": ("cards.jsonl", put(0, action=opens("paragraph/1")), "project-damaged"),
    "card-opens-version-nought": ("cards.jsonl", put(0, action=opens("version/0")), "project-damaged"),
    "card-is-a-reference": ("cards.jsonl", put(0, action={"$ref": "version/1"}), "project-damaged"),
    "card-compares-a-number": (
        "cards.jsonl",
        put(0, action={"kind": "compare", "versions": 3}),
        "project-damaged",
    ),
    "card-compares-one": ("cards.jsonl", put(0, action=compares("version/1")), "project-damaged"),
    "card-presses-on-nothing": ("cards.jsonl", put(0, action={"kind": "label", "label": "x"}), "project-damaged"),
    "card-of-an-unknown-kind": (
        "cards.jsonl",
        put(0, action={**opens("version/1"), "kind": "__proto__"}),
        "project-damaged",
    ),
    "card-of-an-unknown-status": ("cards.jsonl", put(0, status="bogus"), "project-damaged"),
    "too-many-candidates": ("generations.jsonl", put(0, n=9), "project-damaged"),
    "more-than-all-of-the-other": ("generations.jsonl", put(0, other=2, mix=1.5), "project-damaged"),
    "less-than-none-of-the-other": ("generations.jsonl", put(0, other=2, mix=-0.5), "project-damaged"),
    "generation-of-another-paragraph": ("generations.jsonl", put(0, parent=2), "project-wrong"),
    "generation-with-another-paragraphs": ("generations.jsonl", put(0, other=2, mix=0.5), "project-wrong"),
    "part-of-no-slot": ("generations.jsonl", put(0, partial={"one": "Cells"}), "project-damaged"),
    "problem-without-words": ("generations.jsonl", put(0, problem={"code": 7}), "project-damaged"),
    "goal-upside-down": ("goals.jsonl", put(0, engagement_low=61), "project-wrong"),
    "goal-too-narrow": ("goals.jsonl", put(0, exposition_high=46), "project-wrong"),
    "goal-out-of-bounds": ("goals.jsonl", put(0, engagement_high=201), "project-damaged"),
    "goal-for-nobody": ("goals.jsonl", put(0, audience=" "), "project-damaged"),
    "goal-for-too-many-words": ("goals.jsonl", put(0, audience="x" * 81), "project-damaged"),
    "source-without-text": ("sources.jsonl", put(0, text=" \n"), "project-damaged"),
    "source-too-long": ("sources.jsonl", put(0, text="x" * 1_000_001), "project-damaged"),
    "source-without-title": ("sources.jsonl", put(0, title=""), "project-damaged"),
    "source-with-endless-title": ("sources.jsonl", put(0, title="x" * 201), "project-damaged"),
    "unknown-status": ("versions.jsonl", put(4, status="lost"), "project-damaged"),
    "unfinished": ("generations.jsonl", put(0, status="running"), "project-damaged"),
    "unknown-field": ("versions.jsonl", put(4, writer_id="x"), "project-damaged"),
    "nul": ("versions.jsonl", put(4, text="a\0b"), "project-damaged"),
    "nul-deep-inside": ("versions.jsonl", put(4, prompt={"messages": [{"a\0": 1}]}), "project-damaged"),
    "half-a-pair": ("versions.jsonl", put(4, text="\ud800"), "project-damaged"),
    "not-a-number": ("versions.jsonl", put(4, human_placement={"x": float("nan")}), "project-damaged"),
    "endless-number": ("versions.jsonl", put(4, seed=10**300), "project-damaged"),
    "endless-label": ("versions.jsonl", put(4, label="x" * 81), "project-damaged"),
    "far-future": ("versions.jsonl", put(4, created_at="9999-12-31T23:59:59-12:00"), "project-damaged"),
    "time-without-zone": ("versions.jsonl", put(4, created_at="2026-01-01T00:00:00"), "project-damaged"),
    "half-a-placement": ("versions.jsonl", put(4, placement={"exposition": 50}), "project-damaged"),
    "two-drafts": ("draft.json", lambda lines: lines.append(lines[0]), "project-damaged"),
    "no-draft": ("draft.json", lambda lines: lines.clear(), "project-damaged"),
}


def test_what_is_wrong_with_a_file_is_said_and_nothing_is_stored(client: TestClient, db: Database, desk: Desk) -> None:
    """One draft for all of them: making it takes longer than refusing."""
    good = export(client, desk.id)
    files = unzipped(good)
    before = everything_in(db)
    bad: dict[str, tuple[bytes, str]] = {
        name: (zipped(edited(files, file, change)), code) for name, (file, change, code) in WRONG.items()
    }
    manifest = json.loads(files["manifest.json"])
    deep = b'{"number":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    bad |= {
        "nothing": (b"", "not-a-project"),
        "text": (b"Dear diary,\n" * 100, "not-a-project"),
        "another-zip": (zipped({"word/document.xml": b"<w/>"}, seal=False), "not-a-project"),
        "another-manifest": (zipped({"manifest.json": b'{"app": "other"}'}, seal=False), "not-a-project"),
        "cut": (good[: len(good) // 2], "project-damaged"),
        "only-its-beginning": (good[:4], "project-damaged"),
        "edited": (
            zipped({**files, "draft.json": files["draft.json"].replace(b"A draft", b"Mine")}, seal=False),
            "project-damaged",
        ),
        "missing": (zipped({n: d for n, d in files.items() if n != "goals.jsonl"}), "project-damaged"),
        "one-too-many": (zipped({**files, "../../etc/passwd": b"x"}), "project-damaged"),
        **{
            f"newer: {number!r}"[:20]: (
                zipped({"manifest.json": json.dumps({**manifest, "format": number, "files": 7}).encode()}, seal=False),
                "project-newer",
            )
            for number in (2, 2.5, "2", 10**300)
        },
        **{
            f"no format: {number!r}": (
                zipped({**files, "manifest.json": json.dumps({**manifest, "format": number}).encode()}, seal=False),
                "project-damaged",
            )
            for number in (0, 1.0, True, "1", "new", None)
        },
        "deep": (zipped({**files, "versions.jsonl": deep}), "project-damaged"),
        "not-utf8": (zipped({**files, "sources.jsonl": b"\xff\xfe\n"}), "project-damaged"),
    }
    for name, (data, code) in bad.items():
        problem = refused(bring(client, data), 422, code)
        assert problem["detail"].endswith("Nothing was imported."), name
        assert len(problem["detail"]) < 250, name
        assert ("newer release" in problem["detail"]) == (code == "project-newer")
    assert everything_in(db) == before


def test_no_more_is_brought_in_than_a_draft_may_have(client: TestClient, db: Database, desk: Desk) -> None:
    files = unzipped(export(client, desk.id))
    before = everything_in(db)
    for name, most in (("sources", 20), ("goals", 50), ("cards", projectfile.MOST_RECORDS)):
        last = files[f"{name}.jsonl"].splitlines(keepends=True)[-1]  # the last goal is not the active one
        problem = refused(
            bring(client, zipped({**files, f"{name}.jsonl": last * (most + 1)})), 413, "project-too-large"
        )
        assert f"{name}.jsonl has more than {most:,} lines" in problem["detail"]
    assert everything_in(db) == before
    most_goals = zipped({**files, "goals.jsonl": files["goals.jsonl"].splitlines(keepends=True)[-1] * 50})
    assert len(ok(client.get(f"/api/drafts/{ok(bring(client, most_goals), 201)['id']}"))["goals"]) == 50


def test_a_title_has_one_line_at_every_door(client: TestClient, db: Database) -> None:
    made = ok(client.post("/api/drafts", json={"title": "One\r\n# two\u2028three"}), 201)
    assert made["title"] == "One # two three"
    assert ok(client.patch(f"/api/drafts/{made['id']}", json={"title": " Four\n\nfive "}))["title"] == "Four five"
    assert ok(client.patch(f"/api/drafts/{made['id']}", json={"title": "\n"}))["title"] == "Untitled draft"
    files = unzipped(export(client, made["id"]))
    for title, told in (("Six\n\tseven", "Six seven"), (" \n", "Untitled draft")):
        data = zipped(edited(files, "draft.json", put(0, title=title)))
        assert ok(bring(client, data), 201)["title"] == told
    assert check(db) == []


def test_absurd_sizes_are_refused_before_they_are_unpacked(client: TestClient, db: Database) -> None:
    before = everything_in(db)
    manifest = json.dumps({"app": "spatialbalancing", "format": 1, "files": {}}).encode()
    bombs = {
        "declared": {"manifest.json": manifest, "versions.jsonl": b" " * 150_000_000},
        "long-line": {"manifest.json": b" " * 20_000_000},
        "many": {"manifest.json": manifest, **{f"f{i}": b"" for i in range(200)}},
        "brackets": {"manifest.json": b"[" + b"[]," * 300_000 + b"[]]"},
    }
    for files in bombs.values():
        data = zipped(files, seal=False)
        assert len(data) < 1_000_000
        refused(bring(client, data), 413, "project-too-large")
    lying = bytearray(zipped({"manifest.json": b" " * 10_000_000}, seal=False))
    at = lying.rindex(b"PK\x01\x02") + 24  # the size the directory declares
    lying[at : at + 4] = (100).to_bytes(4, "little")
    refused(bring(client, bytes(lying)), 422, "project-damaged")
    refused(bring(client, random.Random(1).randbytes(21_000_000)), 413, "too-large")
    assert everything_in(db) == before


def test_any_byte_may_be_wrong(client: TestClient, db: Database, desk: Desk) -> None:
    """Flipped, cut out, doubled or put in: refused in words, or it was in a place that says nothing; never a fault."""
    good = export(client, desk.id)
    rng = random.Random(20)
    brought = 0
    for _ in range(80):
        data = bytearray(good)
        at, length = rng.randrange(len(data)), rng.choice([1, 1, 1, 4, 100])
        match rng.randrange(4):
            case 0:
                data[at : at + length] = rng.randbytes(length)
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = data[at : at + length]
            case _:
                data[at:at] = rng.randbytes(length)
        answer = bring(client, bytes(data))
        if answer.status_code == 201:
            brought += 1
            assert export(client, answer.json()["id"]) == good
        else:
            assert answer.status_code in (413, 422), answer.text
            assert answer.json()["code"].startswith(("project-", "not-a-project"))
            assert answer.json()["detail"].endswith("Nothing was imported.")
    with db.read() as session:
        assert session.scalar(select(func.count()).select_from(Draft)) == 2 + brought
    assert check(db) == []


def test_any_value_may_be_wrong(client: TestClient, db: Database, desk: Desk) -> None:
    """Well-formed and sealed, with one value exchanged: refused in words, or kept so that all that must hold holds."""
    files = unzipped(export(client, desk.id))
    rng = random.Random(21)
    values = [
        None,
        True,
        -1,
        0,
        1,
        2,
        10**12,
        1e308,
        "",
        "x" * 300,
        "2026-01-01T00:00:00Z",
        [],
        {},
        [1],
        {"$ref": "version/1"},
    ]
    for _ in range(60):
        name = rng.choice([name for name in files if files[name] and name != "manifest.json"])
        data = edited(files, name, lambda lines: exchange(rng, lines, rng.choice(values)))
        answer = bring(client, zipped(data))
        assert answer.status_code in (201, 413, 422), (name, answer.text)
        if answer.status_code == 201:
            again = export(client, answer.json()["id"])
            assert export(client, ok(bring(client, again), 201)["id"]) == again
        else:
            assert answer.json()["detail"].endswith("Nothing was imported.")
    assert check(db) == []


def exchange(rng: random.Random, lines: list[Any], value: Any) -> None:
    line = rng.choice(lines)
    key = rng.choice(list(line))
    if isinstance(line[key], dict) and line[key] and rng.random() < 0.5:
        line = line[key]
        key = rng.choice(list(line))
    line[key] = value


def test_what_no_file_can_hold_is_not_exported(
    client: TestClient, db: Database, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projectfile, "MOST_UNPACKED", 1_000)
    refused(client.get(f"/api/drafts/{desk.id}/project.spatial"), 413, "project-too-large")
    assert log(client, "draft.exported") == []
