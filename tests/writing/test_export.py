"""What a session left behind, as files: complete, checkable, explained, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import zipfile
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db.engine import Database
from app.writing.events import CLIENT_EVENTS, server_events
from app.writing.export import (
    EVENT_COLUMNS,
    FORMULA,
    VERSION_COLUMNS,
    ExportError,
    cell,
    codebook,
    event_type,
    export,
    plain,
)
from tests.writing.desk import Desk

NASTY = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\tx",
    "＝1+1",
    "Said \"x\", then;\nwent, 'off' — שלום 👩‍🔬 <script>alert(1)</script>",
]
FILES = {"events.jsonl", "events.csv", "versions.csv", "codebook.md", "manifest.json"}


@pytest.fixture
def desk(client) -> Desk:
    """A session with a bit of everything, nasty texts and a model's answers among it."""
    made = Desk(client)
    for nasty in NASTY:
        made.type(made.paragraphs()[0], nasty)
    second = made.paragraphs()[1]
    made.run(made.ask(second["head"])["id"])
    batch = {
        "recorder": "00000000-0000-4000-8000-00000000000a",
        "events": [
            {"seq": 1, "client_ms": 5, "type": "copy", "chars": 3, "draft_id": made.id},
            {"seq": 2, "client_ms": 6, "type": "label.pressed", "label": "=1+1", "draft_id": made.id},
            {"seq": 3, "client_ms": 7, "type": "focus.lost"},
        ],
    }
    assert client.post("/api/events", json=batch).status_code == 200
    return made


@pytest.fixture
def db(app) -> Database:
    database: Database = app.state.db
    return database


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def stored(db: Database, query: str) -> int:
    with db.read() as session:
        return int(session.execute(text(query)).scalar_one())


def test_everything_is_exported_once_and_the_manifest_says_so(db, desk, tmp_path):
    out = tmp_path / "all"
    counts = export(db, out)
    assert {file.name for file in out.iterdir()} == FILES
    events, versions = rows(out / "events.csv"), rows(out / "versions.csv")
    lines = [json.loads(line) for line in (out / "events.jsonl").read_text("utf-8").splitlines()]
    assert len(events) == len(lines) == counts["events.csv"] == stored(db, "SELECT count(*) FROM event")
    assert len(versions) == counts["versions.csv"] == stored(db, "SELECT count(*) FROM version")
    assert [line["id"] for line in lines] == sorted({line["id"] for line in lines})
    manifest = json.loads((out / "manifest.json").read_text())
    assert set(manifest["files"]) == FILES - {"manifest.json"}
    for name, entry in manifest["files"].items():
        assert entry["sha256"] == hashlib.sha256((out / name).read_bytes()).hexdigest()
        assert entry.get("rows") == counts.get(name)


def test_texts_come_out_as_they_went_in(db, desk, tmp_path):
    export(db, tmp_path / "all")
    texts = {row["text"].removeprefix("'") for row in rows(tmp_path / "all" / "versions.csv")}
    assert set(NASTY) <= texts


def test_no_cell_is_a_formula(db, desk, tmp_path):
    export(db, tmp_path / "all")
    for name in ("events.csv", "versions.csv"):
        for row in rows(tmp_path / "all" / name):
            for column, value in row.items():
                number = re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", value)
                assert number or not value.startswith(FORMULA), (name, column, value)


@pytest.mark.parametrize("before", ["", " ", "\u00a0 ", "\ufeff", "\u200b", "\x0b", "\u2028", "'", "''", "' '"])
def test_white_space_and_apostrophes_before_a_formula_hide_it_from_nobody(before):
    for formula in ("=1+1", "+1", "-1", "@SUM(1)", "＝1"):
        assert cell(before + formula) == f"'{before}{formula}"
        assert plain(cell(before + formula)) == before + formula
    for harmless in ("words", "'tis", "1-2", "a = b"):
        assert cell(before + harmless) == before + harmless == plain(before + harmless)


def test_a_version_of_the_model_has_what_is_needed_to_make_it_again(db, desk, tmp_path):
    export(db, tmp_path / "all")
    made = [row for row in rows(tmp_path / "all" / "versions.csv") if row["operation"] == "label"]
    assert made
    for row in made:
        assert json.loads(row["prompt"])["messages"]
        assert json.loads(row["sampling"])["max_tokens"] > 0
        assert len(json.loads(row["parents"])) == 1
        assert row["seed"]
        assert row["model_id"] == "scripted"
        assert float(row["exposition"]) > 0


def test_one_draft_s_export_has_nothing_of_another(db, desk, client, tmp_path):
    other = Desk(client, "Whales sing.")
    export(db, tmp_path / "one", desk.id)
    for name in ("events.csv", "versions.csv"):
        assert {row["draft_id"] for row in rows(tmp_path / "one" / name)} == {desk.id}
    everything = "".join((tmp_path / "one" / name).read_text("utf-8") for name in FILES)
    assert "Whales" not in everything
    assert other.id not in everything


def test_a_zip_holds_the_same_files(db, desk, tmp_path):
    export(db, tmp_path / "all.zip", desk.id)
    export(db, tmp_path / "all", desk.id)
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert set(archive.namelist()) == FILES
        for name in FILES - {"manifest.json"}:
            assert archive.read(name) == (tmp_path / "all" / name).read_bytes()


def test_the_codebook_explains_every_event_field_and_column(db, desk, tmp_path):
    export(db, tmp_path / "all")
    book = (tmp_path / "all" / "codebook.md").read_text("utf-8")
    assert book == codebook()
    for event in (*CLIENT_EVENTS, *server_events()):
        section = book.split(f"### `{event_type(event)}`\n")[1].split("\n#")[0]
        assert section.strip()
        for name, field in event.model_fields.items():
            if name not in EVENT_COLUMNS:
                assert field.description, (event, name)
                assert f"| `{name}` | {field.description} |" in section
    for row in rows(tmp_path / "all" / "events.csv"):
        assert f"### `{row['type']}`" in book
        section = book.split(f"### `{row['type']}`\n")[1].split("\n#")[0]
        assert all(f"`{name}`" in section for name in json.loads(row["payload"]))
    assert list(rows(tmp_path / "all" / "versions.csv")[0]) == list(VERSION_COLUMNS)
    assert list(rows(tmp_path / "all" / "events.csv")[0]) == list(EVENT_COLUMNS)
    assert not [line for line in book.splitlines() if line.startswith("|") and line.endswith("|  |")]


def test_what_is_there_is_never_overwritten(db, desk, tmp_path):
    (tmp_path / "file").write_text("dear")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("dear")
    (tmp_path / "empty").mkdir()
    for name in ("file", "folder"):
        with pytest.raises(ExportError, match="already there"):
            export(db, tmp_path / name)
    assert (tmp_path / "folder" / "file").read_text() == (tmp_path / "file").read_text() == "dear"
    export(db, tmp_path / "empty")
    assert {file.name for file in (tmp_path / "empty").iterdir()} == FILES


def test_a_failed_export_leaves_nothing(db, desk, tmp_path):
    with pytest.raises(ExportError, match="no draft"):
        export(db, tmp_path / "out", "00000000-0000-4000-8000-000000000000")
    if os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(ExportError, match="can't be written"):
            export(db, tmp_path / "locked" / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="can't be written"):
        export(db, tmp_path / "file" / "out")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".export-*"))
